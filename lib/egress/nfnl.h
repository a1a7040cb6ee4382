/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of nfnetlink, as the keeper of a gate says and hears them: no allocation. */
#ifndef CIS_EGRESS_NFNL_H
#define CIS_EGRESS_NFNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

struct nfnl_request {
	struct nlmsghdr h;
	struct nfgenmsg g;
	char attrs[64];
};

struct nfnl_request nfnl_request(int subsystem, int type, int flags);
/* Those that there is room for. */
void nfnl_put(struct nfnl_request *q, int type, const void *data, size_t len);
/* Waits for the kernel's word: 0 or -errno. */
int nfnl_tell(int fd, const struct nfnl_request *q);

struct nfnl_attrs {
	const char *at;
	size_t len;
};

struct nfnl_attrs nfnl_of(const struct nlmsghdr *h);
/* The next attribute's data, in order; false behind the last. */
bool nfnl_next(struct nfnl_attrs *l, unsigned int *ret_type, struct nfnl_attrs *ret);
/* Its data, or nothing. */
struct nfnl_attrs nfnl_find(struct nfnl_attrs l, unsigned int wanted);
/* If it is just as long. */
bool nfnl_copy(struct nfnl_attrs data, void *ret, size_t size);
/* Every message of the next datagram: 0 or -errno. @buf: aligned as they are. */
int nfnl_read(int fd, void *buf, size_t size,
	      void (*each)(void *arg, const struct nlmsghdr *h), void *arg);

#endif
