"""Certificate authorities that the machine trusts besides those of Photon."""

from collections.abc import Iterator, Sequence

from builder.blob import Blob
from builder.changes import SetUnitState, UnitState, WriteFile
from builder.errors import Diagnostic
from builder.features import Context, Feature, Reasoned, Requested
from builder.features.sources import read_text
from builder.guest import ca_certificates as store

SCHEMA = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "description": "Certificates to trust: paths of PEM files on this machine, or PEM texts. "
    "curl, tdnf, OpenSSL and dockerd use them; containers have stores of their own.",
    "items": {"type": "string", "minLength": 1},
}
_INLINE = "-----BEGIN "


def changes(value: Sequence[str], context: Context) -> Iterator[Requested]:
    """Yield a file a certificate, and what adds them to the stores at boot."""
    for index, given in enumerate(value):
        text: str | Diagnostic = given
        if _INLINE not in given:
            text = read_text(given, context, code="CRT001", path=(index,))
        if isinstance(text, Diagnostic):
            yield text
            continue
        try:
            found = store.split(text)
        except ValueError as error:
            hint = "give the certificate of the authority, in PEM: openssl x509 -in FILE"
            yield Diagnostic(str(error), "CRT002", hint, (index,))
            continue
        for certificate in found:
            yield WriteFile(store.file_path(certificate), Blob.text(certificate))
    reason = "the stores are written anew by upgrades, so they are looked at in every boot"
    yield Reasoned(WriteFile(store.SCRIPT, Blob.text(store.SCRIPT_TEXT), 0o755), reason)
    yield Reasoned(WriteFile(store.UNIT_PATH, Blob.text(store.UNIT_TEXT)), reason)
    yield Reasoned(SetUnitState(store.UNIT, UnitState.ENABLED), reason)


FEATURE = Feature(
    "ca_certificates",
    "Certificate authorities to trust",
    SCHEMA,
    changes,
    '["-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----\\n"]',
)
