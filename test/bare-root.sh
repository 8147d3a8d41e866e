#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Proves what the README promises of a fresh Debian 12 machine. As root:
#
#   test/bare-root.sh [--only demo|test|run] [SCRATCH]
#
#   demo  a clean copy of HEAD in a minimal root: ./dev demo
#   test  in the same root: ./dev test (without ../shared: such tests skip)
#   run   a second minimal root that gets adze-run and an artefact, nothing else
#
# Roots are made by debootstrap from the mirrors that apt uses here (a base is
# kept in SCRATCH, build-bare by default, and copied). It takes 3 GB of disk, a
# network, and as long as a cold build does. What a root mounts is gone when its
# command ends, because it has a mount namespace of its own.
set -euo pipefail

tree=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
only=
if [[ ${1:-} == --only ]]; then
  only=${2:?--only needs demo, test or run}
  shift 2
fi
scratch=$(realpath -m "${1:-$tree/build-bare}")
die() { printf 'bare-root: %s\n' "$*" >&2; exit 1; }
((EUID == 0)) || die "debootstrap and chroot need root"
for program in debootstrap unshare chroot git apt-get; do
  command -v "$program" >/dev/null || die "$program is missing"
done
mkdir -p "$scratch"
summary=()

# sources: "URI CODENAME" of the suites of Debian 12 that apt uses here.
sources() {
  apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk '$2 ~ /^bookworm(-updates|-security)?$/' | sort -u
}

# base: a minimal root with these suites; made once.
base() {
  local base=$scratch/base mirror
  [[ -e $base/etc/apt/sources.list.done ]] && return
  sources | grep -q ' bookworm-security$' ||
    die "apt knows no bookworm-security here, and LLVM 22 comes from it"
  mirror=$(sources | awk '$2 == "bookworm" {print $1; exit}')
  [[ $mirror ]] || die "apt knows no bookworm here"
  rm -rf "$base"
  debootstrap --variant=minbase bookworm "$base" "$mirror" >"$scratch/debootstrap.log" ||
    die "debootstrap failed: $scratch/debootstrap.log"
  sources | sed 's/.*/deb & main/' >"$base/etc/apt/sources.list"
  # The way to the network is this machine's.
  cp -L /etc/resolv.conf "$base/etc/resolv.conf"
  apt-config dump | grep -i '^Acquire::https\?::proxy' >"$base/etc/apt/apt.conf.d/proxy" || true
  touch "$base/etc/apt/sources.list.done"
}

# fresh NAME: a copy of the base.
fresh() {
  base
  rm -rf "${scratch:?}/$1"
  cp -a "$scratch/base" "$scratch/$1"
}

# inside NAME COMMAND: runs a shell command in a root, with a clean environment
# and no standard input. The log is NAME.log beside it.
inside() {
  local root=$scratch/$1
  unshare --mount --pid --fork --kill-child bash -c '
    mount -t proc proc "$0/proc" && mkdir -p "$0/dev/shm" &&
      mount -t tmpfs tmpfs "$0/dev/shm" &&
      exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        CI=true sh -c "$1"' "$root" "$2" </dev/null
}

# timed STEP COMMAND...: runs, keeps the log, adds a line to the summary.
timed() {
  local step=$1 start=$SECONDS log=$scratch/$1.log
  shift
  printf '== %s (log: %s)\n' "$step" "$log"
  if "$@" >"$log" 2>&1; then
    summary+=("$step: passed in $((SECONDS - start)) s")
  else
    tail -n 40 "$log"
    summary+=("$step: FAILED after $((SECONDS - start)) s")
    finish 1
  fi
}

finish() {
  echo
  echo "bare Debian 12, $(git -C "$tree" log -1 --format='commit %h, %s'):"
  printf '  %s\n' "${summary[@]}"
  exit "$1"
}

# checkout: HEAD in the root that builds; what was built there is kept.
checkout() {
  local src=$scratch/build/src/adze
  [[ -d $src ]] || fresh build
  mkdir -p "$src"
  find "$src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
  git -C "$tree" archive HEAD | tar -x -C "$src"
}

step_demo() {
  rm -rf "$scratch/build"
  checkout
  summary+=("packages before: $(inside build 'dpkg-query -f . -W | wc -c')")
  timed demo inside build 'cd /src/adze && ./dev demo'
  tail -n 12 "$scratch/demo.log"
}

step_test() {
  checkout
  timed test inside build 'cd /src/adze && ./dev test'
  summary+=("tests: $(grep 'tests passed\|tests failed' "$scratch/test.log")")
}

# What demo built, or else what ./dev demo left in this tree.
step_run() {
  local from=$tree/build
  [[ -e $scratch/build/src/adze/build/bin/adze-run ]] && from=$scratch/build/src/adze/build
  [[ -e $from/bin/adze-run && -e $from/bard.adze.so ]] ||
    die "no adze-run or bard.adze.so in $from: ./dev demo makes both"
  fresh run
  cp "$from/bin/adze-run" "$scratch/run/usr/bin/"
  cp "$from/bard.adze.so" "$scratch/run/"
  timed run inside run 'adze-run /bard.adze.so --prompt "ROMEO:
" --max-tokens 60'
  cat "$scratch/run.log"
  summary+=("adze-run needs: $(inside run 'ldd /usr/bin/adze-run' |
    awk '{print $1}' | sed 's|.*/||' | paste -sd ' ')")
}

case $only in
  '') step_demo; step_test; step_run ;;
  demo | test | run) "step_$only" ;;
  *) die "--only takes demo, test or run, found '$only'" ;;
esac
finish 0
