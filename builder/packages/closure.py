"""Which packages of repositories an installation needs on top of those that a base has.

The only door to ``solv``, the Python module of libsolv, which is imported when packages are
resolved. libsolv decides as dnf and zypper do, rich requirements included; nothing is solved here.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from builder.errors import FormatError, GuestError, ToolError
from builder.formats import rpm_repo
from builder.formats.rpm import Header
from builder.structs import Struct


class Index(Struct, frozen=True):
    """A list of packages in XML.

    Attributes:
        path: The file.
        filename: What the repository calls it: its suffix tells how it is compressed.
    """

    path: Path
    filename: str


class Metadata(Struct, frozen=True):
    """The indexes of a repository.

    Attributes:
        name: What messages call the repository.
        address: Where its packages lie; ends with a slash.
        primary: What there is.
        filelists: Names of all files; ``None`` without them.
        priority: Larger ones win over newer packages of others.
    """

    name: str
    address: str
    primary: Index
    filelists: Index | None = None
    priority: int = 0


class Choice(Struct, frozen=True):
    """A package that has to be installed.

    Attributes:
        name: Its name.
        version: Epoch, if there is one, version and release.
        arch: Architecture, or ``noarch``.
        repository: Name of the repository that has it.
        url: Where it lies.
        sha256: Digest of the file, as the repository lists it.
        size: Length of the file.
        installed_size: Bytes of the files in it.
    """

    name: str
    version: str
    arch: str
    repository: str
    url: str
    sha256: str
    size: int
    installed_size: int

    @property
    def filename(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.name}-{self.version}.{self.arch}"


class Replacement(Struct, frozen=True):
    """A package of the base that gives way to another one.

    Attributes:
        name: Its name.
        old: Its version in the base.
        new: The version, or the package, that takes its place.
    """

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.old} → {self.new}"


class Closure(Struct, frozen=True):
    """What an installation changes.

    Attributes:
        choices: What is installed, each after what it needs.
        replaced: What of the base gives way.
    """

    choices: tuple[Choice, ...]
    replaced: tuple[Replacement, ...]


def solve(
    names: Sequence[str], base: Iterable[Header], repositories: Sequence[Metadata], arch: str
) -> Closure:
    """Return what has to be installed so that packages are there.

    Args:
        names: Names of packages, or of what packages provide.
        base: Headers of the installed packages, with the tags ``rpm_repo.SOLVER_TAGS``.
        repositories: Where packages may come from.
        arch: Of the machine: ``x86_64`` or ``aarch64``.

    Raises:
        GuestError: a package is in no repository, or cannot be installed with the others; the
            message has all reasons.
        ToolError: libsolv is not installed.
    """
    pool = _Pool(arch)
    pool.add_base(base)
    for repository in repositories:
        pool.add(repository)
    pool.solve(names)
    return Closure(tuple(pool.choices()), tuple(pool.replaced()))


class _Pool:
    """What libsolv knows of.

    Args:
        arch: Of the machine.

    Raises:
        ToolError: libsolv is not installed.
    """

    def __init__(self, arch: str) -> None:
        try:
            import solv
        except ImportError as error:
            raise ToolError(
                f"packages are resolved by libsolv, and its Python module is missing: {error}",
                hint="pip install 'photon-builder[packages]', or write "
                "`repositories: {install: online}`",
                code="PKG016",
            ) from error
        self._solv = solv
        self._pool = solv.Pool()
        self._pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        self._pool.setarch(arch)
        self._sources: dict[str, Metadata] = {}
        self._transaction: Any = None

    def add_base(self, headers: Iterable[Header]) -> None:
        """Add the installed packages."""
        base = self._pool.add_repo("base")
        with TemporaryFile("w+b") as file:
            for piece in rpm_repo.format_installed(headers):
                file.write(piece.encode())
            file.seek(0)
            stream = self._solv.xfopen_fd("", os.dup(file.fileno()))
            base.add_rpmmd(stream, None)
            stream.close()
        self._pool.installed = base

    def add(self, repository: Metadata) -> None:
        """Add a repository.

        Raises:
            FormatError: an index cannot be read.
        """
        self._sources[repository.name] = repository
        added = self._pool.add_repo(repository.name)
        added.priority = repository.priority
        more = self._solv.Repo.REPO_LOCALPOOL | self._solv.Repo.REPO_EXTEND_SOLVABLES
        indexes: list[tuple[Index, str | None, int]] = [(repository.primary, None, 0)]
        if repository.filelists:
            indexes.append((repository.filelists, "FL", more))
        for index, kind, flags in indexes:
            with index.path.open("rb") as file:
                stream = self._solv.xfopen_fd(index.filename, os.dup(file.fileno()))
                if stream is None or not added.add_rpmmd(stream, kind, flags):
                    message = f"{repository.name}: {index.filename} is not an index of packages"
                    raise FormatError(message, code="PKG017")
                stream.close()

    def solve(self, names: Sequence[str]) -> None:
        """Work out the transaction that installs packages.

        Raises:
            GuestError: a package is in no repository, or the packages do not go together.
        """
        self._pool.addfileprovides()
        self._pool.createwhatprovides()
        how = self._solv.Selection.SELECTION_NAME | self._solv.Selection.SELECTION_PROVIDES
        found = {name: self._pool.select(name, how) for name in names}
        if missing := [name for name, selection in found.items() if selection.isempty()]:
            searched = ", ".join(sorted(self._sources)) or "none, as the base enables none"
            raise GuestError(
                f"no repository has {', '.join(missing)}; searched: {searched}",
                hint="correct the name, or add the repository that has the package",
                code="PKG018",
            )
        solver = self._pool.Solver()
        solver.set_flag(self._solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        install = self._solv.Job.SOLVER_INSTALL
        problems = solver.solve([job for each in found.values() for job in each.jobs(install)])
        rules = (rule for problem in problems for rule in problem.findallproblemrules())
        reasons = dict.fromkeys(str(rule.info().problemstr()) for rule in rules)
        if problems:
            raise GuestError(
                f"the packages cannot be installed: {'; '.join(reasons)}",
                hint="drop one of them, or choose another repository: "
                "`repositories: {install_from: updates}`",
                code="PKG019",
            )
        self._transaction = solver.transaction()
        self._transaction.order()

    def choices(self) -> Iterator[Choice]:
        """Yield what is installed, each after what it needs."""
        order = {step.id: place for place, step in enumerate(self._transaction.steps())}
        for step in sorted(self._transaction.newsolvables(), key=lambda s: order.get(s.id, 0)):
            location, _ = step.lookup_location()
            checksum = step.lookup_checksum(self._solv.SOLVABLE_CHECKSUM)
            yield Choice(
                name=step.name,
                version=step.evr,
                arch=step.arch,
                repository=step.repo.name,
                url=self._sources[step.repo.name].address + location,
                sha256=checksum.hex() if checksum and checksum.typestr() == "sha256" else "",
                size=step.lookup_num(self._solv.SOLVABLE_DOWNLOADSIZE),
                installed_size=step.lookup_num(self._solv.SOLVABLE_INSTALLSIZE),
            )

    def replaced(self) -> Iterator[Replacement]:
        """Yield what of the base gives way."""
        for step in self._transaction.steps():
            if step.repo == self._pool.installed:
                other = self._transaction.othersolvable(step)
                same = other is not None and other.name == step.name
                new = other.evr if same else str(other or "")
                yield Replacement(step.name, step.evr, new)
