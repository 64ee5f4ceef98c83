"""Runs one command and prints what it took, as JSON: the launcher of ``make bench``.

A process of its own, because Linux counts the parent's memory into the peak of a child that it
starts; this one stays small (a peak below its own 10 MB shows as 10 MB). ``seconds`` and ``cpu``
are times, ``peak`` is the largest resident set of any process, ``written`` the bytes passed to
write calls (Linux only), ``status`` the exit.
"""

import json
import os
import sys
import time


def _written() -> int:
    """Return the bytes that this process and its finished children wrote; -1 where unknown."""
    try:
        descriptor = os.open("/proc/self/io", os.O_RDONLY)
    except OSError:
        return -1
    lines = os.read(descriptor, 4096).decode().splitlines()
    os.close(descriptor)
    return int(dict(line.split(": ") for line in lines)["wchar"])


def main() -> None:
    """Run the command given as arguments."""
    before = _written()
    quiet = os.open(os.devnull, os.O_WRONLY)
    start = time.perf_counter()
    pid = os.posix_spawnp(
        sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, quiet, 1)]
    )
    _, status, usage = os.wait4(pid, 0)
    facts = {
        "seconds": time.perf_counter() - start,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "written": _written() - before if before >= 0 else -1,
        "status": os.waitstatus_to_exitcode(status),
    }
    sys.stdout.write(json.dumps(facts))


main()
