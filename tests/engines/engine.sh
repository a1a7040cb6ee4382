# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the engine tests share; sourced instead of tap.sh.
#
# A start of dockerd costs a second or two (and minutes in an emulated machine), so a
# test starts one sandbox and runs one big script in it. That script has the words of
# $share/words.sh: `try KEY COMMAND...` leaves one line "KEY=STATUS OUTPUT", and the
# test asserts with `says NAME KEY REGEX`.
# shellcheck source=tests/tap.sh
. "${0%/*}/../tap.sh"

share=$work/share # /share inside
results=$work/results
mkdir "$share"

# docker_rootfs: sets $docker_root, or skips all.
docker_rootfs() {
	docker_root=${CISANDBOX_TEST_DOCKER_ROOTFS:-$data_root/images/debian/rootfs}
	[ -x "$docker_root/usr/sbin/dockerd" ] ||
		skip_all "no dockerd in $docker_root (cisandbox image build debian)"
}

skip_all() {
	skip "all of it" "$*"
	finish
}

# The smallest image of all, from the host's busybox: $share/busybox.tar.
make_busybox_tar() {
	mkdir -p "$rootfs/www"
	echo hello from busybox >"$rootfs/www/index.html"
	tar -C "$rootfs" --owner=0 --group=0 -cf "$share/busybox.tar" .
}

# shellcheck disable=SC2016 # for the inner shell
write_words() {
	cat >"$share/words.sh" <<'WORDS'
# One result: newlines become "|".
put() { # KEY TEXT
	printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n' '|')" >&3
}
# A command's status and all it prints; never the end of the script.
try() { # KEY COMMAND...
	local key=$1 text status
	shift
	text=$(timeout "${limit:-120}" "$@" </dev/null 2>&1)
	status=$?
	put "$key" "$status $text"
	return 0
}
# Until COMMAND succeeds; a slow machine gets its time.
await() { # COMMAND...
	local n
	for n in $(seq 300); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}
# The answer's last line; there is no curl.
http() { # HOST PORT
	exec 9<>"/dev/tcp/$1/$2" || return
	printf 'GET / HTTP/1.0\r\n\r\n' >&9
	tail -n 1 <&9
}
export -f http
controllers=$(cat /sys/fs/cgroup/cgroup.controllers)
has_controllers() { # NAME...
	local c
	for c; do [[ " $controllers " == *" $c "* ]] || return 1; done
}
exec 3>&1 >&2
put controllers "$controllers"
WORDS
}

# read_results FILE: the lines KEY=VALUE of what ran inside.
declare -A result
read_results() {
	local key value
	while IFS='=' read -r key value; do
		[[ $key =~ ^[a-z0-9_]+$ ]] && result[$key]=$value
	done <"$1"
}
says() { # NAME KEY REGEX
	like "$1" "${result[$2]-(the script did not come to $2)}" "$3"
}

# What inner engines can limit is what cgroup2 has; hybrid hosts have it in v1.
inner_controllers() { # NAME...: succeeds when all are there
	local c
	for c; do [[ " ${result[controllers]-} " == *" $c "* ]] || return 1; done
}
why_no_controllers='the cgroup2 of this host has no controllers (hybrid or v1): inner limits cannot be had'

# Of what was there before some may have gone since: that is not ours. A group goes a
# moment after its last process.
nothing_left() { # NAME BEFORE
	local n left
	for n in 1 2 3 4 5 6 7 8 9 10; do
		left=$(comm -13 <(echo "$2") <(host_traces))
		[ -n "$left" ] || break
		sleep 0.2
	done
	is "$1" "$left" ""
}

# A number of the last "exited" line of an audit file.
audit_number() { # FILE KEY
	sed -nE '/"event": *"exited"/{s/.*"'"$2"'": *([0-9]+).*/\1/p}' "$1" | tail -n 1
}

write_words

# What is made once, such as the lock of ids, is not left over: make it now.
cisandbox run --rootfs "$rootfs" -- /bin/nothing >/dev/null 2>&1
