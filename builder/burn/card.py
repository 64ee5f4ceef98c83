"""A device opened for writing, exclusively and past the page cache.

Sources: open(2), O_EXCL on block devices and O_DIRECT; flock(2), which systemd-udevd respects
(block device locking, systemd.io); the kernel's ``include/uapi/linux/fs.h`` for the ioctls,
``block/blk-core.c``, ``blk_errors``, for what errors mean, ``block/fops.c``, ``blkdev_write_iter``,
for EPERM of a device that became read-only, ``block/genhd.c`` for the size of one that is gone.

Never creates a file and never shares the device: while it is open, other writers, mount(8) and
udev are locked out.
"""

import ctypes
import errno
import fcntl
import os
import shlex
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from builder.burn.devices import Device
from builder.burn.stall_guard import RequestMode, StallGuard
from builder.errors import DeviceError, HostError

_BLKGETSIZE64: Final = 0x80081272
_BLKGETDISKSEQ: Final = 0x80081280
_BLKRRPART: Final = 0x125F
_PUNCH_HOLE: Final = 0x02 | 0x01
"""FALLOC_FL_PUNCH_HOLE with FALLOC_FL_KEEP_SIZE: the device zeroes the range, or refuses."""
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.ESHUTDOWN})
_MESSAGES = {
    errno.EIO: "the device fails",
    errno.EREMOTEIO: "the device fails",
    errno.ENODATA: "the medium is damaged here",
    errno.EILSEQ: "data were damaged in transfer: a contact, the cable or the reader is bad",
    errno.ENOLINK: "the connection to the device broke",
    errno.ETIMEDOUT: "the device does not answer",
    errno.ENOSPC: "the device reports that it is full before its end: its size is false",
    errno.EROFS: "the device became read-only, as worn-out cards do",
    errno.EPERM: "the device became read-only, as worn-out cards do",
}


class Card:
    """An open device.

    Attributes:
        device: The device.
        fd: Open for reading and writing.
        is_direct: Whether reads and writes bypass the page cache.
        size: Bytes.
        offloads_zeros: Whether the device zeroes ranges by itself, as far as is known.
        guard: Makes the requests.
        is_read_direct: Whether the last :meth:`reader` bypassed the page cache to its end.
    """

    def __init__(
        self,
        device: Device,
        fd: int,
        *,
        is_direct: bool,
        on_stall: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.device = device
        self.fd = fd
        self.is_direct = is_direct
        self.size = device.size
        self.offloads_zeros = True
        self.guard = StallGuard(self._fall_back_to_buffered, on_stall)
        self.is_read_direct = False
        self._reader = -1

    def write(self, view: memoryview, offset: int) -> None:
        """Write a range; address, length and offset are multiples of the sector.

        Raises:
            HostError: the device fails.
        """
        self.request(partial(self._write, view, offset), offset)

    def read(self, view: memoryview, offset: int, fd: int | None = None) -> None:
        """Fill a buffer, by another file descriptor if one is given.

        Raises:
            HostError: the device fails.
        """
        self.request(partial(read_exactly, self.fd if fd is None else fd, view, offset), offset)

    def request(self, action: Callable[[], object], offset: int) -> None:
        """Make a request of a range; it may be made twice, and both may overlap.

        Raises:
            HostError: the device fails.
        """
        with self._errors(offset):
            self.guard.request(action)

    def punch(self, offset: int, length: int) -> bool:
        """Let the device zero a range by itself; return false when it cannot."""
        libc = ctypes.CDLL(None, use_errno=True)
        if not self.offloads_zeros or not hasattr(libc, "fallocate64"):
            return False
        start, count = ctypes.c_int64(offset), ctypes.c_int64(length)

        def punch() -> None:
            self.offloads_zeros = not libc.fallocate64(self.fd, _PUNCH_HOLE, start, count)

        with self._errors(offset):
            self.guard.request_long(punch)
        return self.offloads_zeros

    def flush(self) -> None:
        """Wait until everything is on the medium.

        Raises:
            HostError: the device fails.
        """
        with self._errors(self.size):
            self.guard.request_long(partial(os.fsync, self.fd))

    @contextmanager
    def reader(self) -> Iterator[int]:
        """Open the device once more, to read what is on the medium; yield the file descriptor."""
        with self._errors(0):
            direct = self.guard.mode < RequestMode.BUFFERED
            fd, self.is_read_direct = _open(self.device, os.O_RDONLY, direct=direct)
            if not self.is_read_direct:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        self._reader = fd
        try:
            yield fd
        finally:
            self._reader = -1
            os.close(fd)

    def reread_partitions(self) -> bool:
        """Let the kernel read the partition table; return false when it refuses."""
        try:
            fcntl.ioctl(self.fd, _BLKRRPART)
        except OSError:
            return False
        return True

    def _write(self, view: memoryview, offset: int) -> None:
        """Write a run, and wait until it is on the medium."""
        while view:
            done = os.pwritev(self.fd, [view], offset)
            view, offset = view[done:], offset + done
        if not self.is_direct:
            os.fdatasync(self.fd)  # else progress would be that of the page cache

    def _fall_back_to_buffered(self) -> None:
        self.is_direct = self.is_read_direct = False
        for fd in (self.fd, self._reader):
            if fd >= 0:
                flags = fcntl.fcntl(fd, fcntl.F_GETFL)
                fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_DIRECT)

    @contextmanager
    def _errors(self, offset: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _failure(error, self, offset) from error


@contextmanager
def open_card(device: Device, on_stall: Callable[[str], object] = lambda _: None) -> Iterator[Card]:
    """Open a device for writing, when it is still the one that was confirmed.

    Args:
        device: As it was confirmed.
        on_stall: Called with a message when it does not answer.

    Raises:
        DeviceError: the device is in use, or another one has taken its name.
        HostError: the user may not write it.
    """
    fd, is_direct = _open_exclusively(device)
    try:
        _lock(fd, device)
        check_identity(fd, device)
        card = Card(device, fd, is_direct=is_direct, on_stall=on_stall)
        try:
            yield card
        finally:
            card.guard.close()
    finally:
        os.close(fd)


def no_permission(device: Device) -> HostError:
    """Return the error for a device that the user may not write, with the command that may."""
    program = [str(Path(sys.argv[0]).absolute())]
    if Path(sys.argv[0]).name == "__main__.py":
        program = [sys.executable, "-m", Path(sys.argv[0]).parent.name]
    line = shlex.join(["sudo", *program, *sys.argv[1:]])
    return HostError(f"{device.path}: you may not write it", hint=line)


def check_identity(fd: int, device: Device) -> None:
    """Compare an open device with the one that was confirmed.

    Raises:
        DeviceError: it is another device; nothing has been written.
    """
    size = _number(fd, _BLKGETSIZE64)
    diskseq = _number(fd, _BLKGETDISKSEQ)
    if size != device.size or (device.diskseq and diskseq != device.diskseq):
        raise DeviceError(
            f"{device.path}: is not the disk that was confirmed any more; nothing was written",
            hint="run photon-builder devices, and start again",
        )


def read_exactly(fd: int, view: memoryview, offset: int) -> None:
    """Fill a buffer from a device.

    Raises:
        OSError: the read fails, or the device ends before.
    """
    while view:
        done = os.preadv(fd, [view], offset)
        if not done:
            raise OSError(errno.EIO, "the device ends before its size")
        view, offset = view[done:], offset + done


def _number(fd: int, request: int) -> int:
    """Return the answer of an ioctl, zero when an older kernel does not know it."""
    buffer = bytearray(8)
    with suppress(OSError):
        fcntl.ioctl(fd, request, buffer)
    return int(struct.unpack("=Q", buffer)[0])


def _open_exclusively(device: Device) -> tuple[int, bool]:
    try:
        return _open(device, os.O_RDWR | os.O_EXCL)
    except OSError as error:
        match error.errno:
            case errno.EBUSY:
                raise DeviceError(
                    f"{device.path}: is in use by another program",
                    hint="unmount it, stop what uses it, and close what writes to it",
                ) from error
            case errno.EROFS:
                raise DeviceError(f"{device.path}: is read-only") from error
            case errno.EACCES | errno.EPERM:
                raise no_permission(device) from error
            case _:
                raise DeviceError(f"{device.path}: {error.strerror}") from error


def _open(device: Device, flags: int, *, direct: bool = True) -> tuple[int, bool]:
    """Open a device with ``O_DIRECT``, or without where it is not supported."""
    try:
        mode = os.O_DIRECT if direct else 0
        return os.open(device.path, flags | mode | os.O_CLOEXEC), direct
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.open(device.path, flags | os.O_CLOEXEC), False


def _lock(fd: int, device: Device) -> None:
    """Keep udev from probing the device while it is written."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DeviceError(f"{device.path}: another program has locked it") from error


def _is_gone(fd: int) -> bool:
    """Return whether the disk or card was removed: its size is zero then."""
    buffer = bytearray(8)
    try:
        fcntl.ioctl(fd, _BLKGETSIZE64, buffer)
    except OSError as error:
        return error.errno in _GONE
    return not any(buffer)


def _failure(error: OSError, card: Card, offset: int) -> HostError:
    device = card.device
    share = f"at {offset * 100 // max(1, device.size)} % of the device (byte {offset})"
    if error.errno in _GONE or _is_gone(card.fd):
        return HostError(f"{device.path}: was removed {share}", hint="insert it, and start again")
    reason = _MESSAGES.get(error.errno or 0, error.strerror or str(error))
    return HostError(
        f"{device.path}: {reason}, {share}",
        hint="try another reader first, then another card",
    )
