# SPDX-License-Identifier: Apache-2.0
# Shared by examples/run, tests/run, bench/run and .ci/run (POSIX sh, sourced). The sourcing script sets `root` first.
#   RILL_BUILD_DIR   build folder (default: build/ in the source tree)
#   RILL_NO_INSTALL  if set and not empty: neither look for missing packages nor install any

# shellcheck disable=SC2154  # root comes from the sourcing script
build=${RILL_BUILD_DIR:-$root/build}
case $build in /*) ;; *) build=$PWD/$build ;; esac

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# What every build needs.
rill_packages='libtbb-dev libxsimd-dev libeigen3-dev zlib1g-dev'

# missing_packages NAME...: those that are not installed, on one line. Compilers and build tools may come from elsewhere.
missing_packages() {
  found_missing=
  for package in "$@"; do
    case $package in
      g++) command -v "${CXX:-c++}" >/dev/null 2>&1 && continue ;;
      cmake) command -v cmake >/dev/null 2>&1 && continue ;;
      ninja-build) { command -v ninja || command -v make; } >/dev/null 2>&1 && continue ;;
    esac
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
      *' installed') ;;
      *) found_missing="$found_missing $package" ;;
    esac
  done
  printf '%s' "${found_missing# }"
}

# may_install: sets `as_root` to the words that run a command as root; fails if there is no way without a password.
may_install() {
  command -v apt-get >/dev/null 2>&1 || return 1
  if [ "$(id -u)" -eq 0 ]; then
    as_root=
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root='sudo -n'
  else
    return 1
  fi
}

# apt_install NAME...: true when all are installed afterwards. Refreshes the package lists only if a first try fails.
apt_install() {
  say "installing Debian packages: $*"
  # shellcheck disable=SC2086  # as_root is empty or two words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return
  # shellcheck disable=SC2086
  $as_root apt-get update -qq >&2 || return
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# need_packages NAME...: installs what is missing, or says how to and exits 1.
need_packages() {
  [ -z "${RILL_NO_INSTALL:-}" ] && command -v dpkg-query >/dev/null 2>&1 || return 0
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086  # a list of words
  if may_install && apt_install $missing; then return 0; fi
  say "missing Debian packages; install them with:"
  say "  apt-get install $missing"
  exit 1
}

# want_packages NAME...: installs what is missing where that is possible, and goes on in any case.
want_packages() {
  [ -z "${RILL_NO_INSTALL:-}" ] && command -v dpkg-query >/dev/null 2>&1 || return 0
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086
  if may_install && apt_install $missing; then return 0; fi
  say "not installed, so left out: $missing (apt-get install $missing)"
}

# configure OPTION: configures an optimised build with that option on. Options switched on before stay on, so that the
# three scripts share one build folder.
configure() {
  if [ -f "$build/CMakeCache.txt" ]; then
    set -- "-D$1=ON"
  else
    mkdir -p "$build"
    case $1 in
      RILL_BUILD_TESTS) set -- -DRILL_BUILD_TESTS=ON -DRILL_BUILD_EXAMPLES=ON -DRILL_BUILD_BENCH=OFF ;;
      *) set -- -DRILL_BUILD_TESTS=OFF -DRILL_BUILD_EXAMPLES=OFF -DRILL_BUILD_BENCH=OFF "-D$1=ON" ;;
    esac
    set -- -DCMAKE_BUILD_TYPE=Release "$@"
    if [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null 2>&1; then set -- -G Ninja "$@"; fi
  fi
  if ! cmake -S "$root" -B "$build" "$@" >"$build/configure.log" 2>&1; then
    cat "$build/configure.log" >&2
    exit 1
  fi
}

# jobs: how many compilers to run at once: one a core, as long as each has 2 GiB of memory.
jobs() {
  n=$(nproc 2>/dev/null || echo 2)
  if [ -r /proc/meminfo ]; then
    by_memory=$(awk '/^MemTotal:/ { print int($2 / 2097152) }' /proc/meminfo)
    if [ "$by_memory" -lt "$n" ]; then n=$by_memory; fi
  fi
  if [ "$n" -lt 1 ]; then n=1; fi
  echo "$n"
}

# build_targets NAME...: builds them (everything if none), with progress on standard error.
build_targets() {
  if [ $# -gt 0 ]; then set -- --target "$@"; fi
  cmake --build "$build" -j "${CMAKE_BUILD_PARALLEL_LEVEL:-$(jobs)}" "$@" >&2
}

# offer_data: exports RILL_DATA, unless the caller did, if data sets were fetched into the build folder before or lie
# beside the source tree (those are unpacked into the build folder, once).
offer_data() {
  [ -z "${RILL_DATA:-}" ] || return 0
  data=$build/data
  if [ -f "$root/../shared/data/unpack" ] && [ ! -f "$data/.unpacked" ]; then
    say "unpacking the data sets into $data (once)"
    mkdir -p "$data"
    if sh "$root/../shared/data/unpack" "$data" >"$data/unpack.log" 2>&1; then
      : >"$data/.unpacked"
    elif [ -s "$data/mnist/train-images-idx3-ubyte" ]; then
      say "not every data set could be unpacked (see $data/unpack.log); going on with the others"
      : >"$data/.unpacked"
    else
      say "the data sets could not be unpacked (see $data/unpack.log); going on without them"
    fi
  fi
  for kind in "$data"/*/; do
    if [ -d "$kind" ]; then
      RILL_DATA=$data
      export RILL_DATA
      break
    fi
  done
}
