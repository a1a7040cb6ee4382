# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # work, rootfs: of engines.sh
#
# A dockerd inside a sandbox of whichever engine; sourced after engines.sh.
#
#	debian_root DIR           a root with docker in it, in the house; written to is a copy
#	inner_docker COMMAND...   asks it; COMMAND... executes its arguments in the sandbox
patience=$((${CISANDBOX_SLOW:-0} ? 150 : 60))
image=${CISANDBOX_ROOT_OF_IMAGES:-/var/lib/cisandbox}/images/debian/rootfs
debian_root() { # DIR
	mkdir -p "$1/upper" "$1/work" "$1/merged"
	enter mount -t overlay -o "lowerdir=$image,upperdir=$1/upper,workdir=$1/work" overlay "$1/merged"
}
inner_docker() { # COMMAND...
	once $patience "$@" docker version
	is "dockerd inside: overlay2 on cgroup2" "$("$@" docker info -f '{{.Driver}} {{.CgroupVersion}}' 2>/dev/null)" "overlay2 2"
	tar -C "$rootfs" --owner=0 --group=0 -cf "$work/inner.tar" .
	"$@" sh -c 'cat >/inner.tar' <"$work/inner.tar"
	"$@" docker import /inner.tar bb >/dev/null
	is "docker run inside" "$("$@" docker run --rm bb sh -c 'echo hello; ls /sys/class/net | tr "\n" " "' 2>&1 | tr -d '\r' | tr '\n' ' ')" "hello eth0 lo "
}
