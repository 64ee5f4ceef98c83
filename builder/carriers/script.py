"""The shell around an installed system's plan: it runs the bundle, and tells on the first boot.

POSIX sh. The installer ignores exit statuses, so every step is recorded, and a unit reads the
record on the first boot: to the console and the journal, and by failing when a step has.
"""

from builder.guestpath import guest, join

STATE = guest("/var/lib/photon-builder/install")
"""Holds the record and the log of the installation."""

PAYLOAD = guest("/var/photon-builder.pyz")
"""Where the installer puts the bundle; its directory is there before post-install."""

UNIT = "photon-builder-installed.service"
UNIT_PATH = join(guest("/etc/systemd/system"), UNIT)
WANTS_PATH = join(guest("/etc/systemd/system/multi-user.target.wants"), UNIT)
TELLER = guest("/usr/libexec/photon-builder/installed")
OWN = (STATE, UNIT_PATH, WANTS_PATH, TELLER)
"""What an installed system has and an edited disk has not."""

_TELLER_TEXT = f"""\
#!/bin/sh
# Says whether the installation did all that was asked for.
cd {STATE} || exit 1
for file in late/* late/.[!.]*; do
  [ -e "$file" ] || [ -L "$file" ] || continue
  cp -a "$file" /etc/ || exit 1
done
case $(tail -n 1 record) in
  'finished: '*', 0 failed')
    echo "photon-builder: $(tail -n 1 record)"
    touch told ;;
  *)
    echo "photon-builder: THE INSTALLATION IS NOT COMPLETE, see {STATE}/log"
    grep -v '^ok ' record
    exit 1 ;;
esac
"""
_UNIT_TEXT = f"""\
[Unit]
Description=Report whether the unattended installation was complete
DefaultDependencies=no
After=local-fs.target systemd-journald.socket
Before=network-pre.target sysinit.target shutdown.target
Conflicts=shutdown.target
ConditionPathExists=!{STATE}/told

[Service]
Type=oneshot
ExecStart={TELLER}
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
"""
BOOTSTRAP = f"""\
#!/bin/sh
# The unit that tells comes first: it has to be there when all else fails.
umask 022
mkdir -p {STATE} {TELLER.rpartition("/")[0]} {WANTS_PATH.rpartition("/")[0]}
cat >{TELLER} <<'EOF'
{_TELLER_TEXT}EOF
chmod 755 {TELLER}
cat >{UNIT_PATH} <<'EOF'
{_UNIT_TEXT}EOF
ln -sf {UNIT_PATH} {WANTS_PATH}
chmod 700 {STATE}
chmod 600 {PAYLOAD}
cd {STATE} || exit 1
echo 'begun' >record
PATH=/usr/bin:/bin python3 -I -S {PAYLOAD} apply / --record record >log 2>&1
rm -f {PAYLOAD}
exit 0
"""
"""What the kickstart holds of it all; the rest is in the bundle.

The installer's own environment is not the bundle's: no variable, no module of another."""

INLINE_HEAD = f"base64 -d >{PAYLOAD} <<'EOF'"
"""Begins a bundle inside the kickstart, for an installer that copies no files."""
