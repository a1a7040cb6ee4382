/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network devices given away to another network namespace. */
#ifndef CIS_NET_DEVICE_H
#define CIS_NET_DEVICE_H

#include "../base/error.h"

/*
 * Both in the namespace @netns, or with -1 in the caller's: the device's index; -ENODEV.
 */
int net_device_index(int netns, const char *name);
/*
 * @name of the caller's namespace becomes @new_name in @netns, with what it has: MTU,
 * hardware address, global addresses that have no end. It is up then. -EEXIST: there is
 * one of that name.
 */
int net_device_move(int netns, const char *name, const char *new_name, struct cis_error *err);

#endif
