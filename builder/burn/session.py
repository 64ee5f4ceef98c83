"""A burn from the first look to the last proof: one image, one card or several.

Everything that can be refused has been refused before. The order of what is done to a card is that
of :mod:`builder.burn.writer`; here it is done to all of them, and what goes wrong with one does
not stop the others.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from builder.burn.card import Card, open_card
from builder.burn.chunks import Chunk, Pool, Task, iter_tasks
from builder.burn.devices import Device
from builder.burn.journal import Journal
from builder.burn.order import Choices, Order, Verdict
from builder.burn.overlay import Overlay
from builder.burn.patience import Step
from builder.burn.personalise import check_card
from builder.burn.probe import LEAST_SIZE, probe
from builder.burn.proof import check_ranges
from builder.burn.source import Image
from builder.burn.spread import DEPTH, Lane, spread
from builder.burn.writer import Manner, Writer
from builder.errors import BuilderError, DeviceError, VerifyError
from builder.formats.disk import SECTOR
from builder.formats.sparse import SparseDisk
from builder.progress import Progress
from builder.structs import Struct


class _Job(Struct):
    """A card under way."""

    order: Order
    lane: Lane
    journal: Journal
    is_touched: bool = False
    is_done: bool = False

    @property
    def writer(self) -> Writer:
        return self.lane.writer

    @property
    def card(self) -> Card:
        return self.lane.writer.card

    @property
    def path(self) -> Path:
        return self.order.device.path


def check_size(image: Image, device: Device) -> None:
    """Refuse an image that does not fit.

    Raises:
        DeviceError: it has more bytes than the device, or counts in other sectors.
    """
    if device.sector != SECTOR:
        raise DeviceError(
            f"{device.path}: has sectors of {device.sector} bytes, but the partition table of "
            f"{image.name} counts in {SECTOR}",
            hint="nothing would boot from it: take another card or reader",
        )
    if image.size > device.size:
        raise DeviceError(
            f"{device.path}: has {device.size} bytes, but {image.name} needs {image.size}",
            hint="take a larger card",
        )


def burn(
    image: Image, orders: Sequence[Order], choices: Choices, progress: Progress
) -> list[Verdict]:
    """Write an image to every card, and prove it.

    Raises:
        BuilderError: the image could not be read; every card was left blank.
        KeyboardInterrupt: every card that was begun was left blank.
    """
    verdicts = [Verdict(order.device) for order in orders]
    with ExitStack() as stack:
        burning = _Burning(image, choices, progress)
        for order, verdict in zip(orders, verdicts, strict=True):
            try:
                burning.add(order, stack.enter_context(open_card(order.device)))
            except BuilderError as error:
                verdict.error = error
        begun = time.monotonic()
        burning.run()
        for job in burning.jobs:
            verdict = verdicts[orders.index(job.order)]
            verdict.seconds = time.monotonic() - begun
            verdict.tally, verdict.error = job.writer.tally, job.lane.failure
            silent = job.card.patience.step is Step.GIVEN_UP  # it would not answer that, either
            if not silent and not job.card.reread_partitions() and not job.order.device.is_loop:
                verdict.remarks.append("the kernel does not look for its partitions here")
    return verdicts


class _Burning:
    """The cards of a burn."""

    def __init__(self, image: Image, choices: Choices, progress: Progress) -> None:
        self.jobs: list[_Job] = []
        self._image = image
        self._choices = choices
        self._progress = progress
        self._stopped = threading.Event()
        self._pool = Pool(2 * DEPTH + 2)

    def add(self, order: Order, card: Card) -> None:
        """Take a card in."""
        check_size(self._image, order.device)
        journal = Journal(self._choices.notes, order.device, self._image.key)
        reached = self._image.size if self._choices.compares else journal.read()
        if reached and not self._choices.compares:
            self._progress.phase(
                f"{order.device.path}: was interrupted at {reached / 1e6:.0f} MB: what is there "
                "is compared, not written again"
            )
        manner = Manner(self._choices.blanks, self._choices.verifies, reached)
        blocks = order.personal.blocks if order.personal else Overlay()
        writer = Writer(card, manner, blocks, self._stopped)
        writer.counts_gaps = self._image.mapped is None
        card.patience.complain = partial(_complain, self._progress, card)
        self.jobs.append(_Job(order, Lane(writer), journal))

    def run(self) -> None:
        """Do everything, in its order."""
        if not self.jobs:
            return
        try:
            self._each(self._prepare, "")
            self._write()
            if self._choices.verifies:
                self._verify()
            self._each(_finish, "writing the first MiB")
        except BaseException:
            self._stopped.set()
            self._leave_blank()
            raise

    def _live(self) -> list[_Job]:
        """Return the cards that have not failed."""
        return [job for job in self.jobs if job.lane.failure is None]

    def _prepare(self, job: _Job) -> None:
        """Wipe a card, and see whether it is as large as it says."""
        job.is_touched = True
        job.writer.wipe()
        if self._choices.probes and job.card.size >= LEAST_SIZE and not job.journal.read():
            probe(job.card, str(job.path))

    def _write(self) -> None:
        """Write everything but the first MiB."""
        if not self._live():
            return
        with ExitStack() as stack:
            for job in self._live():
                text = f"{job.path}: writing"
                total = self._image.mapped or self._image.size
                job.writer.advance = stack.enter_context(self._progress.count(text, total))
            lanes = [job.lane for job in self._live()]
            spread(self._noted(self._tasks()), lanes, self._stopped)
        if self._live():  # else it was not read to its end
            self._image.prove()

    def _tasks(self) -> Iterator[Task]:
        """Yield the image."""
        sums = any(job.writer.manner.verifies for job in self.jobs)
        return iter_tasks(self._image.iter_runs(), self._image.size, self._pool, sums=sums)

    def _noted(self, tasks: Iterator[Task]) -> Iterator[Task]:
        """Pass on the image, and note how far each card is."""
        for task in tasks:
            for job in self.jobs:
                job.journal.note(job.lane.position)
            yield task

    def _verify(self) -> None:
        """Read everything back; what differs is written once more, and read back again.

        A card that fails twice has a failure afterwards.
        """
        self._each(_flush, "flushing")
        self._read_back(None)
        bad = {id(job): dict(job.writer.differing) for job in self._live() if job.writer.differing}
        jobs = [job for job in self._live() if id(job) in bad]
        if not jobs:
            return
        for job in jobs:
            job.writer.tally.rewritten = len(bad[id(job)])
            job.writer.differing.clear()
            self._progress.phase(f"{job.path}: {len(bad[id(job)])} ranges differ; writing again")
        wanted = {offset for ranges in bad.values() for offset in ranges}
        spread(_chosen(self._tasks(), wanted), [job.lane for job in jobs], self._stopped)
        self._image.prove()  # it was read once more
        self._each(_flush, "")
        self._read_back(wanted)
        self._each(_check_differing, "")

    def _read_back(self, only: set[int] | None) -> None:
        """Read the cards back: all of them, or these ranges."""
        self._each(lambda job: check_ranges(job.writer, only), "reading back")

    def _each(self, step: Callable[[_Job], None], text: str) -> None:
        """Do something with every card that has not failed, at the same time."""
        jobs = self._live()
        if not jobs:
            return
        if text:
            self._progress.phase(f"{', '.join(str(job.path) for job in jobs)}: {text}")
        with ThreadPoolExecutor(len(jobs)) as pool:
            try:
                list(pool.map(lambda job: self._guard(job, step), jobs))
            except BaseException:
                self._stopped.set()
                raise

    def _guard(self, job: _Job, step: Callable[[_Job], None]) -> None:
        """Do something with a card; what goes wrong is kept as its failure."""
        if self._stopped.is_set() or job.lane.failure is not None:
            return
        try:
            step(job)
        except BuilderError as error:
            job.lane.failure = error

    def _leave_blank(self) -> None:
        """Say what state the cards are in that were begun and not finished."""
        for job in self.jobs:
            if job.is_touched and not job.is_done and job.lane.failure is None:
                job.journal.note(job.lane.position, now=True)
                self._progress.phase(
                    f"{job.path}: left blank, nothing boots from it; the same command goes on "
                    "where this one stopped"
                )


def _complain(progress: Progress, card: Card, text: str) -> None:
    """Say what is done about a card that is silent."""
    progress.phase(f"{card.device.path}: {text}")


def _flush(job: _Job) -> None:
    """Wait until everything is on the card."""
    job.card.flush()


def _check_differing(job: _Job) -> None:
    """Give a card up that does not hold what was written twice."""
    left = sorted(job.writer.differing.items())
    if left:
        first, length = left[0]
        raise VerifyError(
            f"{job.path}: {len(left)} ranges differ from what was written, twice; the first is "
            f"bytes {first} to {first + length - 1}",
            hint="the card or its reader is broken: try another reader, and test the card with "
            "f3 or H2testw; it was left blank",
        )


def _finish(job: _Job) -> None:
    """Write the first MiB, and read what only this card has out of it."""
    job.writer.finish()
    job.is_done = True
    if job.order.personal is not None:
        fd = os.open(job.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            check_card(SparseDisk(fd, job.card.size, name=str(job.path)), job.order.personal,
                       str(job.path))  # fmt: skip
        finally:
            os.close(fd)
    job.journal.remove()


def _chosen(tasks: Iterator[Task], offsets: set[int] | None) -> Iterator[Task]:
    """Pass on the parts of an image that have these offsets in them; ``None``: all."""
    for task in tasks:
        if offsets is None or any(task.offset <= offset < task.end for offset in offsets):
            yield task
        elif isinstance(task, Chunk):
            task.release()
