/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nftables rules of an egress gate, and of its host. Runs at build time only. In
 * nft's words, IPv6 left out where it is the same:
 *
 *	table inet cisandbox {				# in the gate
 *		set never4 { ipv4_addr; interval }	# what no job reaches
 *		set hosts4 { ipv4_addr . proto; timeout }	# answers of DNS: every port
 *		set names4 { ipv4_addr . proto . port; timeout }
 *		set nets4 { ipv4_addr . proto . port; interval }	# rules by address
 *
 *		chain guard { type filter hook prerouting priority raw
 *			iifname box0 ip saddr != SANDBOX goto spoof
 *			iifname box0 icmpv6 type 133-136 accept
 *			icmpv6 type { 130-132, 143 } drop
 *			iifname box0 ip6 saddr != SANDBOX goto spoof
 *			meta l4proto ah drop }
 *		chain verify { type nat hook prerouting priority dstnat	# EGRESS_VERIFY
 *			iifname box0 ip daddr @never4 accept
 *			iifname box0 ip daddr . proto . port @nets4 accept
 *			iifname box0 tcp dport 80 redirect to 1080
 *			iifname box0 tcp dport 443 ip daddr . proto @hosts4 accept # EGRESS_LISTED
 *			iifname box0 tcp dport 443 ip daddr . proto . port @names4 accept
 *			iifname box0 tcp dport 443 redirect to 1443 }	# EGRESS_BY_RELAY
 *		chain input { type filter hook input priority filter; policy drop
 *			iifname lo accept
 *			ct state established,related accept
 *			icmpv6 type 133-136 accept
 *			iifname box0 ct status dnat accept
 *			iifname box0 ip daddr GATE {tcp, udp} dport 53 accept
 *			iifname box0 goto gate }
 *		chain forward { type filter hook forward priority filter; policy drop
 *			tcp flags syn tcp option maxseg size set rt mtu
 *			oifname box0 ct state established,related accept
 *			oifname box0 drop
 *			ip daddr @never4 goto never
 *			{tcp, udp} dport {53, 853} goto dns
 *			ct state established,related accept
 *			ct state invalid drop
 *			ct count over 16384 goto flood
 *			ct state untracked goto block
 *			{tcp, udp} jump listed
 *			udp dport 443 goto quic; {tcp, udp, icmp} accept	# EGRESS_AUDIT
 *			goto block }				# EGRESS_BLOCK
 *		chain listed {
 *			ip daddr . proto @hosts4 accept
 *			ip daddr . proto . port @names4 accept
 *			ip daddr . proto . port @nets4 accept }
 *		chain hello { type filter hook forward priority filter + 5 # EGRESS_BY_QUEUE
 *			iifname box0 tcp dport 443 goto opening
 *			oifname box0 tcp sport 443 goto opening }
 *		chain opening {
 *			ct mark OPEN tcp flags ! syn accept
 *			ct mark OPEN drop
 *			ct mark LISTED accept
 *			iifname box0 ip daddr . proto . port @nets4 ct mark set LISTED accept
 *			queue to 1 }
 *		chain opened { type filter hook forward priority filter + 6
 *			meta mark 0 accept
 *			meta mark OPEN ct mark set OPEN accept
 *			reject with tcp reset }
 *		chain output { type filter hook output priority filter; policy drop
 *			oifname {lo, box0} accept
 *			ct state established,related accept
 *			icmpv6 type 133-136 accept
 *			ip daddr @never4 goto never
 *			meta l4proto tcp accept }
 *		chain leave { type nat hook postrouting priority srcnat
 *			oifname up0 meta l4proto udp masquerade to :32768-60999 fully-random
 *			oifname up0 masquerade }
 *		limit rate { over RATE bytes/second }; quota budget { over BUDGET }
 *		chain through { type filter hook forward priority filter + 10
 *			oifname up0 limit name rate goto rate	# EGRESS_RATE
 *			oifname up0 quota name budget goto budget }	# EGRESS_BUDGET
 *		chain carried { type filter hook output priority filter + 10
 *			icmpv6 type 133-136 accept
 *			tcp dport 443 tcp sport < 256 accept	# the start's probe
 *			... }					# the same
 *		chain asked { type filter hook input priority filter + 10
 *			iifname box0 {tcp, udp} dport 53 quota name budget goto spent }
 *		chain never { limit rate 20/second log prefix "never" group 1; reject }
 *		...					# likewise dns, quic, block, gate
 *		chain rate { limit rate 1/second log prefix "rate" group 1; drop }
 *		chain spent { limit rate 1/second log prefix "spent" group 1; accept }
 *	}
 *
 * Output of the gate is what its helper connects to for the sandbox; the helper has judged
 * the name. What leaves is counted in two chains, after those that let it pass: behind
 * routing, in one, nothing can be answered. Questions to the resolver leave by another way:
 * they draw on the budget where they come in, and the resolver is told when it is spent. The
 * never-list comes before what is established: a list that grows ends flows.
 */
#include <arpa/inet.h>
#include <libnftnl/set.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#include "gate-messages.h"
#include "nft-words.h"

/* At one time: a job that opens them all leaves the host most of what it can track. */
#define CONNECTIONS_MAX 16384
/* Where Linux takes ports from for who does not care. */
#define PORTS_FIRST 32768
#define PORTS_LAST 60999
#define KEPT_MSEC 2000

#define TCP_SYN 2

/* How nft's own lists call the parts of a key: only it cares. */
enum { KEY_IP4 = 7, KEY_IP6 = 8, KEY_PROTOCOL = 12, KEY_PORT = 13 };
#define KEY2(a) ((uint32_t)(a) << 6 | KEY_PROTOCOL)
#define KEY3(a) ((uint32_t)(a) << 12 | KEY_PROTOCOL << 6 | KEY_PORT)

static const struct nft_set sets[] = {
	{"never4", NFT_SET_INTERVAL, KEY_IP4, {4}},
	{"never6", NFT_SET_INTERVAL, KEY_IP6, {16}},
	{"hosts4", NFT_SET_TIMEOUT, KEY2(KEY_IP4), {4, 1}},
	{"hosts6", NFT_SET_TIMEOUT, KEY2(KEY_IP6), {16, 1}},
	{"names4", NFT_SET_TIMEOUT, KEY3(KEY_IP4), {4, 1, 2}},
	{"names6", NFT_SET_TIMEOUT, KEY3(KEY_IP6), {16, 1, 2}},
	{"nets4", NFT_SET_INTERVAL, KEY3(KEY_IP4), {4, 1, 2}},
	{"nets6", NFT_SET_INTERVAL, KEY3(KEY_IP6), {16, 1, 2}},
};

/* ---- words of ours ---------------------------------------------------------------------- */

static struct nftnl_rule *from_box(const char *chain)
{
	struct nftnl_rule *r = nft_rule(chain);

	nft_link_is(r, NFT_META_IIFNAME, EGRESS_BOX);
	return r;
}

static struct nftnl_rule *to(const char *chain, const char *link)
{
	struct nftnl_rule *r = nft_rule(chain);

	nft_link_is(r, NFT_META_OIFNAME, link);
	return r;
}

static void allow(struct nft_batch *b, struct nftnl_rule *r)
{
	nft_verdict(r, NF_ACCEPT);
	nft_add(b, r);
}

static void drop(struct nft_batch *b, struct nftnl_rule *r)
{
	nft_verdict(r, NF_DROP);
	nft_add(b, r);
}

static void refuse(struct nft_batch *b, struct nftnl_rule *r, const char *why)
{
	nft_goto(r, why);
	nft_add(b, r);
}

static void is_known(struct nftnl_rule *r)
{
	nft_conntrack(r, NFT_CT_STATE,
		      NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED),
		      NFT_ANY);
}

static void load_destination(struct nftnl_rule *r, bool six)
{
	nft_family_is(r, six);
	nft_load(r, NFT_REG_1, six ? NFT_DADDR6 : NFT_DADDR4, six ? 16 : 4);
}

static void is_never(struct nftnl_rule *r, bool six)
{
	load_destination(r, six);
	nft_in_set(r, NFT_REG_1, six ? "never6" : "never4");
}

/* Address . protocol, and with_port . port, in registers that follow each other. */
static void is_in(struct nftnl_rule *r, const char *set, bool six, bool with_port)
{
	uint32_t next = NFT_REG32_00 + (six ? 4 : 1);

	nft_family_is(r, six);
	nft_load(r, NFT_REG32_00, six ? NFT_DADDR6 : NFT_DADDR4, six ? 16 : 4);
	nft_load_protocol(r, next);
	if (with_port)
		nft_load_port(r, next + 1);
	nft_in_set(r, NFT_REG32_00, set);
}

static void load_transport(struct nftnl_rule *r, uint32_t reg, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = nft_word(r, "payload");

	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
}

static void icmp6_between(struct nftnl_rule *r, uint8_t low, uint8_t high)
{
	nft_family_is(r, true);
	nft_protocol_is(r, IPPROTO_ICMPV6);
	load_transport(r, NFT_REG_1, 0, sizeof low);
	nft_compare(r, NFT_CMP_GTE, &low, sizeof low);
	nft_compare(r, NFT_CMP_LTE, &high, sizeof high);
}

/* What is sent at the start: from a port below 256, which nobody else takes. */
static void is_probe(struct nftnl_rule *r)
{
	const uint8_t zero = 0;

	nft_protocol_is(r, IPPROTO_TCP);
	nft_port_is(r, EGRESS_PROBE_TO);
	load_transport(r, NFT_REG_1, 0, sizeof zero);
	nft_compare(r, NFT_CMP_EQ, &zero, sizeof zero);
}

/* Routers and neighbours looked for; not redirects, which are the next number. */
static void is_neighbour6(struct nftnl_rule *r)
{
	icmp6_between(r, 133, 136);
}

/* Kernels tell of groups they are in: nobody's attempt, and for nobody here. */
static void drop_groups(struct nft_batch *b, const char *chain)
{
	struct nftnl_rule *r = nft_rule(chain);

	icmp6_between(r, 130, 132);
	drop(b, r);
	r = nft_rule(chain);
	icmp6_between(r, 143, 143);
	drop(b, r);
}

static void limit(struct nftnl_rule *r, uint64_t rate, uint32_t burst)
{
	struct nftnl_expr *e = nft_word(r, "limit");

	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, rate);
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
}

static void note(struct nftnl_rule *r, const char *why)
{
	struct nftnl_expr *e = nft_word(r, "log");

	nftnl_expr_set_str(e, NFTNL_EXPR_LOG_PREFIX, why);
	nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, EGRESS_LOG_GROUP);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOG_SNAPLEN, 64);
}

/* ---- the gate's table ------------------------------------------------------------------- */

static void tell(struct nft_batch *b, const char *why, uint64_t rate, uint32_t burst)
{
	struct nftnl_rule *r = nft_rule(why);

	limit(r, rate, burst);
	note(r, why);
	nft_add(b, r);
}

/* Told at most so often, and answered, so that nobody waits for what will not come. */
static void add_refusal(struct nft_batch *b, const char *why, bool answers)
{
	struct nftnl_rule *r;
	struct nftnl_expr *e;

	tell(b, why, 20, 100);
	if (answers) {
		r = nft_rule(why);
		nft_protocol_is(r, IPPROTO_TCP);
		e = nft_word(r, "reject");
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, 0);
		nft_add(b, r);
		r = nft_rule(why);
		e = nft_word(r, "reject");
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
		nft_add(b, r);
	}
	drop(b, nft_rule(why));
}

static const struct {
	const char *why;
	bool answers;
} refusals[] = {{"never", true}, {"dns", true},     {"quic", true},  {"block", true},
		{"flood", true}, {"gate", true},  {"spoof", false}, {"budget", true}};

static void add_chains(struct nft_batch *b)
{
	nft_base_chain(b, "guard", "filter", NF_INET_PRE_ROUTING, NFT_PRI_RAW, NF_ACCEPT);
	nft_base_chain(b, "verify", "nat", NF_INET_PRE_ROUTING, NFT_PRI_DSTNAT, NF_ACCEPT);
	nft_base_chain(b, "input", "filter", NF_INET_LOCAL_IN, NFT_PRI_FILTER, NF_DROP);
	nft_base_chain(b, "forward", "filter", NF_INET_FORWARD, NFT_PRI_FILTER, NF_DROP);
	nft_base_chain(b, "output", "filter", NF_INET_LOCAL_OUT, NFT_PRI_FILTER, NF_DROP);
	nft_base_chain(b, "leave", "nat", NF_INET_POST_ROUTING, NFT_PRI_SRCNAT, NF_ACCEPT);
	nft_base_chain(b, "through", "filter", NF_INET_FORWARD, NFT_PRI_METER, NF_ACCEPT);
	nft_base_chain(b, "carried", "filter", NF_INET_LOCAL_OUT, NFT_PRI_METER, NF_ACCEPT);
	nft_base_chain(b, "asked", "filter", NF_INET_LOCAL_IN, NFT_PRI_METER, NF_ACCEPT);
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		nft_chain(b, refusals[i].why);
	nft_chain(b, "listed");
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		add_refusal(b, refusals[i].why, refusals[i].answers);
}

/* Only its own address, and in IPv6 what it takes to find its neighbour. */
static void add_guard(struct nft_batch *b, const struct gate_values *v)
{
	struct nftnl_rule *r = from_box("guard");

	nft_family_is(r, false);
	nft_load(r, NFT_REG_1, NFT_SADDR4, sizeof v->own4);
	nft_compare(r, NFT_CMP_NEQ, v->own4, sizeof v->own4);
	refuse(b, r, "spoof");
	r = from_box("guard");
	is_neighbour6(r);
	allow(b, r);
	drop_groups(b, "guard");
	r = from_box("guard");
	nft_family_is(r, true);
	nft_load(r, NFT_REG_1, NFT_SADDR6, sizeof v->own6);
	nft_compare(r, NFT_CMP_NEQ, v->own6, sizeof v->own6);
	refuse(b, r, "spoof");
	/* In IPv6 conntrack finds TCP behind it, and no rule here does. */
	r = nft_rule("guard");
	nft_protocol_is(r, IPPROTO_AH);
	drop(b, r);
}

static void add_input(struct nft_batch *b, const struct gate_values *v)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	struct nftnl_rule *r = nft_rule("input");

	nft_link_is(r, NFT_META_IIFNAME, "lo");
	allow(b, r);
	r = nft_rule("input");
	is_known(r);
	allow(b, r);
	r = nft_rule("input");
	is_neighbour6(r);
	allow(b, r);
	r = from_box("input");
	nft_conntrack(r, NFT_CT_STATUS, IPS_DST_NAT, NFT_ANY);
	allow(b, r);
	for (size_t i = 0; i < 4; i++) {
		r = from_box("input");
		load_destination(r, i % 2);
		nft_compare(r, NFT_CMP_EQ, i % 2 ? v->gate6 : v->gate4, i % 2 ? 16 : 4);
		nft_protocol_is(r, protocols[i / 2]);
		nft_port_is(r, 53);
		allow(b, r);
	}
	refuse(b, from_box("input"), "gate");
}

static void add_never(struct nft_batch *b, const char *chain)
{
	for (int six = 0; six < 2; six++) {
		struct nftnl_rule *r = nft_rule(chain);

		is_never(r, six);
		refuse(b, r, "never");
	}
}

/* Networks in between may pass smaller packets only, and drop what would say so. */
static void add_clamp(struct nft_batch *b)
{
	struct nftnl_rule *r = nft_rule("forward");
	struct nftnl_expr *e;

	nft_protocol_is(r, IPPROTO_TCP);
	nft_tcp_flags(r, TCP_SYN, NFT_ANY);
	e = nft_word(r, "rt");
	nftnl_expr_set_u32(e, NFTNL_EXPR_RT_KEY, NFT_RT_TCPMSS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_RT_DREG, NFT_REG_1);
	e = nft_word(r, "exthdr");
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
	nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, 2); /* maxseg */
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, 2);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, 2);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	nft_add(b, r);
}

/* Of TCP and UDP only: "any port" is not any protocol. */
static void add_listed(struct nft_batch *b)
{
	static const char *const by_port[2][2] = {{"names4", "nets4"}, {"names6", "nets6"}};

	for (int six = 0; six < 2; six++) {
		struct nftnl_rule *r = nft_rule("listed");

		is_in(r, six ? "hosts6" : "hosts4", six, false);
		allow(b, r);
		for (size_t i = 0; i < 2; i++) {
			r = nft_rule("listed");
			is_in(r, by_port[six][i], six, true);
			allow(b, r);
		}
	}
}

static void add_forward(struct nft_batch *b)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	static const uint16_t dns_ports[] = {53, 853};
	struct nftnl_rule *r;
	struct nftnl_expr *e;

	add_clamp(b);
	r = to("forward", EGRESS_BOX);
	is_known(r);
	allow(b, r);
	drop(b, to("forward", EGRESS_BOX));
	add_never(b, "forward");
	for (size_t i = 0; i < 4; i++) {
		r = nft_rule("forward");
		nft_protocol_is(r, protocols[i / 2]);
		nft_port_is(r, dns_ports[i % 2]);
		refuse(b, r, "dns");
	}
	r = nft_rule("forward");
	is_known(r);
	allow(b, r);
	r = nft_rule("forward");
	nft_conntrack(r, NFT_CT_STATE, NF_CT_STATE_INVALID_BIT, NFT_ANY);
	drop(b, r);
	/* What needs no connection, such as a neighbour looked for, keeps its source address. */
	r = nft_rule("forward");
	nft_conntrack(r, NFT_CT_STATE, NF_CT_STATE_UNTRACKED_BIT, NFT_ANY);
	refuse(b, r, "block");
	/* Each is one of the host's too, whose table has an end. */
	r = nft_rule("forward");
	e = nft_word(r, "connlimit");
	nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_COUNT, CONNECTIONS_MAX);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
	refuse(b, r, "flood");
	for (size_t i = 0; i < sizeof protocols; i++) {
		r = nft_rule("forward");
		nft_protocol_is(r, protocols[i]);
		nft_jump(r, "listed");
		nft_add(b, r);
	}
}

static void add_output(struct nft_batch *b)
{
	struct nftnl_rule *r;

	allow(b, to("output", "lo"));
	allow(b, to("output", EGRESS_BOX));
	r = nft_rule("output");
	is_known(r);
	allow(b, r);
	r = nft_rule("output");
	is_neighbour6(r);
	allow(b, r);
	drop_groups(b, "output");
	add_never(b, "output");
	r = nft_rule("output");
	nft_protocol_is(r, IPPROTO_TCP);
	allow(b, r);
}

static void set_port(struct nftnl_rule *r, uint32_t reg, uint16_t port)
{
	struct nftnl_expr *e = nft_word(r, "immediate");
	uint16_t wire = htons(port);

	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, &wire, sizeof wire);
}

/*
 * pasta sends from the port of the host that it was sent from: not one that the job chooses, and
 * somebody on the host waits for, or will.
 */
static void add_masquerade(struct nft_batch *b)
{
	struct nftnl_rule *r = to("leave", EGRESS_UPLINK);
	struct nftnl_expr *e;

	nft_protocol_is(r, IPPROTO_UDP);
	set_port(r, NFT_REG_1, PORTS_FIRST);
	set_port(r, NFT_REG_2, PORTS_LAST);
	e = nft_word(r, "masq");
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_FLAGS,
			   NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM_FULLY);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MIN, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MAX, NFT_REG_2);
	nft_add(b, r);
	r = to("leave", EGRESS_UPLINK);
	nft_word(r, "masq");
	nft_add(b, r);
}

/* What the gate sends for itself: the job's upload it is not. */
static void add_unmetered(struct nft_batch *b)
{
	struct nftnl_rule *r = nft_rule("carried");

	is_neighbour6(r);
	allow(b, r);
	r = nft_rule("carried");
	is_probe(r);
	allow(b, r);
}

static void add_table(struct nft_batch *b, const struct gate_values *v)
{
	nft_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
		nft_set(b, &sets[i], (uint32_t)i + 1);
	add_chains(b);
	add_guard(b, v);
	add_input(b, v);
	add_listed(b);
	add_forward(b);
	add_output(b);
	add_unmetered(b);
	add_masquerade(b);
}

static void add_redirect(struct nft_batch *b, uint16_t port, uint16_t where)
{
	struct nftnl_rule *r = from_box("verify");
	struct nftnl_expr *e;

	nft_protocol_is(r, IPPROTO_TCP);
	nft_port_is(r, port);
	set_port(r, NFT_REG_1, where);
	e = nft_word(r, "redir");
	nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
	nft_add(b, r);
}

static void add_verify(struct nft_batch *b)
{
	for (int six = 0; six < 2; six++) {
		struct nftnl_rule *r = from_box("verify");

		is_never(r, six);
		allow(b, r);
		r = from_box("verify");
		is_in(r, six ? "nets6" : "nets4", six, true);
		allow(b, r);
	}
	add_redirect(b, 80, EGRESS_HTTP_PORT);
}

/* What a name was answered with; the queue will tell which was meant. */
static void add_listed_tls(struct nft_batch *b)
{
	static const char *const sets_of[2][2] = {{"hosts4", "names4"}, {"hosts6", "names6"}};

	for (size_t i = 0; i < 4; i++) {
		struct nftnl_rule *r = from_box("verify");

		nft_protocol_is(r, IPPROTO_TCP);
		nft_port_is(r, 443);
		is_in(r, sets_of[i / 2][i % 2], i / 2, i % 2);
		allow(b, r);
	}
}

/*
 * A beginning in what is open already is none that was looked at: who forgets a connection
 * that conntrack has would begin another in its place.
 */
static void add_opening(struct nft_batch *b, bool by_xt)
{
	struct nftnl_rule *r = nft_rule("opening");

	nft_connection_mark_is(r, EGRESS_MARK_OPEN);
	nft_tcp_flags(r, TCP_SYN, NFT_NONE);
	allow(b, r);
	r = nft_rule("opening");
	nft_connection_mark_is(r, EGRESS_MARK_OPEN);
	drop(b, r);
	r = nft_rule("opening");
	nft_connection_mark_is(r, EGRESS_MARK_LISTED);
	allow(b, r);
	for (int six = 0; six < 2; six++) {
		r = from_box("opening");
		is_in(r, six ? "nets6" : "nets4", six, true);
		nft_connection_set_mark(r, EGRESS_MARK_LISTED);
		allow(b, r);
	}
	r = nft_rule("opening");
	nft_queue(r, EGRESS_QUEUE, by_xt);
	nft_add(b, r);
}

static void add_opened(struct nft_batch *b)
{
	struct nftnl_rule *r = nft_rule("opened");
	struct nftnl_expr *e;

	nft_mark_is(r, 0, NFT_CMP_EQ);
	allow(b, r);
	r = nft_rule("opened");
	nft_mark_is(r, EGRESS_MARK_OPEN, NFT_CMP_EQ);
	nft_connection_set_mark(r, EGRESS_MARK_OPEN);
	allow(b, r);
	r = nft_rule("opened");
	nft_protocol_is(r, IPPROTO_TCP);
	e = nft_word(r, "reject");
	nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
	nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, 0);
	nft_add(b, r);
	drop(b, nft_rule("opened"));
}

/* Packets of the queue go on in the next chain of the hook, so it has one of its own. */
static void add_queue(struct nft_batch *b, bool by_xt)
{
	struct nftnl_rule *r;

	nft_base_chain(b, "hello", "filter", NF_INET_FORWARD, NFT_PRI_HELLO, NF_ACCEPT);
	nft_base_chain(b, "opened", "filter", NF_INET_FORWARD, NFT_PRI_OPENED, NF_ACCEPT);
	nft_chain(b, "opening");
	r = from_box("hello");
	nft_protocol_is(r, IPPROTO_TCP);
	nft_port_is(r, 443);
	nft_goto(r, "opening");
	nft_add(b, r);
	r = to("hello", EGRESS_BOX);
	nft_protocol_is(r, IPPROTO_TCP);
	nft_source_port_is(r, 443);
	nft_goto(r, "opening");
	nft_add(b, r);
	add_opening(b, by_xt);
	add_opened(b);
}

/* Names of a flow by QUIC nobody reads. */
static void add_audit(struct nft_batch *b)
{
	static const uint8_t passes[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6};
	struct nftnl_rule *r = nft_rule("forward");

	nft_protocol_is(r, IPPROTO_UDP);
	nft_port_is(r, 443);
	refuse(b, r, "quic");
	for (size_t i = 0; i < sizeof passes; i++) {
		r = nft_rule("forward");
		nft_protocol_is(r, passes[i]);
		allow(b, r);
	}
	refuse(b, nft_rule("forward"), "block");
}

/* Where uploads pass: those of the sandbox itself, and those that the helper carries. */
static const char *const meters[] = {"through", "carried"};

/* Policed, not queued: senders slow down by what is lost. */
static void add_rate(struct nft_batch *b, const struct gate_values *v)
{
	nft_limit(b, "rate", __builtin_bswap64(v->rate), ntohl(v->burst));
	nft_chain(b, "rate");
	tell(b, "rate", 1, 5);
	drop(b, nft_rule("rate"));
	for (size_t i = 0; i < sizeof meters / sizeof *meters; i++) {
		struct nftnl_rule *r = to(meters[i], EGRESS_UPLINK);

		nft_draw_on(r, NFT_OBJECT_LIMIT, "rate");
		refuse(b, r, "rate");
	}
}

static void add_budget(struct nft_batch *b, const struct gate_values *v)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	struct nftnl_rule *r;

	nft_quota(b, "budget", __builtin_bswap64(v->budget));
	for (size_t i = 0; i < sizeof meters / sizeof *meters; i++) {
		r = to(meters[i], EGRESS_UPLINK);

		nft_draw_on(r, NFT_OBJECT_QUOTA, "budget");
		refuse(b, r, "budget");
	}
	nft_chain(b, "spent");
	tell(b, "spent", 1, 5);
	for (size_t i = 0; i < sizeof protocols; i++) {
		r = from_box("asked");
		nft_protocol_is(r, protocols[i]);
		nft_port_is(r, 53);
		nft_draw_on(r, NFT_OBJECT_QUOTA, "budget");
		refuse(b, r, "spent");
	}
}

/* ---- the host's table ------------------------------------------------------------------- */

static struct nftnl_rule *host_link(const char *chain, int key)
{
	struct nftnl_rule *r = nft_rule(chain);

	nft_link_begins(r, key, EGRESS_HOST_LINK);
	return r;
}

/*
 *	table inet cisandbox {
 *		chain input { type filter hook input priority filter
 *			iifname cisandbox* icmpv6 type 133-136 accept
 *			iifname cisandbox* ct state established,related accept
 *			iifname cisandbox* drop }
 *		chain forward { type filter hook forward priority filter
 *			oifname cisandbox* ct state established,related accept
 *			oifname cisandbox* drop }
 *		set kept4 { ipv4_addr . proto (a byte: the port); flags dynamic, timeout }
 *		chain keep { type nat hook postrouting priority -190
 *			iifname cisandbox* tcp dport 443 tcp sport < 256
 *				update @kept4 { ip saddr . tcp sport timeout 2s } drop }
 *		chain leave { type nat hook postrouting priority srcnat
 *			iifname cisandbox* masquerade }
 *	}
 *
 * What is kept is forwarding.c's; a chain for nat sees the first packet of a flow only.
 * No gate reaches the host itself, nor another gate, nor anybody a gate. The same for all
 * of them: the first makes it, and it stays.
 */
static void add_keep(struct nft_batch *b, bool six)
{
	const uint32_t key = NFT_REG32_00, port = NFT_REG32_00 + (six ? 4 : 1);
	struct nftnl_rule *r = host_link("keep", NFT_META_IIFNAME);
	struct nftnl_expr *e;

	nft_family_is(r, six);
	is_probe(r);
	nft_load(r, key, six ? NFT_SADDR6 : NFT_SADDR4, six ? 16 : 4);
	load_transport(r, port, 1, 1);
	e = nft_word(r, "dynset");
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, six ? "kept6" : "kept4");
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, key);
	nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, KEPT_MSEC);
	drop(b, r);
}

static void add_host(struct nft_batch *b)
{
	static const struct nft_set kept[] = {
		{"kept4", NFT_SET_EVAL | NFT_SET_TIMEOUT, KEY2(KEY_IP4), {4, 1}},
		{"kept6", NFT_SET_EVAL | NFT_SET_TIMEOUT, KEY2(KEY_IP6), {16, 1}},
	};
	struct nftnl_rule *r;

	nft_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		nft_set(b, &kept[i], (uint32_t)i + 1);
	nft_base_chain(b, "input", "filter", NF_INET_LOCAL_IN, NFT_PRI_FILTER, NF_ACCEPT);
	nft_base_chain(b, "forward", "filter", NF_INET_FORWARD, NFT_PRI_FILTER, NF_ACCEPT);
	nft_base_chain(b, "keep", "nat", NF_INET_POST_ROUTING, NFT_PRI_FIRST_NAT, NF_ACCEPT);
	nft_base_chain(b, "leave", "nat", NF_INET_POST_ROUTING, NFT_PRI_SRCNAT, NF_ACCEPT);
	r = host_link("input", NFT_META_IIFNAME);
	is_neighbour6(r);
	allow(b, r);
	r = host_link("input", NFT_META_IIFNAME);
	is_known(r);
	allow(b, r);
	drop(b, host_link("input", NFT_META_IIFNAME));
	r = host_link("forward", NFT_META_OIFNAME);
	is_known(r);
	allow(b, r);
	drop(b, host_link("forward", NFT_META_OIFNAME));
	add_keep(b, false);
	add_keep(b, true);
	r = host_link("leave", NFT_META_IIFNAME);
	nft_word(r, "masq");
	nft_add(b, r);
}

/* Whether it is there or not, from here on it is not. */
static void remove_table(struct nft_batch *b)
{
	nft_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	nft_table(b, NFT_MSG_DELTABLE, 0);
}

size_t egress_rules_build(enum gate_message message, const struct gate_values *v,
			  char buf[static GATE_MESSAGE_MAX])
{
	struct nft_batch b = {buf, NULL};

	memset(buf, 0, GATE_MESSAGE_MAX);
	switch (message) {
	case EGRESS_HOST:
		nft_begin(&b);
		add_host(&b);
		nft_end(&b);
		break;
	case EGRESS_HOST_ANEW:
		nft_begin(&b);
		remove_table(&b);
		add_host(&b);
		nft_end(&b);
		break;
	case EGRESS_BEGIN:
		nft_begin(&b);
		break;
	case EGRESS_ANEW:
		remove_table(&b);
		break;
	case EGRESS_TABLE:
		add_table(&b, v);
		break;
	case EGRESS_VERIFY:
		add_verify(&b);
		break;
	case EGRESS_BY_QUEUE:
	case EGRESS_BY_XT_QUEUE:
		add_queue(&b, message == EGRESS_BY_XT_QUEUE);
		break;
	case EGRESS_LISTED:
		add_listed_tls(&b);
		break;
	case EGRESS_BY_RELAY:
		add_redirect(&b, 443, EGRESS_TLS_PORT);
		break;
	case EGRESS_RATE:
		add_rate(&b, v);
		break;
	case EGRESS_BUDGET:
		add_budget(&b, v);
		break;
	case EGRESS_AUDIT:
		add_audit(&b);
		break;
	case EGRESS_BLOCK:
		refuse(&b, nft_rule("forward"), "block");
		break;
	case EGRESS_END:
		nft_end(&b);
		break;
	default:
		break;
	}
	return (size_t)(b.at - buf);
}
