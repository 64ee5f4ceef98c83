"""The probe for cards that lie about their size, on cards in memory that do."""

import pytest

from builder.burn.probe import BLOCK, iter_places, probe
from builder.errors import DeviceError

GB = 10**9


class MemoryCard:
    """A card that really has ``real`` bytes; what lies beyond is lost or lands elsewhere."""

    def __init__(self, size: int, real: int, *, wraps: bool) -> None:
        self.size = size
        self._real = real
        self._wraps = wraps
        self._blocks: dict[int, bytes] = {}

    def write(self, view: memoryview, offset: int) -> None:
        assert len(view) == BLOCK
        assert offset % BLOCK == 0
        assert offset + BLOCK <= self.size
        place = offset % self._real if self._wraps else offset
        if place < self._real:
            self._blocks[place] = bytes(view)

    def read(self, view: memoryview, offset: int) -> None:
        place = offset % self._real if self._wraps else offset
        view[:] = self._blocks.get(place, b"\xff" * BLOCK)

    def flush(self) -> None:
        """Everything is there already."""


def test_a_card_with_its_true_size_passes() -> None:
    probe(MemoryCard(32 * GB, 32 * GB, wraps=False), "/dev/sdb")


@pytest.mark.parametrize("real", [GB // 100 // BLOCK * BLOCK, 4 * GB, 31 * GB // BLOCK * BLOCK])
def test_a_card_that_loses_data_beyond_its_size_is_found(real: int) -> None:
    with pytest.raises(DeviceError, match=r"reports 32.0 GB, but does not keep"):
        probe(MemoryCard(32 * GB, real, wraps=False), "/dev/sdb")


@pytest.mark.parametrize(("power", "said"), [(30, "1.1 GB"), (33, "8.6 GB"), (35, "34.4 GB")])
def test_a_card_that_wraps_around_is_found(power: int, said: str) -> None:
    with pytest.raises(DeviceError, match=f"real size is about {said}"):
        probe(MemoryCard(64 * GB, 1 << power, wraps=True), "/dev/sdb")


def test_the_real_size_is_reported_as_a_range() -> None:
    with pytest.raises(DeviceError) as caught:
        probe(MemoryCard(32 * GB, 8 * GB, wraps=False), "/dev/sdb")
    low, _, high = str(caught.value).partition("about ")[2].partition(" to ")
    assert float(low.split()[0]) <= 8.0 < float(high.split()[0])


def test_probed_offsets_include_the_last_block_and_none_beyond() -> None:
    for size in (BLOCK, 10 * BLOCK + 512, 3 * 2**20, 8 * GB, 2 * 10**12):
        places = list(iter_places(size))
        assert places == sorted(set(places))
        assert size // BLOCK * BLOCK - BLOCK in places
        assert all(0 <= place <= size - BLOCK for place in places)
    assert len(list(iter_places(32 * GB))) < 80
