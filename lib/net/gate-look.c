/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a namespace is like that is to be a gate; in a child that has entered it. */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "gate-send.h"
#include "gate.h"

#define DEFAULT_MTU 1500
/* 0.0.0.0/1 and 128.0.0.0/1 are a default route in two halves, as VPNs make it. */
#define LONGEST_DEFAULT 7
#define FIRST_MULTICAST 224

/*
 * 192.0.0.0/29 is set aside for the two ends of such a link (RFC 7335) and is no
 * address anywhere else. Rejected: 169.254.0.0/16, which kubelets do not take for the
 * address of a node. After it, the end of what carriers share (RFC 6598).
 */
void gate_range4(int range, uint8_t ret[static 4])
{
	static const uint8_t first[] = {192, 0, 0, 0}, then[] = {100, 127, 255, 0};

	memcpy(ret, range < 2 ? first : then, 4);
	ret[3] = (uint8_t)(4 * (range < 2 ? range : range - 2));
}

void gate_range6(int range, uint8_t ret[static 16])
{
	static const uint8_t net[16] = {0xfd, 'c', 'i', 's', 'g', 'a', 't', 'e'};

	memcpy(ret, net, sizeof net);
	ret[9] = (uint8_t)range;
}

struct seen {
	uint64_t taken4, taken6; /* bits: ranges */
	uint32_t uplink;         /* link of the default route, IPv4's if there is one */
	bool six;
	struct gate_facts *facts;
};

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int n)
{
	uint8_t mask = (uint8_t)(0xff00U >> n % 8);

	return memcmp(a, b, n / 8) == 0 &&
	       (n % 8 == 0 || (a[n / 8] & mask) == (b[n / 8] & mask));
}

static uint32_t link_of(const struct rtattr *a)
{
	const struct rtnexthop *hop = RTA_DATA(a);

	if (a->rta_type == RTA_MULTIPATH)
		return RTA_PAYLOAD(a) >= sizeof *hop ? (uint32_t)hop->rtnh_ifindex : 0;
	return a->rta_type == RTA_OIF ? *(const uint32_t *)RTA_DATA(a) : 0;
}

static void strike_out(struct seen *s, bool six, const uint8_t *net, unsigned int bits)
{
	uint8_t range[16];

	for (int i = 0; i < (six ? GATE_RANGES6 : GATE_RANGES4); i++) {
		if (six)
			gate_range6(i, range);
		else
			gate_range4(i, range);
		if (same_bits(range, net, MIN(bits, six ? (unsigned int)GATE_PREFIX6
							 : (unsigned int)GATE_PREFIX4)))
			*(six ? &s->taken6 : &s->taken4) |= 1ULL << i;
	}
}

/* Those that are a matter of where a packet goes, and not of this namespace alone. */
static void add_net(struct gate_facts *f, const struct rtmsg *rtm, const uint8_t *net)
{
	struct gate_net new = {.bits = rtm->rtm_dst_len};

	if (rtm->rtm_family != AF_INET || rtm->rtm_type != RTN_UNICAST ||
	    rtm->rtm_table != RT_TABLE_MAIN || net[0] >= FIRST_MULTICAST)
		return;
	memcpy(new.address, net, sizeof new.address);
	for (unsigned int i = 0; i < f->n_nets; i++)
		if (memcmp(&f->nets[i], &new, sizeof new) == 0)
			return;
	if (f->n_nets < GATE_NETS)
		f->nets[f->n_nets++] = new;
}

static int on_route(const struct nlmsghdr *h, void *arg)
{
	struct seen *s = arg;
	const struct rtmsg *rtm = NLMSG_DATA(h);
	bool six = rtm->rtm_family == AF_INET6;
	const uint8_t *net = NULL;
	uint32_t link = 0;
	int len;

	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof *rtm))
		return 0;
	len = (int)RTM_PAYLOAD(h);
	for (const struct rtattr *a = RTM_RTA(rtm); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == RTA_DST && RTA_PAYLOAD(a) == (six ? 16 : 4))
			net = RTA_DATA(a);
		else if (!link)
			link = link_of(a);
	}
	if (rtm->rtm_dst_len > LONGEST_DEFAULT && net) {
		strike_out(s, six, net, rtm->rtm_dst_len);
		add_net(s->facts, rtm, net);
	}
	/* An IPv6 without one has an "unreachable" on lo. */
	if (rtm->rtm_type == RTN_UNICAST && rtm->rtm_dst_len <= LONGEST_DEFAULT && !s->uplink)
		s->uplink = link;
	return 0;
}

static int on_address(const struct nlmsghdr *h, void *arg)
{
	struct seen *s = arg;
	const struct ifaddrmsg *ifa = NLMSG_DATA(h);

	if (h->nlmsg_type == RTM_NEWADDR && h->nlmsg_len >= NLMSG_LENGTH(sizeof *ifa) &&
	    ifa->ifa_scope == RT_SCOPE_UNIVERSE)
		s->six = true;
	return 0;
}

static void look_at_link(uint32_t index, struct gate_facts *f)
{
	cleanup_close int fd = SYS(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {.ifr_ifindex = (int)index};

	f->mtu = DEFAULT_MTU;
	if (!index || fd < 0 || SYS(ioctl, fd, SIOCGIFNAME, &req) < 0)
		return;
	memcpy(f->uplink, req.ifr_name, sizeof f->uplink);
	if (SYS(ioctl, fd, SIOCGIFMTU, &req) >= 0)
		f->mtu = (uint32_t)req.ifr_mtu;
}

static bool sysctl_is(int procfd, const char *path, char wanted)
{
	cleanup_close int fd = SYS(openat, procfd, path, O_RDONLY | O_CLOEXEC);
	char value = '\0';

	return fd >= 0 && SYS(read, fd, &value, 1) == 1 && value == wanted;
}

static void look_at_sysctls(int procfd, struct gate_facts *f)
{
	char path[128] = "sys/net/ipv6/conf/";

	f->forwards4 = sysctl_is(procfd, "sys/net/ipv4/ip_forward", '1');
	f->forwards6 = !f->six || sysctl_is(procfd, "sys/net/ipv6/conf/all/forwarding", '1');
	strncat(path, f->uplink, IF_NAMESIZE);
	strcat(path, "/accept_ra");
	f->accepts_ra = f->six && *f->uplink && sysctl_is(procfd, path, '1');
}

static int first_free(uint64_t taken, int n)
{
	for (int i = 0; i < n; i++)
		if (!(taken & 1ULL << i))
			return i;
	return -EADDRNOTAVAIL;
}

int gate_look_child(int procfd, struct gate_facts *ret, bool *ret_taken)
{
	struct seen s = {.facts = ret};
	int r = gate_send_child(GATE_FIND_RULES, NULL);

	*ret_taken = r >= 0;
	if (r != -ENOENT)
		return MIN(r, 0);
	*ret = (struct gate_facts){0};
	r = gate_dump_child(GATE_DUMP_ROUTES_4, on_route, &s);
	/* The kernel may have no IPv6, or none here. */
	if (r >= 0 && gate_dump_child(GATE_DUMP_ADDRESSES_6, on_address, &s) >= 0 && s.six)
		r = gate_dump_child(GATE_DUMP_ROUTES_6, on_route, &s);
	if (r < 0)
		return r;
	ret->six = s.six;
	look_at_link(s.uplink, ret);
	look_at_sysctls(procfd, ret);
	ret->range4 = first_free(s.taken4, GATE_RANGES4);
	ret->range6 = s.six ? first_free(s.taken6, GATE_RANGES6) : 0;
	return ret->range4 < 0 ? ret->range4 : MIN(ret->range6, 0);
}
