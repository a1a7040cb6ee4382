# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # work, group, rootfs, inner: of engines.sh
#
# Network namespaces that are given to sandboxes, and a LAN they are in; sourced after
# engines.sh. All is in the house.
#
#	lan_make; given_make NAME    NAME has 10.77.0.2 and fd77::2, its router is the LAN,
#	                             which answers at 10.99.0.1 and fd99::1, port 7000
#	box ID NAME FILTER COMMAND   a sandbox in it, running
#	client tcp|udp HOST PORT WORD   what a server answers: the client's address and WORD
runtime_root=/run/cisandbox-oci
bundle=$work/bundle
mkdir -p "$bundle"
cat >"$work/bin/client" <<-'PY'
	#!/usr/bin/python3
	import socket, sys
	kind, host, port, word = sys.argv[1:]
	s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
	                  socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
	s.settimeout(2)
	try:
	    s.connect((host, int(port)))
	    s.send(word.encode())
	    print(s.recv(1000).decode())
	except OSError:
	    print("no answer")
PY
cat >"$work/bin/server" <<-'PY'
	#!/usr/bin/python3
	import os, selectors, socket, sys
	host, port = sys.argv[1], int(sys.argv[2])
	sel = selectors.DefaultSelector()
	for family, address in (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"):
	    if host not in ("any", address) and (family == socket.AF_INET6):
	        continue
	    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
	        s = socket.socket(family, kind)
	        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	        if family == socket.AF_INET6:
	            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
	        s.bind((address if host == "any" else host, port))
	        if kind == socket.SOCK_STREAM:
	            s.listen()
	        sel.register(s, selectors.EVENT_READ)
	open(sys.argv[3], "w").close()
	while os.path.exists(sys.argv[3]):
	    for key, _ in sel.select(0.3):
	        if key.fileobj.type == socket.SOCK_DGRAM:
	            word, peer = key.fileobj.recvfrom(1000)
	            key.fileobj.sendto((peer[0] + " ").encode() + word, peer)
	        else:
	            c, peer = key.fileobj.accept()
	            c.settimeout(2)
	            c.send((peer[0] + " ").encode() + c.recv(1000))
	            c.close()
PY
chmod 755 "$work/bin/client" "$work/bin/server"
"$CISANDBOX_OCI" spec --bundle "$bundle" || bail "no spec"

servers=0
listening() { # HOST PORT COMMAND-PREFIX...: in the background, until the house is gone
	local ready=$work/ready$((++servers))
	"${@:3}" setsid "$work/bin/server" "$1" "$2" "$ready" >>"$work/servers.log" 2>&1 </dev/null &
	wait_until 10 test -e "$ready" || bail "no server: $(tail -n 3 "$work/servers.log")"
}
servers_end() { rm -f "$work"/ready*; }

lan_make() {
	enter ip netns add lan
	enter ip -n lan link set lo up
	enter ip -n lan link add br0 type bridge
	enter ip -n lan link set br0 up
	enter ip -n lan addr add 10.77.0.1/24 dev br0
	enter ip -n lan addr add fd77::1/64 dev br0 nodad
	enter ip -n lan addr add 10.99.0.1/32 dev lo
	enter ip -n lan addr add fd99::1/128 dev lo
	listening any 7000 enter ip netns exec lan
}
given=1
given_make() { # NAME
	given=$((given + 1))
	enter ip netns add "$1"
	enter ip -n "$1" link set lo up
	enter ip link add eth0 netns "$1" mtu 1400 type veth peer name "lan$given" netns lan
	enter ip -n lan link set "lan$given" mtu 1400 master br0 up
	enter ip -n "$1" link set eth0 up
	enter ip -n "$1" addr add "10.77.0.$given/24" dev eth0
	enter ip -n "$1" addr add "fd77::$given/64" dev eth0 nodad
	enter ip -n "$1" route add default via 10.77.0.1
	enter ip -n "$1" route add default via fd77::1
}
# All of it that a sandbox behind it might change.
given_looks() { # NAME
	enter ip netns exec "$1" sh -c '
		ip -o link | sed "s/ state .*//"; ip -o addr | sed "s/ valid_lft.*//; s/ tentative//; s/^[0-9]*: //" | tr -s " " | sort; ip route; ip -6 route | sort
		nft list ruleset
		cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/*/accept_ra
		cat /proc/sys/net/ipv4/conf/*/route_localnet'
}

oci() { enter timeout 20 "$CISANDBOX_OCI" --root "$runtime_root" "$@"; }
pid_of() { oci state "$1" | jq -r .pid; }
box_conf() { # NETNS FILTER COMMAND...: NETNS is a name or a path
	local path=$1 filter=$2
	shift 2
	[[ $path = /* ]] || path=/run/netns/$path
	printf '%s\0' "$@" >"$work/args"
	[ -e "$work/base.json" ] || cp "$bundle/config.json" "$work/base.json"
	jq --rawfile args "$work/args" --arg rootfs "$rootfs" --arg net "$path" --arg group "/$group/$((++boxes))" \
		'.process.terminal = false | .root = {path: $rootfs, readonly: false}
		| .process.args = ($args | split("\u0000") | .[:-1]) | .linux.cgroupsPath = $group
		| (.linux.namespaces[] | select(.type == "network")).path = $net | '"$filter" \
		"$work/base.json" >"$bundle/config.json" || bail "jq: $filter"
}
boxes=0
box() { # ID NETNS FILTER COMMAND...
	local id=$1
	shift
	box_conf "$@"
	# Not our streams: it would keep them open.
	oci --profile docker run --detach --bundle "$bundle" "$id" </dev/null >"$work/box.out" 2>&1 && return
	cat "$work/box.out"
	return 1
}
inside() { oci exec "$@"; } # ID COMMAND...
in_given() { enter ip netns exec "$1" env PATH="$work/bin:$PATH" "${@:2}"; }
in_lan() { in_given lan "$@"; }
in_net() { enter nsenter -t "$(pid_of "$1")" -n env PATH="$work/bin:$PATH" "${@:2}"; } # ID COMMAND...
as_root() { enter nsenter -t "$(pid_of "$1")" -U -n -S 0 -G 0 "${@:2}"; }
server() { listening any "$2" enter nsenter -t "$(pid_of "$1")" -n; } # ID PORT
