"""Public keys as sshd(8) takes them from ``authorized_keys``.

Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT"; RFC 4253, 6.6: the base64 text holds
the key's type again, as its first string. The mathematics of a key is not checked.
"""

import base64
import binascii
import re

TYPES = (
    *("ssh-ed25519", "ssh-rsa", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
    *("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
)
_KEY = re.compile(rf"(?:^|\s)(?P<type>{'|'.join(map(re.escape, TYPES))})\s+(?P<body>\S+)")
_LENGTH = 4
_SMALLEST = 40


def key_lines(text: str) -> list[str]:
    """Return the lines of a public key file that hold keys: no comments, no blank ones."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def find_fault(line: str) -> str:
    """Return what is wrong with a line of ``authorized_keys``; empty when nothing is."""
    if "PRIVATE KEY" in line:
        return "this is a private key; wanted the public one, whose file ends in .pub"
    if "ssh-dss" in line.split():
        return "DSA keys are no longer accepted by sshd; wanted ssh-ed25519"
    found = _KEY.search(line)
    if not found:
        return "found no public key; wanted a line such as `ssh-ed25519 AAAA… name`"
    try:
        blob = base64.b64decode(found["body"], validate=True)
    except (binascii.Error, ValueError):
        return f"the {found['type']} key is not base64; is part of it missing?"
    size = int.from_bytes(blob[:_LENGTH])
    inner = blob[_LENGTH : _LENGTH + size]
    if inner != found["type"].encode() or len(blob) < _SMALLEST:
        return f"the key is damaged: it does not hold {found['type']}; is part of it missing?"
    return ""
