#!/usr/bin/env bash
# need.sh COMMAND:PACKAGE... : what is not there is installed by apt where we are root, and named where we are not.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
missing=()
for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "These packages are needed (Debian's names): ${missing[*]}" >&2
    echo "Install them, or run this once as root:  apt-get install ${missing[*]}" >&2
    exit 1
fi
