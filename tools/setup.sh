#!/bin/sh
# Makes the virtual environment: tools/setup.sh DIRECTORY [dev]
# Needs Python 3.11 or newer; on Debian and Ubuntu it installs what Python's venv lacks.
set -eu

venv=$1
extra=${2:-}

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

install_debian() {
    command -v apt-get >/dev/null || return 1
    root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
        root="sudo -n"
    fi
    say "installing $* with apt-get"
    $root apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends "$@" >&2
}

python=$(find_python) || { install_debian python3 python3-venv && python=$(find_python); } || {
    say "error: no Python 3.11 or newer was found"
    say "  hint: install it (Debian and Ubuntu: apt install python3 python3-venv), or set PYTHON="
    exit 10
}

if [ ! -x "$venv/bin/python" ]; then
    say "setting up $venv with $("$python" -V)"
    if ! "$python" -m venv "$venv" 2>/dev/null; then
        rm -rf "$venv"
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_debian python3-venv "python$version-venv" || install_debian python3-venv || {
            say "error: this Python has no venv module"
            say "  hint: apt install python3-venv"
            exit 10
        }
        "$python" -m venv "$venv"
    fi
fi

pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

if ! pip -e ".${extra:+[$extra]}"; then
    say "error: the libraries in pyproject.toml could not be installed"
    say "  hint: is the Python package index reachable? A proxy goes into https_proxy"
    exit 5
fi
# As an installation does, so that the first run is as quick as the next.
"$venv/bin/python" -m compileall -q builder
touch "$venv/bin/photon-builder"
