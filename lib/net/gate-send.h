/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sending what gate-messages.h lists. Raw calls only. */
#ifndef CIS_NET_GATE_SEND_H
#define CIS_NET_GATE_SEND_H

#include <linux/netlink.h>

#include "gate-messages.h"

/* 0 for an ack or an answer, else what the kernel says. @v: NULL where nothing varies. */
int gate_send_child(enum gate_message message, const struct gate_values *v);

/*
 * For batches of several parts: EGRESS_BEGIN first, then what there is, gate_batch_end() last.
 * Each returns a length; there must be room for GATE_MESSAGE_MAX.
 */
size_t gate_part(enum gate_message message, const struct gate_values *v, char *buf);
size_t gate_batch_end(char *batch, size_t len);
/* By a netfilter socket that is open: 0 or what the kernel says. */
int gate_talk(int fd, const char *batch, size_t len);

/* Every record of the answer, until one says 1 or -errno. */
typedef int gate_record(const struct nlmsghdr *h, void *arg);
int gate_dump_child(enum gate_message message, gate_record *each, void *arg);

#endif
