"""The script of the first boot, run by a real shell beside programs that answer as the test says.

What tdnf prints, and the status that it ends with, is recorded from tdnf 2.1.1, 3.2.3 and 3.5.2,
built from their sources and run against repositories of the test's own.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from builder.engine.text.packages import DIRECTORY, REPOSITORY_FILE
from builder.guest.packages_script import PAUSE_SECONDS, SCRIPT_TEXT
from tests.support.judges import require

_TDNF = """\
#!/bin/sh
echo "tdnf $*" >>"$HOME/calls"
case "$*" in
  --version) cat "$HOME/version"; exit ;;
  *' list '* | 'list '*)
    for name; do :; done
    grep -qx "$name" "$HOME/known"; exit ;;
esac
next=$(ls "$HOME/answers" | sort -n | head -n 1)
[ -n "$next" ] || exit 0
at="$HOME/answers/$next"
cat "$at/out"; cat "$at/err" >&2
status=$(cat "$at/status")
[ -e "$at/last" ] || rm -r "$at"
exit "$status"
"""
_TOLD = """\
#!/bin/sh
echo "${0##*/} $*" >>"$HOME/calls"
"""
_RPM = """\
#!/bin/sh
for name; do :; done
[ "$1" = -q ] && [ -z "$(grep -x "$name" "$HOME/missing")" ]
"""
"""Knows every package as installed but those that the test names."""

_SYSTEMCTL = """\
#!/bin/sh
echo "systemctl $*" >>"$HOME/calls"
for unit; do :; done
case $1 in
  enable) [ -z "$(grep -x "$unit" "$HOME/unknown")" ] ;;
  show) echo "InactiveExitTimestampMonotonic=$(grep -cx "$unit" "$HOME/ran")" ;;
esac
"""


@dataclass(frozen=True)
class Answer:
    """What tdnf says to one call, and how it ends."""

    status: int
    err: str = ""
    out: str = ""


REFRESHING = "Refreshing metadata for: 'VMware Photon Linux 3.0 (x86_64) Updates'\n"
_DISABLING = REFRESHING + "Disabling Repo: 'VMware Photon Linux 3.0 (x86_64) Updates'\n"
_LISTED = (
    "\nInstalling:\nrpcbind x86_64 1.2.5-1.ph3 photon-updates 100.00k 102400\n\nDownloading:\n"
)
UNKNOWN = {
    "2.1.1": Answer(243, "Error(1011) : No matching packages\n", REFRESHING),
    "3.2.3": Answer(
        243,
        "nosuch package not found or not installed\nError(1011) : No matching packages\n",
        REFRESHING,
    ),
}
_NO_KEY = (
    "Error verifying signature of: /var/cache/tdnf/photon-updates/rpms/x86_64/rpcbind.rpm\n"
    "Error processing package: x86_64/rpcbind.rpm\n"
    "Error(1514) : RPM is signed but failed to match with known keys. "
    "Use --nogpgcheck to ignore.\n"
)
WRONG_KEY = {
    "2.1.1": Answer(234, _NO_KEY, _LISTED),
    "3.2.3": Answer(234, _NO_KEY, _LISTED + "importing key from file:///etc/pki/rpm-gpg/KEY\n"),
}
OUT_OF_REACH = {
    "2.1.1": Answer(
        243,
        "curl#6: Couldn't resolve host name\nError: TDNFGetRepoMD 1207\n"
        "Error: Failed to synchronize cache for repo 'Updates' from 'https://example.org'\n"
        "Error(1011) : No matching packages\n",
        _DISABLING,
    ),
    "3.2.3": Answer(
        243,
        "Error(1207) : Couldn't resolve host name\n"
        "Error: Failed to synchronize cache for repo 'Updates' from 'https://example.org'\n"
        "jq package not found or not installed\nError(1011) : No matching packages\n",
        _DISABLING,
    ),
    "3.5.2": Answer(
        86,
        "Error(1207) : Couldn't resolve host name\n"
        "Error: Failed to synchronize cache for repo 'Updates'\nError(1622) : Invalid argument\n",
        _DISABLING,
    ),
    "no skip_if_unavailable": Answer(184, "Error(1208) : Couldn't connect to server\n"),
}
UNSOLVABLE = Answer(
    21,
    "1. nothing provides libfoo needed by mine-1.0-1.x86_64\nFound 1 problem(s) while resolving\n"
    "Error(1301) : Solv general runtime error\n",
)
NO_KEY_NAMED = Answer(243, "Error(1523) : gpgkey entry is missing for this repo.\n")


@dataclass(frozen=True)
class Machine:
    """A folder in the place of a machine's root, and what was called there."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, wanted: str, *answers: Answer, repeats: bool = False) -> "Machine":
        """Make one that wants packages, where tdnf answers one call after the other.

        Args:
            folder: An empty folder.
            wanted: Names of packages.
            answers: To the installations, in order; success to all that follow.
            repeats: Whether the last answer is given for ever.
        """
        machine = cls(folder)
        for path in ("bin", "run/systemd/system", "etc/yum.repos.d", DIRECTORY[1:], "answers"):
            (folder / path).mkdir(parents=True)
        programs = {"tdnf": _TDNF, "systemctl": _SYSTEMCTL, "sleep": _TOLD, "rpm": _RPM}
        for name, text in programs.items():
            machine.program(name, text)
        for name in ("known", "unknown", "ran", "calls", "missing"):
            (folder / name).touch()
        (folder / "version").write_text("tdnf: 3.2.3\n")
        for number, answer in enumerate(answers, 1):
            at = folder / "answers" / str(number)
            at.mkdir()
            (at / "out").write_text(answer.out)
            (at / "err").write_text(answer.err)
            (at / "status").write_text(str(answer.status))
            if repeats and number == len(answers):
                (at / "last").touch()
        machine.state("wanted").write_text("".join(f"{name}\n" for name in wanted.split()))
        return machine

    def program(self, name: str, text: str = _TOLD) -> None:
        """Write a program that the script finds."""
        at = self.folder / "bin" / name
        at.write_text(text)
        at.chmod(0o755)

    def state(self, name: str) -> Path:
        """Return a file of the script's own folder."""
        return self.folder / DIRECTORY[1:] / name

    @property
    def calls(self) -> list[str]:
        """The programs that were called, with their arguments."""
        return (self.folder / "calls").read_text().splitlines()

    @property
    def installations(self) -> list[str]:
        """The calls of ``tdnf install``."""
        return [call for call in self.calls if call.startswith("tdnf") and " install " in call]

    @property
    def pauses(self) -> int:
        """How often the script waited."""
        return self.calls.count(f"sleep {PAUSE_SECONDS}")

    @property
    def console(self) -> list[str]:
        """Run the script and return the lines for the console."""
        return self.run()[1]

    def run(self) -> tuple[int, list[str]]:
        """Run the script by the shell of this machine; return its status and the console."""
        text = SCRIPT_TEXT
        for path in (DIRECTORY, REPOSITORY_FILE, "/run/systemd/system/", "/etc/yum.repos.d/*"):
            text = text.replace(path, f"{self.folder}{path}")
        script = self.folder / "script"
        script.write_text(text)
        search = os.pathsep.join((str(self.folder / "bin"), os.environ["PATH"]))
        environment = {"PATH": search, "HOME": str(self.folder)}
        ran = subprocess.run(
            [require("dash"), str(script)],
            capture_output=True, text=True, check=False, env=environment, timeout=60,
        )  # fmt: skip
        return ran.returncode, ran.stderr.splitlines()
