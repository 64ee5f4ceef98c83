"""Many random changes of ISO 9660 images against a model, and large images."""

import hashlib
import random
import sys
from pathlib import Path, PurePosixPath

import pytest

from builder.blob import Blob
from builder.formats.iso9660 import AddDirectory, AddFile, AddSymlink, Edit, Remove, open_iso
from tests.support.bases import cache_folder
from tests.support.isos import (
    TIMESTAMP,
    approve,
    boot_report,
    change,
    contents,
    extract,
    list_tree,
    make_iso,
)
from tests.support.judges import judge

_PROTECTED = ("/", "/isolinux", "/isolinux/isolinux.bin", "/isolinux/boot.cat")
_Tree = dict[str, dict[str, str]]


class _Model:
    """A tree as libarchive lists it, with edits that fit it."""

    def __init__(self, tree: _Tree, seed: int, longest: int) -> None:
        self.tree = tree
        self.numbers = random.Random(seed)
        self.longest = longest

    def edit(self) -> Edit:
        """Return a random edit, and take it into the model."""
        pick = self.numbers.random()
        if pick < 0.55:
            return self._file()
        if pick < 0.7:
            return self._directory()
        if pick < 0.8:
            return self._symlink()
        return self._remove()

    def _pick(self, *kinds: str) -> str:
        names = [name for name, node in self.tree.items() if node["type"] in kinds]
        return self.numbers.choice(sorted(names))

    def _name(self) -> str:
        length = self.numbers.choice((1, 3, 8, 12, 31, 64, 120, 180, 240))
        letters = [
            self.numbers.choice("abcXYZ019._-") for _ in range(min(length, self.longest) - 1)
        ]
        return "n" + "".join(letters)

    def _new_path(self) -> str:
        above = self._pick("dir")
        if self.numbers.random() < 0.1:
            above = f"{above.rstrip('/')}/{self._name()}"
        path = f"{above.rstrip('/')}/{self._name()}"
        if len(path) > 900 or path in self.tree or self.tree.get(above, {}).get("size"):
            return self._new_path()
        if self.tree.get(above, {"type": "dir"})["type"] != "dir":
            return self._new_path()
        self._parents(path)
        return path

    def _parents(self, path: str) -> None:
        for above in PurePosixPath(path).parents:
            self.tree.setdefault(str(above), _node("dir", 0o755, 0, 0))

    def _owner(self) -> tuple[int, int]:
        return self.numbers.choice(((0, 0), (5, 6), (1000, 100), (4_000_000_000, 1)))

    def _file(self) -> Edit:
        path = self._pick("file", "link")
        booted = path in _PROTECTED or path.endswith("efiboot.img")
        if booted or self.numbers.random() < 0.7:
            path = self._new_path()
        data = self.numbers.randbytes(self.numbers.choice((0, 1, 50, 2047, 2048, 2049, 9000)))
        mode, (uid, gid) = self.numbers.choice((0o644, 0o4755, 0o600)), self._owner()
        digest = hashlib.sha256(data).hexdigest()
        node = _node("file", mode, uid, gid)
        self.tree[path] = node | {"size": str(len(data)), "sha256digest": digest}
        return AddFile(path, Blob.of(data), mode, uid, gid)

    def _directory(self) -> Edit:
        (uid, gid), mode = self._owner(), self.numbers.choice((0o755, 0o1777, 0o700))
        if self.numbers.random() < 0.3:
            path = self._pick("dir")
            if path != "/":
                self.tree[path] |= {"mode": f"{mode:o}", "uid": str(uid), "gid": str(gid)}
                return AddDirectory(path, mode, uid, gid)
        path = self._new_path()
        self.tree[path] = _node("dir", mode, uid, gid)
        return AddDirectory(path, mode, uid, gid)

    def _symlink(self) -> Edit:
        path = self._new_path()
        target = self.numbers.choice(("x", "../a/b", "/etc/hosts", "..", "/"))
        self.tree[path] = _node("link", 0o777, 0, 0) | {"link": target}
        return AddSymlink(path, target)

    def _remove(self) -> Edit:
        path = self._pick("file", "link", "dir")
        if path in _PROTECTED or path.startswith("/boot"):
            return Remove("/nothing")
        for name in [one for one in self.tree if one == path or one.startswith(f"{path}/")]:
            del self.tree[name]
        return Remove(path)


def _node(kind: str, mode: int, uid: int, gid: int) -> dict[str, str]:
    time = str(TIMESTAMP)
    return {"type": kind, "mode": f"{mode:o}", "uid": str(uid), "gid": str(gid), "time": time}


@pytest.mark.parametrize(
    ("kind", "seed", "longest"),
    [("photon", 1, 100), ("joliet", 2, 60), ("hybrid-gpt", 3, 240), ("photon-1000", 4, 31)],
)
def test_many_random_changes_give_what_a_model_gives(
    kind: str, seed: int, longest: int, tmp_path: Path
) -> None:
    image = make_iso(cache_folder(), kind)
    boots = boot_report(image)
    model = _Model(list_tree(image), seed, longest)
    for turn in range(8):
        out = tmp_path / f"{turn}.iso"
        change(image, out, *(model.edit() for _ in range(45)))
        image = out
        # libarchive misses some names that need a continuation area.
        if longest <= 120:
            assert list_tree(image) == model.tree
        with open_iso(image) as iso:
            iso.check(full=True)
            found = {name: f"{node.mode:o}" for name, node in iso.walk()}
        assert found == {name: one["mode"] for name, one in model.tree.items() if name != "/"}
    assert extract(image, tmp_path / "tree") == contents(model.tree)
    approve(image)
    assert boot_report(image) == boots


def _edits() -> list[Edit]:
    """Some twenty files, as an unattended installer needs them, one beside all the packages."""
    small = [AddFile(f"/custom/{at}", Blob.text("text\n" * at)) for at in range(18)]
    menu = AddFile("/isolinux/menu.cfg", Blob.text("label install\n"))
    return [*small, menu, AddFile("/RPMS/x86_64/zz-extra.rpm", Blob.of(bytes(30_000)))]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["photon-300mb", "photon-20000"])
def test_a_large_image_keeps_all_that_it_had(kind: str, tmp_path: Path) -> None:
    base, out = make_iso(cache_folder(), kind), tmp_path / "out.iso"
    change(base, out, *_edits())
    before, after = list_tree(base), list_tree(out)
    kept = {name: node for name, node in before.items() if node["type"] != "dir"}
    del kept["/isolinux/menu.cfg"]
    assert kept.items() <= after.items()
    assert after.keys() - before.keys() == {
        "/custom",
        *(f"/custom/{at}" for at in range(18)),
        "/RPMS/x86_64/zz-extra.rpm",
    }


_MEMORY = """
import sys
from pathlib import Path
from tests.formats.test_iso9660_stress import _edits
from tests.support.isos import change
change(Path(sys.argv[1]), Path(sys.argv[2]), *_edits())
print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")])
"""


@pytest.mark.slow
def test_twenty_thousand_files_do_not_fill_memory(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not say how much memory a process used")
    base, out = make_iso(cache_folder(), "photon-20000"), tmp_path / "out.iso"
    used = int(judge(sys.executable, "-c", _MEMORY, base, out).stdout)
    assert used <= 64 << 10
