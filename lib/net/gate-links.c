/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links, addresses and routes of a gate, in libmnl's words. Runs at build time only. */
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

#include "gate-messages.h"

#define SEQUENCE 1
#define NEW (NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)

static struct nlmsghdr *put_header(char *at, int type, int flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);

	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = SEQUENCE;
	return h;
}

/* One pair of queues: the kernel would make as many as there are processors, and wait for all
 * of them when it then leaves them unused. */
static void put_link(struct nlmsghdr *h, const char *name, const struct gate_values *v)
{
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put_u32(h, IFLA_MTU, v->mtu);
	mnl_attr_put_u32(h, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(h, IFLA_NUM_RX_QUEUES, 1);
}

static struct nlmsghdr *make_link(char *at, const struct gate_values *v)
{
	struct nlmsghdr *h = put_header(at, RTM_NEWLINK, NEW);
	struct nlattr *info, *data, *peer;

	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	put_link(h, GATE_LINK, v);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	put_link(h, GATE_PEER, v);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, v->netns);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	return h;
}

static struct nlmsghdr *drop_link(char *at)
{
	struct nlmsghdr *h = put_header(at, RTM_DELLINK, NLM_F_ACK);

	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, GATE_LINK);
	return h;
}

static struct nlmsghdr *link_up(char *at, const struct gate_values *v)
{
	struct nlmsghdr *h = put_header(at, RTM_NEWLINK, NLM_F_ACK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof *ifi);

	ifi->ifi_index = (int)v->link;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	return h;
}

static struct nlmsghdr *address(char *at, const struct gate_values *v, bool six)
{
	struct nlmsghdr *h = put_header(at, RTM_NEWADDR, NEW);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(h, sizeof *ifa);
	const void *own = six ? v->own6 : v->own4;
	size_t size = six ? sizeof v->own6 : sizeof v->own4;

	ifa->ifa_family = six ? AF_INET6 : AF_INET;
	ifa->ifa_prefixlen = six ? GATE_PREFIX6 : GATE_PREFIX4;
	/* Nobody else is there: what asks whether would only take a second. */
	ifa->ifa_flags = six ? IFA_F_NODAD : 0;
	ifa->ifa_index = v->link;
	mnl_attr_put(h, IFA_LOCAL, size, own);
	mnl_attr_put(h, IFA_ADDRESS, size, own);
	return h;
}

static struct nlmsghdr *default_route(char *at, const struct gate_values *v, bool six)
{
	struct nlmsghdr *h = put_header(at, RTM_NEWROUTE, NEW);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(h, sizeof *rtm);

	rtm->rtm_family = six ? AF_INET6 : AF_INET;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put(h, RTA_GATEWAY, six ? sizeof v->gate6 : sizeof v->gate4,
		     six ? (const void *)v->gate6 : v->gate4);
	mnl_attr_put_u32(h, RTA_OIF, v->link);
	return h;
}

/* Either is the way to it, or the second choice, which only looks like a link to it. */
static struct nlmsghdr *net_route(char *at, const struct gate_values *v, bool on_link)
{
	struct nlmsghdr *h = put_header(at, RTM_NEWROUTE, NEW);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(h, sizeof *rtm);

	memcpy(rtm, v->net_head4, sizeof v->net_head4);
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put(h, RTA_DST, sizeof v->net4, v->net4);
	if (on_link)
		mnl_attr_put_u32(h, RTA_PRIORITY, UINT32_MAX);
	else
		mnl_attr_put(h, RTA_GATEWAY, sizeof v->gate4, v->gate4);
	mnl_attr_put_u32(h, RTA_OIF, v->link);
	return h;
}

static struct nlmsghdr *dump(char *at, int type, int family)
{
	struct nlmsghdr *h = put_header(at, type, NLM_F_DUMP);
	/* All of the headers of dumps begin with the family. */
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(h, sizeof *rtm);

	rtm->rtm_family = (unsigned char)family;
	return h;
}

size_t gate_links_build(enum gate_message message, const struct gate_values *v,
			char buf[static GATE_MESSAGE_MAX])
{
	switch (message) {
	case GATE_MAKE_LINK:
		return make_link(buf, v)->nlmsg_len;
	case GATE_DROP_LINK:
		return drop_link(buf)->nlmsg_len;
	case GATE_LINK_UP:
		return link_up(buf, v)->nlmsg_len;
	case GATE_ADDRESS_4:
	case GATE_ADDRESS_6:
		return address(buf, v, message == GATE_ADDRESS_6)->nlmsg_len;
	case GATE_DEFAULT_4:
	case GATE_DEFAULT_6:
		return default_route(buf, v, message == GATE_DEFAULT_6)->nlmsg_len;
	case GATE_NET_4:
	case GATE_NET_ON_LINK_4:
		return net_route(buf, v, message == GATE_NET_ON_LINK_4)->nlmsg_len;
	case GATE_DUMP_ROUTES_4:
		return dump(buf, RTM_GETROUTE, AF_INET)->nlmsg_len;
	case GATE_DUMP_ROUTES_6:
		return dump(buf, RTM_GETROUTE, AF_INET6)->nlmsg_len;
	case GATE_DUMP_ADDRESSES_6:
		return dump(buf, RTM_GETADDR, AF_INET6)->nlmsg_len;
	default:
		return 0;
	}
}
