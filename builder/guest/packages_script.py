"""The script that installs packages on the first boot, in POSIX sh.

Source: tdnf 2.0.0-beta, 2.1.1, 3.0.0, 3.1.9, 3.2.3 and 3.5.2. include/tdnferror.h has the numbers;
tools/cli/main.c prints ``Error(1011) : …`` and ends with the number modulo 256, so 1011 and 1523
both end with 243; client/init.c prints ``Disabling Repo`` and leaves a repository out that cannot
be reached, and what is missed then looks like an unknown package. client/rpmtrans.c of 2.x begins
with an empty keyring and knows one key a repository, whatever was imported. Each was built from
its source and run with this script.
"""

from builder.engine.text.package_scripts import HEAD, UNITS
from builder.engine.text.packages import LOCAL, REPOSITORY_FILE, UNIT

ATTEMPTS = 20
PAUSE_SECONDS = 20
_AGAIN = f"then: systemctl restart {UNIT}"

_INSTALL = """
is_complete() { # tdnf 2.0.0 skips what it does not find, and succeeds
  for name in $(cat wanted); do
    rpm -q "$name" || rpm -q --whatprovides "$name" ||
      { echo "Error(1011) : $name is not installed" >>log; return 1; }
  done
}

install() { # $@ options of tdnf
  { tdnf "$@" install --assumeyes $(cat wanted); echo $? >status; } 2>&1 | tee log
  [ "$(cat status)" = 0 ] && is_complete
}

number() { # prints the number of tdnf's error
  sed -n 's/^Error(\\([0-9]*\\)).*/\\1/p' log | tail -n 1
}

is_out_of_reach() {
  grep -Eq '^Disabling Repo|Failed to synchronize cache' log
}

unknown() { # prints the packages that no repository has
  for name in $(cat wanted); do
    tdnf "$@" list "$name" >/dev/null 2>&1 || printf '%s ' "$name"
  done
}
"""
_OLD_TDNF = f"""
chosen() {{ # prints name, architecture, version and repository of what tdnf would install
  taken=''
  tdnf "$@" --assumeno install $(cat wanted) | while read -r name arch version repository _; do
    case $name in
      Installing: | Upgrading: | Reinstalling: | Downgrading:) taken=1 ;;
      *:) taken='' ;;
    esac
    case $taken$arch in
      1noarch | 1x86_64 | 1aarch64) echo "$name $arch $version $repository" ;;
    esac
  done
}}

address() {{ # $1 repository: prints where its packages are
  sed -n "/^\\[$1\\]/,/^baseurl=/s/^baseurl=//p" /etc/yum.repos.d/*.repo | head -n 1 |
    sed "s/\\$releasever/$(rpm -q --queryformat '%{{VERSION}}' photon-release)/g
      s/\\$basearch/$(uname -m)/g"
}}

install_checked() {{ # tdnf before 3.0.0 takes one key a repository; rpm checks with all it has
  case $(tdnf --version) in *' 2.'*) ;; *) return 1 ;; esac
  echo 'tdnf knows one key a repository: rpm checks and installs what it would install'
  rm -rf files && mkdir files && chosen "$@" >choice && [ -s choice ] || return 1
  while read -r name arch version repository; do
    file=files/$name-$version.$arch.rpm
    for place in "$arch/" ''; do
      curl -fsSL -o $file "$(address $repository)/$place${{file#files/}}" && break
    done
    [ $repository = {LOCAL} ] || rpm -K $file | grep 'signatures OK$' || return 1
  done <choice
  rpm -U files/*.rpm && is_complete
}}
"""
_JUDGE = f"""
judge() {{ # ends the script when trying again would not help
  case $(number) in
    1011)
      names=$(unknown "$@")
      fail "packages not installed: no repository has ${{names:-some of them }}\\
- correct $PWD/wanted, {_AGAIN}" ;;
    1473 | 1474 | 150[4-8] | 151[0-4] | 1523)
      fail "packages not installed: one is signed by a key that this machine does not trust\\
 - import the key with rpm --import and name it in gpgkey= below /etc/yum.repos.d, {_AGAIN}" ;;
    13[0-9][0-9] | 1515 | 1525)
      fail "packages not installed: they do not fit this machine (tdnf: $(number))\\
 - read why with journalctl -u {UNIT}, correct $PWD/wanted, {_AGAIN}" ;;
    100[1-5] | 1008 | 1010 | 1012)
      fail "packages not installed: tdnf cannot use its settings (tdnf: $(number))\\
 - correct /etc/tdnf/tdnf.conf and /etc/yum.repos.d, {_AGAIN}" ;;
  esac
}}

is_installed() {{
  install "$@" && return
  case $(number) in 1474 | 1514) install_checked "$@" ;; *) return 1 ;; esac
}}
"""
_MAIN = f"""
set --
if [ -e from ]; then
  set -- '--disablerepo=*'
  for id in $(cat from); do set -- "$@" --enablerepo=$id; done
fi
# Files that need nothing else do not need the network either.
if ! [ -e repository ] || ! install '--disablerepo=*' --enablerepo={LOCAL}; then
  [ -e repository ] && set -- "$@" --enablerepo={LOCAL}
  attempt=1
  until is_installed "$@"; do
    is_out_of_reach || judge "$@"
    [ $attempt -lt {ATTEMPTS} ] || fail "packages not installed: their servers cannot be used\\
 - check network, DNS and clock, {_AGAIN}"
    attempt=$((attempt + 1))
    echo "attempt $attempt of {ATTEMPTS} follows in {PAUSE_SECONDS} seconds"
    sleep {PAUSE_SECONDS}
  done
fi

mv wanted installed
rm -rf repository files choice log status {REPOSITORY_FILE}
systemctl daemon-reload
[ -e units ] || exit 0
"""
SCRIPT_TEXT = HEAD + _INSTALL + _OLD_TDNF + _JUDGE + _MAIN + UNITS
