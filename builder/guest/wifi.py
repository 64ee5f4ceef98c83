"""Configuration of wpa_supplicant(8) for one interface.

Sources: wpa_supplicant.conf(5); IEEE 802.11-2020, 9.4.2.2 (an SSID has 1 to 32 bytes) and annex
J.4 (passphrases, and the key that is derived from one). wpa_passphrase(8) judges it in the tests.

Photon's wpa_supplicant is built without SAE, so networks of WPA3 alone cannot be joined.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from builder.guestpath import GuestPath, guest

LONGEST_SSID = 32
_KEY = re.compile(r"[0-9A-Fa-f]{64}")
_PASSPHRASE = re.compile(r"[ -~]{8,63}")
_PLAIN_SSID = re.compile(r"[ !#-\[\]-~]+")
_ROUNDS, _KEY_SIZE = 4096, 32


@dataclass(frozen=True, slots=True)
class Network:
    """A network to join.

    Attributes:
        ssid: Its name.
        key: The pre-shared key as 64 hex digits; empty for a network without one.
        hidden: Whether it does not tell its name.
        priority: Networks with a higher one are preferred.
    """

    ssid: str
    key: str = field(default="", repr=False)
    hidden: bool = False
    priority: int = 0


def file_path(interface: str) -> GuestPath:
    """Return where ``wpa_supplicant@.service`` looks for its configuration."""
    return guest(f"/etc/wpa_supplicant/wpa_supplicant-{interface}.conf")


def unit_of(interface: str) -> str:
    """Return the unit that joins networks on an interface."""
    return f"wpa_supplicant@{interface}.service"


def derive_key(ssid: str, secret: str) -> str:
    """Return the key for a passphrase of 8 to 63 printable letters, or a key of 64 hex digits.

    Raises:
        ValueError: it is neither; the secret is not in the message.
    """
    if _KEY.fullmatch(secret):
        return secret.lower()
    if not _PASSPHRASE.fullmatch(secret):
        size = len(secret)
        kind = "" if secret.isascii() and secret.isprintable() else ", some not printable ASCII"
        raise ValueError(f"{size} characters{kind}")
    return hashlib.pbkdf2_hmac("sha1", secret.encode(), ssid.encode(), _ROUNDS, _KEY_SIZE).hex()


def format_configuration(country: str, networks: Iterable[Network]) -> str:
    """Return the configuration; it holds keys, and so belongs to root alone."""
    head = f"ctrl_interface=/run/wpa_supplicant\nupdate_config=0\ncountry={country}\n"
    return head + "".join(f"\nnetwork={{\n{_format(each)}}}\n" for each in networks)


def _format(network: Network) -> str:
    """Return the lines of one network."""
    plain = _PLAIN_SSID.fullmatch(network.ssid)
    lines = [f'ssid="{network.ssid}"' if plain else f"ssid={network.ssid.encode().hex()}"]
    lines += ["scan_ssid=1"] * network.hidden
    lines += ["key_mgmt=WPA-PSK", f"psk={network.key}"] if network.key else ["key_mgmt=NONE"]
    lines += [f"priority={network.priority}"] * bool(network.priority)
    return "".join(f"\t{line}\n" for line in lines)
