/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "../base/fd.h"
#include "../net/device.h"

int netdev_check(const struct config *c, struct cis_error *err)
{
	for (size_t i = 0; i < c->n_net_devices; i++) {
		const char *name = c->net_devices[i].host_name;
		int r = net_device_index(-1, name);

		if (r == -ENODEV)
			return cis_fail_plain(err, ENODEV,
					      "linux.netDevices.%s: the host has no such network "
					      "device",
					      name);
		if (r < 0)
			return cis_fail(err, -r, "linux.netDevices.%s", name);
	}
	return 0;
}

int netdev_give(const struct config *c, pid_t pid, struct cis_error *err)
{
	cleanup_close int netns = -1;
	char path[64];
	int r = 0;

	snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return cis_fail(err, errno, "linux.netDevices: open %s", path);
	/* All of them, before the first is gone from the host. */
	for (size_t i = 0; i < c->n_net_devices; i++)
		if (net_device_index(netns, c->net_devices[i].name) >= 0)
			return cis_fail_plain(err, EEXIST,
					      "linux.netDevices.%s: the container has a network "
					      "device %s already",
					      c->net_devices[i].host_name,
					      c->net_devices[i].name);
	for (size_t i = 0; i < c->n_net_devices && r >= 0; i++) {
		const struct config_net_device *d = &c->net_devices[i];

		r = net_device_move(netns, d->host_name, d->name, err);
		if (r < 0)
			return cis_wrap(err, r, "linux.netDevices.%s", d->host_name);
	}
	return 0;
}
