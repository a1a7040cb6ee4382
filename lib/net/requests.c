/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The requests of netlink.h, in libmnl's words. Runs at build time only. */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink.h"

#define LOOPBACK_INDEX 1 /* the first link of every network namespace */
#define SEQUENCE 1

#define NFT(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

static struct nlmsghdr *put_header(char *at, int type, int flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);

	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = SEQUENCE;
	return h;
}

static struct nlmsghdr *lo_up(char *at)
{
	struct nlmsghdr *h = put_header(at, RTM_NEWLINK, NLM_F_ACK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof *ifi);

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = LOOPBACK_INDEX;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	return h;
}

static struct nlmsghdr *make_link(char *at, const char *kind)
{
	struct nlmsghdr *h =
		put_header(at, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info;

	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, "cischeck");
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(h, info);
	return h;
}

static struct nlmsghdr *put_nf(char *at, int type, int flags, int family, int res_id)
{
	struct nlmsghdr *h = put_header(at, type, flags);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);

	g->nfgen_family = (uint8_t)family;
	g->version = NFNETLINK_V0;
	g->res_id = htons((uint16_t)res_id);
	return h;
}

static struct nlmsghdr *nat_chain(char *at)
{
	struct nlmsghdr *h =
		put_nf(at, NFT(NFT_MSG_NEWCHAIN), NLM_F_CREATE | NLM_F_ACK, NFPROTO_IPV4, 0);
	struct nlattr *hook;

	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, "cisandbox");
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, "post");
	hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(NF_INET_POST_ROUTING));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl(100));
	mnl_attr_nest_end(h, hook);
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "nat");
	return h;
}

/* Only the chain is acked; what fails before it answers before it. */
static size_t nft_nat(char *buf)
{
	struct nlmsghdr *h =
		put_nf(buf, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	char *at = buf + h->nlmsg_len;

	h = put_nf(at, NFT(NFT_MSG_NEWTABLE), NLM_F_CREATE, NFPROTO_IPV4, 0);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, "cisandbox");
	at += h->nlmsg_len;
	at += nat_chain(at)->nlmsg_len;
	at += put_nf(at, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len;
	return (size_t)(at - buf);
}

static struct nlmsghdr *compat(char *at, const char *name, uint32_t revision, bool target)
{
	struct nlmsghdr *h = put_nf(at, NFNL_SUBSYS_NFT_COMPAT << 8 | NFNL_MSG_COMPAT_GET,
				    NLM_F_ACK, NFPROTO_IPV4, 0);

	mnl_attr_put_strz(h, NFTA_COMPAT_NAME, name);
	mnl_attr_put_u32(h, NFTA_COMPAT_REV, htonl(revision));
	mnl_attr_put_u32(h, NFTA_COMPAT_TYPE, htonl(target));
	return h;
}

size_t net_request_build(enum net_request request, char buf[static NET_REQUEST_MAX],
			 int *ret_protocol)
{
	*ret_protocol = request < NET_NFT_LIST ? NETLINK_ROUTE : NETLINK_NETFILTER;
	switch (request) {
	case NET_LO_UP:
		return lo_up(buf)->nlmsg_len;
	case NET_MAKE_BRIDGE:
		return make_link(buf, "bridge")->nlmsg_len;
	case NET_MAKE_VETH:
		return make_link(buf, "veth")->nlmsg_len;
	case NET_NFT_LIST:
		return put_nf(buf, NFT(NFT_MSG_GETTABLE), NLM_F_DUMP, AF_UNSPEC, 0)->nlmsg_len;
	case NET_NFT_NAT:
		return nft_nat(buf);
	case NET_COMPAT_ADDRTYPE:
		return compat(buf, "addrtype", 1, false)->nlmsg_len;
	case NET_COMPAT_CONNTRACK:
		return compat(buf, "conntrack", 1, false)->nlmsg_len;
	case NET_COMPAT_MASQUERADE:
		return compat(buf, "MASQUERADE", 0, true)->nlmsg_len;
	default:
		return 0;
	}
}
