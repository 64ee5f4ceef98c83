"""Rules of access: what the ssh server reads, and who can become root."""

from builder.rules.model import Rule, error

RULES: tuple[Rule, ...] = (
    error(
        "SSH002",
        "a file that sshd does not read",
        "Photon's sshd_config has no Include. Where a file in /etc/ssh/sshd_config.d is given, the "
        "line is added; it takes names that end in .conf, and OpenSSH 8.2 or later. Photon 3.0 has "
        "7.8, where the same line stops sshd from starting: use `ssh`, or give the whole "
        "sshd_config.",
    ),
)
