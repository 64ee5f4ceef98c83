"""The seccomp profiles for old engines: as generated, and what they allow to whom.

Whether an engine takes them, and what a container may do then, is asked in
``tests/e2e/test_engine.py``.
"""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Profile = Mapping[str, Any]
KERNELS = ("4.19", "5.10")
ALLOW, REFUSE = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"

DEFAULT = frozenset(
    {
        "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
        "CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID",
        "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
    }
)  # fmt: skip
"""What a container has unless it asks for more or less."""

OPENED_BY = {
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
    "CAP_SYS_ADMIN": (
        "bpf", "fanotify_init", "fsopen", "lookup_dcookie", "mount", "move_mount",
        "name_to_handle_at", "open_tree", "perf_event_open", "quotactl", "setdomainname",
        "sethostname", "setns", "syslog", "umount2", "unshare",
    ),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYS_CHROOT": ("chroot",),
    "CAP_SYS_MODULE": ("delete_module", "init_module", "finit_module"),
    "CAP_SYS_NICE": ("mbind", "get_mempolicy", "set_mempolicy"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp", "process_vm_readv", "process_vm_writev"),
    "CAP_SYS_RAWIO": ("iopl", "ioperm"),
    "CAP_SYS_TIME": ("settimeofday", "clock_settime", "stime"),
    "CAP_SYSLOG": ("syslog",),
    "CAP_SYS_TTY_CONFIG": ("vhangup",),
}  # fmt: skip
NEVER = (
    "keyctl", "add_key", "request_key", "userfaultfd", "pivot_root", "swapon", "swapoff",
    "kexec_load", "kexec_file_load", "move_pages", "uselib", "ustat", "sysfs", "io_uring_setup",
)  # fmt: skip
SETS = [
    frozenset[str](),
    DEFAULT,
    *(frozenset({capability}) for capability in OPENED_BY),
    *(DEFAULT | {capability} for capability in OPENED_BY if capability not in DEFAULT),
    DEFAULT | {"CAP_NET_ADMIN"},
    DEFAULT | {"CAP_NET_ADMIN", "CAP_SYS_NICE", "CAP_SYS_TIME"},
    DEFAULT | {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"},
    DEFAULT | set(OPENED_BY),
    frozenset(OPENED_BY) - {"CAP_SYS_ADMIN"},
]


def _generator() -> ModuleType:
    path = ROOT / "tools/seccomp_profiles.py"
    found = importlib.util.spec_from_file_location("seccomp_profiles", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _shipped(kernel: str) -> str:
    return (ROOT / f"builder/data/seccomp-{kernel}.json").read_text()


@pytest.fixture(params=KERNELS)
def profile(request: pytest.FixtureRequest) -> Profile:
    """A profile, as it is shipped."""
    found: Profile = json.loads(_shipped(request.param))
    return found


def _in_force(profile: Profile, held: frozenset[str], arch: str = "amd64") -> Iterator[Profile]:
    """Yield the rules that the engine hands to libseccomp, as moby's profiles/seccomp has it."""
    for rule in profile["syscalls"]:
        includes, excludes = rule["includes"], rule["excludes"]
        if includes.get("arches") and arch not in includes["arches"]:
            continue
        if set(includes.get("caps", ())) - held or set(excludes.get("caps", ())) & held:
            continue
        yield rule


def _actions(profile: Profile, name: str, held: frozenset[str], arch: str = "amd64") -> set[str]:
    rules = _in_force(profile, held, arch)
    return {rule["action"] for rule in rules if name in rule["names"]}


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_shipped_profile_is_what_the_generator_makes(kernel: str) -> None:
    generator = _generator()
    calls = json.loads(generator.CALLS.read_text())
    made = generator.format_profile(generator.make_profile(calls, kernel))
    assert made == _shipped(kernel)


def test_a_profile_has_the_fields_that_every_engine_reads(profile: Profile) -> None:
    """An engine of 18.06 ignores others, ``minKernel`` and ``errnoRet`` among them."""
    assert set(profile) == {"defaultAction", "archMap", "syscalls"}
    for rule in profile["syscalls"]:
        fields = {"names", "action", "args", "comment", "includes", "excludes"}
        assert set(rule) == fields
        assert set(rule["includes"]) <= {"caps", "arches"}
        assert set(rule["excludes"]) <= {"caps"}


def test_no_rule_says_what_the_default_says(profile: Profile) -> None:
    """libseccomp refuses such a rule, and with it every container."""
    assert {rule["action"] for rule in profile["syscalls"]} == {ALLOW, REFUSE}
    assert profile["defaultAction"] == "SCMP_ACT_TRACE"


@pytest.mark.parametrize("held", SETS, ids=lambda held: "+".join(sorted(held)) or "none")
def test_no_call_is_both_allowed_and_refused(profile: Profile, held: frozenset[str]) -> None:
    names = {name for rule in profile["syscalls"] for name in rule["names"]}
    both = {name for name in names if _actions(profile, name, held) == {ALLOW, REFUSE}}
    assert both <= {"clone", "seccomp", "ptrace"}
    for rule in _in_force(profile, held):
        assert rule["args"] or not both & set(rule["names"])


@pytest.mark.parametrize("held", SETS, ids=lambda held: "+".join(sorted(held)) or "none")
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_a_call_needs_its_capability(profile: Profile, held: frozenset[str], arch: str) -> None:
    by_call: dict[str, set[str]] = {}
    for capability, names in OPENED_BY.items():
        for name in names:
            by_call.setdefault(name, set()).add(capability)
    for name, capabilities in by_call.items():
        wanted = ALLOW if capabilities & held else REFUSE
        assert _actions(profile, name, held, arch) == {wanted}, name
    for name in NEVER:
        assert _actions(profile, name, held, arch) == {REFUSE}, name


@pytest.mark.parametrize("held", SETS, ids=lambda held: "+".join(sorted(held)) or "none")
def test_newer_calls_of_libraries_are_answered_as_unknown(
    profile: Profile, held: frozenset[str]
) -> None:
    """A default of ENOSYS is what lets a library fall back; clone3 cannot be filtered by flags."""
    wanted = {ALLOW} if "CAP_SYS_ADMIN" in held else set()
    assert _actions(profile, "clone3", held) == wanted
    for name in ("fchmodat2", "futex_waitv", "cachestat"):
        assert _actions(profile, name, held) == set(), name


def test_threads_may_be_made_and_namespaces_not(profile: Profile) -> None:
    rules = [rule for rule in _in_force(profile, DEFAULT) if "clone" in rule["names"]]
    thread, namespaces = 0x3D0F00, (0x20000, *(1 << bit for bit in range(25, 31)))
    for flags in (thread, *namespaces, thread | 0x10000000):
        found = {
            rule["action"]
            for rule in rules
            if all(flags & test["value"] == test["valueTwo"] for test in rule["args"])
        }
        assert found == ({ALLOW} if flags == thread else {REFUSE}), hex(flags)


def test_the_old_libseccomp_gets_no_tests_that_it_merges() -> None:
    """2.4.0 takes equal tests of different arguments for one; 2.4.1 mended it."""
    profile = json.loads(_shipped("4.19"))
    tested = {name for rule in profile["syscalls"] if rule["args"] for name in rule["names"]}
    assert tested == {"clone", "personality"}


def test_a_newer_kernel_gets_no_tracer_or_listener_that_lets_calls_pass() -> None:
    profile = json.loads(_shipped("5.10"))
    rules = list(_in_force(profile, DEFAULT | {"CAP_SYS_PTRACE", "CAP_SYS_ADMIN"}))

    def answer(name: str, *arguments: int) -> set[str]:
        return {
            rule["action"]
            for rule in rules
            if name in rule["names"] and all(_fits(test, arguments) for test in rule["args"])
        }

    assert answer("seccomp", 1, 0) == {ALLOW}
    assert answer("seccomp", 1, 8) == {REFUSE}
    for request in (0x15, 0x4200, 0x4206):
        assert answer("ptrace", request, 0, 0, 0x80) == {REFUSE}
        assert answer("ptrace", request, 0, 0, 0x1F) == {ALLOW}
    for request in {*range(0x30), *range(0x4200, 0x4220)} - {0x15, 0x17, 0x4200, 0x4206}:
        assert answer("ptrace", request, 0, 0, 0x80) == {ALLOW}, hex(request)


def _fits(test: Profile, arguments: tuple[int, ...]) -> bool:
    given = arguments[test["index"]]
    if test["op"] == "SCMP_CMP_MASKED_EQ":
        return bool(given & test["value"] == test["valueTwo"])
    return bool(given == test["value"])
