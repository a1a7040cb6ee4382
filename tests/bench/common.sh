# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # status and others are for those who source this
#
# What the benchmarks share. They print tables, append `key=value` lines to $results, and
# never assert: the exit status is 0 unless something could not be run.
#
#	CISANDBOX                     the command to measure (default build/cli/cisandbox)
#	CISANDBOX_TEST_DOCKER_ROOTFS  a root with docker (default: the image "debian")
#	BENCH_RESULTS                 where the lines go
#
# Ratios count, not milliseconds, and of those the ratio of minima first: other work on
# the machine only ever adds. What is compared takes turns, so that it adds to both.
set -u -o pipefail

here=$(cd "${0%/*}" && pwd)
top=${here%/tests/bench}
: "${CISANDBOX:=$top/build/cli/cisandbox}"
data_root=${CISANDBOX_ROOT:-/var/lib/cisandbox}
rootfs=${CISANDBOX_TEST_DOCKER_ROOTFS:-$data_root/images/debian/rootfs}
results=${BENCH_RESULTS:-${TMPDIR:-/var/tmp}/cisandbox-bench.results}
status=0
at_end=()

# State belongs on a tmpfs, as /run is on every distribution, if not on every test machine.
for dir in /run /dev/shm /var/tmp; do
	[ "$(stat -f -c %T "$dir" 2>/dev/null)" != tmpfs ] || break
done
CISANDBOX_STATE=$(mktemp -d "$dir/cisandbox-bench.XXXXXX")
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cisandbox-bench.XXXXXX")
export CISANDBOX_STATE CISANDBOX_ROOT="$work/data"

cleanup() {
	local command
	for command in "${at_end[@]}"; do eval "$command"; done
	"$CISANDBOX" reap >/dev/null 2>&1
	rm -rf "$work" "$CISANDBOX_STATE"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cannot() { # WHAT WHY
	echo "cannot measure $1: $2" >&2
	status=1
}
require() { # PROGRAM...
	local program
	for program; do
		command -v "$program" >/dev/null && continue
		cannot "${0##*/}" "$program is not installed"
		exit 1
	done
}
result() { # KEY VALUE
	echo "$1=$2" >>"$results"
}

# Of the numbers in a file, one a line.
min_of() { sort -g "$1" | head -n 1; }
median_of() { sort -g "$1" | awk '{v[NR] = $1} END {print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (b > 0) printf "%.2f", a / b; else print "-"}'; }
round() { printf "%.${2:-2}f" "$1"; }

if [ "$(id -u)" -ne 0 ]; then
	cannot "${0##*/}" "needs root"
	exit 1
fi
if [ ! -x "$CISANDBOX" ] || [ ! -d "$rootfs/usr" ]; then
	cannot "${0##*/}" "needs $CISANDBOX and the root $rootfs (cisandbox image build)"
	exit 1
fi

# The image store is closed to everybody but root, and the others that are measured
# look at the root with the eyes of an unprivileged id.
chmod 755 "$work"
mkdir "$work/root"
mount --bind "$rootfs" "$work/root" || exit 1
at_end+=("umount $work/root")
rootfs=$work/root
