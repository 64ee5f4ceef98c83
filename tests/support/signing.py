"""Keys of GnuPG, packages signed by rpmsign, and what rpmkeys says of them."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.judges import judge, require


@dataclass(frozen=True, slots=True)
class Signatory:
    """A key pair in a keyring of its own."""

    home: Path
    name: str

    @property
    def public(self) -> bytes:
        """The armored public key."""
        return self._gpg("--armor", "--export", self.name).encode()

    def sign(self, package: Path, *, digest: str = "sha256") -> Path:
        """Sign a package in place; it is returned."""
        defines = (
            f"__gpg {require('gpg')}",
            f"_gpg_name {self.name}",
            f"_gpg_digest_algo {digest}",
        )
        options = [word for define in defines for word in ("--define", define)]
        judge("rpmsign", *options, "--addsign", package, env={"GNUPGHOME": str(self.home)})
        return package

    def copy_of(self, package: Path, folder: Path, *, digest: str = "sha256") -> Path:
        """Return a signed copy of a package."""
        folder.mkdir(parents=True, exist_ok=True)
        return self.sign(Path(shutil.copy(package, folder / package.name)), digest=digest)

    def _gpg(self, *arguments: str | Path) -> str:
        return judge("gpg", "--homedir", self.home, "--batch", *arguments).stdout


def make_signatory(home: Path, name: str = "Test", algorithm: str = "rsa2048") -> Signatory:
    """Make a key pair; agents of GnuPG end when their folder is removed."""
    home.mkdir(parents=True, mode=0o700)
    options = ("--batch", "--passphrase", "", "--quick-generate-key")
    judge("gpg", "--homedir", home, *options, name, algorithm, "sign", "never")
    return Signatory(home, name)


def is_good_for_rpm(package: Path, database: Path, *keys: bytes) -> bool:
    """Return whether rpmkeys, with these keys alone, finds the signature of a package good."""
    database.mkdir(parents=True, exist_ok=True)
    options = ("--dbpath", os.fspath(database))
    for number, key in enumerate(keys):
        path = database / f"{number}.key"
        path.write_bytes(key)
        judge("rpmkeys", *options, "--import", path)
    run = judge("rpmkeys", *options, "--checksig", "--verbose", package, check=False)
    return run.returncode == 0 and "Header V4 RSA" in run.stdout
