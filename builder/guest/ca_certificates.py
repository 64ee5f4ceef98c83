"""Certificate authorities that a guest trusts besides its own: files, and what spreads them.

Photon has two stores: ``/etc/ssl/certs``, a folder with links named after the hash of each
subject, for OpenSSL, and one bundle, for curl and tdnf; Go's programs, dockerd among them, read
both. An upgrade of a package writes the bundle anew, so the store is looked at in every boot.
"""

import base64
import binascii
import hashlib
import re

from builder.guestpath import GuestPath, guest, join

DIRECTORY = guest("/etc/ssl/certs")
UNIT = "photon-builder-ca-certificates.service"
UNIT_PATH = guest(f"/etc/systemd/system/{UNIT}")
SCRIPT = guest("/usr/libexec/photon-builder/ca-certificates")
_PREFIX = "photon-builder-"
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s*(.*?)\s*-----END \1-----", re.DOTALL)
_CERTIFICATE = "CERTIFICATE"
_DER_SEQUENCE = b"\x30"
_COLUMNS = 64

SCRIPT_TEXT = f"""\
#!/bin/sh
# Adds the certificates of the spec to what OpenSSL, curl, tdnf and dockerd trust.
store={DIRECTORY}
bundle=/etc/pki/tls/certs/ca-bundle.crt
mkdir -p "${{bundle%/*}}" || exit 1
cd "$store" || exit 1
for file in {_PREFIX}*.pem; do
  [ -e "$file" ] || continue
  hash=$(openssl x509 -hash -noout -in "$file") || exit 1
  number=0
  while [ -e "$hash.$number" ] && [ "$(readlink "$hash.$number")" != "$file" ]; do
    number=$((number + 1))
  done
  ln -sf "$file" "$hash.$number" || exit 1
  grep -qxF "# $file" "$bundle" 2>/dev/null && continue
  {{ echo "# $file"; cat "$file"; }} >>"$bundle" || exit 1
done
"""
UNIT_TEXT = f"""\
[Unit]
Description=Trust the certificate authorities of the image
DefaultDependencies=no
After=local-fs.target systemd-remount-fs.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={SCRIPT}

[Install]
WantedBy=sysinit.target
"""


def split(text: str) -> list[str]:
    """Return the certificates of a PEM text (RFC 7468), each as a text of its own.

    Raises:
        ValueError: the text holds no certificate, a damaged one, or something else.
    """
    found = _PEM.findall(text)
    if not found:
        raise ValueError("found no certificate: wanted -----BEGIN CERTIFICATE-----")
    for label, _ in found:
        if label != _CERTIFICATE:
            raise ValueError(f"found {label}; wanted certificates alone")
    return [_certificate(body) for _, body in found]


def file_path(certificate: str) -> GuestPath:
    """Return where a certificate goes; equal ones go to the same place."""
    digest = hashlib.sha256(certificate.encode()).hexdigest()[:12]
    return join(DIRECTORY, f"{_PREFIX}{digest}.pem")


def _certificate(body: str) -> str:
    """Return one certificate in the form that every program reads."""
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error:
        raise ValueError("found a certificate that is not base64: it is damaged") from None
    if not der.startswith(_DER_SEQUENCE):
        raise ValueError("found base64 that is no certificate: it is damaged")
    text = base64.b64encode(der).decode()
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return "\n".join(
        [f"-----BEGIN {_CERTIFICATE}-----", *lines, f"-----END {_CERTIFICATE}-----", ""]
    )
