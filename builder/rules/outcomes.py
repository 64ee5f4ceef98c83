"""Explanations of errors that are not about a value of a spec: one code for each remedy."""

from builder.rules.model import Rule, error

RULES: tuple[Rule, ...] = (
    error(
        "BUG001",
        "a bug of photon-builder",
        "Something happened that the program does not foresee: exit code 1. Nothing was "
        "published. Report it with all that was printed; nothing of a spec has to be changed.",
    ),
    error(
        "INT001",
        "interrupted",
        "Ctrl-C or SIGTERM: exit code 130. Nothing is left half-made. The part of a download that "
        "has arrived is kept, and the next run goes on there.",
    ),
    error(
        "CMD001",
        "a command line that asks for what does not exist",
        "An unknown command, option, target or release, an argument too many or too few, or two "
        "options that exclude each other: exit code 2. Nothing was read or written. "
        "`photon-builder COMMAND --help` lists what there is.",
    ),
    error(
        "CMD002",
        "a build that was not begun",
        "Another build of the same run failed before it. `--keep-going` builds all of them.",
    ),
    error(
        "OUT009",
        "what the target cannot do",
        "The target, the base or this program does not have what was asked for: exit code 4. "
        "Choose another target, or drop the key.",
    ),
    error(
        "FET001",
        "a download that failed",
        "No address has the file, or none can be reached: exit code 5. Each address is listed with "
        "the reason. The part that has arrived is kept, and the next run goes on there. Without a "
        "network: `photon-builder fetch SPEC --list` prints the addresses, and "
        "`photon-builder cache add FILE` takes in what was fetched elsewhere. Proxies are those of "
        "https_proxy and no_proxy.",
    ),
    error(
        "FET002",
        "a file with another digest",
        "The file is not the published one: exit code 6. It was damaged on its way, replaced by "
        "its publisher, or forged; it is not used. Compare its digest with one that came by "
        "another way before you trust it.",
    ),
    error(
        "FMT001",
        "a file that is damaged, or is not what it claims to be",
        "An image, archive or filesystem breaks the rules of its format, or uses a part of it that "
        "is not supported: exit code 7. It is never guessed at. Fetch or make the file again.",
    ),
    error(
        "FMT002",
        "a plan that cannot be read",
        "The document of a plan, or its contents, were not made by this version, or are damaged: "
        "exit code 7.",
    ),
    error(
        "GST001",
        "what the image does not have, or has in the way",
        "Spec and base do not fit: exit code 8. The base lacks a user, unit, file or partition "
        "that the spec needs, or has another file in that place.",
    ),
    error(
        "GST002",
        "no room inside the image",
        "A filesystem of the image is full: exit code 8. Write less, or enlarge the disk: "
        "`disk: {size: 20GiB}` under `overlay`.",
    ),
    error(
        "TOOL001",
        "a foreign program that is missing or fails",
        "Only `boot`, and media of a few kinds, need other programs: exit code 9. "
        "`photon-builder doctor` lists them with the command that installs each.",
    ),
    error(
        "HOST001",
        "what this machine refuses",
        "A file cannot be read or written here, the disk fails, or memory is short: exit code 10. "
        "What was there before is as it was.",
    ),
    error(
        "HOST002",
        "no room on this machine",
        "The filesystem is full, or the quota is used up: exit code 10. `df -h` shows the room; "
        "`photon-builder cache gc` removes old downloads; `--output` chooses another folder.",
    ),
    error(
        "HOST003",
        "no permission on this machine",
        "The file or folder is not yours to read or write, or its filesystem is read-only: exit "
        "code 10. `ls -ld` shows whose it is.",
    ),
    error(
        "HOST004",
        "no such file on this machine",
        "A path of the command line or of a spec leads nowhere: exit code 10.",
    ),
    error(
        "VER001",
        "a file that is not what the spec says",
        "The finished file was opened afresh, and lacks something, or a check in the booted "
        "machine failed: exit code 11. It is not published; one that was given to `verify` is left "
        "as it is.",
    ),
    error(
        "DEV001",
        "a device that must not be written",
        "The disk is in use, is not removable, is another one than was named, or fails: exit code "
        "12. `photon-builder devices` lists what can be written, and why the rest cannot. See "
        "docs/burning.md.",
    ),
)
