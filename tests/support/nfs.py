"""A file server for guests: NFS 4 from a folder, in user space, on a port of loopback.

QEMU's router leads a guest's connection to its own address to this machine's loopback.
"""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from builder.boot.access import free_port
from tests.support.judges import CI, require

_CONFIGURATION: Final = """\
NFS_CORE_PARAM {{
  Bind_addr = 127.0.0.1; NFS_Port = {port}; Protocols = 4;
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
}}
NFSV4 {{ Graceless = true; RecoveryRoot = {state}; Only_Numeric_Owners = true; }}
EXPORT {{
  Export_Id = 1; Path = {folder}; Pseudo = /nfs; Protocols = 4; Transports = TCP;
  Access_Type = RW; SecType = sys; Squash = No_Root_Squash; FSAL {{ Name = VFS; }}
}}
"""
_SECONDS: Final = 30.0


@contextmanager
def serve_nfs(folder: Path) -> Iterator[int]:
    """Serve a folder as ``/nfs``, and give the port; needs to be root."""
    program = require("ganesha.nfsd")
    if os.geteuid() != 0:
        (pytest.fail if CI else pytest.skip)("files are served by root only: run it with sudo")
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        state = Path(name, "state")
        state.mkdir()
        configuration = Path(name, "configuration")
        configuration.write_text(_CONFIGURATION.format(port=port, state=state, folder=folder))
        argv = [program, "-F", "-f", f"{configuration}", "-L", f"{name}/log", "-p", f"{name}/pid"]
        server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await(port, server, Path(name, "log"))
            yield port
        finally:
            server.terminate()
            try:
                server.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    said = log.read_text() if log.exists() else ""
    pytest.fail(f"the file server does not start: {said[-2000:]}")
