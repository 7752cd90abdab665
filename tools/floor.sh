#!/usr/bin/env bash
# floor.sh [RESULTS [PYTEST ARGUMENT...]]
# The floor lane: the tests under Python 3.13 with Debian trixie's own packages, the oldest versions that we promise to run with.
#
# The root is made by mmdebstrap from the mirror that this host's apt uses, and kept in .cache as a tar named after its package
# list. Each run unpacks it anew, installs this tree into it as a package (not editable: package data is tested too) and runs
# pytest in it, in a network namespace that has nothing but loopback. Without root it all happens in a user namespace
# (needs uidmap and a range in /etc/subuid).
#
# What Debian does not have (pyubx2 and what it needs) comes as the wheels that requirements/test.txt pins by hash: fetched once, outside,
# and kept in .cache beside the root.
#
# The root has no Rust toolchain, so the install shows that one is not needed; the native data plane, which is made for every Python from
# 3.11 on (abi3), is then laid beside the installed package as the first lane built it.
#
# Left out here, because what they need is not in the root: tests/e2e (browser), tests/interop (peers),
# tests/deploy/test_deploy_ansible.py (ansible). They run in the first lane.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

packages=(python3 python3-pip python3-setuptools python3-wheel
    python3-aiohttp python3-nmea2 python3-periphery python3-prometheus-client python3-pydantic python3-rich python3-sdnotify
    python3-serial python3-structlog python3-typer python3-cryptography python3-openssl
    python3-pytest python3-pytest-aiohttp python3-pytest-asyncio python3-pytest-timeout python3-hypothesis python3-numpy
    python3-jsonschema python3-yaml busybox iproute2 mount systemd tzdata udev)
options=(--variant=minbase --format=tar
    --aptopt='Apt::Install-Recommends "false"' --dpkgopt=force-unsafe-io
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*')
wheels=(pyubx2 pynmeagps pyrtcm)
ignored=(tests/e2e tests/interop tests/deploy/test_deploy_ansible.py)

key=$(printf '%s\n' "${packages[@]}" "${options[@]}" | sha256sum | cut -c1-16)
cache=${STRATUM1_CACHE:-$PWD/.cache}
tar=$cache/trixie-$key.tar
root=$cache/trixie-root
pins=$(awk -v names="${wheels[*]}" \
    'BEGIN { split(names, list, " "); for (i in list) wanted[list[i]] } /^[^ ]/ { take = substr($0, 1, index($0, "==") - 1) in wanted } take' \
    requirements/test.txt)
shelf=$cache/wheels-$(printf '%s' "$pins" | sha256sum | cut -c1-16)
mkdir -p "$cache"

make_root() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
    [ -n "$mirror" ] || { echo "No Debian mirror in this host's apt configuration (run apt-get update once)." >&2 && exit 1; }
    apt-config dump Acquire | grep -E '^Acquire::(http|https|Retries)' >"$cache/apt.conf" || true
    echo "making the trixie root (once)"
    mmdebstrap --quiet "${options[@]}" --aptopt="$cache/apt.conf" --include="$(IFS=, && echo "${packages[*]}")" \
        trixie "$tar.part" "deb $mirror trixie main"
    rm -f "$cache"/trixie-*.tar
    mv "$tar.part" "$tar"
}

fetch_wheels() {
    echo "fetching ${wheels[*]} (once)"
    rm -rf "$cache"/wheels-*
    mkdir "$shelf.part"
    printf '%s\n' "$pins" >"$shelf.part/pins.txt"
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --requirement "$shelf.part/pins.txt" --dest "$shelf.part"
    mv "$shelf.part" "$shelf"
}

# Runs inside the namespaces, as root of them.
inside() {
    mkdir "$root"
    tar -C "$root" -xpf "$tar" --exclude='./dev/*'
    cp -r "$shelf" "$root/wheels"
    cp stratum1/_dataplane.abi3.so "$root/"
    mkdir "$root/src"
    { git ls-files -z --cached --others --exclude-standard 2>/dev/null || find . -path ./.cache -prune -o -path ./.venv -prune -o -type f -print0; } |
        xargs -0r sh -c 'for file; do [ -e "$file" ] && printf "%s\0" "$file"; done' sh | tar --null --files-from=- -c | tar -C "$root/src" -x
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t proc proc "$root/proc"
    ip link set lo up
    # Not chroot: in one, user namespaces are refused, and tests make some.
    mkdir "$root/old"
    cd "$root"
    pivot_root . old
    cd /src
    hash -r
    umount --lazy /old
    local environment=(env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin HOME=/root LANG=C.UTF-8 CI="${CI:-}" PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1)
    local install=("${environment[@]}" pip install --quiet --no-index --no-deps --break-system-packages --root-user-action=ignore)
    "${install[@]}" --require-hashes --find-links /wheels --requirement /wheels/pins.txt
    "${install[@]}" --no-build-isolation .
    rm -rf build
    cp /_dataplane.abi3.so "$("${environment[@]}" python3 -c 'import stratum1; print(stratum1.__path__[0])')/"
    # Neither this nor what it starts (PYTHONSAFEPATH) has the tree on its path: the installed package is what is tested.
    "${environment[@]}" pytest -p no:cacheprovider --quiet --junitxml=/floor.xml "${ignored[@]/#/--ignore=}" "$@"
}

if [ "${1:-}" = --inside ]; then
    inside "${@:2}"
    exit
fi
results=${1:-$cache/floor.xml}

namespaces=(unshare --mount --net --pid --fork --kill-child)
helper=()
if [ "$(id -u)" != 0 ]; then
    namespaces+=(--user --map-root-user --map-auto)
    helper=(unshare --user --map-root-user --map-auto)
fi
if [ "$(id -u)" != 0 ]; then
    tools/need.sh newuidmap:uidmap
fi
[ -e "$tar" ] || make_root
[ -e "$shelf" ] || fetch_wheels
"${helper[@]}" rm -rf --one-file-system "$root"
status=0
"${namespaces[@]}" "$PWD/tools/floor.sh" --inside "${@:2}" || status=$?
cp "$root/floor.xml" "$results" || status=1
"${helper[@]}" rm -rf --one-file-system "$root"
exit $status
