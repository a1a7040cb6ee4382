/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/veth.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/num.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "gate-messages.h"
#include "gate-send.h"
#include "rtnl.h"

#define MTU_DEFAULT 1500

/* ---- looking at the host ------------------------------------------------------------------ */

static const struct rtattr *find_attr(const struct rtattr *at, int left, int type)
{
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == type)
			return at;
	return NULL;
}

static int find_default(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *route = NLMSG_DATA(h);
	const struct rtattr *oif;
	uint32_t *link = arg;

	if (h->nlmsg_type != RTM_NEWROUTE || route->rtm_dst_len || *link ||
	    route->rtm_type != RTN_UNICAST || route->rtm_table != RT_TABLE_MAIN)
		return 0;
	oif = find_attr(RTM_RTA(route), (int)RTM_PAYLOAD(h), RTA_OIF);
	if (oif && RTA_PAYLOAD(oif) == sizeof *link)
		memcpy(link, RTA_DATA(oif), sizeof *link);
	return 0;
}

/* Index of the link; 0: there is none. */
static int default_link(int fd, int family, uint32_t *ret)
{
	struct rtnl_request q = rtnl_request(RTM_GETROUTE, NLM_F_DUMP, sizeof q.route);

	*ret = 0;
	q.route.rtm_family = (unsigned char)family;
	return rtnl_dump(fd, &q, find_default, ret);
}

static uint32_t read_mtu(int fd, uint32_t link)
{
	struct rtnl_request q = rtnl_request(RTM_GETLINK, 0, sizeof q.link);
	_Alignas(struct nlmsghdr) char answer[16384];
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	const struct rtattr *at;
	uint32_t mtu = MTU_DEFAULT;

	q.link.ifi_index = (int)link;
	if (rtnl_ask(fd, &q, answer, sizeof answer) < 0 || h->nlmsg_type != RTM_NEWLINK)
		return mtu;
	at = find_attr(IFLA_RTA(NLMSG_DATA(h)), (int)IFLA_PAYLOAD(h), IFLA_MTU);
	if (at && RTA_PAYLOAD(at) == sizeof mtu)
		memcpy(&mtu, RTA_DATA(at), sizeof mtu);
	return mtu;
}

static bool is_on(const char *sysctl)
{
	uint64_t value;

	return io_read_u64_at(AT_FDCWD, sysctl, &value) >= 0 && value;
}

static void number_addresses(struct egress_addresses *a)
{
	/* 198.18.0.0/15 is for benchmarks of closed networks; fd63:6973::/32 is ours. */
	const uint32_t pair4 = 0xc6120000u + a->number * 2;
	const uint8_t box6[16] = {0xfd, 0x63, 0x69, 0x73, 0, 0, 0, 1, [15] = 1};
	const uint8_t pair6[16] = {0xfd, 0x63, 0x69, 0x73, 0, 0, 0, 2};
	const uint8_t box4[4] = {100, 127, 255, 1};

	memcpy(a->gate4, box4, sizeof box4);
	memcpy(a->box4, box4, sizeof box4);
	a->box4[3]++;
	memcpy(a->gate6, box6, sizeof box6);
	memcpy(a->box6, box6, sizeof box6);
	a->box6[15]++;
	memcpy(a->host4, &(uint32_t){htonl(pair4)}, 4);
	memcpy(a->up4, &(uint32_t){htonl(pair4 + 1)}, 4);
	memcpy(a->host6, pair6, sizeof pair6);
	memcpy(a->host6 + 12, &(uint32_t){htonl(a->number * 2)}, 4);
	memcpy(a->up6, pair6, sizeof pair6);
	memcpy(a->up6 + 12, &(uint32_t){htonl(a->number * 2 + 1)}, 4);
}

int egress_look(uint32_t number, struct egress_addresses *ret, struct cis_error *err)
{
	cleanup_close int fd = rtnl_open(-1);
	struct egress_addresses a = {.number = number};
	uint32_t link4 = 0, link6 = 0;
	int r = fd < 0 ? fd : default_link(fd, AF_INET, &link4);

	if (r >= 0)
		r = default_link(fd, AF_INET6, &link6);
	if (r < 0)
		return cis_fail(err, -r, "network: look at the host's routes");
	if (!link4)
		return cis_fail_plain(err, ENETUNREACH,
				      "network: the host has no default route (--net none "
				      "does without)");
	if (!is_on("/proc/sys/net/ipv4/ip_forward"))
		return cis_fail_plain(err, EACCES,
				      "network: the host does not forward packets (set it "
				      "with \"sysctl net.ipv4.ip_forward=1\")");
	a.mtu = read_mtu(fd, link4);
	/* Half of it would be a way round: as good as IPv4, or off. */
	a.six = link6 && is_on("/proc/sys/net/ipv6/conf/all/forwarding");
	number_addresses(&a);
	*ret = a;
	return 0;
}

struct found {
	struct egress_element *v;
	size_t n, max;
};

static int keep_address(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *head = NLMSG_DATA(h);
	struct found *f = arg;
	const struct rtattr *at;
	struct egress_element e = {.six = head->ifa_family == AF_INET6};
	const size_t size = e.six ? 16 : 4;

	if (h->nlmsg_type != RTM_NEWADDR)
		return 0;
	at = find_attr(IFA_RTA(head), (int)IFA_PAYLOAD(h), IFA_LOCAL);
	if (!at)
		at = find_attr(IFA_RTA(head), (int)IFA_PAYLOAD(h), IFA_ADDRESS);
	if (!at || RTA_PAYLOAD(at) != size)
		return 0;
	if (f->n == f->max)
		return -E2BIG;
	memcpy(e.low, RTA_DATA(at), size);
	memcpy(e.high, RTA_DATA(at), size);
	f->v[f->n++] = e;
	return 0;
}

int egress_host_addresses(struct egress_element *ret, size_t max, struct cis_error *err)
{
	cleanup_close int fd = rtnl_open(-1);
	struct rtnl_request q = rtnl_request(RTM_GETADDR, NLM_F_DUMP, sizeof q.address);
	struct found f = {ret, 0, max};
	int r = fd < 0 ? fd : rtnl_dump(fd, &q, keep_address, &f);

	return r < 0 ? cis_fail(err, -r, "network: read the host's addresses") : (int)f.n;
}

/* ---- rules ---------------------------------------------------------------------------------- */

struct batch {
	char *text;
	size_t len, size;
	struct gate_values values;
};

static void add_part(struct batch *b, enum gate_message m)
{
	b->len += gate_part(m, &b->values, b->text + b->len);
}

static void add_elements(struct batch *b, enum egress_set set, const struct egress_element *v,
			 size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t k = 1;

		while (i + k < n && k < EGRESS_ELEMENTS_MAX && v[i + k].six == v[i].six)
			k++;
		b->len += elements_put(b->text + b->len, b->size - b->len, set, &v[i], k);
		i += k;
	}
}

/* @how: TLS is verified, if it is. */
static int make_batch(struct batch *b, const struct egress_addresses *a,
		      const struct egress_policy *p, enum gate_message how)
{
	const size_t n = p->n_never + p->n_nets;

	b->size = 5 * GATE_MESSAGE_MAX + (n + 2) * (128 + EGRESS_ELEMENT_SIZE);
	b->text = calloc(1, b->size);
	if (!b->text)
		return -ENOMEM;
	memcpy(b->values.own4, a->box4, sizeof a->box4);
	memcpy(b->values.own6, a->box6, sizeof a->box6);
	memcpy(b->values.gate4, a->gate4, sizeof a->gate4);
	memcpy(b->values.gate6, a->gate6, sizeof a->gate6);
	b->values.rate = __builtin_bswap64(p->rate);
	b->values.burst = htonl((uint32_t)MIN(p->rate, (uint64_t)UINT32_MAX));
	b->values.budget = __builtin_bswap64(p->budget);
	add_part(b, EGRESS_BEGIN);
	add_part(b, EGRESS_TABLE);
	if (p->verify) {
		add_part(b, EGRESS_VERIFY);
		if (how != EGRESS_BY_RELAY)
			add_part(b, how);
		/* Addresses of no name: nothing leaves, and who was meant is recorded. */
		if (how != EGRESS_BY_RELAY && !p->audit)
			add_part(b, EGRESS_LISTED);
		if (how == EGRESS_BY_RELAY || !p->audit)
			add_part(b, EGRESS_BY_RELAY);
	}
	if (p->rate)
		add_part(b, EGRESS_RATE);
	if (p->budget)
		add_part(b, EGRESS_BUDGET);
	add_elements(b, EGRESS_NEVER, p->never, p->n_never);
	add_elements(b, EGRESS_NETS, p->nets, p->n_nets);
	add_part(b, p->audit ? EGRESS_AUDIT : EGRESS_BLOCK);
	b->len = gate_batch_end(b->text, b->len);
	return 0;
}

static int try_rules(int nft, const struct egress_addresses *a, const struct egress_policy *p,
		     enum gate_message how)
{
	struct batch b = {0};
	int r = make_batch(&b, a, p, how);

	if (r >= 0)
		r = gate_talk(nft, b.text, b.len);
	free(b.text);
	return r;
}

static bool is_lacking(int r)
{
	return r == -EOPNOTSUPP || r == -ENOENT || r == -EPROTONOSUPPORT;
}

int egress_make_rules(int nft, const struct egress_addresses *a,
		      const struct egress_policy *p, struct cis_error *err)
{
	/*
	 * A word that a kernel does not know makes it call modprobe: 15 ms, at each start.
	 * What engines inside need anyway is tried first.
	 */
	static const enum gate_message ways[] = {EGRESS_BY_XT_QUEUE, EGRESS_BY_QUEUE,
						 EGRESS_BY_RELAY};
	const size_t relay = ARRAY_SIZE(ways) - 1;
	size_t i = p->verify && p->queue ? 0 : relay;
	int r = try_rules(nft, a, p, ways[i]);

	while (is_lacking(r) && i < relay)
		r = try_rules(nft, a, p, ways[++i]);
	if (is_lacking(r)) {
		cis_fail(err, -r, "gate: make its nftables rules");
		return cis_hint(err, "the kernel needs nf_tables with inet, nat, redir, masq, "
				     "reject, log, limit and quota");
	}
	return r < 0 ? cis_fail(err, -r, "gate: make its nftables rules") : i < relay;
}

static int admit(int nft, enum egress_set set, const struct egress_element *e, bool replace)
{
	char text[128 + 3 * EGRESS_ELEMENTS_SIZE(1)];
	size_t len = gate_part(EGRESS_BEGIN, NULL, text);

	if (replace)
		len += elements_drop(text + len, EGRESS_ELEMENTS_SIZE(1), set, e);
	len += elements_put(text + len, EGRESS_ELEMENTS_SIZE(1), set, e, 1);
	return gate_talk(nft, text, gate_batch_end(text, len));
}

/* Time cannot be added to before 6.12: what is there is replaced, at once. */
int egress_admit_child(int nft, enum egress_set set, const struct egress_element *e)
{
	int r = admit(nft, set, e, false);

	if (r == -EEXIST)
		r = admit(nft, set, e, true);
	/* Its time was up just now. */
	return r == -ENOENT ? admit(nft, set, e, false) : r;
}

/* ---- links ---------------------------------------------------------------------------------- */

/* Both ends; the far one in the namespace @there. */
static int make_veth(int fd, const char *name, uint32_t mtu, int there, const char *peer)
{
	struct rtnl_request q =
		rtnl_request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof q.link);
	const struct ifinfomsg far = {0};
	uint32_t netns = (uint32_t)there;
	struct rtattr *info, *data, *end;

	rtnl_put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	rtnl_put(&q, IFLA_MTU, &mtu, sizeof mtu);
	info = rtnl_nest(&q, IFLA_LINKINFO);
	rtnl_put(&q, IFLA_INFO_KIND, "veth", 5);
	data = rtnl_nest(&q, IFLA_INFO_DATA);
	end = rtnl_nest(&q, VETH_INFO_PEER);
	memcpy((char *)&q + q.h.nlmsg_len, &far, sizeof far);
	q.h.nlmsg_len += sizeof far;
	rtnl_put(&q, IFLA_IFNAME, peer, strlen(peer) + 1);
	rtnl_put(&q, IFLA_MTU, &mtu, sizeof mtu);
	rtnl_put(&q, IFLA_NET_NS_FD, &netns, sizeof netns);
	rtnl_end(&q, end);
	rtnl_end(&q, data);
	rtnl_end(&q, info);
	return rtnl_tell(fd, &q);
}

/* Gone already is as well. */
static int drop_link(int fd, const char *name)
{
	struct rtnl_request q = rtnl_request(RTM_DELLINK, NLM_F_ACK, sizeof q.link);
	int r;

	rtnl_put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	r = rtnl_tell(fd, &q);
	return r == -ENODEV ? 0 : r;
}

static int add_address(int fd, int link, bool six, const uint8_t *own, unsigned int bits)
{
	struct rtnl_request q =
		rtnl_request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof q.address);

	q.address.ifa_family = six ? AF_INET6 : AF_INET;
	q.address.ifa_prefixlen = (uint8_t)bits;
	/* Nobody else is there: what asks whether would only take a second. */
	q.address.ifa_flags = six ? IFA_F_NODAD : 0;
	q.address.ifa_index = (unsigned int)link;
	rtnl_put(&q, IFA_LOCAL, own, six ? 16 : 4);
	rtnl_put(&q, IFA_ADDRESS, own, six ? 16 : 4);
	return rtnl_tell(fd, &q);
}

static int add_default(int fd, int link, bool six, const uint8_t *gateway)
{
	struct rtnl_request q =
		rtnl_request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof q.route);
	uint32_t oif = (uint32_t)link;

	q.route.rtm_family = six ? AF_INET6 : AF_INET;
	q.route.rtm_table = RT_TABLE_MAIN;
	q.route.rtm_protocol = RTPROT_STATIC;
	q.route.rtm_scope = RT_SCOPE_UNIVERSE;
	q.route.rtm_type = RTN_UNICAST;
	rtnl_put(&q, RTA_GATEWAY, gateway, six ? 16 : 4);
	rtnl_put(&q, RTA_OIF, &oif, sizeof oif);
	return rtnl_tell(fd, &q);
}

/* One end of a link: its addresses, up, and by @via4 all the world. */
struct end {
	const char *name;
	const uint8_t *own4, *own6, *via4, *via6; /* via: NULL for none */
	unsigned int bits4, bits6;
};

static int set_up_end(int fd, const struct end *e, bool six)
{
	int link = rtnl_find(fd, e->name);
	int r = link < 0 ? link : add_address(fd, link, false, e->own4, e->bits4);

	if (r >= 0 && six)
		r = add_address(fd, link, true, e->own6, e->bits6);
	if (r >= 0)
		r = rtnl_set_up(fd, link);
	if (r >= 0 && e->via4)
		r = add_default(fd, link, false, e->via4);
	return r >= 0 && six && e->via6 ? add_default(fd, link, true, e->via6) : r;
}

static int ensure_host_table(struct cis_error *err)
{
	int r = gate_send_child(EGRESS_HOST, NULL);

	return r < 0 && r != -EEXIST
		       ? cis_fail(err, -r, "network: make the host's nftables table " GATE_TABLE)
		       : 0;
}

int egress_make_uplink(int gate, const struct egress_addresses *a, struct cis_error *err)
{
	cleanup_close int here = rtnl_open(-1), there = rtnl_open(gate);
	char name[IFNAMSIZ] = EGRESS_HOST_LINK;
	const struct end host = {name, a->host4, a->host6, NULL, NULL, 31, 127};
	const struct end up = {EGRESS_UPLINK, a->up4, a->up6, a->host4, a->host6, 31, 127};
	int r = here < 0 ? here : MIN(there, 0);

	num_append(name, sizeof name, a->number);
	if (r >= 0)
		r = ensure_host_table(err);
	if (r < 0)
		return r;
	r = make_veth(here, name, a->mtu, gate, EGRESS_UPLINK);
	/* Of a gate that is gone, and whose namespace the kernel takes apart at leisure. */
	if (r == -EEXIST && drop_link(here, name) >= 0)
		r = make_veth(here, name, a->mtu, gate, EGRESS_UPLINK);
	if (r >= 0)
		r = set_up_end(here, &host, a->six);
	if (r >= 0)
		r = set_up_end(there, &up, a->six);
	return r < 0 ? cis_fail(err, -r, "gate: make the link %s to the host", name) : 0;
}

int egress_make_link(int gate, int box, const struct egress_addresses *a,
		     struct cis_error *err)
{
	cleanup_close int here = rtnl_open(gate), there = rtnl_open(box);
	const struct end near = {EGRESS_BOX, a->gate4, a->gate6, NULL, NULL, GATE_PREFIX4,
				 GATE_PREFIX6};
	const struct end far = {GATE_PEER, a->box4, a->box6, a->gate4, a->gate6, GATE_PREFIX4,
				GATE_PREFIX6};
	int r = here < 0 ? here : MIN(there, 0);

	if (r >= 0)
		r = make_veth(here, EGRESS_BOX, a->mtu, box, GATE_PEER);
	if (r >= 0)
		r = set_up_end(here, &near, a->six);
	if (r >= 0)
		r = set_up_end(there, &far, a->six);
	return r < 0 ? cis_fail(err, -r, "gate: make the link to the sandbox") : 0;
}
