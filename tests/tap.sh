# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The test words. A test is a bash script that sources this and prints TAP:
#
#	. "${0%/*}/../tap.sh"
#	succeeds "true succeeds" cisandbox run --rootfs "$rootfs" -- true
#	is "uid inside" "$(cisandbox run --rootfs "$rootfs" -- id -u)" 0
#	like "says why" "$output" 'no such image'
#	skip "name" "why"
#	finish
#
# What it has: $rootfs, a small root with busybox, remade for each script; $work, a
# directory removed at the end; `cisandbox`, the one just built. State and data
# live below $work, so that scripts do not meet each other.
set -u -o pipefail

here=$(cd "${0%/*}" && pwd)
top=$(cd "$here" && while [ ! -f meson.build ] || [ ! -d include ]; do cd ..; done && pwd)
: "${CISANDBOX:=$top/build/cli/cisandbox}"
count=0
failed=0

work=$(mktemp -d "${TMPDIR:-/var/tmp}/cisandbox-test.XXXXXX")
export CISANDBOX_STATE="$work/state"
data_root=${CISANDBOX_ROOT:-/var/lib/cisandbox} # where the real images are
export CISANDBOX_ROOT="$work/data"
at_end=()

cleanup() {
	local id
	for id in "${at_end[@]}"; do eval "$id"; done
	[ ! -d "$CISANDBOX_STATE" ] || for id in "$CISANDBOX_STATE"/*/; do
		id=${id%/}
		[ ! -d "$id" ] || "$CISANDBOX" kill "${id##*/}" 2>/dev/null
	done
	# Their supervisors need a moment, and their state directories until then.
	for ((id = 0; id < 100; id++)); do
		"$CISANDBOX" reap >/dev/null 2>&1
		compgen -G "$CISANDBOX_STATE/*" >/dev/null || break
		sleep 0.05
	done
	rm -rf "$work"
	! declare -F user_done >/dev/null || user_done
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cisandbox() { "$CISANDBOX" "$@"; }

make_rootfs() { # DIR
	local busybox
	busybox=$(command -v busybox) || bail "busybox is not installed"
	mkdir -p "$1"/{bin,etc,proc,sys,dev,run,tmp,root,var/log,usr}
	cp "$busybox" "$1/bin/busybox"
	# One process for 270 links: it minds that there is no /proc, and goes on.
	chroot "$1" /bin/busybox --install -s /bin 2>/dev/null
	chmod 1777 "$1/tmp"
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\nextra:x:2000:user\n' >"$1/etc/group"
}

rootfs=$work/rootfs

# To whom the command belongs, if that is not root (rootless.sh).
own() { # PATH...
	[ -z "${CISANDBOX_USER-}" ] || chown -R "$CISANDBOX_USER:$CISANDBOX_USER" "$@"
}

report() { # STATUS NAME
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		failed=$((failed + 1))
		echo "not ok $count - $2"
	fi
}
note() { printf '%s\n' "$*" | sed 's/^/# /'; }
skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}
bail() {
	echo "Bail out! $*"
	exit 1
}
is() { # NAME GOT WANTED
	if [ "$2" = "$3" ]; then report 0 "$1"; else
		report 1 "$1"
		note "got:    $2" "wanted: $3"
	fi
}
like() { # NAME TEXT REGEX
	if grep -qE -- "$3" <<<"$2"; then report 0 "$1"; else
		report 1 "$1"
		note "got:    $2" "wanted: /$3/"
	fi
}
unlike() { # NAME TEXT REGEX
	if grep -qE -- "$3" <<<"$2"; then
		report 1 "$1"
		note "got:      $2" "unwanted: /$3/"
	else report 0 "$1"; fi
}
succeeds() { # NAME COMMAND...
	local name=$1 text status
	shift
	text=$("$@" 2>&1)
	status=$?
	report $status "$name"
	[ $status -eq 0 ] || note "status $status: $*" "$text"
}
# But for what images show on their way, the message is one line on stderr.
fails_with() { # NAME STATUS REGEX COMMAND...
	local name=$1 wanted=$2 regex=$3 text status
	shift 3
	text=$("$@" 2>&1 >/dev/null)
	status=$?
	text=$(grep -vE '^(fetching|reading|unpacking|nothing to fetch)' <<<"$text")
	if [ $status -eq "$wanted" ] && grep -qE -- "$regex" <<<"$text" &&
		[ "$(wc -l <<<"$text")" -eq 1 ]; then
		report 0 "$name"
	else
		report 1 "$name"
		note "got:    status $status, $text" "wanted: status $wanted, one line like /$regex/"
	fi
}
finish() {
	echo "1..$count"
	exit $((failed > 0))
}

# ---- sandboxes ----------------------------------------------------------------

# A run in $rootfs: inside [OPTION]... -- COMMAND...
inside() { "$CISANDBOX" run --rootfs "$rootfs" "$@"; }

# Takes the key=value lines that COMMAND... prints into got[key]. A sandbox is
# asked for all it knows at once: in a slow machine each start counts.
declare -A got
facts() {
	local line
	got=()
	while IFS= read -r line; do
		[[ $line != *=* ]] || got[${line%%=*}]=${line#*=}
	done < <("$@")
}
fact() { # NAME KEY WANTED
	is "$1" "${got[$2]-(nothing said)}" "$3"
}

# One value of a sandbox, by jq: field ID .id_base
field() { "$CISANDBOX" inspect "$1" | jq -r "$2"; }

# The host pid of a sandbox's command.
payload_pid() { # ID
	local init
	init=$(field "$1" .init)
	read -r init _ <"/proc/$init/task/$init/children" || : # no newline at its end
	echo "$init"
}

# A static program of tests/helpers, into /bin of $rootfs.
helper() { # NAME
	local dir=${CISANDBOX_HELPERS:-$top/build/tests/helpers}
	cp "$dir/$1" "$rootfs/bin/$1" 2>/dev/null ||
		bail "no helper $dir/$1 (build the tests, or set CISANDBOX_HELPERS)"
}

mkfifo "$work/never"
exec {never}<>"$work/never"
nap() { read -rt "$1" -u "$never" || :; } # SECONDS, without a process

wait_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		nap 0.05
	done
}

# Background with Ctrl-C working; bash has its jobs ignore it. The pid is $!.
start() { # COMMAND...
	env --default-signal=INT,QUIT "$@" &
}

# `cisandbox wait ID` in the background, once it really waits; its pid is $waiter,
# what it prints goes to $work/waited.
start_wait() { # ID
	"$CISANDBOX" wait "$1" >"$work/waited" &
	waiter=$!
	wait_until 10 eval "ls -l /proc/$waiter/fd | grep -q '/lock\$'"
}

# What a sandbox could leave on the host, as text to compare.
host_traces() {
	{
		findmnt -rn -o TARGET,SOURCE 2>/dev/null || cat /proc/mounts
		grep "$work" /sys/block/loop*/loop/backing_file 2>/dev/null
		find /sys/fs/cgroup -type d -name '*cisandbox*' 2>/dev/null
		find "$CISANDBOX_STATE" -mindepth 1 ! -name .ids ! -name .pools ! -name .cgroups ! -name .claims 2>/dev/null
		find "$CISANDBOX_ROOT" -type f 2>/dev/null
		ls /dev/mapper /run/netns 2>/dev/null
		stat -c "%n %u:%g %a" /dev/null # runtimes chown what they get as a stream
	} | sort
}

# Like before, within a moment: the kernel drops loop devices and mounts a little
# after the last process that saw them.
nothing_left() { # NAME TRACES-BEFORE
	local now
	for _ in {1..40}; do
		now=$(host_traces)
		[ "$now" != "$2" ] || break
		nap 0.1
	done
	if [ "$now" = "$2" ]; then report 0 "$1"; else
		report 1 "$1"
		note "$(diff <(echo "$2") <(echo "$now"))"
	fi
}

[ "$(id -u)" -eq 0 ] || bail "needs root"
make_rootfs "$rootfs"
# The command is an ordinary user's (rootless.sh): so is all that it needs.
if [ -n "${CISANDBOX_USER-}" ]; then
	umask 0 # what the script makes is also for the command to write
	chmod 777 "$work"
	own "$rootfs"
	install -d -m 700 -o "$CISANDBOX_USER" -g "$CISANDBOX_USER" "$CISANDBOX_STATE" "$CISANDBOX_ROOT"
fi
