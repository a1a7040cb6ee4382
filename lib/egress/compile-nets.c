/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules for addresses become ranges. Nets lie in each other or apart, never across, so
 * one walk over them in order with a stack of those that are open gives pieces that do not
 * overlap, each with the ports of all the nets it lies in.
 */
#include "compile.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static const int families[POLICY_FAMILIES] = {AF_INET, AF_INET6};

static struct range rule_range(const struct rule *rule)
{
	return range_of(rule->family, rule->address, rule->bits);
}

static int collect(const struct rule_list *l, int family, struct ranges *ret)
{
	int r = 0;

	for (size_t i = 0; i < l->n && r >= 0; i++)
		if (l->v[i].kind == RULE_NET && l->v[i].family == family)
			r = ranges_add(ret, rule_range(&l->v[i]));
	ranges_sort(ret);
	return r;
}

/* ---- what is never allowed ---------------------------------------------------------------- */

/* IPv6 that leads to the IPv4 address in it: behind @prefix, from bit @shift up. */
static const struct embedding {
	uint32_t prefix[4];
	unsigned int shift;
} embeddings[] = {
	{{0, 0, 0xffff, 0}, 0},		     /* ::ffff:0:0/96, mapped */
	{{0x0064ff9b, 0, 0, 0}, 0},	     /* 64:ff9b::/96, NAT64 */
	{{0x0064ff9b, 0x00010000, 0, 0}, 0}, /* 64:ff9b:1::/96, NAT64 of a site */
	{{0x20020000, 0, 0, 0}, 80},	     /* 2002::/16, 6to4 */
};

static int embed(const struct ranges *four, struct ranges *ret)
{
	int r = 0;

	for (size_t e = 0; e < ARRAY_SIZE(embeddings); e++) {
		const struct embedding *em = &embeddings[e];
		address_t prefix = 0, behind = ((address_t)1 << em->shift) - 1;

		for (size_t i = 0; i < 4; i++)
			prefix = prefix << 32 | em->prefix[i];
		for (size_t i = 0; i < four->n && r >= 0; i++)
			r = ranges_add(ret,
				       (struct range){prefix | four->v[i].first << em->shift,
						      prefix | four->v[i].last << em->shift |
							      behind});
	}
	return r;
}

static int check_holes(const struct compiler *c, int family, const struct ranges *shut,
		       const struct ranges *undone, struct cis_error *err)
{
	char place[RULE_PLACE_MAX], text[RULE_PRINT_MAX];

	for (size_t i = 0; i < c->rs->undeny.n; i++) {
		const struct rule *rule = &c->rs->undeny.v[i];

		if (rule->kind != RULE_NET || rule->family != family ||
		    ranges_overlap(shut, rule_range(rule)) ||
		    ranges_overlap(undone, rule_range(rule)))
			continue;
		rule_print(rule, false, text);
		cis_fail_plain(err, EINVAL, "%s: rule \"%s\": no preset denies any of it",
			       rule_place(&c->rs->sources, rule, place), text);
		return cis_hint(err, family == AF_INET6
					     ? "IPv6 forms of IPv4 addresses follow these"
					     : "what --deny shuts stays shut");
	}
	return 0;
}

/* Of one family: what is shut but for the holes. */
static int shut(struct compiler *c, int f, struct cis_error *err)
{
	struct ranges closed = {0}, undone = {0}, holes = {0};
	int r;

	r = collect(&c->shut, families[f], &closed);
	if (r >= 0)
		r = collect(&c->undone, families[f], &undone);
	if (r >= 0)
		r = collect(&c->rs->undeny, families[f], &holes);
	if (r >= 0)
		r = ranges_subtract(&closed, &holes, &c->shut_ranges[f]);
	if (r < 0)
		cis_fail(err, -r, "compile the rules");
	else
		r = check_holes(c, families[f], &closed, &undone, err);
	ranges_done(&closed);
	ranges_done(&undone);
	ranges_done(&holes);
	return r;
}

static int copy(const struct ranges *from, struct ranges *ret)
{
	int r = 0;

	for (size_t i = 0; i < from->n && r >= 0; i++)
		r = ranges_add(ret, from->v[i]);
	return r;
}

static int make_never(struct compiler *c)
{
	int r = 0;

	for (int f = 0; f < POLICY_FAMILIES && r >= 0; f++) {
		struct ranges *never = &c->never[f];

		r = copy(&c->shut_ranges[f], never);
		if (r >= 0)
			r = collect(&c->rs->deny, families[f], never);
		if (r >= 0)
			r = collect(&c->rs->preset_deny, families[f], never);
	}
	if (r >= 0)
		r = embed(&c->never[POLICY_4], &c->never[POLICY_6]);
	ranges_sort(&c->never[POLICY_6]);
	if (r >= 0)
		r = embed(&c->shut_ranges[POLICY_4], &c->shut_ranges[POLICY_6]);
	ranges_sort(&c->shut_ranges[POLICY_6]);
	return r;
}

/* ---- what is allowed ---------------------------------------------------------------------- */

struct net {
	struct range range;
	struct egress_port port;
};

static int compare_net(const void *pa, const void *pb)
{
	const struct net *a = pa, *b = pb;
	uint32_t ka = egress_port_key(a->port), kb = egress_port_key(b->port);

	if (a->range.first != b->range.first)
		return a->range.first < b->range.first ? -1 : 1;
	if (a->range.last != b->range.last)
		return a->range.last > b->range.last ? -1 : 1;
	return (ka > kb) - (ka < kb);
}

static int collect_nets(const struct rule_list *l, int family, struct entries *ret)
{
	int r = 0;

	for (size_t i = 0; i < l->n && r >= 0; i++) {
		const struct rule *rule = &l->v[i];

		if (rule->kind != RULE_NET || rule->family != family)
			continue;
		for (unsigned int k = 0; k < rule->n_ports && r >= 0; k++) {
			struct net net = {rule_range(rule), rule->ports[k]};

			r = entries_add(ret, &net, sizeof net);
		}
	}
	return r;
}

/* A net that is open at the place where the walk is; ports: with those around it. */
struct open {
	address_t last;
	uint32_t ports, n_ports;
};

struct walk {
	struct compiler *c;
	int f;
	struct open stack[129]; /* of each length of prefix, one */
	size_t depth;
	address_t at;
	bool ended; /* behind the last address there is */
};

/* Not memcmp(): there is a hole in the struct. */
static bool same_ports(const struct compiler *c, const struct policy_net *a,
		       const struct policy_net *b)
{
	const struct egress_port *all = (const struct egress_port *)c->ports.v;
	bool same = a->n_ports == b->n_ports;

	for (uint32_t i = 0; i < a->n_ports && same; i++)
		same = egress_port_key(all[a->ports + i]) ==
		       egress_port_key(all[b->ports + i]);
	return same;
}

static int add_piece(struct walk *w, struct range range, const struct open *top)
{
	struct entries *nets = &w->c->nets[w->f];
	struct policy_net *out = (struct policy_net *)nets->v,
			  net = {.ports = top->ports, .n_ports = top->n_ports};
	uint8_t before[16];

	range_bytes(families[w->f], range.first, net.range.first);
	range_bytes(families[w->f], range.last, net.range.last);
	/* Grows the piece before it, if it touches that and has the same ports. */
	if (nets->n > 0 && range.first > 0) {
		out += nets->n - 1;
		range_bytes(families[w->f], range.first - 1, before);
		if (memcmp(before, out->range.last, sizeof before) == 0 &&
		    same_ports(w->c, out, &net)) {
			memcpy(out->range.last, net.range.last, sizeof before);
			return 0;
		}
	}
	return entries_add(nets, &net, sizeof net);
}

/* From where the walk is to @last, as the net on top has it, without what is never. */
static int walk_to(struct walk *w, address_t last)
{
	struct range here = {w->at, last};
	struct ranges one = {.v = &here, .n = 1}, left = {0};
	int r = 0;

	if (!w->ended && w->at <= last)
		r = ranges_subtract(&one, &w->c->never[w->f], &left);
	for (size_t i = 0; i < left.n && r >= 0; i++)
		r = add_piece(w, left.v[i], &w->stack[w->depth - 1]);
	ranges_done(&left);
	w->ended |= last + 1 == 0;
	w->at = last + 1;
	return r;
}

static int close_before(struct walk *w, address_t first, bool all)
{
	int r = 0;

	while (w->depth > 0 && r >= 0 && (all || w->stack[w->depth - 1].last < first)) {
		/* The one in it may have ended where it ends. */
		if (!w->ended && w->at <= w->stack[w->depth - 1].last)
			r = walk_to(w, w->stack[w->depth - 1].last);
		w->depth--;
	}
	return r;
}

static int compare_port(const void *pa, const void *pb)
{
	uint32_t a = egress_port_key(*(const struct egress_port *)pa);
	uint32_t b = egress_port_key(*(const struct egress_port *)pb);

	return (a > b) - (a < b);
}

/* @nets: @n ports of the same net. */
static int open_net(struct walk *w, const struct net *nets, size_t n)
{
	const struct open *around = w->depth ? &w->stack[w->depth - 1] : NULL;
	size_t inherited = around ? around->n_ports : 0;
	struct open *top = &w->stack[w->depth];
	cleanup_free struct egress_port *ports = calloc(n + inherited, sizeof *ports);
	int r;

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ports[i] = nets[i].port;
	if (inherited)
		memcpy(ports + n, (struct egress_port *)w->c->ports.v + around->ports,
		       inherited * sizeof *ports);
	qsort(ports, n + inherited, sizeof *ports, compare_port);
	top->last = nets[0].range.last;
	r = compile_ports(w->c, ports, n + inherited, &top->ports, &top->n_ports);
	w->depth++;
	w->at = nets[0].range.first;
	return r;
}

static int walk_nets(struct walk *w, const struct net *nets, size_t n)
{
	int r = 0;

	for (size_t i = 0, k; i < n && r >= 0; i = k) {
		for (k = i + 1; k < n && nets[k].range.first == nets[i].range.first &&
				nets[k].range.last == nets[i].range.last;)
			k++;
		r = close_before(w, nets[i].range.first, false);
		if (r >= 0 && w->depth > 0 && w->at < nets[i].range.first)
			r = walk_to(w, nets[i].range.first - 1);
		if (r >= 0)
			r = open_net(w, nets + i, k - i);
	}
	return r < 0 ? r : close_before(w, 0, true);
}

static int make_nets(struct compiler *c, int f)
{
	struct walk w = {.c = c, .f = f};
	struct entries nets = {0};
	int r;

	r = collect_nets(&c->rs->allow, families[f], &nets);
	if (r >= 0)
		r = collect_nets(&c->rs->preset_allow, families[f], &nets);
	if (r >= 0 && nets.n > 0) {
		qsort(nets.v, nets.n, sizeof(struct net), compare_net);
		r = walk_nets(&w, (const struct net *)nets.v, nets.n);
	}
	entries_done(&nets);
	return r;
}

/* A rule that could never have an effect, unless an admin's --deny is why. */
static int check_allowed(const struct compiler *c, const struct rule_list *l,
			 struct cis_error *err)
{
	char place[RULE_PLACE_MAX], text[RULE_PRINT_MAX];

	for (size_t i = 0; i < l->n; i++) {
		const struct rule *rule = &l->v[i];
		int f = rule->family == AF_INET ? POLICY_4 : POLICY_6;

		if (rule->kind != RULE_NET ||
		    !ranges_contain(&c->shut_ranges[f], rule_range(rule)))
			continue;
		rule_print(rule, false, text);
		return cis_fail_plain(err, EINVAL,
				      "%s: rule \"%s\": all of it is shut by default, and no "
				      "rule can allow it (an admin can: --undeny %s)",
				      rule_place(&c->rs->sources, rule, place), text, text);
	}
	return 0;
}

int compile_nets(struct compiler *c, struct cis_error *err)
{
	int r = 0;

	for (int f = 0; f < POLICY_FAMILIES && r >= 0; f++)
		r = shut(c, f, err);
	if (r < 0)
		return r;
	r = make_never(c);
	for (int f = 0; f < POLICY_FAMILIES && r >= 0; f++)
		r = make_nets(c, f);
	if (r < 0)
		return cis_fail(err, -r, "compile the rules");
	r = check_allowed(c, &c->rs->allow, err);
	return r < 0 ? r : check_allowed(c, &c->rs->preset_allow, err);
}
