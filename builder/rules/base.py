"""Rules of what an artifact starts from, of targets and of the spec as a whole."""

from collections.abc import Iterator
from functools import partial

from builder.errors import Diagnostic, Severity
from builder.rules.model import Rule, Subject, error, finding, warning
from builder.spec import UrlBase
from builder.suggest import nearest

_WITH_BIOS = "ova"
"""The target whose published appliances have a BIOS."""

_STRONG = frozenset({"sha256", "sha512"})


def _insecure(subject: Subject) -> Iterator[Diagnostic]:
    """Find secure boot of machines with a BIOS."""
    output = subject.spec.output
    ova = subject.bases.get(_WITH_BIOS)
    default = "bios" if ova is not None and ova.is_known else "efi"
    if output.get("secure_boot") and output.get("firmware", default) != "efi":
        message = "secure_boot needs UEFI firmware: a BIOS starts any boot loader"
        yield finding(
            message, subject.spec.document, ("output", "secure_boot"), "add firmware: efi"
        )


def _weak_digest(subject: Subject) -> Iterator[Diagnostic]:
    """Find downloads whose digest proves too little."""
    base = subject.spec.base
    if isinstance(base, UrlBase) and base.digests and not _STRONG & base.digests.keys():
        name = min(base.digests)
        message = f"{name} tells damage, not forgery: files with the same one can be made"
        hint = "add the sha256 or sha512 that was published"
        yield finding(message, subject.spec.document, ("base", name), hint)


def _unknown_base(subject: Subject) -> Iterator[Diagnostic]:
    """Find bases that no table of facts describes."""
    told = {facts.text for facts in subject.bases.values() if not facts.is_known}
    for text in sorted(told):
        message = f"the base is not one of the published revisions that are known: it is {text}"
        hint = "photon-builder facts; a file that keeps its published name is known by it"
        yield finding(message, subject.spec.document, ("base",), hint)


def _lacking(code: str, subject: Subject) -> Iterator[Diagnostic]:
    """Find why there is nothing to start from: one of the reasons that reading the spec gave."""
    for fault in subject.spec.lacks:
        if fault.code == code:
            yield subject.spec.document.locate(fault)


def _allowed(subject: Subject) -> Iterator[Diagnostic]:
    """Find codes under ``allow`` that cannot be allowed."""
    from builder.rules import discover

    document = subject.spec.document
    codes = document.value.get("allow", ()) if isinstance(document.value, dict) else ()
    rules = {rule.code: rule for rule in discover()} if codes else {}
    for index, code in enumerate(codes):
        path = ("allow", index)
        if code not in rules:
            meant = nearest(code, rules)
            hint = f"did you mean {meant}?" if meant else "photon-builder explain CODE tells one"
            yield finding(f"there is no diagnostic {code}", document, path, hint)
        elif rules[code].severity is Severity.ERROR:
            message = f"{code} is an error: {rules[code].summary}; only warnings can be allowed"
            yield finding(message, document, path, f"photon-builder explain {code}")


RULES: tuple[Rule, ...] = (
    error(
        "BASE001",
        "a base in no form, or in several",
        "`release` selects a published artifact, `url` and `file` name one of your own, and "
        "`sample: true` is a small one that is made here. Exactly one.",
    ),
    error(
        "BASE002",
        "a download without a digest",
        "Without a digest nobody can tell the real file from a damaged or forged one. Either "
        "write the published md5, sha1, sha256 or sha512 beside `url`, or run `photon-builder "
        "lock`, which records what is seen the first time and holds later builds to it.",
    ),
    error(
        "BASE003",
        "a selector without a catalog",
        "`revision` and `arch` choose among published artifacts; a file or address is one already.",
    ),
    error(
        "BASE004",
        "not a digest",
        "Hex digits and nothing else: md5 has 32, sha1 40, sha256 64 and sha512 128.",
    ),
    error(
        "BASE005",
        "a digest for what needs none",
        "Published artifacts have theirs in the catalog or in photon-builder.lock, and the sample "
        "is made here.",
    ),
    error("BASE006", "not an address", "https://… or http://…; a local file goes under `file`."),
    warning(
        "BASE007",
        "a digest that can be forged",
        "Two files with one MD5 or SHA-1 can be made on purpose. Over http from a stranger's "
        "mirror that matters.",
        _weak_digest,
    ),
    warning(
        "BASE008",
        "a base that is not known",
        "What the base can do (its docker, kernel, packages, firewall) is looked up in tables made "
        "from Photon's sources, by the commit that the name of a published file carries or that "
        "/etc/photon-release has. For another one the oldest revision of its release answers, "
        "which is the least able: the plan may hold more than this base needs. What the base "
        "really has is still looked at when it is edited.",
        _unknown_base,
    ),
    error(
        "BASE009",
        "nothing that Photon published",
        "The catalog has no such release, revision or architecture, or no file of it for one of "
        "the targets. `photon-builder catalog RELEASE` lists what there is. A group leaves out "
        "what a release does not have; a target that is named by itself has to be there. A file "
        "of your own goes under `file` or `url`. What Photon withdrew is not used either.",
        partial(_lacking, "BASE009"),
    ),
    error(
        "BASE010",
        "a base that is not there",
        "`file` names an image on this machine; a relative path starts at the folder of the spec. "
        "--base FILE builds from another one.",
        partial(_lacking, "BASE010"),
    ),
    error(
        "BASE011",
        "a base that nobody published a digest of",
        "The first download is trusted, once and visibly: on a terminal, or with --trust-first, "
        "the file is fetched, one sentence says what is trusted and where it came from, and its "
        "sha256 goes into photon-builder.lock beside the spec. Keep that file in version control: "
        "every later build, anywhere, is held to it, and another file is an error. Without a "
        "terminal and without the option a build stops before it downloads anything. "
        "`photon-builder lock SPEC` records it without building. To trust less, compare the "
        "sha256 with that of a download from elsewhere.",
    ),
    error(
        "SPEC002",
        "a diagnostic that cannot be allowed",
        "`allow: [NET005]` at the top of a spec says that a warning is meant: it is neither shown "
        "nor counted, by `check --strict` either. Errors cannot be allowed: nothing sound could be "
        "built.",
        _allowed,
    ),
    error("TGT001", "an unknown target", "`photon-builder targets` lists what can be built."),
    error(
        "TGT002",
        "a target that builds Photon itself",
        "Photon's targetList also names steps that compile Photon's packages from source. Those "
        "are Photon's own build.py's; here published artifacts are customised.",
    ),
    error("TGT003", "no target, or two lists of them", "`targets: [ova]`, or `target: ova`."),
    error(
        "OUT001",
        "an option that the target does not take",
        "Nothing is silently ignored: an option under `output` has to mean something for every "
        "target of the spec, and for one member of a group. docs/reference.md lists them.",
    ),
    error(
        "OUT005",
        "what the target cannot carry",
        "The target makes another kind of thing: media of sources take files, directories and "
        "links alone, since nothing boots from them. Nothing is silently left out; "
        "`photon-builder plan` shows what a key asks for.",
    ),
    error(
        "OUT006",
        "secure boot without UEFI",
        "Secure boot is UEFI's: the firmware starts signed boot loaders only. A virtual machine "
        "with a BIOS does not have it, and importers refuse an appliance that asks for both or "
        "pass it over. Photon's `ova` has a BIOS; add `firmware: efi`, or build `ova_uefi`.",
        _insecure,
    ),
    error(
        "SPEC003",
        "the file of another tool",
        "The file is a compose file, cloud-config, a kickstart, a netplan file, Ignition, Butane "
        "or a Kubernetes manifest. A spec has `version`, `targets` and `base`, and what is changed "
        "in the base under `overlay`; compose files are named under `overlay.compose`.",
    ),
    error(
        "OVL001",
        "an overlay that is not there",
        "Overlays are folders with an overlay.yaml or a folder files/: overlays/NAME beside "
        "specs/, in specs/, or where you are.",
    ),
    error(
        "SPEC001",
        "a name that cannot name a file",
        "Artifacts are named after the spec: letters, digits, dot, underscore and hyphen.",
    ),
)
