"""Secrets outside of their place: `build` and `verify` say where they stand."""

import json
from pathlib import Path

import pytest

from builder.carriers.medium import BUNDLE
from builder.leaks import _PLACES
from tests.support.judges import judge
from tests.support.program import Bench

SECRETS = {"ROOTPW": "correct-horse-9", "DBPW": "dbpassword-xyz", "HASH": "$6$abcdefgh$" + "x" * 86}
SPEC = """\
version: 1
target: {target}
base: {{sample: "5.0"}}
{more}overlay:
  users:
    root: {{password: {{env: ROOTPW}}}}
    ada: {{uid: 1000, password: {{hash: {{env: HASH}}}}}}
  files:
    - {{path: /etc/app/token, content: {{env: DBPW}}}}
"""
LEAKING = """\
    - {path: /etc/app/app.conf, content: "db=dbpassword-xyz"}
    - {path: /etc/motd, lines: ["or correct-horse-9"]}
    - {path: /srv/web/tls.pem, source: tls.pem, mode: "0644"}
    - {path: /srv/own/tls.pem, source: tls.pem}
"""
TARGETS = {"ova": "", "iso": "install: {disk: /dev/sda}\n"}


@pytest.mark.parametrize("target", TARGETS)
def test_secrets_in_their_place_are_not_mentioned(target: str, bench: Bench) -> None:
    text = SPEC.format(target=target, more=TARGETS[target])
    spec = bench.write("specs/quiet.yaml", text)
    done = bench.run("build", spec, **SECRETS)
    assert done.code == 0, done.err
    artifact = next(bench.directory.glob("output/quiet*." + target))
    asked = bench.run("verify", artifact, spec, **SECRETS)
    assert (asked.code, asked.err) == (0, "")
    assert "SEC006" not in done.err
    beside = b"".join(p.read_bytes() for p in artifact.parent.glob("*.json"))
    for secret in SECRETS.values():
        assert secret.encode() not in beside


@pytest.mark.parametrize("target", TARGETS)
def test_secrets_outside_of_their_place_are_named(target: str, bench: Bench) -> None:
    bench.write("specs/tls.pem", judge("openssl", "genpkey", "-algorithm", "ed25519").stdout)
    text = SPEC.format(target=target, more=TARGETS[target]) + LEAKING
    spec = bench.write("specs/loud.yaml", text)
    done = bench.run("build", spec, **SECRETS)
    assert done.code == 0, done.err
    artifact = next(bench.directory.glob("output/loud*." + target))
    asked = bench.run("verify", artifact, spec, "--json", **SECRETS)
    leaks = json.loads(asked.out)["leaks"]
    for path in ("/etc/app/app.conf", "/etc/motd"):
        assert f"{path} holds a secret of the spec, and is not marked as one" in done.err
        assert f"{path} holds a secret of the spec, and is not marked as one" in leaks
    assert f"{artifact.name}.provenance.json holds a secret of the spec" in leaks
    keys = [leak for leak in leaks if "private key" in leak]
    wanted = "/var/srv/web/tls.pem holds a private key, and everybody can read it (0644)"
    assert keys == ([wanted] if target == "ova" else [])
    for secret in SECRETS.values():
        assert secret not in done.err + done.out + asked.out + asked.err


def test_the_envelope_is_looked_into_and_the_code_may_be_allowed(bench: Bench) -> None:
    more = "output: {annotation: 'ask for dbpassword-xyz'}\n"
    text = SPEC.format(target="ova", more=more)
    spec = bench.write("specs/told.yaml", text)
    done = bench.run("build", spec, **SECRETS)
    assert "warning[SEC006]: told.ova: the envelope of the appliance holds a secret" in done.err
    artifact = next(bench.directory.glob("output/told.ova"))
    spec = bench.write("specs/told.yaml", f"allow: [SEC006]\n{text}")
    asked = bench.run("verify", artifact, spec, **SECRETS)
    assert (asked.code, asked.err) == (0, "")


def test_a_key_is_found_without_a_spec(bench: Bench) -> None:
    bench.write("specs/tls.pem", judge("openssl", "genpkey", "-algorithm", "ed25519").stdout)
    text = SPEC.format(target="ova", more="") + LEAKING
    bench.run("build", bench.write("specs/key.yaml", text), **SECRETS)
    artifact = next(bench.directory.glob("output/key.ova"))
    asked = bench.run("verify", artifact)
    assert asked.err.count("SEC006") == 1
    assert "/var/srv/web/tls.pem holds a private key" in asked.err


def test_the_bundle_of_a_medium_is_a_place_of_secrets() -> None:
    assert str(BUNDLE) in _PLACES
    assert Path(BUNDLE).is_absolute()


def test_a_container_without_a_system_is_sound_all_the_same(bench: Bench) -> None:
    disk = bench.directory / "empty.img"
    judge("truncate", "-s", "8M", disk)
    judge("sgdisk", "-n", "1:0:0", disk)
    done = bench.run("verify", disk)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("command", ["inspect", "verify", "ls", "burn"])
def test_an_address_in_place_of_a_file_is_shown_without_what_lets_one_in(
    command: str, bench: Bench
) -> None:
    more = ("--to-file", "card.raw") if command == "burn" else ()
    done = bench.run(command, "http://me:correct-horse-9@host.example/x.ova?sig=dbpass-xyz", *more)
    assert done.code == 10, done.err
    assert "http://host.example/x.ova?sig=…: no such file or folder" in done.err
    assert "correct-horse-9" not in done.err + done.out
    assert "dbpass-xyz" not in done.err + done.out


PLAIN = {
    "base": "base: {url: 'ftp://me:correct-horse-9@host.example/x.ova?sig=correct-horse-9'}\n",
    "compose": "overlay: {compose: {app: {file: compose.yaml, secrets: {db: correct-horse-9}}}}\n",
    "image": "overlay: {compose: {app: {file: compose.yaml}}}\n",
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_secret_that_is_written_where_it_does_not_belong_is_not_repeated(
    name: str, bench: Bench
) -> None:
    image = "me:correct-horse-9@host.example/app:1"
    bench.write("specs/compose.yaml", f"services: {{app: {{image: '{image}'}}}}\n")
    base = "" if name == "base" else "base: {sample: true}\n"
    spec = bench.write("specs/plain.yaml", f"version: 1\ntarget: ova\n{base}{PLAIN[name]}")
    for arguments in (("check", spec), ("check", spec, "--json"), ("plan", spec), ("build", spec)):
        done = bench.run(*arguments)
        assert done.code == 3, done.err
        assert "correct-horse-9" not in done.err + done.out
