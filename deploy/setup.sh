#!/usr/bin/env bash
# Makes this checkout ready: bash deploy/setup.sh [run|demo|test]
#
# Needs Linux with python3 (3.11 to 3.13) and git. Makes .venv in the checkout's root and installs into it
# from the lock files, every file held to its hash. As root it installs the Debian packages that are missing; as
# anybody else it names them. The second time it only looks, and is done at once.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
task=${1:-run}

say() { printf '%s\n' "setup: $*" >&2; }
fail() {
  say "$@"
  exit 1
}

usage() {
  say "usage: bash deploy/setup.sh [run|demo|test]"
  exit 2
}

case $task in
  run | demo) locks=(requirements.lock) ;;
  test) locks=(requirements.lock requirements-dev.lock) ;;
  *) usage ;;
esac
(($# <= 1)) || usage

# A caller's Python settings must not reach into our environment. pip's own configuration (index, proxy,
# certificates) applies as it stands.
unset PYTHONHOME PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0

# What the machine needs. One line each: task or "all", how to see that it is there, Debian package, in words.
needs() {
  cat <<TABLE
all   command:git                            git              git
run   certificates                           ca-certificates  the certificates of public certificate authorities
test  command:unshare                        util-linux       util-linux
test  file:/lib/systemd/systemd              systemd          systemd (the tests boot one of their own)
test  file:/lib/systemd/system/dbus.service  dbus             D-Bus (the system bus of that systemd)
test  command:chromium                       chromium         Chromium (the tests look at the page in it)
test  postgresql                             postgresql       the PostgreSQL server
test  file:/lib/systemd/systemd-journal-remote  systemd-journal-remote  systemd-journal-remote (the tests make journals with it)
TABLE
}

has() {
  case $1 in
    command:*) command -v "${1#command:}" >/dev/null ;;
    file:*) [[ -e ${1#file:} ]] ;;
    postgresql) command -v postgres >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null ;;
    certificates) [[ -n ${SSL_CERT_FILE:-} || -e /etc/ssl/certs/ca-certificates.crt || -e /etc/pki/tls/cert.pem ]] ;;
  esac
}

# Python: "VERSION MACHINE BITS LIBC VENV" of an interpreter, for instance "3.11 aarch64 64 glibc yes".
probe() {
  "$1" -I - <<'PYTHON' 2>/dev/null
import os, platform, struct, sys
try:
    import ensurepip, venv
    have = bool(ensurepip.version())
except Exception:
    have = False  # Debian keeps ensurepip in a package of its own
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION").split()[0]
except (AttributeError, OSError, ValueError):
    libc = "other"
print("%d.%d" % sys.version_info[:2], platform.machine(), 8 * struct.calcsize("P"), libc, "yes" if have else "no")
PYTHON
}

# Sets python, version, machine, bits, libc, venv to the best interpreter: the first one that can make environments,
# else the first of a version that we support.
find_python() {
  local name facts seen=""
  python=""
  for name in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
    command -v "$name" >/dev/null || continue
    facts=$(probe "$name") || continue
    seen+="${seen:+, }$name is ${facts%% *}"
    case $facts in
      "3.11 "* | "3.12 "* | "3.13 "*) ;;
      *) continue ;;
    esac
    [[ -z $python || $facts == *yes ]] || continue
    python=$name
    read -r version machine bits libc venv <<<"$facts"
    [[ $venv == no ]] || break
  done
  [[ -n $python ]] || fail "PiMainteno needs Python 3.11, 3.12 or 3.13 (${seen:-no python3 found})." \
    "Install one of them, for instance the package python3.11, and run this again."
}

check_machine() {
  if [[ $bits == 32 || $machine == arm* ]]; then
    fail "this Python is a 32-bit one ($machine). There are no 32-bit builds of the packages that PiMainteno needs" \
      "(ready-made wheels): use a 64-bit system, for instance the 64-bit Raspberry Pi OS."
  fi
  case $machine in
    x86_64 | aarch64) ;;
    *) fail "PiMainteno runs on x86_64 and aarch64 (64-bit ARM), and this is $machine." ;;
  esac
  [[ $libc == glibc ]] || fail "the packages that PiMainteno needs are built for glibc; this system has another C library."
}

# Packages of the system.
apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 "$@" >&2
}

# A new machine has no package lists yet, and old ones name files that are gone: then they are fetched first. The
# trial run is silent, so that nobody reads errors which mean nothing.
apt_install() {
  local install=(install -y --no-install-recommends "$@")
  if apt_get --simulate "${install[@]}" 2>/dev/null && apt_get "${install[@]}"; then
    return
  fi
  apt_get update || true # a list of somebody else's that is away need not matter: the installation tells
  apt_get "${install[@]}"
}

# Reads "package<TAB>words" lines; installs them, or says what is missing and how to get it.
provide() {
  local package words packages=() list=""
  while IFS=$'\t' read -r package words; do
    packages+=("$package")
    list+="${list:+, }$words"
  done
  ((${#packages[@]})) || return 0
  if ! command -v apt-get >/dev/null; then
    fail "missing: $list. Install that with this system's package manager and run this again."
  elif ((EUID == 0)); then
    say "installing ${packages[*]}"
    apt_install "${packages[@]}" || fail "could not install ${packages[*]}; what apt-get said is above."
  else
    fail "missing: $list. Install that with:  sudo apt-get install ${packages[*]}"
  fi
}

missing() {
  local for_task check package words
  while read -r for_task check package words; do
    [[ $for_task == all || $for_task == "$task" ]] || continue
    has "$check" || printf '%s\t%s\n' "$package" "$words"
  done < <(needs)
  [[ $venv == yes ]] || printf 'python%s-venv\tthe venv module of %s\n' "$version" "$python"
}

# The environment.
# The key of a finished installation: it changes with the interpreter's version, the place of the checkout, the locks,
# and whatever the project's own installation is made from.
key() {
  {
    printf '%s\n' "$root"
    .venv/bin/python -I -S -c 'import sys; print(sys.version, sys.prefix)' 2>/dev/null || return 1
    cat "$@" pyproject.toml deploy/setup.sh
  } | sha256sum
}

ready() {
  [[ -x .venv/bin/pimainteno && -f .venv/.ready-$task && ! -e .venv/.unfinished ]] &&
    [[ $(<".venv/.ready-$task") == "$(key "${locks[@]}")" ]]
}

# An interrupted pip can leave a package that looks whole and is not: start over then.
make_environment() {
  if [[ -e .venv/.unfinished ]]; then
    say "the last run did not finish: making .venv anew"
  elif [[ -d .venv ]] && .venv/bin/python -I -m pip --version 2>/dev/null | grep -q '(python 3\.1[123])'; then
    return
  fi
  mkdir -p .venv
  : >.venv/.unfinished
  find .venv -mindepth 1 -maxdepth 1 ! -name .unfinished -exec rm -rf {} +
  "$python" -m venv .venv || fail "could not make .venv with $python; the reason is above."
}

install() {
  local lock=${locks[-1]} pip=(.venv/bin/python -I -m pip install -qq --no-deps --no-warn-script-location)
  : >.venv/.unfinished
  rm -f .venv/.ready-*
  say "installing $(grep -c '^[a-z]' "$lock") packages from $lock into .venv (some minutes on a small machine)"
  # The lock is the whole list, hence --no-deps. Compiling afterwards uses all cores.
  "${pip[@]}" --require-hashes --only-binary :all: --no-compile -r "$lock" ||
    fail "pip could not install the packages; the reason is above. Run this again to go on."
  "${pip[@]}" --no-build-isolation --editable . || fail "pip could not install PiMainteno itself; the reason is above."
  .venv/bin/python -I -m compileall -q -j 0 .venv/lib app watchers worker >/dev/null 2>&1 ||
    true # some packages ship templates that are not Python; they are never imported
  key requirements.lock >.venv/.ready-run
  cp .venv/.ready-run .venv/.ready-demo
  [[ $task != test ]] || key "${locks[@]}" >.venv/.ready-test
  rm .venv/.unfinished
}

if ready; then
  venv=yes
  provide < <(missing)
else
  find_python
  check_machine
  provide < <(missing)
  exec 9<deploy/setup.sh
  flock -n 9 || {
    say "another setup is at work here; waiting for it"
    flock 9
  }
  ready || {
    make_environment
    install
  }
fi
[[ $task != run ]] || say "ready: .venv/bin/pimainteno"
