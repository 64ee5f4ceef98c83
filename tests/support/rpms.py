"""RPM packages and repositories, made by the programs that make them elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.judges import judge

_SPEC = """\
Name: {name}
Version: {version}
Release: 1.ph5
Epoch: 2
Summary: A package <of> "tests" & more
License: MIT
BuildArch: noarch
Provides: {name}-extra = 3.0
Requires: bash >= 5, python3
Requires(post): coreutils
Conflicts: other < 1
Obsoletes: older <= 2-3
%description
Nothing in it is useful.
%install
mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/etc/{name}.d
echo hello > %{{buildroot}}/usr/bin/{name}
echo hello > %{{buildroot}}/usr/share-{name}
%files
/usr/bin/{name}
/usr/share-{name}
%dir /etc/{name}.d
%ghost /var/log/{name}
%changelog
* Tue Mar 05 2024 Ann Other <a@example.org> 1.0-1
- second
* Mon Mar 04 2024 Ann Other <a@example.org> 1.0-0
- first
"""


def make_rpm(directory: Path, name: str = "hello", version: str = "1.0") -> Path:
    """Build a package."""
    directory.mkdir(parents=True, exist_ok=True)
    spec = directory / f"{name}.spec"
    spec.write_text(_SPEC.format(name=name, version=version))
    defines = (
        f"_topdir {directory}/top",
        "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    )
    options = [word for define in defines for word in ("--define", define)]
    judge("rpmbuild", "-bb", "--quiet", "--nodeps", *options, spec)
    return next(directory.glob("top/RPMS/*.rpm"))


_SIMPLE = """\
Name: {name}
Version: {version}
Release: {release}
Summary: A package of the tests
License: MIT
BuildArch: {arch}
{tags}
%description
Nothing in it is useful.
%install
{install}
%files
{files}
{scripts}
"""


@dataclass(frozen=True, slots=True)
class Made:
    """What a package is made of.

    Attributes:
        name: Its name.
        version: Its version.
        release: Its release.
        tags: Lines such as ``Requires: bash``.
        files: Path to content.
        scripts: Sections such as ``%post``.
        arch: Its architecture.
    """

    name: str
    version: str = "1"
    release: str = "1.ph5"
    tags: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    scripts: str = ""
    arch: str = "noarch"


def build_rpm(directory: Path, made: Made) -> Path:
    """Build a package into a folder of its own below ``directory``."""
    folder = directory / f"{made.name}-{made.version}-{made.release}"
    for path, content in made.files.items():
        target = folder / "content" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    (folder / "content").mkdir(parents=True, exist_ok=True)
    spec = folder / "a.spec"
    text = _SIMPLE.format(
        name=made.name,
        version=made.version,
        release=made.release,
        arch=made.arch,
        tags="\n".join(made.tags),
        install=f"mkdir -p %{{buildroot}} && cp -a {folder}/content/. %{{buildroot}}/",
        files="\n".join(made.files),
        scripts=made.scripts,
    )
    spec.write_text(text)
    defines = (
        f"_topdir {folder}/top",
        "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    )
    options = [word for define in defines for word in ("--define", define)]
    judge("rpmbuild", "-bb", "--quiet", "--nodeps", f"--target={made.arch}", *options, spec)
    return next(folder.glob("top/RPMS/*.rpm"))


def make_repository(directory: Path) -> None:
    """Write the metadata of a folder of packages, as Photon's scripts do."""
    judge(
        "createrepo_c",
        "--quiet",
        "--database",
        "--compatibility",
        "--general-compress-type",
        "gz",
        directory,
    )
