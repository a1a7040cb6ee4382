# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # work, rootfs: of tap.sh; run: the test's
#
# A small internet in network namespaces of its own, of documentation addresses; sourced
# after tap.sh. Nothing here has a way to the real one.
#
#	[ world ] 203.0.113.1 -- 203.0.113.5 [ host ] -- gates of sandboxes
#
#	allowed.test, other.test     192.0.2.80 and 2001:db8:80::80, two of one web server
#	www.allowed.test             an alias of cdn.test, which has that address
#	third.test                   192.0.2.81, another
#	evil.test                    192.0.2.66, which takes whatever it is sent
#	rebind.test, meta.test       10.99.0.5 of the LAN, 169.254.169.254
#	short.test                   192.0.2.82 with a TTL of a second
#
# Before internet_make a test may add to world_addresses, to world_names (dnsmasq's options), and
# servers of nginx in $work/*.vhosts; and say world_mtu.
#
#	gated OPTION... -- COMMAND   a sandbox with a network, on that host
#	on_host COMMAND; in_world COMMAND
#	called NAME; another NAME OLD-PID   processes of the sandbox $run
world=cisw$$
host=cish$$

for program in ip dnsmasq nginx openssl curl nft python3; do
	command -v "$program" >/dev/null || bail "$program is not installed"
done

in_world() { ip netns exec "$world" "$@"; }
# A server that ends with the test; its pid is the last of internet_pids.
serve_in_world() { # LOG COMMAND...
	local log=$1
	shift
	ip netns exec "$world" "$@" >"$log" 2>&1 &
	internet_pids+=($!)
}
# That somebody listens there.
await_server() { # ADDRESS PORT
	wait_until 10 in_world python3 -c 'import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)' "$@" 2>/dev/null || bail "nobody at $*"
}
# The host's resolver is the world's; its state is that of the test.
on_host() {
	unshare -m sh -c 'mount --make-rprivate / && mount --bind "$1" /etc/resolv.conf && shift &&
		exec nsenter --net=/run/netns/'"$host"' "$@"' sh "$work/resolv.conf" "$@"
}
gated() { on_host "$CISANDBOX" run --rootfs "$rootfs" --bind /usr:/usr:ro --net egress "$@"; }

# Helpers of a gate, by where they come from: others may have such too.
below() { # PID: its descendants
	local p
	for p in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
		echo "$p"
		below "$p"
	done
}
called() { # NAME: of those below $run, a sandbox
	local p
	for p in $(below "$run"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != "$1" ] || echo "$p"
	done
}
another() { # NAME OLD-PID
	local p
	p=$(called "$1")
	[ -n "$p" ] && [ "$p" != "$2" ]
}

internet_end() {
	local pid name signal
	for pid in "${internet_pids[@]}"; do kill "$pid" 2>/dev/null; done
	for signal in TERM KILL; do
		for name in "$world" "$host"; do
			for pid in $(ip netns pids "$name" 2>/dev/null); do kill -"$signal" "$pid"; done
		done 2>/dev/null
		wait 2>/dev/null
	done
	ip netns del "$host" 2>/dev/null
	ip netns del "$world" 2>/dev/null
}
internet_pids=()

world_addresses=(192.0.2.80 192.0.2.81 192.0.2.82 192.0.2.66 203.0.113.53 10.99.0.5 169.254.169.254
	2001:db8:80::80 2001:db8:80::81 2001:db8:80::66 fd00:ec2::254)
world_names=()
world_mtu=1500

make_links() {
	local a
	ip netns add "$world" && ip netns add "$host" || bail "no network namespaces"
	ip -n "$world" link set lo up && ip -n "$host" link set lo up
	ip -n "$world" link add lan mtu "$world_mtu" type veth peer name eth0 mtu "$world_mtu" \
		netns "$host"
	ip -n "$world" addr add 203.0.113.1/24 dev lan
	ip -n "$world" addr add 2001:db8:1::1/64 dev lan nodad
	ip -n "$host" addr add 203.0.113.5/24 dev eth0
	ip -n "$host" addr add 2001:db8:1::5/64 dev eth0 nodad
	ip -n "$world" link set lan up && ip -n "$host" link set eth0 up
	ip -n "$host" route add default via 203.0.113.1
	ip -n "$host" -6 route add default via 2001:db8:1::1
	for a in "${world_addresses[@]}"; do
		case $a in *:*) ip -n "$world" addr add "$a/128" dev lo nodad ;;
		*) ip -n "$world" addr add "$a/32" dev lo ;; esac
	done
	ip netns exec "$host" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip netns exec "$world" sysctl -qw net.ipv4.ip_unprivileged_port_start=0
}

start_resolver() {
	printf 'nameserver 203.0.113.53\n' >"$work/resolv.conf"
	serve_in_world "$work/dnsmasq.out" dnsmasq --keep-in-foreground --no-resolv --no-hosts --conf-file=/dev/null \
		--listen-address=203.0.113.53 --bind-interfaces --pid-file="$work/dnsmasq.pid" \
		--log-queries --log-facility="$work/dnsmasq.log" --local-ttl=60 --user=root \
		--host-record=allowed.test,192.0.2.80,2001:db8:80::80 \
		--host-record=other.test,192.0.2.80,2001:db8:80::80 \
		--host-record=cdn.test,192.0.2.80 --cname=www.allowed.test,cdn.test \
		--host-record=third.test,192.0.2.81,2001:db8:80::81 \
		--host-record=evil.test,192.0.2.66,2001:db8:80::66 \
		--host-record=rebind.test,10.99.0.5 --host-record=meta.test,169.254.169.254 \
		--host-record=short.test,192.0.2.82,1 --local=/test/ "${world_names[@]}"
}

start_web() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=test -keyout "$work/key.pem" -out "$work/cert.pem" \
		-addext 'subjectAltName=DNS:allowed.test,DNS:*.allowed.test,DNS:other.test,DNS:third.test,DNS:evil.test' \
		>/dev/null 2>&1 || bail "openssl makes no certificate"
	mkdir -p "$work/www/nginx"
	head -c 4000000 /dev/zero >"$work/www/big"
	{
		echo "daemon on; user root; worker_processes 1; pid $work/nginx.pid;"
		echo "error_log $work/nginx.err; events { worker_connections 4096; } http {"
		echo "access_log $work/nginx.log; client_max_body_size 100m; root $work/www;"
		for d in client_body proxy fastcgi uwsgi scgi; do
			echo "${d}_temp_path $work/www/nginx/$d;"
		done
		for name in _ allowed.test other.test third.test evil.test; do
			[ "$name" != _ ] || default=default_server
			echo "server { listen 80 $default; listen [::]:80 $default; listen 443 ssl $default;"
			echo "listen [::]:443 ssl $default; ssl_certificate $work/cert.pem;"
			echo "ssl_certificate_key $work/key.pem; server_name $name www.$name;"
			echo "location /big { } location / { return 200 \"i am $name\\n\"; } }"
			default=
		done
		echo "include $work/*.vhosts; }"
	} >"$work/nginx.conf"
	in_world nginx -c "$work/nginx.conf" >"$work/nginx.out" 2>&1 ||
		bail "nginx: $(cat "$work/nginx.out")"
}

# The host's programs on a root with the test's own certificate.
make_gated_rootfs() {
	mkdir -p "$rootfs"/{etc/ssl/certs,proc,sys,dev,run,tmp,root,var/tmp,usr}
	for d in bin sbin lib lib64; do ln -s "usr/$d" "$rootfs/$d"; done
	chmod 1777 "$rootfs/tmp"
	cp /etc/ld.so.cache /etc/nsswitch.conf "$rootfs/etc/"
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$rootfs/etc/passwd"
	printf 'root:x:0:\n' >"$rootfs/etc/group"
	cp "$work/cert.pem" "$rootfs/etc/ssl/certs/ca-certificates.crt"
}

internet_make() {
	at_end+=(internet_end)
	make_links
	start_resolver
	start_web
	make_gated_rootfs
	local i
	for ((i = 0; i < 50; i++)); do
		in_world python3 -c 'import socket; socket.create_connection(("203.0.113.53", 53), 1)' \
			2>/dev/null && return
		sleep 0.1
	done
	bail "dnsmasq does not listen: $(cat "$work/dnsmasq.out" "$work/dnsmasq.log")"
}
