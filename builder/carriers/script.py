"""The shell around the installed system's steps: constant texts, the values are arguments.

POSIX sh. The installer ignores exit statuses, so every step is recorded, and a unit reads the
record on the first boot: to the console and the journal, and by failing when a step has.
"""

from builder.guestpath import guest, join

STATE = guest("/var/lib/photon-builder/install")
"""Holds the record and the log of the installation."""

PAYLOAD = guest("/var/photon-builder-payload.tar")
"""Where the installer puts the payload; its directory is there before post-install."""

UNIT = "photon-builder-installed.service"
UNIT_PATH = join(guest("/etc/systemd/system"), UNIT)
WANTS_PATH = join(guest("/etc/systemd/system/multi-user.target.wants"), UNIT)
TELLER = guest("/usr/libexec/photon-builder/installed")
OWN = (STATE, UNIT_PATH, WANTS_PATH, TELLER)
"""What an installed system has and an edited disk has not."""

HEAD = f"""\
#!/bin/sh
# Carries out what the spec asks for, in the system that has just been installed.
umask 022
export LC_ALL=C SYSTEMD_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={STATE}/install
record={STATE}/record
total=0
failed=0

step() {{
  label=$1
  shift
  total=$((total + 1))
  if "$@"; then
    printf 'ok %s\\n' "$label" >>"$record"
  else
    status=$?
    failed=$((failed + 1))
    printf 'FAILED %s (status %s)\\n' "$label" "$status" >>"$record"
  fi
}}

in_guest() {{
  python3 -m in_guest "$@"
}}

unit() {{ # $1 state, $2 unit, $3 whether it may be absent
  name=$(in_guest own-name "$2")
  found=$?
  [ "$found:$3" = 3:optional ] && return 0
  [ "$found" = 0 ] || {{ echo "there is no unit $2"; return 1; }}
  case $1 in
    enabled)
      systemctl unmask "$name" && systemctl enable "$name" || return 1
      if [ "$(systemctl is-enabled "$name")" = static ]; then
        echo "$name has no [Install] section: it cannot be enabled"
        return 1
      fi
      in_guest set-preset "$name" enable ;;
    disabled)
      systemctl unmask "$name" && in_guest drop-links "$name" &&
        in_guest set-preset "$name" disable ;;
    masked)
      systemctl mask "$name" && in_guest set-preset "$name" disable ;;
  esac
}}

stock() {{ # $1 unit that runs on every disk image: an installer may have masked it
  name=$(in_guest own-name "$1")
  found=$?
  [ "$found" = 3 ] && return 0
  [ "$found" = 0 ] || return 1
  [ "$(systemctl is-enabled "$name")" = enabled ] && return 0
  systemctl unmask "$name" && systemctl enable "$name"
}}

keep() {{ # what the installer writes after this script is put back on the first boot
  mkdir -p {STATE}/late && cp -a "$1" {STATE}/late/
}}

"""
TAIL = f"""\

printf 'finished: %s steps, %s failed\\n' "$total" "$failed" >>"$record"
rm -rf {STATE}/install {PAYLOAD}
"""

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
Description=Say whether the unattended installation was complete
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
_UNPACK = (
    "import sys, tarfile; t = tarfile.open(sys.argv[1]); "
    't.extractall(members=[m for m in t if m.name.startswith("install/")])'
)
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
exec >log 2>&1
if python3 -c '{_UNPACK}' {PAYLOAD}; then
  sh install/script
else
  echo 'FAILED to unpack {PAYLOAD}' >>record
fi
exit 0
"""
"""What the kickstart holds of it all; the rest is in the payload."""

INLINE_HEAD = f"base64 -d >{PAYLOAD} <<'EOF'"
"""Begins a payload inside the kickstart, for an installer that copies no files."""
