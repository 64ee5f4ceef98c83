"""Images pulled from registries into archives: skopeo, umoci and dockerd read what is made."""

import hashlib
import io
import json
import os
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from builder.cache import Cache
from builder.containers.pull import Pulled, Store
from builder.containers.registry import read_variant, resolve_variant
from builder.errors import BuilderError, DigestMismatch, FetchError
from builder.fetch.registry import Registries
from builder.fetch.wire import RetryPolicy
from builder.image_archive import Archive, Image, archives_of
from builder.image_names import parse_image_name
from builder.progress import Silent
from tests.support.bad_registry import Conduct, serve_badly
from tests.support.images import LOWER, UPPER, Layout, member, tar_of
from tests.support.judges import judge
from tests.support.registry import Registry, serve_registry

HURRY = RetryPolicy(attempts=3, connect=2, read=0.5, first_wait=0.01, longest_wait=0.1, whole=2)
NOISE = hashlib.shake_256(b"noise").digest(300_000)
BASE = tar_of([*LOWER, member("noise", NOISE)])
LAYERS = (BASE, tar_of(UPPER))
LOGIN = "me:secret"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with images in every form."""
    with serve_registry(tmp_path_factory.mktemp("registry")) as running:
        for name, kind, *options in (
            ("gz", "gz"),
            ("zst", "zst"),
            ("none", "none"),
            ("docker", "gz", "-f", "v2s2"),
        ):
            layout = Layout(tmp_path_factory.mktemp(name))
            push(running, layout, f"lab/{name}:1", layout.add(LAYERS, kind=kind), *options)
        several = Layout(tmp_path_factory.mktemp("several"))
        several.add([tar_of([member("of-arm")])], arch="arm64")
        several.add(LAYERS)
        push(running, several, "lab/several:1", several.index(), "--all")
        several.add([*LAYERS, tar_of([member("third")])])
        push(running, several, "lab/upon:1", several.manifests[-1])
        yield running


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", *PLACES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("DOCKER_AUTH_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def push(registry: Registry, layout: Layout, name: str, top: dict[str, Any], *options: str) -> None:
    folder = layout.finish(top)
    target = f"docker://{registry.host}/{name}"
    judge("skopeo", "copy", *options, "--dest-tls-verify=false", f"oci:{folder}:it", target)


def image_of(name: str, registries: Registries, platform: str = "linux/amd64") -> Image:
    named = parse_image_name(name)
    return Image(named, resolve_variant(named, platform, registries))


def pull(host: str, *names: str, cache: Path, platform: str = "linux/amd64") -> list[Pulled]:
    """Resolve and pull images; the first is what one archive alone holds."""
    with Registries(Silent(), HURRY) as registries:
        found = [image_of(f"{host}/{name}", registries, platform) for name in names]
        store = Store(Cache(cache), Silent(), registries)
        return [store.pull(archive) for archive in archives_of(found)]


def write(pulled: Pulled, path: Path) -> Path:
    with pulled.open() as stream:
        body = stream.read()
    assert len(body) == pulled.size
    assert hashlib.sha256(body).hexdigest() == pulled.sha256
    path.write_bytes(body)
    return path


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return what umoci unpacked: mode, links and content by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_nlink, content)
    return found


def unpacked(layout: Path, tag: str, folder: Path) -> dict[str, tuple[int, int, bytes]]:
    judge("umoci", "unpack", "--image", f"{layout}:{tag}", folder)
    return tree(folder / "rootfs")


@pytest.mark.parametrize("name", ["gz", "zst", "none", "docker", "several"])
def test_an_archive_is_what_the_registry_has(registry: Registry, name: str, tmp_path: Path) -> None:
    full = f"{registry.host}/lab/{name}:1"
    (pulled,) = pull(registry.host, f"lab/{name}:1", cache=tmp_path / "cache")
    made = write(pulled, tmp_path / "made.tar")
    raw = json.loads(registry.raw(f"lab/{name}:1"))
    for kind in ("docker-archive", "oci-archive"):
        told = json.loads(judge("skopeo", "inspect", f"{kind}:{made}").stdout)
        there = json.loads(judge("skopeo", "inspect", "--config", f"{kind}:{made}").stdout)
        wanted = judge(
            "skopeo", "inspect", "--tls-verify=false", "--config", f"docker://{full}"
        ).stdout
        assert there == json.loads(wanted)
        assert told["Architecture"] == "amd64"
        if kind == "oci-archive" and name != "several":
            assert told["Layers"] == [layer["digest"] for layer in raw["layers"]]
    with tarfile.open(made) as archive:
        assert all(each.mode == 0o644 and not each.mtime for each in archive.getmembers())
        archive.extractall(tmp_path / "layout", filter="data")
    entry = json.loads((tmp_path / "layout/index.json").read_text())["manifests"][0]
    assert entry["digest"] == registry.digest(f"lab/{name}:1")
    assert entry["annotations"]["io.containerd.image.name"] == full


@pytest.mark.skipif(os.geteuid() != 0, reason="device files are unpacked by root only")
@pytest.mark.parametrize("name", ["gz", "several"])
def test_umoci_unpacks_the_same_tree(registry: Registry, name: str, tmp_path: Path) -> None:
    (pulled,) = pull(registry.host, f"lab/{name}:1", cache=tmp_path / "cache")
    with tarfile.open(write(pulled, tmp_path / "made.tar")) as archive:
        archive.extractall(tmp_path / "layout", filter="data")
    source = f"docker://{registry.host}/lab/{name}:1"
    judge("skopeo", "copy", "--src-tls-verify=false", source, f"oci:{tmp_path / 'there'}:1")
    if name == "several":  # umoci picks no platform
        index = json.loads((tmp_path / "layout/index.json").read_text())
        there = json.loads((tmp_path / "there/index.json").read_text())
        index["manifests"][0] |= {
            key: there["manifests"][0][key] for key in ("digest", "size", "mediaType")
        }
        (tmp_path / "layout/index.json").write_text(json.dumps(index))
    found = unpacked(tmp_path / "layout", "1", tmp_path / "ours")
    assert found == unpacked(tmp_path / "there", "1", tmp_path / "theirs")
    assert "odd/gone" not in found
    assert found["odd/dir/shown"][2] == b"seen"


def test_the_same_bytes_come_from_a_cold_and_a_warm_cache(
    registry: Registry, tmp_path: Path
) -> None:
    (first,) = pull(registry.host, "lab/gz:1", cache=tmp_path / "one")
    (again,) = pull(registry.host, "lab/gz:1", cache=tmp_path / "one")
    (other,) = pull(registry.host, "lab/gz:1", cache=tmp_path / "two")
    made = [write(each, tmp_path / "made").read_bytes() for each in (first, again, other)]
    assert made[0] == made[1] == made[2]


def test_what_an_earlier_archive_brings_is_left_out(registry: Registry, tmp_path: Path) -> None:
    several, upon = pull(registry.host, "lab/several:1", "lab/upon:1", cache=tmp_path / "cache")
    made = write(upon, tmp_path / "upon.tar")
    assert upon.size < several.size
    with tarfile.open(made) as archive:
        names = {each.name for each in archive.getmembers()}
        told = json.load(archive.extractfile("manifest.json") or io.BytesIO())[0]["Layers"]
    assert [layer in names for layer in told] == [False, False, True]


def test_layers_in_zstd_are_packed_anew_for_an_old_engine(
    registry: Registry, tmp_path: Path
) -> None:
    made = []
    for folder in ("one", "one", "two"):
        with Registries(Silent(), HURRY) as registries:
            image = image_of(f"{registry.host}/lab/zst:1", registries)
            (archive,) = archives_of([image], reads_zstd=False)
            pulled = Store(Cache(tmp_path / folder), Silent(), registries).pull(archive)
        made.append(write(pulled, tmp_path / "made.tar").read_bytes())
    assert made[0] == made[1] == made[2]
    for kind in ("docker-archive", "oci-archive"):
        told = judge("skopeo", "inspect", "--config", f"{kind}:{tmp_path / 'made.tar'}").stdout
        source = f"docker://{registry.host}/lab/zst:1"
        there = judge("skopeo", "inspect", "--tls-verify=false", "--config", source).stdout
        assert json.loads(told) == json.loads(there)
    with tarfile.open(tmp_path / "made.tar") as archive_file:
        names = [each for each in archive_file.getmembers() if each.name.startswith("blobs/")]
        heads = [(archive_file.extractfile(each) or io.BytesIO()).read(4) for each in names]
    assert b"\x28\xb5\x2f\xfd" not in heads
    judge("skopeo", "copy", f"oci-archive:{tmp_path / 'made.tar'}", f"dir:{tmp_path / 'copy'}")


def test_without_a_network_the_cache_is_enough(registry: Registry, tmp_path: Path) -> None:
    with Registries(Silent(), HURRY) as registries:
        image = image_of(f"{registry.host}/lab/several:1", registries)
        pulled = Store(Cache(tmp_path / "cache"), Silent(), registries).pull(Archive(image))
    offline = Store(Cache(tmp_path / "cache"), Silent(), None).pull(Archive(image))
    assert offline.sha256 == pulled.sha256
    with pytest.raises(FetchError, match="the network must not be used"):
        Store(Cache(tmp_path / "empty"), Silent(), None).pull(Archive(image))


def test_a_platform_that_is_not_there_is_named_with_those_that_are(
    registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match="no variant for linux/ppc64le; it has linux/amd64"):
        pull(registry.host, "lab/several:1", cache=tmp_path, platform="linux/ppc64le")


@pytest.mark.parametrize(("kind", "times"), [("gz", 1), ("none", 1), ("zst", 0)])
def test_what_an_image_unpacks_to_is_known_before_it_is_pulled(
    registry: Registry, kind: str, times: int
) -> None:
    with Registries(Silent(), HURRY) as registries:
        name = parse_image_name(f"{registry.host}/lab/{kind}:1")
        found = read_variant(name, "linux/amd64", registries)
    told = sum(layer.size for layer in found.layers) * 3 if not times else sum(map(len, LAYERS))
    assert found.unpacked == told


def bad(conduct: Conduct, tmp_path: Path, **image: Any) -> tuple[Pulled, Any]:  # noqa: ANN401
    layout = Layout(tmp_path / "layout")
    top = layout.add(image.pop("layers", LAYERS), **image)
    with ExitStack() as stack:
        asked = stack.enter_context(serve_badly(layout.folder, top, conduct))
        if conduct.storage:
            storage = stack.enter_context(serve_badly(layout.folder, top, Conduct()))
            conduct.storage = f"http://{storage.host}"
            (pulled,) = pull(asked.host, "lab/app:1", cache=tmp_path / "cache")
            return pulled, storage
        (pulled,) = pull(asked.host, "lab/app:1", cache=tmp_path / "cache")
    return pulled, asked


def left(cache: Path) -> set[int]:
    """Return the sizes of what is in the cache or on its way there, manifests aside."""
    sizes = {path.stat().st_size for path in (cache / "blobs").rglob("*") if path.is_file()}
    sizes |= {path.stat().st_size for path in (cache / "partial").rglob("*")}
    return {size for size in sizes if size > 2000}


@pytest.mark.parametrize(
    ("conduct", "said", "kind"),
    [
        (Conduct(changes=True), "layer [0-9a-f]{12}: the registry sent other bytes than sha256:",
         DigestMismatch),
        (Conduct(adds=4), r"it offers \d+ bytes; the manifest says", FetchError),
        (Conduct(gives_token=True, token="bad"), "401 Unauthorized: the image does not exist, or",
         FetchError),
        (Conduct(login=LOGIN), "401 Unauthorized: the image does not exist, or is private",
         FetchError),
        (Conduct(throttles=9), "429 Too Many Requests, 3 times", FetchError),
    ],
)  # fmt: skip
def test_a_registry_that_behaves_badly_is_named_and_nothing_is_kept(
    conduct: Conduct, said: str, kind: type[BuilderError], tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        bad(conduct, tmp_path)
    assert not left(tmp_path / "cache")


@pytest.mark.parametrize(
    "conduct",
    [
        Conduct(cuts=2),
        Conduct(cuts=2, ranges=False),
        Conduct(throttles=2),
        Conduct(gives_token=True),
        Conduct(storage="yes"),
    ],
)
def test_a_transfer_that_breaks_off_gives_equal_bytes(conduct: Conduct, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    pulled, _ = bad(conduct, tmp_path)
    plain, _ = bad(Conduct(), tmp_path / "plain")
    with pulled.open() as one, plain.open() as other:
        # The names differ by the port.
        assert one.read()[10240:] == other.read()[10240:]


def test_a_transfer_is_continued_by_the_next_run(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"broke off after \d+ of \d+ bytes|the connection broke"):
        bad(Conduct(cuts=99), tmp_path)
    assert left(tmp_path / "cache")
    pulled, _ = bad(Conduct(), tmp_path)
    assert pulled.size > len(NOISE)


def test_a_damaged_part_of_an_earlier_run_is_fetched_anew(tmp_path: Path) -> None:
    with pytest.raises(FetchError):
        bad(Conduct(cuts=99), tmp_path)
    (part,) = (each for each in (tmp_path / "cache/partial").iterdir() if each.suffix != ".json")
    body = part.read_bytes()
    part.write_bytes(body[:2000] + b"damage" + body[2006:])
    pulled, _ = bad(Conduct(), tmp_path)
    assert pulled.size > len(NOISE)


@pytest.mark.parametrize("gives_token", [True, False])
def test_credentials_go_to_the_registry_alone(
    gives_token: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = Layout(tmp_path / "layout")
    top = layout.add(LAYERS)
    auth = b64encode(LOGIN.encode()).decode()
    with serve_badly(layout.folder, top, Conduct()) as storage:
        conduct = Conduct(login=LOGIN, gives_token=gives_token, storage=f"http://{storage.host}")
        with serve_badly(layout.folder, top, conduct) as asked:
            given = {"auths": {f"https://{asked.host}/v1/": {"auth": auth}}}
            monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps(given))
            (pulled,) = pull(asked.host, "lab/app:1", cache=tmp_path / "cache")
    assert pulled.size
    assert storage.counts
    assert storage.sent == []
    basic = [path for path, value in asked.sent if value == f"Basic {auth}"]
    assert all(path.startswith("/token") for path in basic) == gives_token


PLACES = {
    "REGISTRY_AUTH_FILE": "any.json",
    "XDG_RUNTIME_DIR": "containers/auth.json",
    "DOCKER_CONFIG": "config.json",
    "HOME": ".docker/config.json",
}


@pytest.mark.parametrize("variable", PLACES)
def test_credentials_are_read_where_docker_and_podman_keep_them(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "layout")
    top = layout.add(LAYERS)
    with serve_badly(layout.folder, top, Conduct(login=LOGIN)) as asked:
        file = tmp_path / PLACES[variable]
        file.parent.mkdir(exist_ok=True)
        auth = b64encode(LOGIN.encode()).decode()
        file.write_text(json.dumps({"auths": {f"{asked.host}/lab": {"auth": auth}}}))
        named = file if variable == "REGISTRY_AUTH_FILE" else tmp_path
        monkeypatch.setenv(variable, str(named))
        (pulled,) = pull(asked.host, "lab/app:1", cache=tmp_path / "cache")
    assert pulled.size


WRONG = f"sha256:{'7' * 64}"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ({"diff_ids": [WRONG, WRONG]}, f"the configuration of its image says {WRONG}"),
        ({"diff_ids": [WRONG]}, "it names 2 layers, and its configuration 1"),
        ({"layers": [tar_of([member("../../x", NOISE)])]}, "leads out of the image"),
        ({"layers": [BASE[:200_000]]}, "in the middle of a file"),
        ({"manifest": {"layers": []}}, "it names no layers"),
        ({"manifest": {"layers": [{"mediaType": FOREIGN, "digest": WRONG, "size": 3}]}},
         "found a layer of the type"),
        ({"manifest": {"mediaType": "application/vnd.docker.distribution.manifest.v1+json"}},
         "found media type"),
    ],
)  # fmt: skip
def test_an_image_that_is_not_valid_is_refused(
    image: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(FetchError, match=said):
        bad(Conduct(), tmp_path, **image)
    assert not any((tmp_path / "cache/partial").glob("sha256-*"))
