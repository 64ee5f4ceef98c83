"""OVF envelopes in the dialects of the two tools that Photon's appliances were made with.

They are written by hand from what is known of both: ovftool's with the blank lines that
Photon's build puts between the lines, and ova-compose's, which has no product and its own
order of elements.
"""

from pathlib import Path

_FIXTURES = Path(__file__).parent / "fixtures"
OVFTOOL = (_FIXTURES / "ovftool.ovf").read_bytes()
OVA_COMPOSE = (_FIXTURES / "ova-compose.ovf").read_bytes()
