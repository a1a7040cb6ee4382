/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sending what gate-messages.h lists. Raw calls only. */
#ifndef CIS_NET_GATE_SEND_H
#define CIS_NET_GATE_SEND_H

#include <linux/netlink.h>

#include "gate-messages.h"

/* 0 for an ack or an answer, else what the kernel says. @v: NULL where nothing varies. */
int gate_send_child(enum gate_message message, const struct gate_values *v);

/* Every record of the answer, until one says 1 or -errno. */
typedef int gate_record(const struct nlmsghdr *h, void *arg);
int gate_dump_child(enum gate_message message, gate_record *each, void *arg);

#endif
