# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Words for tests of cisandbox-oci with containers:
#
#	. "${0%/*}/oci.sh"
#	facts run_in '.hostname = "x"' sh -c 'echo name=$(hostname)'
#	refused "no such thing" '^a message' '.linux.x = 1' true
#	id=$(spare) && conf . sleep 600 && oci create "$id"
#
# A configuration is `cisandbox-oci spec` with no terminal, a root that can be written
# to and a command; the FILTER is jq's and changes it. Containers have a root of their
# own for their state; their names, groups and environments have $tag in them, so that
# what is left of them can be found, and only that.
. "${0%/*}/../tap.sh"

: "${CISANDBOX_OCI:=${CISANDBOX%/cli/*}/oci/cisandbox-oci}"
[ -x "$CISANDBOX_OCI" ] || bail "no $CISANDBOX_OCI (set CISANDBOX_OCI)"
command -v jq >/dev/null || bail "jq is not installed"
tag=t$$x${work##*.}
oci_root=$work/oci
bundle=$work/bundle
mkdir -p "$oci_root" "$bundle" "$work/spec"
chmod 711 "$work" # root of a user namespace goes through it to its rootfs
"$CISANDBOX_OCI" spec --bundle "$work/spec" || bail "no spec"
base=$work/base.json
# The second half of a test's life: nothing here may outlive the script.
jq --arg rootfs "$rootfs" --arg tag "$tag" '.process.terminal = false
	| .root = {path: $rootfs, readonly: false}
	| .linux.namespaces |= map(select(.type != "cgroup")) + [{type: "cgroup"}]
	| .process.env += ["OCI_TEST=" + $tag]' "$work/spec/config.json" >"$base" || bail "jq"

# What hangs is a failure: of the verb, not of the whole script.
oci() { timeout --foreground 20 "$CISANDBOX_OCI" --root "$oci_root" "$@"; }

ids=0
# A new id, also in a subshell.
spare() { echo "$tag-${BASHPID:-0}-$((++ids))"; }

conf() { # FILTER COMMAND...
	local filter=$1
	shift
	printf '%s\0' "$@" >"$work/args"
	jq -n --slurpfile base "$base" --rawfile args "$work/args" \
		'$base[0] | .process.args = ($args | split("\u0000") | .[:-1]) | '"$filter" \
		>"$bundle/config.json" || bail "jq: $filter"
}

run_in() { # FILTER COMMAND...: in the foreground
	conf "$@"
	oci run --bundle "$bundle" "$(spare)"
}
says() { # NAME WANTED FILTER COMMAND...
	local name=$1 wanted=$2
	shift 2
	is "$name" "$(run_in "$@" 2>&1)" "$wanted"
}
created() { # ID FILTER COMMAND...
	local id=$1
	shift
	conf "$@"
	oci create --bundle "$bundle" "$id" </dev/null >>"$work/out" 2>&1
}
started() { # ID FILTER COMMAND...
	local id=$1
	shift
	conf "$@"
	oci run --detach --bundle "$bundle" "$id" </dev/null >>"$work/out" 2>&1
}
gone() { oci delete --force "$1" >/dev/null 2>&1; } # ID
status() { oci state "$1" 2>/dev/null | jq -r .status; }
pid_of() { oci state "$1" 2>/dev/null | jq -r .pid; }
is_status() { [ "$(status "$1")" = "$2" ]; }
bad() { # NAME REGEX ARGUMENT...
	local name=$1 regex=$2
	shift 2
	fails_with "$name" 1 "$regex" oci "$@"
}
bad_exec() { # NAME REGEX ARGUMENT...
	local name=$1 regex=$2
	shift 2
	fails_with "$name" 255 "$regex" oci exec "$@"
}

# create fails, says so in one line, leaves no state, no group and no process.
refused() { # NAME REGEX FILTER COMMAND...
	local name=$1 regex=$2 id text code left
	shift 2
	id=$(spare)
	conf "$@"
	text=$(timeout 30 "$CISANDBOX_OCI" --root "$oci_root" create --bundle "$bundle" "$id" \
		2>&1 </dev/null)
	code=$?
	left=$(ls -d "$oci_root/$id" 2>/dev/null; groups_of "$id"; processes_of "$id")
	if [ $code -eq 1 ] && grep -qE -- "$regex" <<<"$text" && [ -z "$left" ] &&
		[ "$(wc -l <<<"$text")" -eq 1 ]; then
		report 0 "$name"
	else
		report 1 "$name"
		note "got:    status $code, $text" "left:   $left" "wanted: status 1, one line like /$regex/"
		gone "$id"
	fi
}

# ---- what is left ---------------------------------------------------------------

groups_of() { find /sys/fs/cgroup -mindepth 1 -type d -path "*$1*" 2>/dev/null; }
processes_of() { # TEXT that is in their environment or in the name of their group
	local p
	for p in $(grep -lsF -- "$1" /proc/[0-9]*/environ /proc/[0-9]*/cgroup | cut -d/ -f3 | sort -u); do
		# Not the dead whom a slow init has not waited for.
		[ "$p" = $$ ] || grep -qs '^State:.[^ZX]' "/proc/$p/status" && echo "$p"
	done
	:
}
oci_traces() {
	{
		findmnt -rn -o TARGET,SOURCE
		groups_of "$tag"
		processes_of "$tag"
		find "$oci_root" -mindepth 1 ! -path '*/.*'
		ls /run/netns 2>/dev/null
		stat -c "%n %u:%g %a" /dev/null # runtimes chown what they get as a stream
	} | sort
}
all_gone() { # NAME TRACES-BEFORE
	local now
	for _ in {1..40}; do
		now=$(oci_traces)
		[ "$now" != "$2" ] || break
		nap 0.1
	done
	is "$1" "$(diff <(echo "$2") <(echo "$now"))" ""
}

oci_cleanup() {
	local i
	for i in "$oci_root"/*/; do
		[ ! -d "$i" ] || oci resume "$(basename "$i")" >/dev/null 2>&1
		[ ! -d "$i" ] || oci delete --force "$(basename "$i")" >/dev/null 2>&1
	done
	# A runtime that is broken does not do it: what has our tag is ours.
	for i in /sys/fs/cgroup/freezer/{,cisandbox-oci/}*"$tag"*/freezer.state; do
		[ ! -e "$i" ] || echo THAWED >"$i"
	done
	for i in $(processes_of "$tag"); do kill -KILL "$i" 2>/dev/null; done
	nap 0.1
	groups_of "$tag" | sort -r | while IFS= read -r i; do rmdir "$i" 2>/dev/null; done
	findmnt -rn -o TARGET | grep -F "$work/" | sort -r | while IFS= read -r i; do
		umount -l "$i" 2>/dev/null
	done
}
at_end+=(oci_cleanup)

# One message with one descriptor on a unix socket: terminal, pidfd or seccomp. As
# process $receiver; the socket is there when this returns.
#	receive SOCKET MODE OUT    MODE: terminal, answer, hold
receive() {
	python3 "$here/receiver.py" "$@" &
	receiver=$!
	wait_until 10 [ -S "$1" ]
}
