# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the tests of engines above cisandbox-oci share; sourced instead of tap.sh.
#
# An engine and all it starts live in namespaces of their own (pid, net, mount), with a
# /run and /dev/shm of their own: they meet no other engine of the host, and the death of
# that pid 1 takes everything along, whatever went wrong. Only control groups are
# left then; they are all below $group, and removed by name.
#
#	house                      make these namespaces
#	enter COMMAND...           run something in them
#	later KEY COMMAND...       run in the background; `says NAME KEY REGEX` waits for it
# shellcheck source=tests/tap.sh
. "${0%/*}/../tap.sh"

: "${CISANDBOX_OCI:=$top/build/oci/cisandbox-oci}"
[ -x "$CISANDBOX_OCI" ] || bail "no $CISANDBOX_OCI (set CISANDBOX_OCI)"

skip_all() {
	skip "all of it" "$*"
	finish
}
need() { # COMMAND...
	local c
	for c; do command -v "$c" >/dev/null || skip_all "$c is not installed"; done
}
need nsenter unshare setpriv script jq

# A private copy: the build may go on while this runs.
chmod 711 "$work" # for user namespaces
mkdir "$work/bin"
cp "$CISANDBOX_OCI" "$work/bin/cisandbox-oci" || bail "cannot copy $CISANDBOX_OCI"
CISANDBOX_OCI=$work/bin/cisandbox-oci
group=cis-oci-test.$$

# Where hierarchies are mounted one by one podman makes folders in the place of those that
# are not, and files in them: let that not be the host's tmpfs.
private_groups() {
	local d new=/run/groups
	[ "$(stat -fc %T /sys/fs/cgroup)" = tmpfs ] || return 0
	mkdir $new && mount -t tmpfs -o mode=755 none $new || return
	for d in /sys/fs/cgroup/*; do
		if [ -L "$d" ]; then
			cp -P "$d" $new/
		elif mountpoint -q "$d"; then
			mkdir "$new/${d##*/}" && mount --bind "$d" "$new/${d##*/}" || return
		fi
	done
	umount -l /sys/fs/cgroup && mount --move $new /sys/fs/cgroup && rmdir $new
}

house() {
	# A pid 1 that ignores SIGCHLD has the kernel reap what falls to it.
	# shellcheck disable=SC2016 # for the inner shell
	setpriv --pdeathsig KILL unshare --net --pid --mount --propagation private --fork --kill-child \
		--mount-proc bash -c '
			for d in /run /dev/shm /var/lib/cni /etc/cni; do
				[ ! -d $d ] || mount -t tmpfs none $d || exit
			done
			printf "%s:100000:65536\n" nobody nogroup >/run/subids
			for d in /etc/subuid /etc/subgid; do
				[ ! -e $d ] || mount --bind /run/subids $d || exit
			done
			mkdir -m 755 -p /run/lock /etc/cni/net.d
			eval "$1"
			private_groups || exit
			ip link set lo up
			echo $$ >"$0/at-home"
			exec env --ignore-signal=CHLD sleep infinity' "$work" "$(declare -f private_groups)" </dev/null >/dev/null 2>"$work/house.err" &
	outside=$!
	wait_until 20 test -s "$work/at-home" || bail "no namespaces: $(<"$work/house.err")"
	read -r inner _ <"/proc/$outside/task/$outside/children" || :
	at_end+=(demolish)
}
enter() { nsenter -t "$inner" -m -n -p -- "$@"; }

demolish() {
	local n
	# Everything inside dies with its pid 1, frozen processes once they are thawed.
	find /sys/fs/cgroup/freezer -path "*/$group*" -name freezer.state \
		-exec sh -c 'echo THAWED >"$1"' - {} \; 2>/dev/null
	kill -KILL "$inner" 2>/dev/null
	wait "$outside" 2>/dev/null
	for n in {1..50}; do
		find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null
		[ -n "$(groups_left)" ] || break
		nap 0.1
	done
	[ -z "$(groups_left)" ] || note "control groups stay: $(groups_left)"
}

groups_left() { find /sys/fs/cgroup -type d -path "*/$group*" 2>/dev/null; }

# The value of the first FILE that the groups of container ID have; of cpu.stat, all.
group_value() { # ID FILE...
	local id=$1 f text
	shift
	for f; do
		text=$(find /sys/fs/cgroup -path "*/$group*/*$id*/$f" -exec cat {} + 2>/dev/null)
		[ -z "$text" ] || { echo "$text" && return; }
	done
	echo "no group of $id has $*"
}

# What containers may leave behind: groups, mounts, network and processes.
container_traces() {
	groups_left | grep -vE "/$group\$" # the common parent is the engine's
	# podman binds its storage to itself, sooner or later.
	enter awk '$5 !~ /\/podman\/overlay$/ { print "mount " $5 }' /proc/self/mountinfo
	enter ps -eo comm= | grep -vE '^(ps|nsenter)$' | sed 's/^/process /'
	enter "$CISANDBOX_OCI" --root "${runtime_root:?}" list -q
}
sorted_traces() { container_traces 2>/dev/null | sort; }

# Of what was there before some may have gone since.
no_container_left() { # NAME BEFORE
	local n left
	for n in {1..30}; do
		left=$(comm -13 <(echo "$2") <(sorted_traces))
		[ -n "$left" ] || break
		nap 0.1
	done
	is "$1" "$left" ""
}

# ---- several at once ----

mkdir "$work/later"
later() { # KEY COMMAND...: its output, then a line "status N"
	local key=$1
	shift
	while [ "$(jobs -pr | wc -l)" -gt "${at_once:-4}" ]; do wait -n; done
	{
		timeout -k 5 "${limit:-40}" "$@" </dev/null
		echo "status $?"
	} >"$work/later/$key" 2>&1 &
}
# Often called in a subshell, which cannot wait for what the script started.
result() { # KEY
	wait_until 60 grep -q '^status [0-9]*$' "$work/later/$1"
	tr -d '\r' <"$work/later/$1" 2>/dev/null || echo "(nothing said of $1)"
}
# The whole, on one line with | between.
says() { # NAME KEY REGEX
	local text
	text=$(result "$2" | tr '\n' '|')
	like "$1" "${text%|}" "$3"
}

# Its output as a terminal of 33 x 77 shows it.
on_pty() { # COMMAND...
	timeout -k 5 40 script -qec "stty rows 33 cols 77; ${*@Q}" /dev/null | tr -d '\r\0' | sed 's/^^@//'
}
status_of() { "$@" >/dev/null 2>&1 </dev/null; echo $?; }
once() { wait_until "$@" || note "waited in vain: ${*:2}"; }

# What `later KEY_plain` and `later KEY_runc` said is the same, and no complaint of both.
same_as_runc() { # KEY...
	local key text
	for key; do
		text=$(result "${key}_runc")
		if grep -q 'unable to apply caps' <<<"$text"; then
			skip "inside it looks as with runc: $key" "this host lacks capabilities, and runc fails"
		elif ! grep -q '^status 0$' <<<"$text"; then
			report 1 "inside it looks as with runc: $key"
			note "but runc says: $text"
		else
			is "inside it looks as with runc: $key" "$(diff <(echo "$text") <(result "${key}_plain"))" ""
		fi
	done
}

# Two runtimes, one configuration: what a process finds must be the same. Left out is what
# does not matter: order and sources of mounts, and how paths are masked.
# shellcheck disable=SC2016 # for the inner shell
look_around='
	exec 2>&1
	grep -E "^(Cap|Seccomp|NoNew|Groups|Uid|Gid|Umask|Sig(Blk|Ign))" /proc/self/status
	sed 1d /proc/self/limits
	sed -E "s/^[^ ]+ [^ ]+ [^ ]+ [^ ]+ //; s/ (master|shared|propagate_from):[0-9]+//g; s/ - ([^ ]*).*/ \1/" \
		/proc/self/mountinfo | grep -vE "^/(proc|sys)/" | sort
	# Old versions of runc set the mode of a tmpfs by chmod.
	sed -nE "s/,mode=[0-7]+//; s/.* (\/(dev|run)[^ ]*) .* - tmpfs [^ ]* /\1 /p" /proc/self/mountinfo | sort
	stat -c "%a %n" /dev /dev/shm /run /tmp
	ls -ln /dev /dev/pts | sed -E "s/ [A-Z][a-z]{2} +[0-9]+ +[0-9:]+ / /; s/total.*//; /core ->|mqueue/d"
	ls /proc/self/fd
	tr "\0" "\n" </proc/self/environ | grep -v ^HOSTNAME= | sort
	cat /proc/self/oom_score_adj /proc/self/loginuid /proc/self/attr/current /proc/self/personality 2>/dev/null
	cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range 2>/dev/null
	sed -E "s/[0-9a-f]{64}/ID/g" /proc/self/cgroup
	pwd; id; tty; ip link show lo | head -n 1; wc -c </proc/keys 2>/dev/null
	for f in /proc/sys/vm/swappiness /sys/x /proc/sysrq-trigger /proc/irq/default_smp_affinity; do
		[ ! -e ${f%/*} ] || { (: >>$f) && echo opened $f; } # writes nothing
	done
	for f in /proc/kcore /proc/timer_list /proc/sched_debug; do [ ! -e $f ] || head -c 1 $f | wc -c; done
	for f in /proc/acpi /proc/scsi /sys/firmware; do [ ! -e $f ] || ls -A $f | wc -l; done'

# ---- docker ----

docker_house() {
	: "${DOCKER:=/usr/bin/docker}" # not a wrapper of it elsewhere in PATH
	need dockerd containerd "$DOCKER" busybox
	house
	export DOCKER_CONFIG=$work/docker-config DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=0
	runtime_root=$work/exec/runtime-runc/moby
	# For children of timeout(1), who do not know functions.
	run=("$DOCKER" run --rm --runtime plain)
	exec=("$DOCKER" exec)
}
docker() { "$DOCKER" "$@"; }
plain() { docker run --runtime plain "$@"; }
daemon_json() { # DEFAULT-RUNTIME [MORE,]
	cat >"$work/daemon.json" <<-JSON
		{
			"runtimes": { ${runtimes_more-} "plain": { "path": "$CISANDBOX_OCI" } },
			"default-runtime": "$1", ${2-}
			"cgroup-parent": "/$group",
			"shutdown-timeout": 1
		}
	JSON
}
dockerd_start() {
	enter setsid dockerd --config-file "$work/daemon.json" --data-root "$work/data" \
		--exec-root "$work/exec" --pidfile "$work/docker.pid" -H "$DOCKER_HOST" \
		--storage-driver overlay2 --userland-proxy=false >>"$work/dockerd.log" 2>&1 </dev/null &
	wait_until "${patience:-40}" docker version || {
		note "$(tail -n 20 "$work/dockerd.log")"
		bail "dockerd does not come up"
	}
}
dockerd_stop() { # SIGNAL
	local pid
	read -r pid <"$work/docker.pid"
	enter kill "-$1" "$pid"
	once 20 enter sh -c "! kill -0 $pid"
}
docker_image() {
	mkdir -p "$rootfs/www"
	echo from busybox >"$rootfs/www/index.html"
	tar -C "$rootfs" --owner=0 --group=0 -c . | docker import - bb >/dev/null || bail "docker import"
}
docker_state() { docker inspect -f "{{$2}}" "$1" 2>&1; } # CONTAINER TEMPLATE
