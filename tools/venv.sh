#!/usr/bin/env bash
# venv.sh DIRECTORY LOCK : a virtual environment that holds exactly the pinned packages, and this tree (editable) on top.
# The native data plane is built where there is a Rust toolchain, the eBPF program of the XDP data plane where there is clang;
# STRATUM1_NATIVE=require and STRATUM1_XDP=require install what is missing, or fail.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 lock=$2
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(tools/python.sh) || { tools/need.sh python3:python3 && python=$(tools/python.sh); } ||
        { echo "Python 3.11 or newer is needed; set PYTHON to where it is." >&2 && exit 1; }
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian splits venv off its Python; there is no command to look for.
        tools/need.sh "no-such-command:python3-venv"
    fi
    echo "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin # where rustup puts it, which a plain shell does not know
if [ "${STRATUM1_NATIVE:-auto}" = require ]; then
    # Debian bookworm keeps a new enough Rust for its browsers; from trixie on the plain package is one.
    command -v cargo >/dev/null || tools/need.sh "cargo:$(apt-cache show cargo-web >/dev/null 2>&1 && echo cargo-web || echo cargo)"
    version=$(cargo --version | awk '{ print $2 }')
    if [ "$(printf '%s\n' 1.85 "$version" | sort -V | head -n 1)" != 1.85 ]; then
        echo "Rust 1.85 or newer is needed to build the native data plane, and this is $version: update it, by rustup for instance." >&2
        exit 1
    fi
fi
if [ "${STRATUM1_XDP:-auto}" = require ] && ! compgen -c clang | grep -qxE "clang(-[0-9]+)?"; then
    tools/need.sh clang:clang
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/python" -m pip install --quiet --require-hashes --requirement "$lock"
"$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
