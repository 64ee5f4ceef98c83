"""`lock` against a real registry, and against servers that answer in every wrong way."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from builder.cli import run as run_program
from builder.errors import DigestMismatch, FetchError
from builder.fetch.addresses import may_lead
from builder.fetch.registry import LARGEST, Registries
from builder.fetch.wire import RetryPolicy
from builder.image_names import Pin, parse_image_name
from builder.lock import NAME
from builder.pinning import resolve
from builder.progress import Silent
from builder.structs import replace
from tests.support.program import Bench
from tests.support.registry import INDEX, Registry, serve_registry
from tests.support.server import Behaviour, Served, closed_port, serve

BOTH = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")
HURRY = RetryPolicy(attempts=3, connect=2, read=0.3, first_wait=0.01, longest_wait=0.4, whole=1)
DIGEST = f"sha256:{'1' * 64}"
PLATFORM = {"os": "linux", "architecture": "amd64"}
BODY = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [{"digest": DIGEST, "platform": PLATFORM}],
    }
).encode()
TOLD = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
PINNED = Pin(TOLD, {"linux/amd64": DIGEST})
SPEC = """\
version: 1
name: lab
target: ova
base: {sample: true}
overlay:
  users: {root: {password: {env: ROOT_PASSWORD}}}
  docker: {compose_plugin: base}
  compose: {app: {file: compose.yaml, env: {TAG: "1.0", KEY: {env: KEY}}}}
"""
COMPOSE = """\
services:
  app:
    image: HOST/lab/app:${TAG}
    restart: always
    environment: {KEY: "${KEY}"}
  web:
    image: HOST/lab/web:${WEB:-stable}
    restart: always
"""
SECRETS = {"ROOT_PASSWORD": "correct-horse-7", "KEY": "y"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with two images for all platforms and one for a single one."""
    with serve_registry(tmp_path_factory.mktemp("registry")) as running:
        running.push("lab/app:1.0", BOTH, "--all")
        running.push("lab/web:stable", BOTH, "--all", "--format=v2s2")
        running.push("lab/single:1", ("linux/amd64",))
        running.push("lab/docker:1", ("linux/amd64",), "--format=v2s2")
        running.push("lab/arm:1", ("linux/arm64/v8", "linux/arm/v7"), "--all")
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def lab(bench: Bench, host: str, compose: str = COMPOSE) -> Path:
    """Write the spec of a compose project whose images lie at ``host``."""
    bench.write("specs/compose.yaml", compose.replace("HOST", host))
    bench.write("specs/lab.yaml", SPEC)
    return bench.directory / "specs" / NAME


def ask(name: str, policy: RetryPolicy = HURRY) -> Pin:
    with Registries(Silent(), policy) as registries:
        return resolve(parse_image_name(name), registries)


def asking(server: Served) -> Pin:
    return ask(f"{server.url.split('/')[2]}/lab/app:1")


@pytest.mark.parametrize("name", ["lab/app:1.0", "lab/web:stable"])
def test_an_index_is_what_skopeo_says_it_is(registry: Registry, name: str) -> None:
    raw = json.loads(registry.raw(name))
    found = ask(f"{registry.host}/{name}")
    assert found.digest == registry.digest(name)
    assert list(found.platforms.values()) == [entry["digest"] for entry in raw["manifests"]]
    assert list(found.platforms) == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    for digest in found.platforms.values():
        assert registry.digest(f"{name.partition(':')[0]}@{digest}") == digest


@pytest.mark.parametrize("name", ["lab/single:1", "lab/docker:1"])
def test_an_image_for_one_platform_says_in_its_configuration_which(
    registry: Registry, name: str
) -> None:
    digest = registry.digest(name)
    assert ask(f"{registry.host}/{name}") == Pin(digest, {"linux/amd64": digest})


def test_a_spec_is_locked_built_and_proved(registry: Registry, bench: Bench) -> None:
    path = lab(bench, registry.host)
    done = bench.run("lock", "lab")
    assert done.code == 0, done.err
    kept = json.loads(path.read_text())["images"]
    app, web = f"{registry.host}/lab/app:1.0", f"{registry.host}/lab/web:stable"
    assert list(kept) == [app, web]
    assert kept[app]["digest"] == registry.digest("lab/app:1.0")
    assert list(kept[app]["platforms"]) == ["linux/amd64", "linux/arm64"]

    planned = bench.run("plan", "lab", **SECRETS)
    assert f"image     {app}  (app/app, {kept[app]['digest']})" in planned.out
    assert "CMP007" not in planned.err
    artifact = bench.build("lab", **SECRETS)
    told = bench.run("cat", artifact, "/opt/compose/app/compose.override.yaml").out
    for name in (app, web):
        assert f'image: "{name}@{kept[name]["digest"]}"' in told
    compose = bench.run("cat", artifact, "/opt/compose/app/compose.yaml").out
    assert compose == (bench.directory / "specs/compose.yaml").read_text()
    assert bench.run("verify", artifact, "lab", **SECRETS).code == 0
    record = json.loads(artifact.with_name(f"{artifact.name}.provenance.json").read_text())
    assert record["images"] == {name: kept[name]["digest"] for name in (app, web)}


def test_the_blobs_of_shipped_images_are_locked(registry: Registry, bench: Bench) -> None:
    path = lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    digest = registry.digest("lab/single:1")
    compose = COMPOSE.replace("HOST/lab/web:${WEB:-stable}", f"HOST/lab/single@{digest}")
    lab(bench, registry.host, compose)
    spec = SPEC.replace("{file: compose.yaml,", "{file: compose.yaml, preload: true,")
    bench.write("specs/lab.yaml", spec)
    assert bench.run("lock", "lab").code == 0
    images = json.loads(path.read_text())["images"]
    app, single = f"{registry.host}/lab/app:1.0", f"{registry.host}/lab/single@{digest}"
    assert images[app]["digest"] == registry.digest("lab/app:1.0")
    for name in (app, single):
        blobs = images[name]["blobs"]["linux/amd64"]
        manifest = blobs["manifest"].split()[0]
        assert manifest == images[name]["platforms"]["linux/amd64"]
        repository = name.partition("/")[2].partition("@")[0].partition(":")[0]
        raw = json.loads(registry.raw(f"{repository}@{manifest}"))
        told = [f"{each['digest']} {each['size']} {each['mediaType']}" for each in raw["layers"]]
        assert blobs["layers"] == told
        assert blobs["unpacked"] == 10240  # skopeo packs the layer with gzip
    assert "index" in images[app]["blobs"]["linux/amd64"]
    assert "index" not in images[single]["blobs"]["linux/amd64"]
    assert "nothing to lock" in bench.run("lock", "lab").out


def test_what_is_pinned_stays_until_it_is_asked_for_anew(tmp_path: Path, bench: Bench) -> None:
    with serve_registry(tmp_path) as registry:
        registry.push("lab/app:1.0", BOTH, "--all")
        registry.push("lab/web:stable", BOTH, "--all")
        path = lab(bench, registry.host)
        assert bench.run("lock", "lab").code == 0
        artifact = bench.build("lab", **SECRETS)
        before, old = path.read_text(), registry.digest("lab/app:1.0")
        for name in ("lab/app:1.0", "lab/web:stable"):
            registry.push(name, BOTH, "--all", text="2")
        new = registry.digest("lab/app:1.0")
        assert "nothing to lock" in bench.run("lock", "lab").out
        assert path.read_text() == before

        done = bench.run("lock", "lab", "--update", f"{registry.host}/lab/app")
        assert f"{new}  {registry.host}/lab/app:1.0  (was {old})" in done.out
        known, now = (json.loads(text)["images"] for text in (before, path.read_text()))
        app, web = f"{registry.host}/lab/app:1.0", f"{registry.host}/lab/web:stable"
        assert (now[app]["digest"], now[web]) == (new, known[web])
        assert now[app]["platforms"].items().isdisjoint(known[app]["platforms"].items())
        assert bench.run("verify", artifact, "lab", **SECRETS).code == 11, "the plan is another"
        done = bench.run("lock", "--update", "lab")
        assert "lab/app:1.0  (as before)" in done.out
        assert registry.digest("lab/web:stable") in path.read_text()


def test_a_second_run_asks_nobody(registry: Registry, bench: Bench) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    path = lab(bench, registry.host)
    text = path.read_text().replace(registry.host, "127.0.0.1:1")
    path.write_text(text)
    lab(bench, "127.0.0.1:1")
    assert bench.run("lock", "lab").code == 0
    assert path.read_text() == text


def test_an_image_that_does_not_run_there_is_refused(registry: Registry, bench: Bench) -> None:
    path = lab(bench, registry.host, "services: {a: {image: 'HOST/lab/arm:1', restart: always}}\n")
    done = bench.run("lock", "lab")
    assert done.code == 3
    assert "compose.yaml:1:23: error[CMP006]" in done.err
    assert "no variant for linux/amd64; it has linux/arm/v7, linux/arm64" in done.err
    assert not path.exists()


def test_a_card_needs_the_variant_for_its_processor(registry: Registry, bench: Bench) -> None:
    compose = "services: {a: {image: 'HOST/lab/single:1', restart: always}}\n"
    path = lab(bench, registry.host, compose)
    assert bench.run("lock", "lab").code == 0
    bench.write("specs/lab.yaml", SPEC.replace("target: ova", "target: rpi3"))
    for command in ("lock", "check"):
        done = bench.run(command, "lab", **SECRETS)
        assert (done.code, "no variant for linux/arm64; it has linux/amd64" in done.err) == (
            3,
            True,
        )
    path.unlink()
    lab(bench, registry.host, compose.replace("single", "arm"))
    bench.write("specs/lab.yaml", SPEC.replace("target: ova", "targets: [rpi3]"))
    assert bench.run("lock", "lab").code == 0


def test_a_project_that_cannot_be_read_is_not_passed_over(bench: Bench) -> None:
    lab(bench, "127.0.0.1:1")
    (bench.directory / "specs/compose.yaml").unlink()
    done = bench.run("lock", "lab")
    assert (done.code, "compose.yaml" in done.err) == (3, True)


def test_without_a_network_the_address_is_named_and_nothing_is_written(bench: Bench) -> None:
    host = f"127.0.0.1:{closed_port()}"
    path = lab(bench, host)
    other = {f"{host}/lab/web:stable": {"digest": DIGEST, "platforms": {"linux/amd64": DIGEST}}}
    text = json.dumps({"schema": "photon-builder/lock/v1", "files": {}, "images": other})
    path.write_text(text)
    for arguments in (("lock", "lab"), ("lock", "lab", "--update")):
        done = bench.run(*arguments)
        assert done.code == 5
        assert f"http://{host}/v2/lab/" in done.err
        assert path.read_text() == text


def test_only_images_of_the_spec_can_be_updated(registry: Registry, bench: Bench) -> None:
    lab(bench, registry.host)
    done = bench.run("lock", "lab", "--update", "nginx")
    assert (done.code, f"{registry.host}/lab/app:1.0" in done.err) == (2, True)
    assert bench.run("lock", "lab", "nginx").code == 2
    assert bench.run("lock", "lab", "--update", "NGINX").code == 2


def test_json_has_the_digests(registry: Registry, bench: Bench) -> None:
    lab(bench, registry.host)
    rows = json.loads(bench.run("lock", "lab", "--json").out)["rows"]
    assert [row["digest"] for row in rows] == [
        registry.digest("lab/app:1.0"),
        registry.digest("lab/web:stable"),
    ]
    (planned,) = json.loads(bench.run("plan", "lab", "--json", **SECRETS).out)["plans"]
    assert [row["digest"] for row in planned["images"]] == [row["digest"] for row in rows]


def test_an_override_of_the_users_own_is_a_contradiction(registry: Registry, bench: Bench) -> None:
    lab(bench, registry.host)
    assert bench.run("lock", "lab").code == 0
    for name in ("compose.override.yaml", "compose.override.yml"):
        files = f"  files: [{{path: /opt/compose/app/{name}, content: 'services: {{}}'}}]\n"
        bench.write("specs/lab.yaml", SPEC + files)
        done = bench.run("check", "lab", **SECRETS)
        assert (done.code, "PLAN001" in done.err, name in done.err) == (3, True, True)


def test_a_token_is_fetched_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cret-edge-7\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    told = {"Docker-Content-Digest": TOLD}
    with serve(BODY, Behaviour(token="abc.d", headers=told)) as server:
        name = parse_image_name(f"{server.url.split('/')[2]}/lab/app:1")
        with Registries(Silent(), HURRY) as registries:
            assert resolve(name, registries) == PINNED
            assert resolve(name, registries) == PINNED
    sent = [exchange.headers.get("Authorization") for exchange in server.log]
    assert sent == [None, None, "Bearer abc.d", "Bearer abc.d"]
    assert server.log[1].path == "/token?service=registry&scope=pull"
    assert "application/vnd.oci.image.index.v1+json" in server.log[0].headers["Accept"]


def test_a_redirect_is_followed_without_the_token() -> None:
    with ExitStack() as stack:
        there = stack.enter_context(serve(BODY))
        here = stack.enter_context(serve(b"", Behaviour(redirect=there.url)))
        name = parse_image_name(f"{here.url.split('/')[2]}/lab/app:1")
        registries = stack.enter_context(Registries(Silent(), HURRY))
        assert resolve(name, registries) == PINNED
        here.behaviour.redirect = None
        here.content, here.behaviour.token = BODY, "abc"
        assert resolve(name, registries) == PINNED
        here.behaviour.redirect = there.url
        assert resolve(name, registries) == PINNED
    assert here.log[-1].headers["Authorization"] == "Bearer abc"
    assert "Authorization" not in there.log[-1].headers


def test_a_token_goes_to_the_host_that_asks_for_it() -> None:
    with (
        serve(BODY, Behaviour(token="abc")) as there,
        serve(b"", Behaviour(redirect=there.url)) as here,
    ):
        assert asking(here) == PINNED
    assert there.log[-1].headers["Authorization"] == "Bearer abc"
    assert not [exchange for exchange in here.log if "Authorization" in exchange.headers]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (
            Behaviour(redirect="http://registry.example/x"),
            "redirects to http://registry.example/x;",
        ),
        (Behaviour(redirect="ftp://127.0.0.1/x"), "redirects to ftp://127.0.0.1/x;"),
        (Behaviour(redirect="http://["), "redirects to http://.*not a valid address"),
        (Behaviour(redirect="/v2/again"), "too many redirects .5."),
        (Behaviour(token="a", realm="http://auth.example/t?k=s"), "token from http://auth.example"),
        (Behaviour(token="a", realm="file:///etc/passwd"), "token from file:"),
        (Behaviour(token="a", given="b"), "401 Unauthorized: the image does not exist, or is"),
        (Behaviour(token="a", given="b\\n c"), "401 Unauthorized: the image does not exist, or"),
        (Behaviour(statuses=(401,) * 9), "401 Unauthorized: the image does not exist, or is"),
        (Behaviour(statuses=(403,)), "403 Forbidden: the image does not exist, or is"),
        (Behaviour(statuses=(404,)), "404 Not Found: the image or the tag does not exist"),
        (Behaviour(statuses=(400,)), "answers 400 Bad Request"),
        (Behaviour(statuses=(503,) * 9), "503 Service Unavailable, 3 times"),
        (Behaviour(content_type="text/html; charset=x"), "a web page instead"),
        (Behaviour(length_error=5_000_000), "offers 5000"),
        (Behaviour(length_error=5), "the connection broke, 3 times"),
        (Behaviour(break_after=20), "the connection broke, 3 times"),
        (Behaviour(stall_after=20), "it stopped answering, 3 times"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_registry_that_gives_nothing_is_named_with_the_reason(
    behaviour: Behaviour, said: str
) -> None:
    with serve(BODY, behaviour) as server, pytest.raises(FetchError, match=said) as caught:
        asking(server)
    assert server.url.replace("photon.ova", "v2/lab/app/manifests/1") in str(caught.value)
    assert caught.value.exit_code == 5
    assert len(server.log) <= 7


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "is not a valid image: found media type"),
        (b"<html>", "is not a valid image: it is not valid JSON"),
        (BODY[:-5], "is not a valid image: it is not valid JSON"),
        (b"x" * (LARGEST + 1), f"offers {LARGEST + 1} bytes; wanted at most {LARGEST}"),
    ],
    ids=["empty", "html", "cut", "huge"],
)
def test_an_answer_that_is_no_image_is_said(content: bytes, said: str) -> None:
    with serve(content) as server, pytest.raises(FetchError, match=said) as caught:
        asking(server)
    assert caught.value.exit_code == 5


def test_an_answer_without_a_length_ends_at_the_limit() -> None:
    with serve(b"x" * 3 * LARGEST, Behaviour(length=False)) as server:
        with pytest.raises(FetchError, match=f"sends more than {LARGEST} bytes"):
            asking(server)
        server.content = BODY
        assert asking(server) == PINNED


def test_an_answer_that_drips_is_given_up() -> None:
    hurry = replace(HURRY, whole=0.15, attempts=1)
    with serve(BODY + b" " * 600_000, Behaviour(rate=1_000_000)) as server:
        host = server.url.split("/")[2]
        with pytest.raises(FetchError, match="it answers too slowly"):
            ask(f"{host}/lab/app:1", hurry)
        assert server.sent < 600_000
        server.behaviour.rate = 0
        assert ask(f"{host}/lab/app:1", hurry).platforms == PINNED.platforms


def test_an_answer_of_another_digest_is_not_believed() -> None:
    with serve(BODY, Behaviour(headers={"Docker-Content-Digest": DIGEST})) as server:
        with pytest.raises(DigestMismatch, match=f"{TOLD}, wanted {DIGEST}") as caught:
            asking(server)
        assert caught.value.exit_code == 6
    with serve(BODY) as server, Registries(Silent(), HURRY) as registries:
        name = parse_image_name(f"{server.url.split('/')[2]}/lab/app@{DIGEST}")
        with pytest.raises(DigestMismatch, match=DIGEST):
            resolve(name, registries)


def test_a_busy_registry_is_waited_for() -> None:
    with serve(BODY, Behaviour(statuses=(429, 429), retry_after="1")) as server:
        notes: list[str] = []

        class Notes(Silent):
            """Keeps what is said."""

            def phase(self, text: str) -> None:
                notes.append(text)

        with Registries(Notes(), HURRY) as registries:
            name = parse_image_name(f"{server.url.split('/')[2]}/lab/app:1")
            assert resolve(name, registries) == PINNED
    assert [text.partition("again in ")[2] for text in notes[1:]] == ["0.4 s", "0.4 s"]


@pytest.mark.parametrize(
    ("start", "target", "allowed"),
    [
        ("https://r.io/v2/", "https://cdn.io/x", True),
        ("https://r.io/v2/", "http://cdn.io/x", False),
        ("https://r.io/v2/", "http://127.0.0.1/x", False),
        ("https://r.io/v2/", "https:///x", False),
        ("http://localhost:5000/v2/", "http://127.0.0.9/x", True),
        ("http://[::1]:5000/v2/", "http://localhost/x", True),
        ("http://localhost:5000/v2/", "http://10.0.0.1/x", False),
        ("http://localhost:5000/v2/", "https://cdn.io/x", True),
        ("http://localhost.evil.io/", "http://127.0.0.1/x", False),
    ],
)
def test_an_address_leads_to_tls_or_from_loopback_to_loopback(
    start: str, target: str, *, allowed: bool
) -> None:
    assert may_lead(start, target) is allowed


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("nginx", "https://registry-1.docker.io/v2/library/nginx/manifests/latest"),
        ("pihole/pihole:1", "https://registry-1.docker.io/v2/pihole/pihole/manifests/1"),
        ("ghcr.io/a/b:c", "https://ghcr.io/v2/a/b/manifests/c"),
        ("localhost:9/b:c", "http://localhost:9/v2/b/manifests/c"),
    ],
)
def test_every_registry_has_its_address(
    name: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(FetchError) as caught:
        ask(name, RetryPolicy(attempts=1, connect=1))
    assert str(caught.value).startswith(f"{address}: ")


def test_explain_tells_of_lock(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["explain", "CMP007"]) == 0
    assert "photon-builder lock SPEC" in capsys.readouterr().out
