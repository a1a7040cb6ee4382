# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # work, group: of engines.sh
#
# A dockerd whose runtime "cisandbox" makes sandboxes; sourced after engines.sh.
: "${DOCKER:=/usr/bin/docker}" # not a wrapper of it elsewhere in PATH
need dockerd containerd "$DOCKER" busybox
patience=$((${CISANDBOX_SLOW:-0} ? 150 : 40)) # seconds, for a dockerd or a systemd
ln -s cisandbox-oci "$work/bin/cisandbox-oci-docker"
house

export DOCKER_CONFIG=$work/docker-config DOCKER_HOST=unix://$work/docker.sock
docker() { "$DOCKER" "$@"; }
# shellcheck disable=SC2034 # for container_traces
runtime_root=$work/exec/runtime-runc/moby
cat >"$work/daemon.json" <<-JSON
	{
		"runtimes": { "cisandbox": { "path": "$work/bin/cisandbox-oci-docker" } },
		"cgroup-parent": "/$group",
		"shutdown-timeout": 1
	}
JSON
enter setsid dockerd --config-file "$work/daemon.json" --data-root "$work/data" \
	--exec-root "$work/exec" --pidfile "$work/docker.pid" -H "$DOCKER_HOST" \
	--storage-driver overlay2 --userland-proxy=false >>"$work/dockerd.log" 2>&1 </dev/null &
wait_until $patience docker version || {
	tail -n 20 "$work/dockerd.log"
	bail "dockerd does not come up"
}
tar -C "$rootfs" --owner=0 --group=0 -c . | docker import - bb >/dev/null || bail "docker import"
sandbox() { docker run --runtime cisandbox "$@"; }
docker run --rm --network host bb true # dockerd keeps the name of the host's network
