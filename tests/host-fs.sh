# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# File systems of the host's, made in images and mounted in a mount namespace of the test's
# own, so that nothing of them outlives it. To be sourced before tap.sh: it begins the
# script anew in that namespace.
#
#	if host_fs NAME SIZE OPTIONS mkfs.xfs -q; then ... "$CISANDBOX_ROOT" is on it
#	else skip NAME "$why"; fi
[ -n "${HOST_FS_NAMESPACE:-}" ] ||
	exec env HOST_FS_NAMESPACE=1 unshare --mount --propagation private "$0" "$@"

unmount() { # DIR: once the kernel has let go of what the last sandbox had
	local _
	for _ in {1..50}; do
		umount "$1" 2>/dev/null && return
		sleep 0.1
	done
	umount -l "$1"
}

# Makes one by MKFS..., mounts it with OPTIONS, and makes it the data root. False, and says
# $why, where this host cannot.
host_fs() { # NAME SIZE OPTIONS MKFS...
	local dir=$work/$1 image=$work/$1.img size=$2 options=$3
	shift 3
	command -v "$1" >/dev/null || { why="no $1"; return 1; }
	truncate -s "$size" "$image"
	mkdir -p "$dir"
	"$@" "$image" >"$work/mkfs" 2>&1 || { why="$1: $(tail -n 1 "$work/mkfs")"; return 1; }
	why=$(mount -o "loop,$options" "$image" "$dir" 2>&1 | head -n 1)
	# A kernel without project quotas calls them a bad option.
	mountpoint -q "$dir" || { why="cannot be mounted with $options here: ${why#*: *: }"; return 1; }
	at_end+=("unmount '$dir'")
	export CISANDBOX_ROOT=$dir
}
# By back end; each wants as much of a disk as it is given.
host_quota_ext4() { host_fs quota-ext4 "$1" prjquota mkfs.ext4 -q -O quota,project; }
host_quota_xfs() { host_fs quota-xfs "$1" prjquota mkfs.xfs -q; }
host_btrfs() {
	host_fs btrfs "$1" noatime mkfs.btrfs -q && why=$(btrfs quota enable "$CISANDBOX_ROOT" 2>&1)
}
