"""Rules of what a machine takes from its surroundings: names, time, a proxy, trust."""

from builder.rules.model import Rule, error, warning

RULES: tuple[Rule, ...] = (
    error(
        "HST001",
        "not an address for a line of /etc/hosts",
        "The keys of `hosts` are IPv4 or IPv6 addresses without a prefix length. 127.0.1.1 is that "
        "of the machine's own name, which `hostname` sets.",
    ),
    error(
        "HST002",
        "not a host name",
        "Names are labels of letters, digits, `-` and `_`, separated by dots: nas, nas.home.arpa.",
    ),
    error(
        "NTP001",
        "not a time server",
        "Servers are host names or IP addresses, without a scheme or a port.",
    ),
    warning(
        "NTP002",
        "two daemons that set the clock",
        "`ntp` configures systemd-timesyncd. Photon's image for Google Compute Engine runs ntpd, "
        "and the packages ntp and chrony bring daemons of their own: each would pull the clock its "
        "own way.",
    ),
    error(
        "PRX001",
        "not the address of a proxy",
        "Wanted: http:// or https://, a host, a port. A user and a password in it would be in "
        "files and environments that every program of the machine can read.",
    ),
    error(
        "PRX002",
        "not a host that needs no proxy",
        "Entries of `no` are hosts, domains with a leading dot, addresses, or networks with a "
        "prefix length. Not every program understands networks.",
    ),
    error(
        "CRT001",
        "the file with the certificate cannot be read",
        "A value without a PEM header is the path of a file on this machine, relative to the "
        "folder of the file that names it.",
    ),
    error(
        "CRT002",
        "not a certificate",
        "Wanted: one certificate or several, in PEM, of the authorities that are to be trusted. "
        "A private key never belongs there. DER becomes PEM by: openssl x509 -inform DER -in FILE.",
    ),
)
