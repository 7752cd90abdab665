#!/usr/bin/env bash
# Both lanes side by side, all of each even if the other fails; the last line adds them up. `make test` has made what they need.
# Each lane is one process that waits most of the time; the second has a root, a network and a process tree of its own.
set -uo pipefail
cd "$(dirname "$0")/.."
cache=${STRATUM1_CACHE:-$PWD/.cache}
mkdir -p "$cache"
rm -f "$cache/first.xml" "$cache/floor.xml"
status=0
first=$(.venv/bin/python -c 'import platform; print("python-" + platform.python_version())')
tools/floor.sh "$cache/floor.xml" >"$cache/floor.log" 2>&1 &
floor=$!
# what the interoperability tests talk to, which come in the middle of lane 1; they fetch it themselves where it is not there yet
(tests/interop/fetch_peers.sh "$PWD/.cache/peers" &&
    tests/interop/fetch_trixie.sh "$PWD/.cache/trixie-peers" chrony ntpd-rs ntpsec openntpd ntpsec-ntpdig) >"$cache/peers.log" 2>&1 &
peers=$!
trap 'kill "$floor" "$peers" 2>/dev/null' INT TERM
echo "== lane 1: $first, pinned packages"
[[ $first == python-3.11.* ]] || echo "(there is no Python 3.11 on this machine; CI has one)"
.venv/bin/python -m pytest --quiet --durations=25 --junitxml="$cache/first.xml" "$@" || status=1
wait "$peers" || { cat "$cache/peers.log" && status=1; }
wait "$floor" || status=1
echo "== lane 2: Python 3.13 in a Debian trixie root, trixie's packages"
cat "$cache/floor.log"
.venv/bin/python tools/lanes.py "$first=$cache/first.xml" "trixie=$cache/floor.xml" || status=1
exit $status
