"""Scripts that install packages on the first boot: what they share, and the one without network.

POSIX sh. Source: rpm(8) of rpm 4.14 to 4.18; systemctl(1) of systemd 239 to 253.
"""

from __future__ import annotations

from .packages import DIRECTORY, TARGET, UNIT

HEAD = f"""\
#!/bin/sh
# Installs what {DIRECTORY}/wanted lists, once. Another boot tries again what failed.
# Standard error is the console and the journal, the rest goes to the journal alone.
export LC_ALL=C
exec 3>&2 2>&1
cd {DIRECTORY} || exit 1

fail() {{
  echo "photon-builder: $1" >&3
  exit 1
}}
"""
"""How such a script begins: messages go to the console, the rest to the journal."""

UNITS = f"""
failed='' starting=''
while read -r state unit; do
  case $state in
    enabled)
      systemctl unmask "$unit"
      systemctl enable "$unit" || failed="$failed $unit" ;;
    disabled) systemctl disable --now "$unit" || failed="$failed $unit" ;;
    masked) systemctl mask --now "$unit" || failed="$failed $unit" ;;
  esac
  # What ran already is left alone; what could not be started before its packages is not.
  [ $state = enabled ] || [ $state = started ] || continue
  ran=$(systemctl show --property=InactiveExitTimestampMonotonic "$unit")
  [ "${{ran#*=}}" != 0 ] || starting="$starting $unit"
done <units
# One target, so that systemd sees the order of all of them; not waited for, as some wait for this.
printf '[Unit]\\nDescription=Units that waited for packages\\nWants=%s\\n' "${{starting# }}" \\
  >/run/systemd/system/{TARGET}
systemctl daemon-reload
systemctl start --no-block {TARGET}
[ -z "$failed" ] || fail "packages installed, but systemctl does not know or take$failed\\
 - correct the name of the unit in the spec, or the package that brings it"
"""
"""How it ends: units are put into the states that the spec wants."""

_TRANSACTION = f"""
# Signatures were checked when the image was built; what was interrupted is done again.
if [ -e repository ]; then
  rpm --query --list --package --nosignature repository/*.rpm |
    sed -n 's|^\\(/usr\\)\\{{0,1\\}}/lib/systemd/system/\\([^/@]*\\.[a-z]*\\)$|\\2|p' >brought
  rpm --upgrade --replacepkgs --nosignature repository/*.rpm ||
    fail "packages not installed: rpm refused them\\
 - read why with journalctl -u {UNIT}, then: systemctl restart {UNIT}"
fi
sync
rm -rf repository
systemctl daemon-reload
for unit in $(cat brought); do # presets enabled them, too late for this boot
  [ "$(systemctl is-enabled "$unit")" != enabled ] || echo "started $unit" >>units
done
mv wanted installed
rm -f brought
[ -e units ] || exit 0
"""
TRANSACTION_TEXT = HEAD + _TRANSACTION + UNITS
"""Installs the RPM files of the image, all at once."""
