#!/usr/bin/env bash
# fetch_trixie.sh DIRECTORY PEER...: time servers as Debian trixie has them, each with all that it depends on unpacked (not installed: no
# maintainer script runs) into a root of its own, DIRECTORY/PEER (two of them bring the same /usr/sbin/ntpd). From the mirror that
# this host's apt is set up for. Does nothing for those that are there. Needs no privilege. trixie_peers.py runs them.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$1"
cd "$1"
exec 9>lock
flock 9
# changes whenever a root that was made before will not do any longer
wanted="$(dpkg --print-architecture) 1"

mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1
}

unpack() {
    local peer=$1 from
    from=$(mirror)
    [ -n "$from" ] || { echo "No Debian mirror in this host's apt configuration (run apt-get update once)." >&2 && exit 1; }
    apt-config dump Acquire | grep -E '^Acquire::(http|https|Retries)' >apt.conf || true
    rm -rf --one-file-system "$peer" "$peer.tar"
    mmdebstrap --quiet --variant=extract --format=tar \
        --aptopt='Apt::Install-Recommends "false"' --aptopt="$PWD/apt.conf" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --extract-hook='APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache show --no-all-versions '"$peer"' | sed -n "s/^Version: //p" >"$1/version"' \
        --include="$peer" trixie "$peer.tar" "deb $from trixie main"
    mkdir "$peer"
    tar -C "$peer" -xf "$peer.tar" --no-same-owner --exclude='./dev/*'
    rm "$peer.tar"
    # what base-files and the maintainer scripts would have made
    mkdir -p "$peer"/{dev,etc,proc,root,run,sys,tmp,var/lib}
    for name in bin lib lib64 sbin; do
        [ ! -d "$peer/usr/$name" ] || [ -e "$peer/$name" ] || ln -s "usr/$name" "$peer/$name"
    done
    [ -e "$peer/var/run" ] || ln -s ../run "$peer/var/run"
    printf '%s\n' root:x:0:0::/root:/bin/sh _chrony:x:901:901::/var/lib/chrony:/bin/false ntpsec:x:902:902::/nonexistent:/bin/false \
        ntpd:x:903:903::/run/openntpd:/bin/false nobody:x:65534:65534::/nonexistent:/bin/false >"$peer/etc/passwd"
    printf '%s\n' root:x:0: _chrony:x:901: ntpsec:x:902: ntpd:x:903: nogroup:x:65534: >"$peer/etc/group"
    echo "$wanted" >"$peer/complete"
}

for peer in "${@:2}"; do
    [ "$(cat "$peer/complete" 2>/dev/null)" = "$wanted" ] || unpack "$peer"
done
