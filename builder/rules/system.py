"""Explanations of what files, names, kernel arguments and the packet filter may do wrong."""

from builder.rules.model import Rule, error, warning

RULES: tuple[Rule, ...] = (
    error(
        "FILE001",
        "not a path inside the image",
        "A path inside the image begins with a slash and has no component `..`. / itself can only "
        "be the place of a folder from source.",
    ),
    error(
        "FILE002",
        "a file in no form, or in several",
        "Each entry has exactly one of content, source, symlink, directory, lines and absent. "
        "content is text in the spec, source a file or folder of this machine, lines are added to "
        "a file that may be the base's.",
    ),
    error(
        "FILE003",
        "a file of this machine cannot be read",
        "Relative paths start at the folder of the file that names them. Check the spelling and "
        "the permissions.",
    ),
    error(
        "FILE004",
        "a folder holds something that is no file",
        "Devices, pipes and sockets have no content to copy. systemd makes those that services "
        "need, with systemd-tmpfiles or socket units.",
    ),
    error(
        "FILE005",
        "a whole file in the place of the accounts",
        "/etc/passwd, /etc/shadow and /etc/group belong to the base and hold the accounts of its "
        "packages. A whole new file would drop them, and with them sshd, networkd and resolved. "
        "The users key edits single lines instead.",
    ),
    error(
        "FILE006",
        "not a mode",
        "YAML 1.2 reads 0755 without quotes as the number 755, which is another mode. Write it in "
        "quotes, with three or four octal digits. Mostly it can be left out: the path decides, so "
        "that keys are 0600, programs 0755 and network files readable.",
    ),
    error(
        "FILE007",
        "not a line",
        "Each of `lines` is one line: some text without a line break in it. A file whose whole "
        "text is known goes under content or source.",
    ),
    error(
        "FILE008",
        "something that no machine lives without",
        "Without /usr, /etc, /boot, the programs that start a machine, or its accounts, nothing "
        "boots and nobody logs in; a link or a file in the place of such a directory does the "
        "same. Name the file that is meant.",
    ),
    error(
        "FIL010",
        "a file that would never be seen",
        "/run, /proc, /sys, /dev and /tmp are fresh filesystems at every boot; what the image has "
        "there is hidden by them.",
    ),
    error(
        "NAME001",
        "a host name that every machine has",
        "Every machine calls itself localhost; /etc/hosts ties that name to 127.0.0.1. A machine "
        "with that name cannot be distinguished in logs, and some programs refuse to start. "
        "Give it a name of its own.",
    ),
    warning(
        "NAME002",
        "a host name under .local",
        "Names under .local are looked up by multicast DNS (RFC 6762), not by name servers. On a "
        "network where both are used, the name is found by some machines and not by others. "
        "home.arpa (RFC 8375) is set aside for homes.",
    ),
    error(
        "KRN001",
        "no kernel command line that can be edited",
        "Photon keeps it in /boot/photon.cfg or in grub.cfg; the base has neither as expected.",
    ),
    error(
        "KRN010",
        "a kernel argument that belongs to the base",
        "root=, init=, initrd= and rootfstype= are how the boot loader of the base starts this "
        "disk. With another value it does not boot. They stay as they are.",
    ),
    error(
        "KRN011",
        "a kernel argument that GRUB would read otherwise",
        "Quotes, dollar signs and backslashes are read by GRUB's own script language before the "
        "kernel sees the line. What would arrive is not what was written. Use arguments without "
        "them.",
    ),
    error(
        "KRN012",
        "a kernel argument added and removed",
        "One of the two lists is wrong. To replace a value it is enough to add key=value: others "
        "with that key go.",
    ),
    warning(
        "LOC001",
        "a locale that the base lacks",
        "Photon's bases have en_US.UTF-8, C and POSIX, those of 5.0 C.UTF-8 too. Programs fall "
        "back to C and most print a warning about it. glibc-i18n brings the sources of other "
        "locales, from which localedef makes one.",
    ),
    error(
        "MOD001",
        "a kernel module that the base does not have",
        "Which modules there are depends on the kernel: linux-esx, of appliances, has the drivers "
        "of VMware's machines and few others; bonding is in it since 4.0 Rev1, wireguard in no "
        "kernel of 3.0. systemd-modules-load.service fails at every boot over one that is missing.",
    ),
    warning(
        "MOD002",
        "a kernel module by a name that is nearly known",
        "The name is like that of a module of the kernel, and is none that is known here. A module "
        "that is not found is not loaded, and systemd-modules-load.service fails.",
    ),
    warning(
        "CTL001",
        "a kernel parameter by a name that is nearly known",
        "The name is like that of a parameter of the kernel, and is none that is known here. "
        "systemd-sysctl skips a name that the kernel does not have, but for the log.",
    ),
    error(
        "CTL002",
        "a word where the kernel takes a number",
        "The kernel reads numbers: 1 for yes, 0 for no. It refuses `yes` and `true`, and the "
        "parameter stays as it was.",
    ),
    error(
        "FWL001",
        "the base has no packet filter",
        "Rules are lines of /etc/systemd/scripts/ip4save and ip6save, which iptables.service "
        "loads. A base without that script, such as a container, would never load them.",
    ),
    error(
        "FWL002",
        "not a port",
        "An opening is a port or a range from 1 to 65535, with /tcp or /udp; without either, tcp "
        "is meant. `from` is a network such as 192.168.1.0/24, whose bits after the prefix are "
        "zero.",
    ),
    error(
        "PLAN001",
        "two keys disagree",
        "Overlays are merged by what they do, not as YAML. Two keys of one overlay decide the same "
        "thing differently, or a key implies what an earlier overlay says otherwise in so many "
        "words. Drop one, or make them equal; equal ones are one.",
    ),
    warning(
        "PLAN002",
        "a later overlay overrides an earlier one",
        "Two overlays decide the same thing differently: the same single value, or the same file, "
        "unit or account. The later one counts, and the spec's own `overlay` is the last. Nothing "
        "else of the earlier one is lost. `key: null` in the spec drops what an overlay has there "
        "without a word; `allow: [PLAN002]` says that all of it is meant.",
    ),
)
