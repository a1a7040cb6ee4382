# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # work, rootfs, ...: of tap.sh and internet.sh
#
# What attacks on the gate share; sourced after internet.sh. An attack marks what it sends
# (packets.py); listeners on all links of the host and of the world say which marks they
# saw. What is not to leave the gate is on no link of the host.
#
#	attack_begin                  the internet, listeners, takers of what arrives
#	attack NAME OPTION... -- CODE python in a sandbox, which has packets.py; $log its records
#	seen MARK; unseen MARK        on the host's or the world's links
#	refused REASON ADDRESS|NAME   a record says so

attack_begin() {
	internet_make
	mkdir -p "$rootfs/attack"
	cp "$top/tests/net/packets.py" "$rootfs/attack/"
	for where in host world; do
		ip netns exec "${!where}" python3 "$rootfs/attack/packets.py" listen "$work/$where.seen" &
		internet_pids+=($!)
		# The world's resolver has its port 53 elsewhere.
		hosts=192.0.2.66,2001:db8:80::66,192.0.2.80,2001:db8:80::80,169.254.169.254,10.99.0.5,fd00:ec2::254
		[ "$where" = world ] || hosts=0.0.0.0,::
		ip netns exec "${!where}" python3 "$rootfs/attack/packets.py" take "$work/$where.took" \
			"$hosts" 53,853,7777,5353,67,5355 >"$work/$where.take.err" 2>&1 &
		internet_pids+=($!)
	done
	for where in host world; do
		wait_until 10 grep -qs listening "$work/$where.seen" || bail "no listener of $where"
		wait_until 10 grep -qs ready "$work/$where.took" ||
			bail "no taker of $where: $(cat "$work/$where.take.err")"
	done
}

attack() { # NAME OPTION... -- CODE
	local name=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	{
		printf 'import sys; sys.path.insert(0, "/attack")\n'
		printf 'from packets import *\nimport subprocess\n%s\n' "$2"
	} >"$rootfs/attack/$name.py"
	log=$work/$name.log
	said=$(gated --egress-log "$log" "${options[@]}" -- \
		/usr/bin/python3 -B "/attack/$name.py" 2>"$work/$name.err")
	status=$?
	touch "$log"
	is "$name: the attack ran to its end" "$status" 0
	[ $status -eq 0 ] || note "$said" "$(tail -n 15 "$work/$name.err")"
	unlike "$name: no helper of the gate died" "$(cat "$work/$name.err")" 'helper.*died|keep dying'
}

marks() { awk -v m="$1" '$NF == m' "$work/host.seen" "$work/world.seen"; }
seen() { # MARK...
	local m
	for m; do like "$m passes" "$(marks "$m")" .; done
}
unseen() { # MARK...
	local m
	for m; do is "$m leaves the gate on no link" "$(marks "$m")" ""; done
}
refused() { # REASON TARGET
	like "$2 is recorded: $1" "$(jq -r 'select(.verdict == "denied") |
		.reason + " " + (.name, .address | strings)' "$log" | sort | uniq -c)" " $1 $2\$"
}
