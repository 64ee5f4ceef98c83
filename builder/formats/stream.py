"""Files written from runs of bytes, and digested while they are written.

A file is made of segments: bytes in memory, or spans of open files. Digests follow the
writer in threads of their own and read back what it has written; reading back costs as little
as sharing the buffers would. What the kernel copied they read where it came from: the blocks
may be the same, and there they are in memory already.

Does not fsync, rename or publish: see :mod:`builder.artifact`.
"""

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder.errors import FormatError
from builder.formats.disk import MIB
from builder.formats.early_copy import EarlyCopy
from builder.formats.kernel_copy import iter_copied, read_into
from builder.formats.position import Position
from builder.host import place_of, refusal
from builder.progress import Advance
from builder.structs import Struct

_BUFFER_SIZE = MIB
_DIGEST_BUFFER_SIZE = 4 * MIB
"""So that a digest beside other work waits for the interpreter less often than it computes."""

_NO_FALLOCATE = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENODEV, errno.ENOSYS)


class Span(Struct, frozen=True):
    """A run of bytes of an open file."""

    fd: int
    offset: int
    length: int


Segment = bytes | Span


class RangeDigest:
    """Digest of bytes ``[start, start + length)`` of a file while it is written.

    Args:
        algorithm: As :func:`hashlib.new` names it.
        start: First byte.
        length: ``None`` for everything up to the end.
    """

    def __init__(self, algorithm: str, start: int = 0, length: int | None = None) -> None:
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._start = start
        self._end = None if length is None else start + length
        self._position: Position | None = None
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None
        self._hashed = start

    def hexdigest(self) -> str:
        """Return the digest, once the range has been written and hashed.

        Raises:
            HostError: the written bytes could not be read back.
            ValueError: the writer itself asks for what it has not written yet.
        """
        position = self._position
        if position is None:
            raise ValueError("this digest does not follow a file that is being written")
        if self._would_wait_for_itself(position):
            raise ValueError(f"bytes from {self._start} on are not all written yet")
        self.check()
        if position.abandoned or (self._end is not None and self._hashed < self._end):
            raise ValueError(f"the file ended at byte {position.written}, before this range did")
        return self._hash.hexdigest()

    def follow(self, position: Position) -> None:
        """Start hashing behind a writer; :func:`write_segments` calls it."""
        self._position = position
        thread = threading.Thread(target=self._run, args=(position,), daemon=True)
        thread.start()
        self._thread = thread  # only now: an interrupt may come before it runs

    def join(self) -> None:
        """Wait for the thread."""
        if self._thread is not None:
            self._thread.join()

    def check(self) -> None:
        """Wait for the thread, and raise its error.

        Raises:
            HostError: the written bytes could not be read back.
        """
        self.join()
        if self._error is not None:
            raise refusal(self._error, "reading back what was written")

    def _would_wait_for_itself(self, position: Position) -> bool:
        """Return whether the caller is the one who still has to write the range."""
        if position.ended or threading.get_ident() != position.writer:
            return False
        return self._end is None or self._end > position.written

    def _run(self, position: Position) -> None:
        """Hash until the range or the file ends."""
        try:
            self._hash_behind(position)
        except OSError as error:
            self._error = error

    def _hash_behind(self, position: Position) -> None:
        """Read back and hash each run of bytes as it appears."""
        view = memoryview(bytearray(_BUFFER_SIZE))
        at = 0
        while self._end is None or self._hashed < self._end:
            reached = position.wait_beyond(self._hashed)
            if reached <= self._hashed or position.abandoned:
                return
            while position.runs[at].end <= self._hashed:
                at += 1
            run = position.runs[at]
            reached = min(run.end, reached if self._end is None else min(reached, self._end))
            count = read_into(run.fd, view[: reached - self._hashed], self._hashed + run.shift)
            if not count:
                raise OSError(errno.EIO, "the written bytes are not there")
            self._hash.update(view[:count])
            self._hashed += count


def write_segments(
    fd: int,
    segments: Iterable[Segment],
    digests: Sequence[RangeDigest] = (),
    advance: Advance = lambda _: None,
    early: EarlyCopy | None = None,
) -> int:
    """Write a whole file from its first byte on and return its size.

    ``segments`` may be a generator that asks an earlier range for its digest while it makes a
    later segment. The file ends where the segments do, whatever was allocated.

    Args:
        fd: File to write, open for reading and writing.
        segments: What the file consists of.
        digests: Ranges to be hashed; all of them are done on return.
        advance: Called with the length of every run that was written.
        early: A copy to ``fd`` that is under way; spans that are part of it are left to it.

    Raises:
        FormatError: a source is shorter than its span says.
        HostError: reading or writing failed, for example because the disk is full.
    """
    position = Position(fd)
    try:
        for digest in digests:
            digest.follow(position)
        for count, source in _iter_written(fd, segments, early):
            position.advance(count, source)
            advance(count)
        position.end(abandoned=False)
        for digest in digests:
            digest.check()
    finally:
        position.end(abandoned=True)
        for digest in digests:
            digest.join()
    return position.written


def _iter_written(
    fd: int, segments: Iterable[Segment], early: EarlyCopy | None
) -> Iterator[tuple[int, tuple[int, int] | None]]:
    """Write the segments, end the file there, and yield each piece's length as it is written.

    With it comes where the kernel copied it from.
    """
    buffer = memoryview(bytearray(_BUFFER_SIZE))
    offset = 0
    for segment in segments:
        copied = 0
        if isinstance(segment, Span):
            for count in _iter_taken_over(fd, segment, offset, early):
                yield count, (segment.fd, segment.offset + copied)
                copied += count
        elif early is not None:
            early.let_pass(offset + len(segment))
        for piece in _pieces(segment, copied, buffer):
            write_all(fd, piece, offset + copied)
            copied += len(piece)
            yield len(piece), None
        offset += copied
    if early is not None:
        early.stop()
    truncate(fd, offset)


def _iter_taken_over(fd: int, span: Span, offset: int, early: EarlyCopy | None) -> Iterator[int]:
    """Yield lengths of pieces of a span that got to ``offset`` without passing through here."""
    end, done = offset + span.length, 0
    if early is not None:
        if span.offset == offset and early.is_of(span.fd):
            for count in early.iter_done(offset, min(end, early.length)):
                yield count
                done += count
        early.let_pass(end)
    yield from iter_copied(span.fd, span.offset + done, span.length - done, (fd, offset + done))


def _pieces(segment: Segment, start: int, buffer: memoryview) -> Iterator[memoryview]:
    """Yield a segment from ``start`` on in pieces that are valid until the next."""
    match segment:
        case Span(fd, offset, length):
            yield from _read_pieces(fd, offset + start, length - start, buffer)
        case _:
            view = memoryview(segment)
            for at in range(start, len(view), len(buffer)):
                yield view[at : at + len(buffer)]


def _read_pieces(fd: int, offset: int, length: int, buffer: memoryview) -> Iterator[memoryview]:
    """Yield a run of a file through a buffer."""
    end = offset + length
    while offset < end:
        with _host_errors(fd):
            count = read_into(fd, buffer[: end - offset], offset)
        if not count:
            raise FormatError(
                f"a source ends at byte {offset}, wanted {end - offset} more",
                hint="it was replaced or truncated while it was read: run again",
            )
        yield buffer[:count]
        offset += count


def write_all(fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write all of ``data`` at ``offset``.

    Raises:
        HostError: it cannot be written.
    """
    view = memoryview(data)
    with _host_errors(fd):
        while view:
            done = os.pwrite(fd, view, offset)
            view, offset = view[done:], offset + done


def truncate(fd: int, size: int) -> None:
    """Make a file ``size`` bytes long; what is added is a hole.

    Raises:
        HostError: the disk is full, or the file would exceed a limit.
    """
    with _host_errors(fd):
        os.ftruncate(fd, size)


def allocate(fd: int, size: int) -> None:
    """Make a new file ``size`` bytes long, with its space allocated where that is supported.

    Raises:
        HostError: the disk is full.
    """
    reserve: Callable[[int, int, int], None] | None = getattr(os, "posix_fallocate", None)
    with _host_errors(fd, f"allocating {size} bytes"):
        if size and reserve is not None:
            try:
                reserve(fd, 0, size)
            except OSError as error:
                if error.errno not in _NO_FALLOCATE:
                    raise
        os.ftruncate(fd, size)


def digest_file(file: Path | int, algorithms: Iterable[str]) -> dict[str, str]:
    """Return the digests of a file by algorithm, read once.

    Args:
        file: Path, or a descriptor whose position is left alone.
        algorithms: As :func:`hashlib.new` names them.

    Raises:
        HostError: it cannot be read.
    """
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with _descriptor(file) as fd:
        for piece in _whole_file(fd):
            for one in hashes.values():
                one.update(piece)
    return {name: one.hexdigest() for name, one in hashes.items()}


class BackgroundDigest:
    """Digest of a file, computed in a thread that starts at once.

    Raises:
        HostError: the file cannot be opened.
    """

    def __init__(self, path: Path, algorithm: str) -> None:
        self._path = path
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._error: OSError | None = None
        self._stopped = False
        with _host_errors(path):
            self._fd = os.open(path, os.O_RDONLY)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def hexdigest(self) -> str:
        """Return the digest when the whole file has been read.

        Raises:
            HostError: the file cannot be read.
        """
        self._thread.join()
        if self._error is not None:
            raise refusal(self._error, self._path)
        if self._stopped:
            raise ValueError(f"the digest of {self._path} was given up")
        return self._hash.hexdigest()

    def stop(self) -> None:
        """Cancel; the thread ends soon."""
        self._stopped = True

    def _run(self) -> None:
        """Hash the file and close it."""
        try:
            for piece in _whole_file(self._fd):
                if self._stopped:
                    return
                self._hash.update(piece)
        except OSError as error:
            self._error = error
        finally:
            os.close(self._fd)


def _whole_file(fd: int) -> Iterator[memoryview]:
    """Yield a file from its first byte to its end; a piece is valid until the next."""
    view = memoryview(bytearray(_DIGEST_BUFFER_SIZE))
    offset = 0
    while count := read_into(fd, view, offset):
        yield view[:count]
        offset += count


@contextmanager
def _descriptor(file: Path | int) -> Iterator[int]:
    """Open a path for reading; a descriptor stays as it is."""
    with _host_errors(file):
        if isinstance(file, int):
            yield file
            return
        fd = os.open(file, os.O_RDONLY)
        try:
            yield fd
        finally:
            os.close(fd)


@contextmanager
def _host_errors(file: Path | int, doing: str = "") -> Iterator[None]:
    """Turn an ``OSError`` about a path or a descriptor into a ``HostError``."""
    try:
        yield
    except OSError as error:
        place = place_of(file) if isinstance(file, int) else str(file)
        raise refusal(error, f"{place}: {doing}" if doing else place) from error
