/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nfnl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "../base/sys.h"

/* ---- asking ------------------------------------------------------------------------------ */

struct nfnl_request nfnl_request(int subsystem, int type, int flags)
{
	return (struct nfnl_request){
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
		      .nlmsg_type = (uint16_t)(subsystem << 8 | type),
		      .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		      .nlmsg_seq = 1},
		.g = {.nfgen_family = AF_UNSPEC},
	};
}

void nfnl_put(struct nfnl_request *q, int type, const void *data, size_t len)
{
	struct nlattr *a = (struct nlattr *)((char *)q + NLMSG_ALIGN(q->h.nlmsg_len));

	a->nla_type = (uint16_t)type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	memcpy((char *)a + NLA_HDRLEN, data, len);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + (uint32_t)NLA_ALIGN(a->nla_len);
}

int nfnl_tell(int fd, const struct nfnl_request *q)
{
	_Alignas(struct nlmsghdr) char answer[1024];
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	int r = SYS(sendto, fd, q, q->h.nlmsg_len, 0, NULL, 0);

	if (r >= 0)
		r = SYS(recvfrom, fd, answer, sizeof answer, 0, NULL, NULL);
	if (r < 0)
		return r;
	if (!NLMSG_OK(h, (size_t)r) || h->nlmsg_type != NLMSG_ERROR ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return -EBADMSG;
	return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}

/* ---- reading ----------------------------------------------------------------------------- */

bool nfnl_next(struct nfnl_attrs *l, unsigned int *ret_type, struct nfnl_attrs *ret)
{
	const struct nlattr *a = (const struct nlattr *)l->at;
	size_t step;

	if (l->len < NLA_HDRLEN || a->nla_len < NLA_HDRLEN || a->nla_len > l->len)
		return false;
	*ret_type = a->nla_type & NLA_TYPE_MASK;
	*ret = (struct nfnl_attrs){l->at + NLA_HDRLEN, a->nla_len - NLA_HDRLEN};
	step = MIN((size_t)NLA_ALIGN(a->nla_len), l->len);
	l->at += step;
	l->len -= step;
	return true;
}

struct nfnl_attrs nfnl_find(struct nfnl_attrs l, unsigned int wanted)
{
	unsigned int type;
	struct nfnl_attrs data;

	while (nfnl_next(&l, &type, &data))
		if (type == wanted)
			return data;
	return (struct nfnl_attrs){NULL, 0};
}

bool nfnl_copy(struct nfnl_attrs data, void *ret, size_t size)
{
	if (data.len != size)
		return false;
	memcpy(ret, data.at, size);
	return true;
}

struct nfnl_attrs nfnl_of(const struct nlmsghdr *h)
{
	const size_t head = NLMSG_LENGTH(sizeof(struct nfgenmsg));

	if (h->nlmsg_len < head)
		return (struct nfnl_attrs){NULL, 0};
	return (struct nfnl_attrs){(const char *)h + head, h->nlmsg_len - head};
}

int nfnl_read(int fd, void *buf, size_t size,
	      void (*each)(void *arg, const struct nlmsghdr *h), void *arg)
{
	int r = SYS(recvfrom, fd, buf, size, MSG_DONTWAIT, NULL, NULL);
	const struct nlmsghdr *h = buf;
	size_t left = (size_t)MAX(r, 0);

	while (NLMSG_OK(h, left)) {
		/* Of the last one less may be there than it is rounded up to. */
		size_t step = MIN((size_t)NLMSG_ALIGN(h->nlmsg_len), left);

		each(arg, h);
		h = (const void *)((const char *)h + step);
		left -= step;
	}
	return MIN(r, 0);
}
