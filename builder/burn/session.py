"""Writes one image to one card or several, reads it back, and reports a result for each card.

Every refusal has been raised before. The order of the steps is that of :mod:`builder.burn.writer`;
here they run for all cards at once, and a card that fails does not stop the others.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from builder.burn.card import Card, open_card
from builder.burn.chunks import BlockPatches, BufferPool, Part, containing, iter_parts
from builder.burn.devices import Device
from builder.burn.fan_out import DEPTH, CardWorker, fan_out
from builder.burn.next_step import NextStep
from builder.burn.options import BurnOptions
from builder.burn.personalise import CardEdits, check_card
from builder.burn.probe import LEAST_SIZE, probe
from builder.burn.read_back import read_back
from builder.burn.resume import ResumeNote
from builder.burn.safety import check_size
from builder.burn.source import BurnImage
from builder.burn.stall_guard import RequestMode
from builder.burn.writer import CardWriter, WriteMode, WriteStats
from builder.errors import BuilderError
from builder.formats.sparse import SparseDisk
from builder.progress import Progress
from builder.structs import Struct, field


class CardOrder(Struct, frozen=True):
    """One card to be written.

    Attributes:
        device: The device, as it was confirmed.
        edits: Settings of this card alone; ``None`` for none.
    """

    device: Device
    edits: CardEdits | None = None


class CardResult(Struct):
    """The result of one card.

    Attributes:
        device: The card.
        error: Why it failed; ``None`` when it is written, and verified if that was asked for.
        stats: Statistics.
        seconds: Duration, read-back included.
        remarks: Notes for the user.
        next_step: What to do with it; ``None`` when it failed.
    """

    device: Device
    error: BuilderError | None = None
    stats: WriteStats = field(default_factory=WriteStats)
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)
    next_step: NextStep | None = None


class _CardState(Struct):
    """A card under way."""

    order: CardOrder
    writer: CardWriter
    note: ResumeNote
    is_touched: bool = False
    is_done: bool = False

    @property
    def card(self) -> Card:
        return self.writer.card

    @property
    def path(self) -> Path:
        return self.order.device.path


def write_cards(
    image: BurnImage,
    orders: Sequence[CardOrder],
    options: BurnOptions,
    notes: Path,
    progress: Progress,
) -> list[CardResult]:
    """Write an image to every card, and verify it.

    Args:
        image: The image.
        orders: The cards.
        options: How they are written.
        notes: Folder of the resume notes about interrupted cards.
        progress: Where progress is shown.

    Raises:
        BuilderError: the image cannot be read; every card was left blank.
        KeyboardInterrupt: every card that was started was left blank.
    """
    results = [CardResult(order.device) for order in orders]
    with ExitStack() as stack:
        session = BurnSession(image, options, notes, progress)
        for order, result in zip(orders, results, strict=True):
            try:
                stack.enter_context(session.open(order))
            except BuilderError as error:
                result.error = error
        begun = time.monotonic()
        session.run()
        for state in session.cards:
            result = results[orders.index(state.order)]
            result.seconds = time.monotonic() - begun
            result.stats, result.error = state.writer.stats, state.writer.failure
            # A device that does not answer would not answer this, either.
            answers = state.card.guard.mode is not RequestMode.FAILED
            if answers and not state.card.reread_partitions() and not state.order.device.is_loop:
                result.remarks.append("the kernel does not read its partition table now")
    return results


class BurnSession:
    """The open cards of a burn, and the steps that are done to them.

    Attributes:
        cards: The cards that could be opened.
    """

    def __init__(
        self, image: BurnImage, options: BurnOptions, notes: Path, progress: Progress
    ) -> None:
        self.cards: list[_CardState] = []
        self._image = image
        self._options = options
        self._notes = notes
        self._progress = progress
        self._stopped = threading.Event()
        self._pool = BufferPool(2 * DEPTH + 2)

    @contextmanager
    def open(self, order: CardOrder) -> Iterator[None]:
        """Open a card and add it to the session.

        Raises:
            BuilderError: the device cannot be opened, or the image does not fit.
        """
        device = order.device

        def report(text: str) -> None:
            self._progress.phase(f"{device.path}: {text}")

        with open_card(device, on_stall=report) as card:
            check_size(device, self._image.name, self._image.size)
            note = ResumeNote(self._notes, device, self._image.key)
            reached = self._image.size if self._options.delta else note.read()
            if reached and not self._options.delta:
                report(
                    f"was interrupted at {reached / 1e6:.0f} MB: data that is there is compared, "
                    "not written again"
                )
            mode = WriteMode(self._options.blank, self._options.verify, reached)
            patches = order.edits.patches if order.edits else BlockPatches()
            writer = CardWriter(card, mode, patches, self._stopped)
            self.cards.append(_CardState(order, writer, note))
            yield

    def run(self) -> None:
        """Do every step, in order."""
        if not self.cards:
            return
        try:
            self._each(self._prepare, "")
            self._write()
            if self._options.verify:
                self._verify()
            self._each(_finish, "writing the first MiB")
        except BaseException:
            self._stopped.set()
            self._leave_blank()
            raise

    def _live(self) -> list[_CardState]:
        """Return the cards that have not failed."""
        return [state for state in self.cards if state.writer.failure is None]

    def _prepare(self, state: _CardState) -> None:
        """Wipe a card, and probe its capacity."""
        state.is_touched = True
        state.writer.wipe()
        if self._options.probe and state.card.size >= LEAST_SIZE and not state.note.read():
            probe(state.card, str(state.path))

    def _write(self) -> None:
        """Write everything except the first MiB."""
        if not self._live():
            return
        total = self._image.mapped or self._image.size
        with ExitStack() as stack:
            workers = [
                CardWorker(
                    state.writer,
                    stack.enter_context(self._progress.count(f"{state.path}: writing", total)),
                    counts_gaps=self._image.mapped is None,
                )
                for state in self._live()
            ]
            fan_out(self._noted(self._parts()), workers, self._stopped)
        if self._live():  # else it was not read to its end
            self._image.check()

    def _parts(self) -> Iterator[Part]:
        runs, size = self._image.iter_runs(), self._image.size
        return iter_parts(runs, size, self._pool, checksums=self._options.verify)

    def _noted(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield the parts, and note how far each card is."""
        for part in parts:
            for state in self.cards:
                state.note.write(state.writer.position)
            yield part

    def _verify(self) -> None:
        """Read everything back; ranges that differ are written and read back once more."""
        self._each(lambda state: state.card.flush(), "flushing")
        self._read_back(None)
        bad = [state for state in self._live() if state.writer.differing]
        if not bad:
            return
        wanted: set[int] = set()
        for state in bad:
            found = state.writer.differing
            state.writer.stats.rewritten = len(found)
            self._progress.phase(f"{state.path}: {len(found)} ranges differ; writing again")
            wanted |= found.keys()
            found.clear()
        workers = [CardWorker(state.writer) for state in bad]
        fan_out(containing(self._parts(), wanted), workers, self._stopped)
        self._image.check()  # it was read once more
        self._each(lambda state: state.card.flush(), "")
        self._read_back(wanted)
        self._each(lambda state: state.writer.check_differences(), "")

    def _read_back(self, only: set[int] | None) -> None:
        self._each(lambda state: read_back(state.writer, only), "reading back")

    def _each(self, step: Callable[[_CardState], None], text: str) -> None:
        """Do a step with every card that has not failed, at the same time."""
        live = self._live()
        if not live:
            return
        if text:
            self._progress.phase(f"{', '.join(str(state.path) for state in live)}: {text}")
        with ThreadPoolExecutor(len(live)) as pool:
            try:
                list(pool.map(lambda state: self._guard(state, step), live))
            except BaseException:
                self._stopped.set()
                raise

    def _guard(self, state: _CardState, step: Callable[[_CardState], None]) -> None:
        """Do a step with a card; an error becomes the card's failure."""
        if self._stopped.is_set() or state.writer.failure is not None:
            return
        try:
            step(state)
        except BuilderError as error:
            state.writer.failure = error

    def _leave_blank(self) -> None:
        """Report the cards that were started and not finished."""
        for state in self.cards:
            if state.is_touched and not state.is_done and state.writer.failure is None:
                state.note.write(state.writer.position, now=True)
                self._progress.phase(
                    f"{state.path}: left blank, nothing boots from it; run the same command to "
                    "resume"
                )


def _finish(state: _CardState) -> None:
    """Write the first MiB, and check the card's own settings."""
    state.writer.finish()
    state.is_done = True
    if state.order.edits is not None:
        name = str(state.path)
        fd = os.open(state.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            check_card(SparseDisk(fd, state.card.size, name=name), state.order.edits, name)
        finally:
            os.close(fd)
    state.note.remove()
