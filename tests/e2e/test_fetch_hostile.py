"""Servers and addresses that would have secrets, or time, that are not theirs."""

import itertools
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.addresses import filename_of, shown
from builder.cache import Cache
from builder.catalog import Source
from builder.errors import FetchError
from builder.fetch import RetryPolicy, fetch, pin
from builder.fetch.addresses import may_forward
from builder.fetch.streaming import iter_file
from builder.progress import Lines, Silent
from tests.support.judges import judge
from tests.support.program import Bench
from tests.support.server import Behaviour, answer_raw, serve

HURRY = RetryPolicy(attempts=2, connect=2, read=2, first_wait=0.01, longest_wait=0.1, whole=1)
CREDENTIALS = "me:SECRETPW@"
QUERY = "?X-Amz-Signature=SECRETSIG&token=SECRETTOK"
SPEC = """\
version: 1
name: a
target: rpi3
base: {{url: "{url}", sha256: {digest}}}
overlay: {{hostname: a}}
"""


def found_below(folder: Path, words: tuple[str, ...]) -> list[str]:
    """Return the files below a folder that hold one of some words, or are named so."""
    return [
        str(path)
        for path in folder.rglob("*")
        if any(word in str(path) for word in words)
        or (path.is_file() and any(word.encode() in path.read_bytes() for word in words))
    ]


def test_what_an_address_must_not_tell_stands_nowhere_but_in_the_spec(bench: Bench) -> None:
    bench.write("specs/base.yaml", "version: 1\nname: base\ntarget: rpi3\nbase: {sample: true}\n")
    base = bench.build("base")
    digest = judge("sha256sum", base).stdout.split()[0]
    content, words = base.read_bytes(), ("SECRETPW", "SECRETSIG", "SECRETTOK")
    for path in (*bench.output.iterdir(), bench.directory / "specs/base.yaml"):
        path.unlink()
    with serve(content, Behaviour(breaks=1, break_after=len(content) // 2)) as server:
        url = server.url.replace("//", f"//{CREDENTIALS}").replace("photon.ova", f"a.raw{QUERY}")
        bench.write("specs/a.yaml", SPEC.format(url=url, digest=digest))
        said = [bench.run("build", "a"), bench.run("plan", "a", "--json")]
        said += [bench.run("os-list", "output", "--url", "http://x/"), bench.run("build", "a")]
        assert server.log[0].headers["Authorization"] == "Basic bWU6U0VDUkVUUFc="
    said += [bench.run("nightly", "a"), bench.run("verify", "output/a.rpi3.raw.xz", "a")]
    (bench.directory / "specs/a.yaml").unlink()
    assert [run.code for run in said[:4]] == [0, 0, 0, 0], said
    assert json.loads(said[2].out)["os_list"]
    assert not [run for run in said for word in words if word in run.out + run.err]
    assert found_below(bench.directory, words) == []


def test_a_lock_file_holds_a_base_to_its_digest_without_the_secrets_of_its_address(
    bench: Bench,
) -> None:
    bench.write("specs/base.yaml", "version: 1\nname: base\ntarget: rpi3\nbase: {sample: true}\n")
    content = bench.build("base").read_bytes()
    path = bench.directory / "specs/photon-builder.lock"
    with serve(content) as server:
        plain = server.url.replace("photon.ova", "a.raw")
        url = plain.replace("//", f"//{CREDENTIALS}") + QUERY
        spec = SPEC.format(url=url, digest="").replace(", sha256: ", "")
        bench.write("specs/a.yaml", spec)
        assert "BASE002" in bench.run("check", "a").err
        done = bench.run("lock", "a")
        assert done.code == 0, done.err
        (key,) = json.loads(path.read_text())["files"]
        assert key == f"{plain}?X-Amz-Signature=…&token=…"
        bench.write("specs/a.yaml", spec.replace("SECRETSIG", "SECRETNEW"))
        bench.build("a")
        record = json.loads((bench.output / "a.rpi3.raw.xz.provenance.json").read_text())
        assert (record["base"]["published"], len(record["base"]["recorded"])) == ({}, 1)
        bench.run("cache", "gc", "--all")
        server.content = content[:-1] + b"!"
        done = bench.run("build", "a", "--force")
    assert done.code == 6
    assert f"remove the entry {key!r} from the lock file" in done.err
    (bench.directory / "specs/a.yaml").unlink()
    assert found_below(bench.directory, ("SECRETPW", "SECRETSIG", "SECRETNEW", "SECRETTOK")) == []


def test_a_mirror_of_the_environment_keeps_its_token_to_itself(
    cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(b"x" * 5_000_000, Behaviour(break_after=2_000_000)) as server:
        url = server.url.replace("//", f"//{CREDENTIALS}") + QUERY
        wanted = Source("photon.ova", (url,), {"md5": "0" * 32})
        with pytest.raises(FetchError) as caught:
            fetch(wanted, cache, Lines(), policy=HURRY)
    assert server.log[-1].headers["Range"], "it is not continued"
    assert "SECRET" not in str(caught.value) + capsys.readouterr().err
    assert found_below(cache.directory, ("SECRET",)) == []


@pytest.mark.parametrize(
    "address",
    [
        "http://me:SECRETPW@h:99999/x?sig=SECRETSIG",
        "http://me:SECRETPW@[::1/x?sig=SECRETSIG",
        "ftp://me:SECRETPW@h/x?sig=SECRETSIG",
        "http://me:SECRETPW@\u2100/x?sig=SECRETSIG",
        "http://me:SECRETPW@a b/x?sig=SECRETSIG",
        "http://me:SECRETPW@127.0.0.1:1/x?sig=SECRETSIG",
    ],
)
def test_an_address_is_never_said_whole(cache: Cache, address: str) -> None:
    with serve(b"", Behaviour(redirect=address)) as server:
        for url in (address, server.url):
            with pytest.raises(FetchError) as caught:
                fetch(Source("x", (url,), {"md5": "0" * 32}), cache, Silent(), policy=HURRY)
            assert "SECRET" not in str(caught.value)
    assert "SECRET" not in shown(address) + filename_of(address)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "netrc"
    path.write_text(
        "machine localhost login me password MYPASSWORD\n"
        "machine 127.0.0.1 login you password YOURS\n"
    )
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.usefixtures("netrc")
def test_a_password_never_becomes_a_token_for_somebody_else(cache: Cache) -> None:
    with (
        serve(b'{"token": "TOKENOFTHEUSER"}') as service,
        serve(b"x", Behaviour(token="TOKENOFTHEUSER")) as mirror,
    ):
        mirror.behaviour.realm = service.url.replace("127.0.0.1", "localhost")
        wanted = Source("x", (mirror.url,), {"md5": "0" * 32})
        with pytest.raises(FetchError, match="wanted one from its own host"):
            fetch(wanted, cache, Silent(), policy=HURRY)
        mirror.behaviour.realm = service.url
        with pytest.raises(FetchError):
            fetch(wanted, cache, Silent(), policy=HURRY)
    assert service.log, "its own host is asked"
    assert not [each for each in service.log if "Authorization" in each.headers]


@pytest.mark.usefixtures("netrc")
def test_a_password_stays_with_its_host_when_that_redirects(cache: Cache) -> None:
    with serve(b"there") as there, serve(b"") as here:
        here.behaviour.redirect = there.url
        pin(Source("x", (here.url,)), cache, Silent(), policy=HURRY)
    assert here.log[0].headers["Authorization"].startswith("Basic ")
    assert "Authorization" not in there.log[0].headers


def test_what_was_asked_for_by_tls_never_comes_in_the_clear(bench: Bench, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem",
         "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with serve(b"clear") as clear:
        answer = f"HTTP/1.1 302 Found\r\nLocation: {clear.url}\r\nContent-Length: 0\r\n\r\n"

        def redirect(connection: socket.socket) -> None:
            connection.sendall(answer.encode())

        with answer_raw(redirect, context) as address:
            url = address.replace("http://127.0.0.1", "https://localhost")
            bench.write(
                "specs/a.yaml", f"version: 1\nname: a\ntarget: ova\nbase: {{url: '{url}'}}\n"
            )
            done = bench.run("lock", "a", REQUESTS_CA_BUNDLE=str(tmp_path / "cert.pem"))
    assert done.code == 5
    assert f"it redirects to {clear.url}; wanted an https address" in done.err
    assert not clear.log
    assert not (bench.directory / "specs/photon-builder.lock").exists()


@pytest.mark.parametrize(
    ("start", "target", "allowed"),
    [
        ("https://a/x", "https://b/x", True),
        ("https://a/x", "http://a/x", False),
        ("https://127.0.0.1/x", "http://127.0.0.1/x", False),
        ("http://a/x", "http://b/x", True),
        ("http://a/x", "https://b/x", True),
        ("http://a/x", "http://127.0.0.1/x", False),
        ("http://a/x", "http://localhost/x", False),
        ("http://127.0.0.1/x", "http://127.0.0.1/y", True),
        ("http://a/x", "file:///etc/passwd", False),
        ("http://a/x", "http:///x", False),
        ("http://a/x", "http://[", False),
    ],
)
def test_a_download_is_forwarded_to_what_is_no_worse(
    start: str, target: str, *, allowed: bool
) -> None:
    assert may_forward(start, target) is allowed


def drip(*parts: bytes) -> Callable[[socket.socket], None]:
    """Return what sends the last of some parts for ever, slowly."""

    def answer(connection: socket.socket) -> None:
        for part in (*parts[:-1], *itertools.repeat(parts[-1], 200)):
            connection.sendall(part)
            time.sleep(0.05)

    return answer


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(HEAD, b"X"),
        drip(HEAD, b"X: y\r\n"),
        drip(HEAD + b"\r\n", b"x"),
        drip(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 9999\r\n\r\n", b"x"),
    ],
    ids=["continue", "header", "headers", "body", "redirect"],
)
def test_a_server_that_drips_is_given_up(
    answer: Callable[[socket.socket], None], cache: Cache
) -> None:
    content, begun = b"x" * 3000, time.monotonic()
    with answer_raw(answer) as slow, serve(content) as fast:
        verified = pin(Source("x", (slow, fast.url)), cache, Silent(), policy=HURRY)
        assert verified.path.read_bytes() == content
        with pytest.raises(FetchError):
            list(iter_file(slow, Silent(), policy=HURRY))
    assert time.monotonic() - begun < 15


def test_a_range_with_thousands_of_digits_is_a_reason() -> None:
    range_ = f"Content-Range: bytes {'9' * 5000}-5/7\r\n"

    def answer(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 206 x\r\n{range_}Content-Length: 0\r\n\r\n".encode())

    with answer_raw(answer) as url, pytest.raises(FetchError):
        list(iter_file(url, Silent(), start=5, policy=HURRY))
