"""A base that boots, and a folder for the program to work in."""

from pathlib import Path

import pytest

from tests.support.bases import Base
from tests.support.boot_medium import make_boot_medium
from tests.support.bootable import make_bootable
from tests.support.judges import judge
from tests.support.program import Bench


@pytest.fixture(scope="session")
def bootable(base_cache: Path) -> Base:
    """A Photon-shaped OVA that boots; read-only."""
    return make_bootable(base_cache)


@pytest.fixture(scope="session")
def boot_medium(base_cache: Path) -> Path:
    """An installation medium that boots; read-only."""
    return make_boot_medium(base_cache)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty folder for the program."""
    return Bench(tmp_path)


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """A private key; the public one lies beside it."""
    key = tmp_path / "id_ed25519"
    judge("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test@example.org", "-f", key)
    return key
