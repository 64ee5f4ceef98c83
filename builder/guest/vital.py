"""Paths without which no Photon machine starts, or nobody gets in.

Source: file-hierarchy(7); Photon's filesystem package makes /bin, /sbin, /lib and /lib64 links
into /usr.
"""

_DIRECTORIES = (
    *("/bin", "/sbin", "/lib", "/lib64", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64"),
    *("/etc", "/var", "/var/lib", "/boot", "/boot/grub2", "/boot/efi", "/dev", "/proc", "/sys"),
    *("/run", "/root", "/usr/lib/systemd", "/usr/lib/systemd/system"),
    *("/usr/lib/modules", "/usr/lib/security", "/etc/pam.d", "/etc/systemd", "/etc/security"),
    *("/usr/share", "/etc/systemd/system"),
)
_FILES = (
    *("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/nsswitch.conf"),
    *("/etc/ld.so.cache", "/boot/grub2/grub.cfg", "/boot/grub/grub.cfg", "/boot/photon.cfg"),
    *("/usr/bin/bash", "/usr/bin/sh", "/bin/sh", "/bin/bash", "/sbin/init", "/usr/sbin/init"),
    *("/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/usr/bin/systemctl", "/usr/bin/mount"),
    *("/usr/sbin/sshd", "/usr/bin/login"),
)


def is_vital(path: str) -> bool:
    """Return whether a machine cannot live without what is at a path."""
    return path in {*_DIRECTORIES, *_FILES}


def is_vital_directory(path: str) -> bool:
    """Return whether the guest needs the base's own directory or link at this path."""
    return path in _DIRECTORIES
