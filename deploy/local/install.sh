#!/usr/bin/env bash
# Installs what this machine lacks to run the stack: Debian packages, the virtual environment, Kafka's jars.
# Does nothing, fast, when all is there. Says in one line each what could not be installed, and ends 1 then.
# Usage: deploy/local/install.sh [--check | --soak | --speech]   (--check says what is missing and installs nothing; --soak
# also installs what steps a process's clock, --speech what is said in the demo's recordings: nothing that runs the stack)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

venv=.venv
stamp=$venv/.installed
members=(libs/events libs/guard services/auth services/tenant_data services/audit services/recording_storage deploy/local tools/konci)
log=$(mktemp) || exit 1
policy_made=''
trap cleanup EXIT
trap 'exit 130' INT TERM
failed=0
log_is_named=0

cleanup() {
    # Only the policy that this run put there; a container image may have one of its own.
    [ -n "$policy_made" ] && as_root rm -f /usr/sbin/policy-rc.d
    [ "$log_is_named" = 0 ] && rm -f "$log"
}

say() { printf '%s\n' "$*"; }
could_not() { failed=1; log_is_named=1; say "could not install $1 ($(last_line)): $2; all output is in $log" >&2; }
last_line() { grep -v '^[[:space:]]*$' "$log" | tail -n 1 | cut -c 1-200; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 127; fi
}

# What the stamp stands for: the locked packages, the members' own metadata, this script, and where the tree is
# (an editable install points to it).
fingerprint() {
    { pwd; cat requirements.lock deploy/local/install.sh deploy/kafka/jars.sha256; for m in "${members[@]}"; do cat "$m/pyproject.toml"; done; } 2>/dev/null \
        | sha256sum | cut -d ' ' -f 1
}

has_java() {
    local major
    major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge 17 ]
}
has_postgres() { ls /usr/lib/postgresql/1[5-9]/bin/postgres >/dev/null 2>&1; }
has_python() { python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
# Debian mends the database within its version: an older one than apt would install has known holes.
is_behind() {
    local held candidate
    held=$(dpkg-query -W -f '${Version}' "$1" 2>/dev/null) || return 1
    candidate=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p')
    [ -n "$candidate" ] && dpkg --compare-versions "$held" lt "$candidate"
}
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

missing_packages() {
    has_python || say python3 python3-venv
    has_java || say openjdk-17-jre-headless
    has mvn || say maven
    has_postgres || say postgresql-15
    has prometheus || say prometheus
    has setpriv || say util-linux
    ls /usr/lib/*/libjemalloc.so.2 >/dev/null 2>&1 || say libjemalloc2
    [ -e /etc/ssl/certs/ca-certificates.crt ] || say ca-certificates
    [ "${1:-}" != --speech ] || [ -d /usr/share/asterisk/sounds/en_US_f_Allison ] || say asterisk-core-sounds-en-wav
    [ "${1:-}" != --soak ] || ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || say libfaketime
}

install_packages() {
    local packages=("$@")
    say "installing Debian packages: ${packages[*]}"
    if ! command -v apt-get >/dev/null; then
        could_not "${packages[*]}" "this machine has no apt-get; install these by hand and call make again"
        return
    fi
    if ! as_root true >>"$log" 2>&1; then
        could_not "${packages[*]}" "sudo is not to be had; run as root: apt-get install ${packages[*]}"
        return
    fi
    # Debian starts a server as soon as it is installed, on ports that are not ours to take.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy_made=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
        as_root chmod 755 /usr/sbin/policy-rc.d
    fi
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120 -o APT::Install-Recommends=false)
    as_root "${apt[@]}" update >>"$log" 2>&1
    if ! as_root "${apt[@]}" install "${packages[@]}" >>"$log" 2>&1; then
        # One broken package must not cost the others: try each alone, and name those that fail.
        for package in "${packages[@]}"; do
            as_root "${apt[@]}" install "$package" >>"$log" 2>&1 \
                || could_not "$package" "run as root: apt-get install $package"
        done
    fi
    # Nor at the next boot.
    if command -v systemctl >/dev/null; then
        for unit in postgresql.service prometheus.service; do
            case " ${packages[*]} " in
                *" ${unit%.service}"*) as_root systemctl disable "$unit" >>"$log" 2>&1 ;;
            esac
        done
    fi
}

# An upgrade that is not to be had, or not now, is no failure: what is there serves.
upgrade_postgres() {
    is_behind postgresql-15 || return 0
    if pidof postgres >/dev/null; then
        say "postgresql-15 is older than Debian's, and stays while a server runs: konci down, then make install" >&2
        return
    fi
    local before=$failed
    install_packages postgresql-15
    [ "$failed" = "$before" ] || say "warning: the stack runs with the older postgresql-15" >&2
    failed=$before
}

install_python() {
    say "installing Python packages, each against its hash"
    if ! { [ -x $venv/bin/python ] && $venv/bin/python -c 'import pip' 2>>"$log"; }; then
        rm -rf "$venv"
        if ! python3 -m venv "$venv" >>"$log" 2>&1; then
            could_not "a virtual environment" "see whether python3 -m venv $venv works"
            return
        fi
    fi
    # uv itself from the lock too, with its hashes.
    local uv_lock=$venv/uv.lock.txt
    awk '/^uv==/ {on=1} on {print} on && !/\\$/ {exit}' requirements.lock >"$uv_lock"
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet install)
    if "${pip[@]}" --require-hashes --no-deps -r "$uv_lock" >>"$log" 2>&1 \
        && UV_SYSTEM_CERTS=1 "$venv/bin/uv" --quiet pip install --python $venv/bin/python --require-hashes -r requirements.lock >>"$log" 2>&1; then
        :
    elif ! "${pip[@]}" --require-hashes -r requirements.lock >>"$log" 2>&1; then
        could_not "the Python packages" "see whether this machine reaches its package index"
        return
    fi
    # What `python3 -m venv` puts there beside pip is in no lock and grows old: nothing of ours needs it.
    grep -q '^setuptools==' requirements.lock || "${pip[@]/install/uninstall}" --yes setuptools >>"$log" 2>&1
    local editable=()
    for member in "${members[@]}"; do editable+=(-e "$member"); done
    if ! "$venv/bin/uv" --quiet pip install --python $venv/bin/python --offline --no-build-isolation --no-deps "${editable[@]}" >>"$log" 2>&1 \
        && ! "${pip[@]}" --no-build-isolation --no-deps --no-index "${editable[@]}" >>"$log" 2>&1; then
        could_not "the workspace's own packages" "read the output"
    fi
}

install_jars() {
    say "fetching Kafka by Maven, each jar against its hash"
    "$venv/bin/python" -m stack kafka-jars >>"$log" 2>&1 \
        || could_not "Kafka" "see whether this machine reaches its Maven repository"
}

mapfile -t packages < <(missing_packages "$@" | tr ' ' '\n')
wanted=$(fingerprint)
python_done=no
[ -x $venv/bin/konci ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && python_done=yes

if [ "${1:-}" = --check ]; then
    [ ${#packages[@]} = 0 ] || say "missing Debian packages: ${packages[*]}"
    [ $python_done = yes ] || say "the Python packages are not those of requirements.lock"
    [ ${#packages[@]} = 0 ] && [ $python_done = yes ]
    exit
elif [ $# -gt 0 ] && [ "$*" != --soak ] && [ "$*" != --speech ]; then
    say "usage: deploy/local/install.sh [--check | --soak | --speech]" >&2
    exit 2
fi

[ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"
upgrade_postgres
if [ $python_done = no ]; then
    install_python
    [ $failed = 0 ] && install_jars
    [ $failed = 0 ] && say "$wanted" >"$stamp" && say "installed"
fi
exit $failed
