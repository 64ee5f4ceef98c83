"""Databases of installed packages, made by rpm itself and by the tools of Berkeley DB."""

import shutil
import sqlite3
import struct
from pathlib import Path

from tests.support.judges import judge

SQLITE_PLACE = "usr/lib/sysimage/rpm"
BERKELEY_PLACE = "var/lib/rpm"
QUERY = (
    "%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH} %{SIZE} %{LICENSE} %{SOURCERPM}\n"
)


def install(root: Path, *packages: Path) -> None:
    """Install packages below a folder, in a database as that of Photon 5.0."""
    (root / SQLITE_PLACE).mkdir(parents=True, exist_ok=True)
    options = ("--root", root, "--dbpath", f"/{SQLITE_PLACE}", "--nodeps", "--noscripts")
    judge("rpm", *options, "--upgrade", *packages)


def query(root: Path) -> list[str]:
    """Return what rpm says of the packages of such a folder, sorted."""
    options = ("--root", root, "--dbpath", f"/{SQLITE_PLACE}")
    lines = judge("rpm", *options, "-qa", "--queryformat", QUERY).stdout.splitlines()
    return sorted(line for line in lines if not line.startswith("gpg-pubkey "))


def as_berkeley(root: Path) -> None:
    """Turn the database of a folder into one as Photon 3.0 has, made by ``db_load``."""
    rows = ["VERSION=3", "format=bytevalue", "type=hash", "h_nelem=64", "db_pagesize=4096"]
    rows += ["HEADER=END", " 00000000", f" {struct.pack('<I', 99).hex()}"]
    database = sqlite3.connect(root / SQLITE_PLACE / "rpmdb.sqlite")
    for number, blob in database.execute("SELECT hnum, blob FROM Packages"):
        rows += [f" {struct.pack('<I', number).hex()}", f" {blob.hex()}"]
    database.close()
    (root / BERKELEY_PLACE).mkdir(parents=True)
    text = "\n".join((*rows, "DATA=END", ""))
    judge("db5.3_load", root / BERKELEY_PLACE / "Packages", text=text)
    shutil.rmtree(root / SQLITE_PLACE)


def with_log(root: Path) -> None:
    """Move the rows of a database into its write-ahead log, as after a power cut."""
    folder = root / SQLITE_PLACE
    database = sqlite3.connect(folder / "rpmdb.sqlite", isolation_level=None)
    rows = database.execute("SELECT hnum, blob FROM Packages").fetchall()
    database.execute("DELETE FROM Packages")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.executemany("INSERT INTO Packages VALUES (?, ?)", rows)
    copies = [folder / f"copy{suffix}" for suffix in ("", "-wal")]
    for copy, suffix in zip(copies, ("", "-wal"), strict=True):
        shutil.copy2(folder / f"rpmdb.sqlite{suffix}", copy)
    database.close()
    (folder / "rpmdb.sqlite-shm").unlink(missing_ok=True)
    for copy, suffix in zip(copies, ("", "-wal"), strict=True):
        copy.rename(folder / f"rpmdb.sqlite{suffix}")
