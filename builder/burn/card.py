"""A device that has been opened for writing, alone and past the page cache.

Sources: open(2), O_EXCL on block devices and O_DIRECT; flock(2), which systemd-udevd heeds (block
device locking, systemd.io); the kernel's ``include/uapi/linux/fs.h`` for the ioctls,
``block/blk-core.c``, ``blk_errors``, for what errors mean, ``block/fops.c``, ``blkdev_write_iter``,
for EPERM of a device that became read-only, ``block/genhd.c`` for the size of one that is gone.

Never makes a file, never shares the device: a second writer, a mounter and udev are kept out as
long as it is open.
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
from builder.burn.patience import Patience, Step
from builder.errors import DeviceError, HostError

_BLKGETSIZE64: Final = 0x80081272
_BLKGETDISKSEQ: Final = 0x80081280
_BLKRRPART: Final = 0x125F
_PUNCH_HOLE: Final = 0x02 | 0x01
"""FALLOC_FL_PUNCH_HOLE with FALLOC_FL_KEEP_SIZE: zeros, by the device, or not at all."""
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.ESHUTDOWN})
_SENTENCES = {
    errno.EIO: "the device fails",
    errno.EREMOTEIO: "the device fails",
    errno.ENODATA: "the medium is damaged here",
    errno.EILSEQ: "data were damaged on their way: a contact, the cable or the reader is bad",
    errno.ENOLINK: "the connection to the device broke",
    errno.ETIMEDOUT: "the device does not answer",
    errno.ENOSPC: "the device says that it is full before its end: its size is not what it says",
    errno.EROFS: "the device became read-only, as worn-out cards do",
    errno.EPERM: "the device became read-only, as worn-out cards do",
}


class Card:
    """An open device.

    Attributes:
        device: What it is.
        fd: Open for reading and writing.
        is_direct: Whether reads and writes pass the page cache by.
        size: Bytes, as the open device says.
        offloads_zeros: Whether the device makes runs zero by itself, as far as is known.
        patience: How long it is waited for.
        is_read_direct: Whether the last :meth:`reader` passed the page cache by to its end.
    """

    def __init__(self, device: Device, fd: int, *, is_direct: bool) -> None:
        self.device = device
        self.fd = fd
        self.is_direct = is_direct
        self.size = device.size
        self.offloads_zeros = True
        self.patience = Patience(self._soften)
        self.is_read_direct = False
        self._reader = -1

    def write(self, view: memoryview, offset: int) -> None:
        """Write a run; address, length and offset are multiples of the sector.

        Raises:
            HostError: the device refuses.
        """
        self.ask(partial(self._write, view, offset), offset)

    def read(self, view: memoryview, offset: int, fd: int | None = None) -> None:
        """Fill a buffer, by another descriptor if one is given.

        Raises:
            HostError: the device refuses.
        """
        self.ask(partial(fill, self.fd if fd is None else fd, view, offset), offset)

    def ask(self, request: Callable[[], object], offset: int) -> None:
        """Make a request of a run; it may be made twice, and both at once for a while.

        Raises:
            HostError: the device refuses.
        """
        with self._errors(offset):
            self.patience.ask(request)

    def punch(self, offset: int, length: int) -> bool:
        """Let the device make a run zero by itself; false when it cannot."""
        libc = ctypes.CDLL(None, use_errno=True)
        if not self.offloads_zeros or not hasattr(libc, "fallocate64"):
            return False
        start, count = ctypes.c_int64(offset), ctypes.c_int64(length)

        def punch() -> None:
            self.offloads_zeros = not libc.fallocate64(self.fd, _PUNCH_HOLE, start, count)

        with self._errors(offset):
            self.patience.ask_long(punch)
        return self.offloads_zeros

    def flush(self) -> None:
        """Wait until everything is on the medium.

        Raises:
            HostError: the device refuses.
        """
        with self._errors(self.size):
            self.patience.ask_long(partial(os.fsync, self.fd))

    @contextmanager
    def reader(self) -> Iterator[int]:
        """Open the device once more, to read what is really on it, and yield the descriptor."""
        with self._errors(0):
            direct = self.patience.step < Step.THROUGH_CACHE
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
        """Let the kernel look for partitions; false when it does not want to."""
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

    def _soften(self) -> None:
        """Go through the page cache from now on."""
        self.is_direct = self.is_read_direct = False
        for fd in (self.fd, self._reader):
            if fd >= 0:
                flags = fcntl.fcntl(fd, fcntl.F_GETFL)
                fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_DIRECT)

    @contextmanager
    def _errors(self, offset: int) -> Iterator[None]:
        """Turn what the kernel refuses into a sentence."""
        try:
            yield
        except OSError as error:
            raise _failure(error, self, offset) from error


@contextmanager
def open_card(device: Device) -> Iterator[Card]:
    """Open a device for writing, when it is still the one that was looked at.

    Raises:
        DeviceError: somebody uses it, or it is another one now.
        HostError: it may not be opened.
    """
    fd, is_direct = _open_exclusively(device)
    try:
        _lock(fd, device)
        check_identity(fd, device)
        card = Card(device, fd, is_direct=is_direct)
        try:
            yield card
        finally:
            card.patience.end()
    finally:
        os.close(fd)


def no_permission(device: Device) -> HostError:
    """Return the error for a device that this user may not write, with what to type instead."""
    program = [str(Path(sys.argv[0]).absolute())]
    if Path(sys.argv[0]).name == "__main__.py":
        program = [sys.executable, "-m", Path(sys.argv[0]).parent.name]
    line = shlex.join(["sudo", *program, *sys.argv[1:]])
    return HostError(f"{device.path}: you may not write it", hint=line)


def check_identity(fd: int, device: Device) -> None:
    """Compare an open device with what was shown and confirmed.

    Raises:
        DeviceError: it is another; nothing has been written.
    """
    size = _number(fd, _BLKGETSIZE64)
    diskseq = _number(fd, _BLKGETDISKSEQ)
    if size != device.size or (device.diskseq and diskseq != device.diskseq):
        raise DeviceError(
            f"{device.path}: another disk than the one that was shown is there now; "
            "nothing was written",
            hint="look at photon-builder devices, and begin again",
        )


def fill(fd: int, view: memoryview, offset: int) -> None:
    """Fill a buffer from a place of a device.

    Raises:
        OSError: the kernel refuses, or the device ends before.
    """
    while view:
        done = os.preadv(fd, [view], offset)
        if not done:
            raise OSError(errno.EIO, "the device ends before its end")
        view, offset = view[done:], offset + done


def _number(fd: int, request: int) -> int:
    """Return what an ioctl says, zero when an older kernel does not know it."""
    buffer = bytearray(8)
    with suppress(OSError):
        fcntl.ioctl(fd, request, buffer)
    return int(struct.unpack("=Q", buffer)[0])


def _open_exclusively(device: Device) -> tuple[int, bool]:
    """Open a device for ourselves; there is no other way in."""
    try:
        return _open(device, os.O_RDWR | os.O_EXCL)
    except OSError as error:
        match error.errno:
            case errno.EBUSY:
                raise DeviceError(
                    f"{device.path}: something else uses it",
                    hint="unmount it, stop what is on it, and close what writes to it",
                ) from error
            case errno.EROFS:
                raise DeviceError(f"{device.path}: is read-only") from error
            case errno.EACCES | errno.EPERM:
                raise no_permission(device) from error
            case _:
                raise DeviceError(f"{device.path}: {error.strerror}") from error


def _open(device: Device, flags: int, *, direct: bool = True) -> tuple[int, bool]:
    """Open a device past the page cache, or through it where that is not to be had."""
    try:
        mode = os.O_DIRECT if direct else 0
        return os.open(device.path, flags | mode | os.O_CLOEXEC), direct
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.open(device.path, flags | os.O_CLOEXEC), False


def _lock(fd: int, device: Device) -> None:
    """Keep udev from looking at the device while it is being written."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DeviceError(f"{device.path}: another program has locked it") from error


def _is_gone(fd: int) -> bool:
    """Tell whether the disk or the card was taken away: then it has no bytes."""
    buffer = bytearray(8)
    try:
        fcntl.ioctl(fd, _BLKGETSIZE64, buffer)
    except OSError as error:
        return error.errno in _GONE
    return not any(buffer)


def _failure(error: OSError, card: Card, offset: int) -> HostError:
    """Return the sentence for a device that failed."""
    device = card.device
    share = f"at {offset * 100 // max(1, device.size)} % of the device (byte {offset})"
    if error.errno in _GONE or _is_gone(card.fd):
        return HostError(f"{device.path}: was removed {share}", hint="put it back, and begin again")
    reason = _SENTENCES.get(error.errno or 0, error.strerror or str(error))
    return HostError(
        f"{device.path}: {reason}, {share}",
        hint="try another reader first, then another card",
    )
