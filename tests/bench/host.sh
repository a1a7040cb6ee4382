# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# shellcheck disable=SC2154 # of common.sh
#
# dockerd "on the host", for what is measured beside it; sourced after common.sh. It is the image's
# own containerd and dockerd, as the host's root, started as the profile says and asked as our init asks,
# on the same kind of disk as a sandbox's (an ext4 of the same options in a sparse file, the root an overlay on it). What
# it has of its own, so as not to disturb the machine: mounts, pids, network and groups. These account
# memory, processor and processes, without limits, as systemd does for each service. What it does not
# have is what a sandbox adds: user namespace, id-mapped mounts, filter.
#
#	host ARG...     runs $context/job with these; prints what it does, and "ready MSEC"
#	in_disk COMMAND...  in a mount namespace with such a disk, empty, at $CISANDBOX_ROOT
require jq losetup mkfs.ext4 unshare pivot_root ip
context=$work/context
mkdir -p "$context"

services=${CISANDBOX%/cli/*}/tests/bench/services
if [ ! -x "$services" ]; then
	services=$work/services
	cc -O2 -D_GNU_SOURCE -static -o "$services" "$here/services.c" || exit 1
fi

# The profile's services in the words of services.c.
mapfile -t words < <(sed 's,^[[:space:]]*//.*,,' "$top/profiles/docker.json" | jq -r '
	.services[] | select(.ready) | .ready.unix, (.ready.http // "-"), .log, .argv[], ";"')

cat >"$work/mount" <<'END'
#!/bin/bash
set -eu
mount --make-rprivate /
loop=$(losetup --find --show --direct-io=on --sector-size 4096 "$1")
mount -t ext4 -o noatime,nodev,noinit_itable,nobarrier "$loop" "$2"
losetup --detach "$loop" # when the mount goes
END
chmod +x "$work/mount"

# Runs in namespaces of its own, in the group that is to be the root of the cgroup
# namespace. Ends in services.c as pid 1, so nothing of it survives.
cat >"$work/host" <<'END'
#!/bin/bash
set -eu
disk=$1 rootfs=$2 services=$3 context=$4
shift 4
"${0%/*}/mount" "$disk" "$disk.mnt"
cd "$disk.mnt"
mkdir upper work root docker containerd buildkit containers
mount -t overlay -o "lowerdir=$rootfs,upperdir=upper,workdir=work,volatile" overlay root
mkdir -p root/context
for dir in docker containerd buildkit containers; do
	mkdir -p root/var/lib/$dir
	mount --bind $dir root/var/lib/$dir
done
mount --bind "$context" root/context
cp "$services" root/services
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mkdir -p root/sys/fs/cgroup/init.scope
echo $$ >root/sys/fs/cgroup/init.scope/cgroup.procs
mount --rbind /dev root/dev
mount -t tmpfs -o mode=755 tmpfs root/run
ip link set lo up
hostname bench
cd root
pivot_root . mnt
cd /
umount -l /mnt
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
unset DOCKER_HOST DOCKER_CONFIG
exec /services "$@"
END
chmod +x "$work/host"

# The scheduler gives a group as much as a single task beside it, and memory that is
# accounted costs a build some 5 %: it has groups where a sandbox has.
groups=()
while read -r _ dir type options _; do
	[[ $type = cgroup2 || ($type = cgroup && ,$options, =~ ,(cpu|cpuacct|memory|pids),) ]] ||
		continue
	groups+=("$dir/cisandbox-bench.$$")
done </proc/mounts

make_groups() {
	local dir
	for dir in "${groups[@]}"; do mkdir -p "$dir"; done
}
remove_groups() {
	local dir
	# The last process is gone a moment before its group says so.
	for _ in {1..50}; do
		find "${groups[@]}" -depth -type d -exec rmdir {} \; 2>/dev/null
		for dir in "${groups[@]}"; do
			[ ! -d "$dir" ] || break
		done
		[ -d "$dir" ] || return 0
		sleep 0.02
	done
}
at_end+=(remove_groups)

make_disk() {
	truncate -s 20G "$work/disk"
	mkfs.ext4 -q -F -m 0 -O '^has_journal,^resize_inode' \
		-E lazy_itable_init=1,nodiscard,packed_meta_blocks=1 "$work/disk"
}

host() { # ARG...
	local out
	make_groups
	mkdir -p "$work/disk.mnt"
	make_disk || return 1
	out=$("$work/join" unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child \
		"$work/host" "$work/disk" "$rootfs" "$services" "$context" \
		"${words[@]}" sh /context/job "$@" 2>"$work/why")
	local r=$?
	remove_groups
	rm -f "$work/disk"
	[ "$r" -eq 0 ] || return 1
	awk '$1 == "ready"' "$work/why"
	echo "$out"
}

{
	echo '#!/bin/sh'
	printf 'echo $$ >%s/cgroup.procs || exit\n' "${groups[@]}"
	echo 'exec "$@"'
} >"$work/join"
chmod +x "$work/join"

in_disk() { # COMMAND...
	make_disk || return 1
	mkdir -p "$CISANDBOX_ROOT"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount bash -c '"$0" "$1" "$2" && shift 2 && exec "$@"' "$work/mount" "$work/disk" "$CISANDBOX_ROOT" "$@"
	local r=$?
	rm -f "$work/disk"
	return $r
}
