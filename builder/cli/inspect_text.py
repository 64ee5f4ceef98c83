"""Text output of ``inspect``: release, hardware, partitions, and changes in an artifact."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder.cli.areas import AREAS, SYSTEM, area_of, key_of
from builder.plan_record import recorded_changes

_KINDS = {
    "ova": "a virtual appliance (OVA)",
    "iso": "an ISO 9660 image",
    "vmdk": "a virtual disk (VMDK)",
    "raw": "a raw disk image",
    "vhd": "a virtual disk (VHD of fixed size)",
    "container": "a container image",
}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_UNIT = 1024
_FIRMWARE = {"bios": "BIOS", "efi": "UEFI"}


def inspect_lines(path: Path, found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the properties of an artifact, one per line.

    Args:
        path: The file.
        found: What ``inspect --json`` prints of it.
    """
    kind = found["kind"]
    yield f"{path}: {_KINDS.get(kind, f'a packed disk image ({kind})')}, {size_text(path)}"
    rows = [
        ("system", _system(found)),
        ("made by", _made_by(found.get("made_by"))),
        ("name", str(found.get("name") or "")),
        *_hardware(found),
        *_medium(found),
        *_container(found),
        ("disk", _disk(found)),
    ]
    yield from (f"  {name:<10}{text}" for name, text in rows if text)
    yield from _partitions(found.get("partitions") or ())
    yield from _put_in(found.get("made_by"))
    yield from _packages(found.get("packages"))


def size_text(size: int | Path) -> str:
    """Return a length in bytes, or that of a file, with a binary unit."""
    left = float(size.stat().st_size if isinstance(size, Path) else size)
    for unit in _UNITS:
        if left < _UNIT or unit == _UNITS[-1]:
            break
        left /= _UNIT
    return f"{left:.1f}".removesuffix(".0") + f" {unit}"


def made_by(provenance: Mapping[str, Any], path: Path) -> dict[str, Any] | None:
    """Return the build that the provenance beside an artifact records.

    ``None`` when there is no provenance; for a file of another size, only ``matches: false``.
    """
    if not provenance:
        return None
    told = _mapping(provenance, "artifact")
    if told.get("size") != path.stat().st_size:
        return {"matches": False}
    return {
        "matches": True,
        "version": _mapping(provenance, "builder").get("version"),
        "spec": _mapping(provenance, "spec").get("file"),
        "target": provenance.get("target"),
        "base": _mapping(provenance, "base").get("name"),
        "timestamp": provenance.get("timestamp"),
        "sha256": told.get("sha256"),
        "changes": recorded_changes(provenance),
    }


def _system(found: Mapping[str, Any]) -> str:
    if found.get("base"):
        return str(found["base"])
    return f"unknown: {found['root']}" if found.get("root") else ""


def _made_by(made: Mapping[str, Any] | None) -> str:
    """Return version, spec, base and time of the build."""
    if made is None:
        return ""
    if not made["matches"]:
        return "unknown: the provenance file beside it describes a file of another size"
    when = made["timestamp"]
    told = [
        f"photon-builder {made['version']}",
        f"from {made['spec']} for {made['target']}",
        f"base: {made['base']}",
    ]
    if isinstance(when, int) and 0 <= when < 1 << 36:
        told.append(datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC"))
    return ", ".join(told)


def _hardware(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the virtual hardware of an appliance."""
    if "hardware_version" not in found:
        return
    cpus, memory = found["cpus"], found["memory_mib"]
    secure = " with secure boot" if found["secure_boot"] else ""
    words = [
        f"{cpus} processor{'s' * (cpus != 1)}" if cpus else "",
        f"{size_text(memory << 20)} of memory" if memory else "",
        f"virtual hardware {found['hardware_version'].removeprefix('vmx-')}"
        if found["hardware_version"]
        else "",
        f"{_FIRMWARE.get(found['firmware'], found['firmware'])} firmware{secure}",
    ]
    yield "hardware", ", ".join(filter(None, words))
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(found["adapters"]).items())
    yield "network", f"{kinds or 'no adapter'} on {', '.join(found['networks']) or 'no network'}"
    yield "choices", ", ".join(found["configurations"])
    yield "note", str(found["annotation"])
    manifest = found["manifest"]
    yield "manifest", "none: damage cannot be detected" if manifest == "none" else manifest


def _medium(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the volume's descriptors and boot entries."""
    if "volume" not in found:
        return
    yield "volume", str(found["volume"])
    starts = " and ".join(_FIRMWARE.get(name, name) for name in found["firmware"])
    yield "boots on", starts or "nothing: no boot entry"
    yield "installer", str(found["installer"])
    yield "checksum", str(found["checksum"])
    yield "release", "" if found.get("base") else str(found.get("release") or "")


def _container(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a container image says of itself."""
    if "platform" not in found:
        return
    yield "platform", str(found["platform"])
    yield "layers", str(found["layers"])
    yield "command", " ".join(found["command"])
    yield "digest", str(found["digest"])


def _disk(found: Mapping[str, Any]) -> str:
    """Return the size of the guest's disk."""
    if "disk_size" not in found:
        return ""
    member = f" in {found['member']}" if found.get("member") else ""
    return f"{size_text(found['disk_size'])}{member}"


def _partitions(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the partitions: purpose, mount point, size, filesystem."""
    if not rows:
        return
    yield "  partitions"
    wide = max(len(row["purpose"]) for row in rows)
    far = max(len(_point(row)) for row in rows)
    for row in rows:
        free = f", {size_text(row['free'])} free" if row["free"] is not None else ""
        names = {"named": row["name"], "labelled": row["label"]}
        told = "".join(f", {word} {name}" for word, name in names.items() if name)
        holds = "no filesystem" if row["holds"] == "nothing known" else row["holds"]
        yield (
            f"    {row['number']}  {row['purpose']:<{wide}}  {_point(row):<{far}}  "
            f"{size_text(row['size']):>9}  {holds}{free}{told}"
        )


def _point(row: Mapping[str, Any]) -> str:
    """Return where a partition is mounted."""
    return " ".join(row["mounted"])


def _put_in(made: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the changes in the artifact, by area."""
    changes = made.get("changes") if made else None
    if not changes:
        return
    yield f"  put in: {len(changes)} changes"
    for area in (*AREAS, SYSTEM):
        found = Counter(key_of(c["from"]) for c in changes if area_of(c["from"]) == area)
        if found:
            yield f"    {area:<9} " + ", ".join(f"{key} ({n})" for key, n in found.items())


def _packages(rows: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    """Yield the installed packages, when they were asked for."""
    if rows is None:
        return
    yield f"  packages: {len(rows)} installed" if rows else "  packages: no rpm database"
    widths = [max((len(str(row[key])) for row in rows), default=0) for key in ("name", "arch")]
    for row in rows:
        epoch = f"{row['epoch']}:" if row["epoch"] else ""
        version = f"{epoch}{row['version']}-{row['release']}"
        yield f"    {row['name']:<{widths[0]}}  {row['arch']:<{widths[1]}}  {version}"


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a value if it is a mapping, else an empty mapping."""
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}
