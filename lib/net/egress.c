/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
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
#define MTU_TAP 65520 /* each read of pasta's is a packet */

/* ---- looking at the host ------------------------------------------------------------------ */

static int find_default(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *route = NLMSG_DATA(h);
	const struct rtattr *oif;
	uint32_t *link = arg;

	if (h->nlmsg_type != RTM_NEWROUTE || route->rtm_dst_len || *link ||
	    route->rtm_type != RTN_UNICAST || route->rtm_table != RT_TABLE_MAIN)
		return 0;
	oif = rtnl_attr(RTM_RTA(route), (int)RTM_PAYLOAD(h), RTA_OIF);
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
	at = rtnl_attr(IFLA_RTA(NLMSG_DATA(h)), (int)IFLA_PAYLOAD(h), IFLA_MTU);
	if (at && RTA_PAYLOAD(at) == sizeof mtu)
		memcpy(&mtu, RTA_DATA(at), sizeof mtu);
	return mtu;
}

static bool is_on(const char *sysctl)
{
	uint64_t value;

	return io_read_u64_at(AT_FDCWD, sysctl, &value) >= 0 && value;
}

static void number_addresses(struct egress_addresses *a, uint32_t number)
{
	/* 198.18.0.0/15 is for benchmarks of closed networks; fd63:6973::/32 is ours. */
	const uint32_t pair4 = 0xc6120000u + number * 2;
	const uint8_t box6[16] = {0xfd, 0x63, 0x69, 0x73, 0, 0, 0, 1, [15] = 1};
	const uint8_t pair6[16] = {0xfd, 0x63, 0x69, 0x73, 0, 0, 0, 2};
	const uint8_t box4[4] = {100, 127, 255, 1};

	a->number = number;
	memcpy(a->gate4, box4, sizeof box4);
	memcpy(a->box4, box4, sizeof box4);
	a->box4[3]++;
	memcpy(a->gate6, box6, sizeof box6);
	memcpy(a->box6, box6, sizeof box6);
	a->box6[15]++;
	memcpy(a->host4, &(uint32_t){htonl(pair4)}, 4);
	memcpy(a->up4, &(uint32_t){htonl(pair4 + 1)}, 4);
	memcpy(a->host6, pair6, sizeof pair6);
	memcpy(a->host6 + 12, &(uint32_t){htonl(number * 2)}, 4);
	memcpy(a->up6, pair6, sizeof pair6);
	memcpy(a->up6 + 12, &(uint32_t){htonl(number * 2 + 1)}, 4);
}

/* Nothing happens, if we may: there is no such link. */
static int may_make_links(int fd)
{
	struct rtnl_request q = rtnl_request(RTM_DELLINK, NLM_F_ACK, sizeof q.link);
	const char name[] = EGRESS_HOST_LINK "-none";
	int r;

	rtnl_put(&q, IFLA_IFNAME, name, sizeof name);
	r = rtnl_tell(fd, &q);
	return r == -ENODEV ? 0 : r;
}

/* What forwards is the link by which a packet arrives: ours, and that of the answers. */
static int check_forwarding(int fd, uint32_t link, struct cis_error *err)
{
	char name[IF_NAMESIZE] = "", path[96];

	if (may_make_links(fd) < 0)
		return cis_fail_plain(err, EPERM,
				      "network: no link to the host can be made (it takes root)");
	if (!is_on("/proc/sys/net/ipv4/ip_forward"))
		return cis_fail_plain(err, EACCES,
				      "network: the host does not forward packets (set it "
				      "with \"sysctl net.ipv4.ip_forward=1\")");
	if_indextoname(link, name);
	snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/forwarding", name);
	if (!is_on(path) || !is_on("/proc/sys/net/ipv4/conf/default/forwarding"))
		return cis_fail_plain(err, EACCES,
				      "network: the host does not forward packets of every link "
				      "(set net.ipv4.conf.default.forwarding and "
				      "net.ipv4.conf.%s.forwarding to 1)", name);
	return 0;
}

int egress_look(uint32_t number, enum egress_uplink way, struct egress_addresses *ret,
		struct cis_error *err)
{
	cleanup_close int fd = rtnl_open(-1);
	struct egress_addresses a = {0};
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
	if (way == EGRESS_VETH)
		r = check_forwarding(fd, link4, err);
	if (r < 0)
		return r;
	a.mtu = way == EGRESS_PASTA ? MTU_TAP : read_mtu(fd, link4);
	/* Half of it would be a way round: as good as IPv4, or off. */
	a.six = link6 && (way == EGRESS_PASTA || is_on("/proc/sys/net/ipv6/conf/all/forwarding"));
	number_addresses(&a, number);
	*ret = a;
	return 0;
}

struct found {
	struct egress_element *v;
	size_t n, max;
};

bool egress_read_address(const struct nlmsghdr *h, struct egress_element *ret)
{
	const struct ifaddrmsg *head = NLMSG_DATA(h);
	const struct rtattr *at;
	struct egress_element e = {.six = head->ifa_family == AF_INET6};
	const size_t size = e.six ? 16 : 4;

	if (h->nlmsg_type != RTM_NEWADDR)
		return false;
	at = rtnl_attr(IFA_RTA(head), (int)IFA_PAYLOAD(h), IFA_LOCAL);
	if (!at)
		at = rtnl_attr(IFA_RTA(head), (int)IFA_PAYLOAD(h), IFA_ADDRESS);
	if (!at || RTA_PAYLOAD(at) != size)
		return false;
	memcpy(e.low, RTA_DATA(at), size);
	memcpy(e.high, RTA_DATA(at), size);
	*ret = e;
	return true;
}

static int keep_address(const struct nlmsghdr *h, void *arg)
{
	struct found *f = arg;
	struct egress_element e;

	if (!egress_read_address(h, &e))
		return 0;
	if (f->n == f->max)
		return -E2BIG;
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

/* A batch is one message to the kernel, which takes no more than a socket's buffer has. */
#define BATCH_MAX 65536

/* Several of them, one behind the other. */
struct batch {
	char *text;
	size_t len, size, start; /* where the last one begins */
	struct gate_values values;
};

static void add_part(struct batch *b, enum gate_message m)
{
	b->len += gate_part(m, &b->values, b->text + b->len);
}

static void end_batch(struct batch *b)
{
	char *last = b->text + b->start;

	b->len = b->start + gate_batch_end(last, b->len - b->start);
}

static void add_elements(struct batch *b, enum egress_set set, const struct egress_element *v,
			 size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t k = 1;

		while (i + k < n && k < EGRESS_ELEMENTS_MAX && v[i + k].six == v[i].six)
			k++;
		if (b->len - b->start + EGRESS_ELEMENTS_SIZE(k) > BATCH_MAX) {
			end_batch(b);
			b->start = b->len;
			add_part(b, EGRESS_BEGIN);
		}
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
	if (p->anew)
		add_part(b, EGRESS_ANEW);
	add_part(b, EGRESS_TABLE);
	if (p->verify) {
		add_part(b, EGRESS_VERIFY);
		if (how != EGRESS_BY_RELAY)
			add_part(b, how);
		/* Addresses of no name yet: the relay judges, and records who was meant. */
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
	end_batch(b);
	return 0;
}

/* The last one: whatever the kernel has. */
static const enum gate_message ways[] = {EGRESS_BY_XT_QUEUE, EGRESS_BY_QUEUE, EGRESS_BY_RELAY};

void egress_rules_done(struct egress_rules *rules)
{
	while (rules->n > 0)
		free(rules->ways[--rules->n].text);
}

static int add_way(const struct egress_addresses *a, const struct egress_policy *p,
		   enum gate_message how, struct egress_rules *ret)
{
	struct batch b = {0};
	int r = make_batch(&b, a, p, how);

	if (r >= 0) {
		ret->ways[ret->n].text = b.text;
		ret->ways[ret->n++].len = b.len;
	}
	return r;
}

int egress_make_rules(const struct egress_addresses *a, const struct egress_policy *p,
		      struct egress_rules *ret)
{
	int r = 0;

	_Static_assert(ARRAY_SIZE(ways) == ARRAY_SIZE(ret->ways), "each has a place");
	for (size_t i = p->verify ? 0 : ARRAY_SIZE(ways) - 1; i < ARRAY_SIZE(ways) && r >= 0; i++)
		r = add_way(a, p, ways[i], ret);
	if (r < 0)
		egress_rules_done(ret);
	return r;
}

static size_t batch_length(const char *text, size_t len)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)text;
	size_t at = 0;

	while (at < len && h->nlmsg_type != NFNL_MSG_BATCH_END) {
		at += NLMSG_ALIGN(h->nlmsg_len);
		h = (const struct nlmsghdr *)(text + at);
	}
	return at < len ? at + NLMSG_ALIGN(h->nlmsg_len) : len;
}

static int send_way(int nft, const char *text, size_t len)
{
	int r = 0;

	for (size_t at = 0, n; at < len && r >= 0; at += n) {
		n = batch_length(text + at, len - at);
		r = gate_talk(nft, text + at, n);
	}
	return r;
}

static bool is_lacking(int r)
{
	return r == -EOPNOTSUPP || r == -ENOENT || r == -EPROTONOSUPPORT;
}

/*
 * A word that a kernel does not know makes it call modprobe: 15 ms, at each start. What engines
 * inside need anyway is tried first.
 */
int egress_send_rules_child(const struct egress_rules *rules, bool has_queue)
{
	cleanup_close int nft =
		SYS(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	const size_t last = rules->n - 1;
	size_t i = has_queue ? 0 : last;
	int r;

	if (nft < 0)
		return nft;
	r = send_way(nft, rules->ways[i].text, rules->ways[i].len);
	while (is_lacking(r) && i < last) {
		i++;
		r = send_way(nft, rules->ways[i].text, rules->ways[i].len);
	}
	return r < 0 ? r : i < last;
}

int egress_explain_rules(int r, struct cis_error *err)
{
	cis_fail(err, -r, "gate: make its nftables rules");
	if (is_lacking(r))
		cis_hint(err, "the kernel needs nf_tables with inet, nat, redir, masq, "
			      "reject, log, limit and quota");
	return r;
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

int egress_shut_child(int nft, const struct egress_element *e)
{
	int r = admit(nft, EGRESS_NEVER, e, false);

	return r == -EEXIST || r == -ENOTEMPTY ? 0 : r;
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

/* One pair of queues: the kernel would make as many as there are processors, and wait for all
 * of them when it then leaves them unused. */
static void put_link(struct rtnl_request *q, const char *name, uint32_t mtu)
{
	const uint32_t queues = 1;

	rtnl_put(q, IFLA_IFNAME, name, strlen(name) + 1);
	rtnl_put(q, IFLA_MTU, &mtu, sizeof mtu);
	rtnl_put(q, IFLA_NUM_TX_QUEUES, &queues, sizeof queues);
	rtnl_put(q, IFLA_NUM_RX_QUEUES, &queues, sizeof queues);
}

#define MAC_SIZE 6

/* Of the two ends. */
struct macs {
	uint8_t near[MAC_SIZE], far[MAC_SIZE];
};

/* Ours, so that no udev takes them for random and makes them others. */
static struct macs choose_macs(const struct egress_addresses *a)
{
	const uint8_t high = (uint8_t)(a->number >> 8), low = (uint8_t)a->number;

	return (struct macs){{0x02, 'c', 'i', 's', high, low}, {0x06, 'c', 'i', 's', high, low}};
}

/* Both ends; the far one in the namespace @there. @macs: or NULL. */
static int make_veth(int fd, const char *name, const struct macs *macs, uint32_t mtu, int there,
		     const char *peer)
{
	struct rtnl_request q =
		rtnl_request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof q.link);
	const struct ifinfomsg far = {0};
	uint32_t netns = (uint32_t)there;
	struct rtattr *info, *data, *end;

	put_link(&q, name, mtu);
	if (macs)
		rtnl_put(&q, IFLA_ADDRESS, macs->near, MAC_SIZE);
	info = rtnl_nest(&q, IFLA_LINKINFO);
	rtnl_put(&q, IFLA_INFO_KIND, "veth", 5);
	data = rtnl_nest(&q, IFLA_INFO_DATA);
	end = rtnl_nest(&q, VETH_INFO_PEER);
	memcpy((char *)&q + q.h.nlmsg_len, &far, sizeof far);
	q.h.nlmsg_len += sizeof far;
	put_link(&q, peer, mtu);
	if (macs)
		rtnl_put(&q, IFLA_ADDRESS, macs->far, MAC_SIZE);
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

static int add_neighbour(int fd, int link, bool six, const uint8_t *address,
			 const uint8_t *mac)
{
	struct rtnl_request q = rtnl_request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE,
					     sizeof q.neighbour);

	q.neighbour.ndm_family = six ? AF_INET6 : AF_INET;
	q.neighbour.ndm_ifindex = link;
	q.neighbour.ndm_state = NUD_PERMANENT;
	rtnl_put(&q, NDA_DST, address, six ? 16 : 4);
	rtnl_put(&q, NDA_LLADDR, mac, MAC_SIZE);
	return rtnl_tell(fd, &q);
}

/*
 * Neither asks where the other is: an end that came up before its peer sends nothing for a
 * moment, be it the answer, and who is not answered asks again after a second. In IPv6 who
 * forwards asks from an address of the link, which for two seconds it has not made sure of.
 */
static int name_peer(int fd, const char *link_name, const uint8_t *address4,
		     const uint8_t *address6, const uint8_t *mac)
{
	int link = rtnl_find(fd, link_name);
	int r = link < 0 ? link : add_neighbour(fd, link, false, address4, mac);

	return r >= 0 && address6 ? add_neighbour(fd, link, true, address6, mac) : r;
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

/* A batch that fails waits for all processors: so not to make it and see. */
static int ensure_host_table(struct cis_error *err)
{
	int r = gate_send_child(GATE_FIND_RULES, NULL);

	if (r == -ENOENT)
		r = gate_send_child(EGRESS_HOST, NULL);
	return r < 0 && r != -EEXIST
		       ? cis_fail(err, -r, "network: make the host's nftables table " GATE_TABLE)
		       : 0;
}

/*
 * The name is the lock: who makes the link has the number, and with it the addresses. One that
 * is there is another gate's; or of one that is gone, and whose namespace the kernel takes
 * apart at leisure. To wait for that, or to hurry it, takes tens of milliseconds.
 */
static int claim_number(int fd, int gate, struct egress_addresses *a, char name[IFNAMSIZ])
{
	const uint32_t first = a->number;
	int r;

	do {
		const struct macs macs = choose_macs(a);

		memcpy(name, EGRESS_HOST_LINK, sizeof EGRESS_HOST_LINK);
		num_append(name, IFNAMSIZ, a->number);
		r = make_veth(fd, name, &macs, a->mtu, gate, EGRESS_UPLINK);
		if (r != -EEXIST)
			return r;
		/* Odd, so that it comes by all; far, so that it is not the next one's first. */
		number_addresses(a, (a->number + 40503) % EGRESS_NUMBERS);
	} while (a->number != first);
	return r;
}

int egress_make_uplink(int gate, struct egress_addresses *a, struct cis_error *err)
{
	cleanup_close int here = rtnl_open(-1), there = rtnl_open(gate);
	char name[IFNAMSIZ];
	const struct end host = {name, a->host4, a->host6, NULL, NULL, 31, 127};
	const struct end up = {EGRESS_UPLINK, a->up4, a->up6, a->host4, a->host6, 31, 127};
	struct macs macs;
	int r = here < 0 ? here : MIN(there, 0);

	if (r >= 0)
		r = ensure_host_table(err);
	if (r < 0)
		return r;
	r = claim_number(here, gate, a, name);
	macs = choose_macs(a);
	if (r >= 0)
		r = set_up_end(here, &host, a->six);
	if (r >= 0)
		r = set_up_end(there, &up, a->six);
	if (r >= 0)
		r = name_peer(there, EGRESS_UPLINK, a->host4, a->six ? a->host6 : NULL, macs.near);
	if (r >= 0)
		r = name_peer(here, name, a->up4, a->six ? a->up6 : NULL, macs.far);
	return r < 0 ? cis_fail(err, -r, "gate: make the link %s to the host", name) : 0;
}

int egress_drop_uplink(const struct egress_addresses *a, struct cis_error *err)
{
	cleanup_close int here = rtnl_open(-1);
	char name[IFNAMSIZ] = EGRESS_HOST_LINK;
	int r;

	num_append(name, sizeof name, a->number);
	r = here < 0 ? here : drop_link(here, name);
	return r < 0 ? cis_fail(err, -r, "gate: drop the link %s to the host", name) : 0;
}

static int set_mtu(int fd, const char *name, uint32_t mtu)
{
	struct rtnl_request q = rtnl_request(RTM_NEWLINK, NLM_F_ACK, sizeof q.link);

	rtnl_put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	rtnl_put(&q, IFLA_MTU, &mtu, sizeof mtu);
	return rtnl_tell(fd, &q);
}

int egress_set_up_tap(int gate, const struct egress_addresses *a, struct cis_error *err)
{
	cleanup_close int there = rtnl_open(gate);
	const struct end up = {EGRESS_UPLINK, a->up4, a->up6, a->host4, a->host6, 31, 127};
	int r = there < 0 ? there : set_mtu(there, EGRESS_UPLINK, a->mtu);

	if (r >= 0)
		r = set_up_end(there, &up, a->six);
	return r < 0 ? cis_fail(err, -r, "gate: set up pasta's link") : 0;
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
		r = make_veth(here, EGRESS_BOX, NULL, a->mtu, box, GATE_PEER);
	if (r >= 0)
		r = set_up_end(here, &near, a->six);
	if (r >= 0)
		r = set_up_end(there, &far, a->six);
	return r < 0 ? cis_fail(err, -r, "gate: make the link to the sandbox") : 0;
}

int egress_count_uplink(uint32_t number, uint64_t *ret_up, uint64_t *ret_down)
{
	struct rtnl_request q = rtnl_request(RTM_GETLINK, 0, sizeof q.link);
	_Alignas(struct nlmsghdr) char answer[16384];
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	cleanup_close int fd = rtnl_open(-1);
	char name[IFNAMSIZ] = EGRESS_HOST_LINK;
	struct rtnl_link_stats64 stats;
	int r = fd, left;

	num_append(name, sizeof name, number);
	rtnl_put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	if (r >= 0)
		r = rtnl_ask(fd, &q, answer, sizeof answer);
	if (r < 0)
		return r;
	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof q.link))
		return -EBADMSG;
	left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof q.link));
	for (const struct rtattr *a = IFLA_RTA(NLMSG_DATA(h)); RTA_OK(a, left);
	     a = RTA_NEXT(a, left)) {
		if (a->rta_type != IFLA_STATS64 || RTA_PAYLOAD(a) < sizeof stats)
			continue;
		memcpy(&stats, RTA_DATA(a), sizeof stats);
		*ret_up = stats.rx_bytes;
		*ret_down = stats.tx_bytes;
		return 0;
	}
	return -ENODATA;
}
