"""Writes the seccomp profiles for old container engines, builder/data/seccomp-KERNEL.json.

With --check it writes nothing and fails when they are stale. The calls are in seccomp_calls.json.

The engines (docker before 20.10.10 with runc before 1.0.0-rc93) answer EPERM to every call that
their own profile does not list, so the libraries of newer images do not fall back to older calls.
They cannot name another answer: no field for it, and names that their libseccomp does not know are
skipped. A profile of theirs therefore has three tiers:

* ALLOW: the calls of the engine's own profile, and a few newer ones that need no privilege;
* ERRNO (EPERM): every call that is known to need a privilege, by name; a capability allows it;
* TRACE, the default: the kernel answers ENOSYS as long as no tracer takes such calls, and the
  libraries fall back, from clone3 to clone, from faccessat2 to faccessat.

A process could make itself the tracer of its children and let calls of the third tier pass, or
listen by seccomp's own notifications. The second tier leaves it nothing of weight; from Linux 5.0
on, where that is not enough (clone3), tracers and listeners of this kind are refused.

libseccomp 2.4.0, which the releases with Linux 4.19 have, merges equal tests of different
arguments into one (mended in 2.4.1), so their profile tests arguments of two calls only.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

CALLS = Path(__file__).with_name("seccomp_calls.json")
DATA = Path(__file__).resolve().parents[1] / "builder" / "data"
KERNELS = ("4.19", "5.10")

ALLOW, REFUSE, UNKNOWN = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"
_ARCHITECTURES = (
    {
        "architecture": "SCMP_ARCH_X86_64",
        "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    },
    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
)
_CLONE_NEW = tuple(1 << bit for bit in (17, 25, 26, 27, 28, 29, 30))
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""

_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_NEW_LISTENER = 8
_TRACESECCOMP = 0x80
_OPTION_REQUESTS = (0x15, 0x4200, 0x4206)
"""PTRACE_OLDSETOPTIONS, PTRACE_SETOPTIONS, PTRACE_SEIZE: those that take options."""

_OTHER_REQUESTS = (
    (0x0, 16),
    (0x10, 4),
    (0x14, 1),
    (0x16, 2),
    (0x18, 8),
    (0x20, 16),
    (0x4201, 1),
    (0x4202, 2),
    (0x4204, 2),
    (0x4207, 1),
    (0x4208, 8),
    (0x4210, 16),
)
"""First and number of the other requests of ptrace(2), in blocks that one mask tells."""

Json = dict[str, Any]


def make_profile(calls: Mapping[str, Any], kernel: str) -> Json:
    """Return the profile for engines on a kernel.

    Args:
        calls: Names by tier, see ``seccomp_calls.json``.
        kernel: ``4.19`` or ``5.10``.
    """
    rules = [
        _rule(ALLOW, calls["allow"]),
        _rule(ALLOW, calls["newer"]),
        _rule(REFUSE, calls["never"]),
        _rule(ALLOW, calls["arm"], includes={"arches": ["arm", "arm64"]}),
        _rule(ALLOW, calls["x86"], includes={"arches": ["amd64", "x32", "x86"]}),
        *(_rule(ALLOW, ["personality"], [_equal(0, value)]) for value in _PERSONALITIES),
        *_clone_rules(),
        *(_tracer_rules() if kernel != "4.19" else [_rule(ALLOW, ["seccomp", "ptrace"])]),
        *_capability_rules(calls["capabilities"]),
    ]
    return {"defaultAction": UNKNOWN, "archMap": list(_ARCHITECTURES), "syscalls": rules}


def format_profile(profile: Json) -> str:
    """Return the text of a profile, as it is shipped."""
    return json.dumps(profile, separators=(",", ":")) + "\n"


def _clone_rules() -> Iterator[Json]:
    """Yield the rules that refuse new namespaces to those who may not administrate."""
    admin = {"caps": ["CAP_SYS_ADMIN"]}
    yield _rule(ALLOW, ["clone", "clone3"], includes=admin)
    yield _rule(ALLOW, ["clone"], [_masked(0, sum(_CLONE_NEW), 0)], excludes=admin)
    for flag in _CLONE_NEW:
        yield _rule(REFUSE, ["clone"], [_masked(0, flag, flag)], excludes=admin)


def _tracer_rules() -> Iterator[Json]:
    """Yield the rules that refuse listeners and tracers who could let unknown calls pass."""
    yield _rule(ALLOW, ["seccomp"], [_masked(1, _NEW_LISTENER, 0)])
    yield _rule(REFUSE, ["seccomp"], [_masked(1, _NEW_LISTENER, _NEW_LISTENER)])
    for first, count in _OTHER_REQUESTS:
        yield _rule(ALLOW, ["ptrace"], [_masked(0, (1 << 64) - count, first)])
    for request in _OPTION_REQUESTS:
        for action, value in ((ALLOW, 0), (REFUSE, _TRACESECCOMP)):
            tests = [_equal(0, request), _masked(3, _TRACESECCOMP, value)]
            yield _rule(action, ["ptrace"], tests)


def _capability_rules(capabilities: Mapping[str, list[str]]) -> Iterator[Json]:
    """Yield the rules that allow calls to those with a capability and refuse them to others."""
    holders: dict[str, list[str]] = {}
    for capability, names in capabilities.items():
        yield _rule(ALLOW, names, includes={"caps": [capability]})
        for name in names:
            holders.setdefault(name, []).append(capability)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, any_of in holders.items():
        groups.setdefault(tuple(sorted(any_of)), []).append(name)
    for key, names in sorted(groups.items()):
        yield _rule(REFUSE, names, excludes={"caps": list(key)})


def _rule(
    action: str,
    names: Iterable[str],
    tests: Iterable[Json] = (),
    *,
    includes: Json | None = None,
    excludes: Json | None = None,
) -> Json:
    """Return one rule, with all fields that engines since 18.06 read."""
    return {
        "names": sorted(names),
        "action": action,
        "args": list(tests),
        "comment": "",
        "includes": includes or {},
        "excludes": excludes or {},
    }


def _equal(index: int, value: int) -> Json:
    """Return the test of an argument for a value."""
    return {"index": index, "value": value, "valueTwo": 0, "op": "SCMP_CMP_EQ"}


def _masked(index: int, mask: int, value: int) -> Json:
    """Return the test of an argument's bits for a value."""
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}


def main(arguments: list[str]) -> int:
    """Write the profiles, or say which are stale."""
    calls = json.loads(CALLS.read_text())
    stale = 0
    for kernel in KERNELS:
        path = DATA / f"seccomp-{kernel}.json"
        text = format_profile(make_profile(calls, kernel))
        if arguments == ["--check"]:
            if path.read_text() != text:
                print(f"{path} is stale: run tools/seccomp_profiles.py", file=sys.stderr)
                stale = 1
        else:
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
