#!/bin/sh
# in_trixie.sh ROOT DIRECTORY PROGRAM [ARGUMENT...]: runs the program in a root that fetch_trixie.sh made; as root of a mount namespace of
# its own. DIRECTORY is seen in there under the same path; what else is written is forgotten. The process becomes the program.
set -eu
PATH=$PATH:/usr/sbin:/sbin
root=$1 directory=$2
shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
for place in run tmp var/lib; do
    mount -t tmpfs tmpfs "$root/$place"
done
mkdir -p "$root/run/openntpd" "$root/var/lib/openntpd/run" "$root/var/lib/openntpd/db" "$root/run/chrony" "$root$directory"
mount --bind "$directory" "$root$directory"
cd /
chroot=$(command -v chroot)
exec env -i PATH=/usr/sbin:/usr/bin LANG=C.UTF-8 "$chroot" "$root" "$@"
