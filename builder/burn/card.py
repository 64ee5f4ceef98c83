"""A device that has been opened for writing, alone and past the page cache.

Sources: open(2), O_EXCL on block devices and O_DIRECT; flock(2), which systemd-udevd heeds (block
device locking, systemd.io); the kernel's ``include/uapi/linux/fs.h`` for the ioctls.

Never makes a file, never shares the device: a second writer, a mounter and udev are kept out as
long as it is open.
"""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from builder.burn.devices import Device
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
    errno.ENOSPC: "the device says that it is full before its end: its size is not what it says",
    errno.EROFS: "the device became read-only, as worn-out cards do",
}


class Card:
    """An open device.

    Attributes:
        device: What it is.
        fd: Open for reading and writing.
        is_direct: Whether reads and writes pass the page cache by.
        size: Bytes, as the open device says.
        offloads_zeros: Whether the device makes runs zero by itself, as far as is known.
    """

    def __init__(self, device: Device, fd: int, *, is_direct: bool) -> None:
        self.device = device
        self.fd = fd
        self.is_direct = is_direct
        self.size = device.size
        self.offloads_zeros = True

    def write(self, view: memoryview, offset: int) -> None:
        """Write a run; address, length and offset are multiples of the sector.

        Raises:
            HostError: the device refuses.
        """
        with self._errors(offset):
            while view:
                done = os.pwritev(self.fd, [view], offset)
                view, offset = view[done:], offset + done
            if not self.is_direct:
                os.fdatasync(self.fd)  # else progress would be that of the page cache

    def read(self, view: memoryview, offset: int, fd: int | None = None) -> None:
        """Fill a buffer, by another descriptor if one is given.

        Raises:
            HostError: the device refuses.
        """
        with self._errors(offset):
            while view:
                done = os.preadv(self.fd if fd is None else fd, [view], offset)
                if not done:
                    raise OSError(errno.EIO, "the device ends before its end")
                view, offset = view[done:], offset + done

    def punch(self, offset: int, length: int) -> bool:
        """Let the device make a run zero by itself; false when it cannot."""
        libc = ctypes.CDLL(None, use_errno=True)
        if not self.offloads_zeros or not hasattr(libc, "fallocate64"):
            return False
        start, count = ctypes.c_int64(offset), ctypes.c_int64(length)
        failed = libc.fallocate64(self.fd, _PUNCH_HOLE, start, count)
        self.offloads_zeros = not failed
        return self.offloads_zeros

    def flush(self) -> None:
        """Wait until everything is on the medium.

        Raises:
            HostError: the device refuses.
        """
        with self._errors(self.size):
            os.fsync(self.fd)

    @contextmanager
    def reader(self) -> Iterator[tuple[int, bool]]:
        """Open the device once more, to read what is really on it.

        Yields the descriptor and whether it passes the page cache by.
        """
        with self._errors(0):
            fd, is_direct = _open(self.device, os.O_RDONLY)
            if not is_direct:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            yield fd, is_direct
        finally:
            os.close(fd)

    def reread_partitions(self) -> bool:
        """Let the kernel look for partitions; false when it does not want to."""
        try:
            fcntl.ioctl(self.fd, _BLKRRPART)
        except OSError:
            return False
        return True

    @contextmanager
    def _errors(self, offset: int) -> Iterator[None]:
        """Turn what the kernel refuses into a sentence."""
        try:
            yield
        except OSError as error:
            raise _failure(error, self.device, offset) from error


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
        yield Card(device, fd, is_direct=is_direct)
    finally:
        os.close(fd)


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
                raise HostError(
                    f"{device.path}: you may not write it",
                    hint="run the same command with sudo",
                ) from error
            case _:
                raise DeviceError(f"{device.path}: {error.strerror}") from error


def _open(device: Device, flags: int) -> tuple[int, bool]:
    """Open a device past the page cache, or through it where that is not to be had."""
    try:
        return os.open(device.path, flags | os.O_DIRECT | os.O_CLOEXEC), True
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


def _failure(error: OSError, device: Device, offset: int) -> HostError:
    """Return the sentence for a device that failed."""
    share = f"at {offset * 100 // max(1, device.size)} % of the device (byte {offset})"
    if error.errno in _GONE:
        return HostError(f"{device.path}: was removed {share}", hint="put it back, and begin again")
    reason = _SENTENCES.get(error.errno or 0, error.strerror or str(error))
    return HostError(
        f"{device.path}: {reason}, {share}",
        hint="try another reader first, then another card",
    )
