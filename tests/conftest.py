"""Bases that many tests share; made once and kept between runs."""

import signal
from pathlib import Path

import pytest

from tests.support.bases import Base, Recipe, cache_folder, make_base


def pytest_configure() -> None:
    """Let programs that the tests start be interrupted, also when a shell started us detached."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def base_cache() -> Path:
    """Folder that keeps bases between runs."""
    return cache_folder()


@pytest.fixture(scope="session")
def small_ova(base_cache: Path) -> Base:
    """A Photon 5.0 OVA of some 250 files on a 16 GiB disk; read-only."""
    return make_base(base_cache, Recipe())


@pytest.fixture(scope="session")
def real_ova(base_cache: Path) -> Base:
    """A Photon-shaped OVA of some 17 000 real files on a 16 GiB disk; read-only, slow to make."""
    return make_base(base_cache, Recipe(root="real"))
