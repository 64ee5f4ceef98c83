"""Downloads a file from one address, with retries and resume."""

from collections.abc import Iterator
from contextlib import contextmanager

from builder.cache.writing import check_room
from builder.fetch.partial import Partial
from builder.fetch.replies import RangeError, Reply, contradicts, open_reply
from builder.fetch.wire import MirrorError, Retries, RetryPolicy, TransientError
from builder.progress import Advance, Progress


class Transfer:
    """Fills a partial file from addresses, one after the other."""

    def __init__(
        self, partial: Partial, size: int | None, progress: Progress, policy: RetryPolicy
    ) -> None:
        self._partial = partial
        self._size = size
        self._progress = progress
        self._policy = policy

    def run(self, url: str, filename: str) -> None:
        """Complete the file from ``url``; transient errors are retried.

        Raises:
            MirrorError: the mirror does not serve the file.
            HostError: the file cannot be written.
        """
        retries = Retries(url, self._policy, self._progress)
        done = self._is_complete()
        while not done:
            before = self._partial.size
            try:
                self._attempt(url, filename)
                done = True
            except TransientError as error:
                retries.wait(error, self._partial.size - before)

    def _is_complete(self) -> bool:
        """Return whether the file is complete; a longer one is truncated."""
        if self._size is not None and self._partial.size > self._size:
            self._partial.restart()
        return self._size is not None and 0 < self._partial.size == self._size

    def _attempt(self, url: str, filename: str) -> None:
        """Send one request and store the body."""
        offset, validator = self._partial.size, self._partial.validator(url)
        try:
            with open_reply(url, offset, validator, self._policy) as reply:
                self._prepare(url, reply, filename)
                self._receive(reply, filename)
        except RangeError as error:
            if error.total is None or error.total != offset:
                self._partial.restart()
                raise

    def _prepare(self, url: str, reply: Reply, filename: str) -> None:
        """Check a response, and prepare the partial file for it."""
        validator = self._partial.validator(url)
        if self._size is not None and reply.total not in {None, self._size}:
            raise MirrorError(f"it offers {reply.total} bytes, wanted {self._size}")
        if reply.offset > 0 and contradicts(validator, reply.validator):
            self._partial.restart()  # another version, although If-Range was sent
            raise RangeError(None)
        if reply.offset != self._partial.size:
            self._partial.restart()
        is_vouched = bool(validator) and validator == reply.validator
        self._partial.is_spliced |= reply.offset > 0 and not is_vouched
        if reply.total is not None:
            check_room(self._partial.path.parent, reply.total - reply.offset)
        self._partial.note(url, reply.validator, filename)

    def _receive(self, reply: Reply, filename: str) -> None:
        """Append the body of a response to the partial file."""
        total = self._size if self._size is not None else reply.total
        with self._count(filename, total) as advance:
            for piece in reply.pieces():
                self._partial.append(piece)
                advance(len(piece))
                if total is not None and self._partial.size > total:
                    raise MirrorError(f"it sends more than the {total} bytes that are wanted")
        if total is not None and self._partial.size < total:
            raise TransientError(f"it broke off after {self._partial.size} of {total} bytes")

    @contextmanager
    def _count(self, filename: str, total: int | None) -> Iterator[Advance]:
        """Show a counter that starts at the bytes received before."""
        had = self._partial.size
        resumed = f", resumed at {had / 1e6:.1f} MB" if had else ""
        with self._progress.count(f"{filename}{resumed}", total, done=had) as advance:
            yield advance
