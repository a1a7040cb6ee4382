/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A place, and resources that ask for nothing. */
#ifndef TEST_PLACE_H
#define TEST_PLACE_H

#include "cgroup/devices.h"

static struct config_resources no_resources(void)
{
	return (struct config_resources){
		.memory_limit = CONFIG_NONE,
		.memory_reservation = CONFIG_NONE,
		.memory_swap = CONFIG_NONE,
		.memory_swappiness = CONFIG_NONE,
		.cpu_quota = CONFIG_NONE,
		.cpu_rt_runtime = CONFIG_NONE,
		.cpu_idle = CONFIG_NONE,
		.pids_limit = CONFIG_NONE,
	};
}

#define RULE(a, t, ma, mi, acc) \
	(struct config_device_rule) \
	{ \
		.allow = (a), .type = (t), .major = (ma), .minor = (mi), \
		.read = ((acc)&DEVICE_READ) != 0, .write = ((acc)&DEVICE_WRITE) != 0, \
		.mknod = ((acc)&DEVICE_MKNOD) != 0, \
	}

static inline int policy_of(struct device_policy *d, const struct config_device_rule *rules,
			    size_t n)
{
	struct config_resources r = no_resources();

	r.devices = (struct config_device_rule *)rules;
	r.n_devices = n;
	return device_policy_make(d, &r, NULL);
}

#endif
