/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnetlink: requests are built with libmnl in the caller and are bytes in the
 * plan; whoever stands in the right network namespace sends them.
 */
#ifndef CIS_NET_RTNL_H
#define CIS_NET_RTNL_H

#include <stddef.h>

/* "Set lo up". *ret is a fresh buffer. 0 or -ENOMEM. */
int rtnl_build_loopback_up(void **ret, size_t *ret_len);

/* Sends one request that asks for an ack, and waits for it. Raw calls. */
int rtnl_send_child(const void *request, size_t len);

#endif
