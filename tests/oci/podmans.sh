# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154 # work, group, rootfs: of engines.sh
#
# A podman whose runtime makes sandboxes, on networks of CNI; sourced after engines.sh.
need podman conmon busybox
[ -x /usr/lib/cni/bridge ] || skip_all "the CNI plugins are not installed"
ln -s cisandbox-oci "$work/bin/cisandbox-oci-docker"
house

# shellcheck disable=SC2034 # for container_traces
runtime_root=/run/cisandbox-oci
# shellcheck disable=SC2034
ids=/run/cisandbox/.ids # conmon passes no environment on
mkdir "$work/etc"
cat >"$work/etc/containers.conf" <<-CONF
	[engine]
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	infra_image = "localhost/pause"
	runtime = "cisandbox"
	[engine.runtimes]
	cisandbox = ["$work/bin/cisandbox-oci-docker"]
	[network]
	network_backend = "cni"
	cni_plugin_dirs = ["/usr/lib/cni"]
CONF
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$work/etc/policy.json"
cat >"$work/etc/storage.conf" <<-CONF
	[storage]
	driver = "overlay"
	graphroot = "$work/podman"
	runroot = "$work/podman-run"
CONF
export CONTAINERS_CONF=$work/etc/containers.conf CONTAINERS_STORAGE_CONF=$work/etc/storage.conf
inside=(nsenter -t "$inner" -m -n -p --) # for children of timeout(1), without functions
podman=("${inside[@]}" podman --root "$work/podman" --runroot "$work/podman-run" --tmpdir "$work/podman-tmp"
	--cgroup-manager=cgroupfs --events-backend=file --runtime "$work/bin/cisandbox-oci-docker")
podman() { timeout 60 "${podman[@]}" "$@"; }
sandbox() { podman run --cgroup-parent="/$group" "$@"; }
podman_import() { # NAME OPTION...
	tar -C "$rootfs" --owner=0 --group=0 -c . | podman import "${@:2}" - "$1" >/dev/null 2>"$work/err" ||
		bail "podman import: $(<"$work/err")"
}
# podman leaves the groups of its conmons and of pods, with any runtime: not those of containers.
podman_groups_end() {
	find /sys/fs/cgroup -depth -type d -path "*/$group/*" ! -name 'libpod-[0-9a-f]*' -exec rmdir {} + 2>/dev/null
}
