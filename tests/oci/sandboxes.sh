# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # work, group: of engines.sh
#
# A dockerd whose runtime "cisandbox" makes sandboxes; sourced after engines.sh. With more
# of its configuration in $sandboxes_more, each member with a comma behind it.
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
		${sandboxes_more-}
		"cgroup-parent": "/$group",
		"shutdown-timeout": 1
	}
JSON
dockerd_start
docker_image
sandbox() { docker run --runtime cisandbox "$@"; }
docker run --rm --userns host --network host bb true # dockerd keeps the name of the host's network
