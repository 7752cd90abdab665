#!/usr/bin/env bash
# Both lanes, all of each even if the other fails; the last line adds them up. `make test` has made what they need.
set -uo pipefail
cd "$(dirname "$0")/.."
cache=${STRATUM1_CACHE:-$PWD/.cache}
mkdir -p "$cache"
rm -f "$cache/first.xml" "$cache/floor.xml"
status=0
first=$(.venv/bin/python -c 'import platform; print("python-" + platform.python_version())')
echo "== lane 1: $first, pinned packages"
[[ $first == python-3.11.* ]] || echo "(there is no Python 3.11 on this machine; CI has one)"
.venv/bin/python -m pytest --quiet --junitxml="$cache/first.xml" "$@" || status=1
echo "== lane 2: Python 3.13 in a Debian trixie root, trixie's packages"
tools/floor.sh "$cache/floor.xml" || status=1
.venv/bin/python tools/lanes.py "$first=$cache/first.xml" "trixie=$cache/floor.xml" || status=1
exit $status
