"""Rules of units and scripts."""

from collections.abc import Iterator

from builder.engine.text.unit_names import complete_name
from builder.errors import Diagnostic
from builder.rules.model import Rule, Subject, error, find, warning

_ELSEWHERE = {
    "ssh": "sshd",
    "networking": "systemd-networkd",
    "NetworkManager": "systemd-networkd",
    "network": "systemd-networkd",
    "resolvconf": "systemd-resolved",
    "ntp": "systemd-timesyncd",
    "ntpd": "systemd-timesyncd",
    "cron": "crond",
    "ufw": "iptables",
    "firewalld": "iptables",
    "docker.io": "docker",
    "dockerd": "docker",
    "syslog": "rsyslog",
    "vmware-tools": "vmtoolsd",
    "open-vm-tools": "vmtoolsd",
}
_BROUGHT_BY = {"crond": "cronie", "rsyslog": "rsyslog"}
"""Units of Photon that no image has, with their packages."""

_CRON = "cronie"
_JOBS = ("/etc/cron.", "/etc/crontab", "/var/spool/cron/")
_ON_CLOUDS = {"ntpd": "gce"}
"""Those that Photon's image for a cloud does have."""
_VERBS = ("enable", "disable", "mask")


def _names(subject: Subject) -> Iterator[Diagnostic]:
    """Find units by their name in other distributions."""
    for verb in _VERBS:
        for overlay, path, name in subject.listed("services", verb):
            short = str(name).removesuffix(".service")
            is_there = _ON_CLOUDS.get(short) in subject.cloud_targets
            meant = None if is_there else _ELSEWHERE.get(short)
            own = any(
                complete_name(unit) == complete_name(name)
                for _, section in subject.sections("units")
                for unit in section
            )
            if meant and not own:
                message = f"{name} is a unit of other distributions; Photon's is {meant}"
                hint = f"write {meant}"
                package = _BROUGHT_BY.get(meant)
                if package and package not in subject.packages():
                    message += f", of the package {package}, which no image has"
                    hint += f", and add packages: [{package}]"
                yield find(overlay, path, message, hint)


def _no_cron(subject: Subject) -> Iterator[Diagnostic]:
    """Find jobs for a cron that is not there."""
    lacks = [facts for facts in subject.bases.values() if facts.has_package(_CRON) is False]
    if not lacks or _CRON in subject.packages():
        return
    for overlay, path, entry in subject.listed("files"):
        place = str(entry.get("path", ""))
        if place.startswith(_JOBS) and "absent" not in entry:
            message = f"{place} is for cron, and the base has none: nothing would run it"
            hint = f"write a timer under `units`, or add packages: [{_CRON}]"
            yield find(overlay, (*path, "path"), message, hint)


RULES: tuple[Rule, ...] = (
    error(
        "SVC002",
        "a unit that cannot be enabled",
        "It has no [Install] section: other units start it when they need it.",
    ),
    error(
        "SVC003",
        "a unit that cannot be masked",
        "A mask is a link in the place of the unit, and there is a file in /etc/systemd/system. "
        "Remove it with `files: [{path: …, absent: true}]`, or disable the unit.",
    ),
    error(
        "SVC010",
        "not a unit name",
        "A unit name has a suffix such as .service, .socket or .timer; without one, .service is "
        "meant. Blanks and slashes are not allowed. An instance of a template is written "
        "name@instance.service.",
    ),
    error(
        "SVC011",
        "a unit in two states",
        "enable, disable and mask exclude each other. `docker` and `docker.service` are the same "
        "unit. Keep the one that is meant.",
    ),
    warning(
        "SVC012",
        "a unit by its name elsewhere",
        "Distributions name the same service differently. Photon has sshd, systemd-networkd, "
        "systemd-resolved, systemd-timesyncd, iptables and vmtoolsd. crond (of cronie) and rsyslog "
        "are in no image: they are packages to install; timers and the journal are there.",
        _names,
    ),
    warning(
        "SVC014",
        "a job for a cron that is not there",
        "No image of Photon has cron. A timer of systemd does the same and is in every base; the "
        "package cronie brings crond.",
        _no_cron,
    ),
    error(
        "UNIT001",
        "not a unit name",
        "The key under units is the unit's name with its suffix; without one, .service is meant. "
        "It becomes the file's name in /etc/systemd/system.",
    ),
    error(
        "UNIT002",
        "a unit given twice",
        "content holds the unit file itself, source names a file on this machine that holds it. "
        "Keep one. Drop-ins may be given besides either.",
    ),
    error(
        "UNIT003",
        "the unit's file cannot be read",
        "source names a text file on this machine. Relative paths start at the folder of the file "
        "that names them.",
    ),
    error(
        "UNIT004",
        "a unit that is enabled and says not where",
        "Enabling a unit makes the links that its [Install] section asks for. Without one there is "
        "nothing to make, and the unit would never start. Add [Install] with "
        "WantedBy=multi-user.target, or drop enable when another unit starts it.",
    ),
    warning(
        "UNIT005",
        "a line that systemd ignores",
        "A unit file has sections in brackets, Key=value lines and comments that begin with # or "
        ";. systemd logs other lines at boot and goes on without them, so a mistyped setting is "
        "silently lost. systemd-analyze verify tells more.",
    ),
    warning(
        "UNIT006",
        "a section that the unit does not have",
        "A unit has [Unit], [Install] and the section of its kind, such as [Service]. systemd "
        "ignores any other, with all that is in it, but for the log. Sections that begin with X- "
        "are for other programs.",
    ),
    warning(
        "UNIT007",
        "a key that systemd does not know",
        "systemd ignores it, but for the log, and starts the unit as if it were not there. Mostly "
        "it is misspelt, or in the wrong section.",
    ),
    warning(
        "UNIT008",
        "a key that is too new for the base",
        "Photon 3.0 has systemd 239, 4.0 has 247 and 5.0 has 253. An older systemd ignores a newer "
        "key, but for the log.",
    ),
    error(
        "BOOT001",
        "two scripts of one name",
        "The name becomes that of the script, its unit and its stamp. The second would replace the "
        "first.",
    ),
    error(
        "BOOT002",
        "a script in no form, or in two",
        "script holds the text, source names a file on this machine. Exactly one is needed.",
    ),
    error(
        "BOOT003",
        "the script's file cannot be read",
        "source names a text file on this machine, relative to the folder of the file that names "
        "it.",
    ),
    error(
        "BOOT004",
        "a script without an interpreter",
        "systemd starts the script directly, so its first line has to name the interpreter: "
        "#!/bin/sh. Without it the unit fails with `Exec format error`.",
    ),
    error(
        "BOOT006",
        "a variable that no unit can have",
        "A NUL character ends a text for the kernel, so that no variable holds one. Encode the "
        "value, with base64 for one, and decode it in the script.",
    ),
    error(
        "BOOT005",
        "a script with Windows line ends",
        "With a carriage return after it the interpreter's name is not found, and the unit fails "
        "with `No such file or directory`. Save the file with Unix line ends.",
    ),
)
