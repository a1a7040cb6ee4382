/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names of a policy: a node each, found by its hash. Lists of 100,000 are usual where
 * somebody else keeps them, so that each name is worth a thought: memory that is touched for
 * the first time costs more than all that is computed.
 */
#include "compile.h"

#include <errno.h>
#include <string.h>

#include "name.h"

/* Names that are looked up at a time. */
#define AHEAD 32

/* A port of a name that several rules speak of, before they are sorted. */
struct pending {
	uint32_t node;
	bool below;
	struct egress_port port;
};

void compile_names_done(struct name_table *n)
{
	free(n->slots);
	entries_done(&n->nodes);
	entries_done(&n->text);
	entries_done(&n->pending);
}

/* Index of the node of @name, which is made if there is none; -ENOMEM. */
static int64_t node_of(struct name_table *n, const char *name, size_t len, uint64_t hash)
{
	uint32_t mask = n->n_slots - 1, i;
	struct policy_node node = {.name = (uint32_t)n->text.n, .len = (uint16_t)len};
	int r;

	for (i = (uint32_t)hash & mask; n->slots[i].node; i = (i + 1) & mask) {
		const struct policy_node *at = (const struct policy_node *)n->nodes.v +
					       n->slots[i].node - 1;

		if (n->slots[i].tag == hash >> 32 && strcmp(n->text.v + at->name, name) == 0)
			return n->slots[i].node - 1;
	}
	r = entries_append(&n->text, name, len + 1, 1);
	if (r >= 0)
		r = entries_add(&n->nodes, &node, sizeof node);
	if (r < 0)
		return r;
	n->slots[i] = (struct policy_slot){(uint32_t)(hash >> 32), (uint32_t)n->nodes.n};
	n->deepest = MAX(n->deepest, name_labels(name));
	return (int64_t)n->nodes.n - 1;
}

/* What is looked up soon: its slot is far from all others, and on its way meanwhile. */
struct lookup {
	size_t len;
	uint64_t hash;
};

static void look_ahead(const struct name_table *n, const struct rule *rules, size_t n_rules,
		       struct lookup *ret)
{
	for (size_t i = 0; i < n_rules; i++) {
		if (rules[i].kind == RULE_NET)
			continue;
		ret[i].len = strlen(rules[i].name);
		ret[i].hash = policy_hash(n->key, rules[i].name, ret[i].len);
		__builtin_prefetch(&n->slots[(uint32_t)ret[i].hash & (n->n_slots - 1)], 1);
	}
}

static int add_pending(struct name_table *n, uint32_t node, bool below,
		       const struct egress_port *ports, size_t n_ports)
{
	int r = 0;

	for (size_t i = 0; i < n_ports && r >= 0; i++) {
		struct pending p = {node, below, ports[i]};

		r = entries_add(&n->pending, &p, sizeof p);
	}
	return r;
}

/* Its ports are in order; most names have but one rule, and need no more. */
static int add_rule_ports(struct compiler *c, struct name_table *n, uint32_t node,
			  const struct rule *rule)
{
	const bool below = rule->kind == RULE_BELOW;
	struct policy_list *list = &((struct policy_node *)n->nodes.v)[node].ports[below];
	int r;

	if (!rule->n_ports)
		return 0;
	if (!list->n)
		return compile_ports(c, rule->ports, rule->n_ports, &list->first, &list->n);
	r = add_pending(n, node, below, (const struct egress_port *)c->ports.v + list->first,
			list->n);
	return r < 0 ? r : add_pending(n, node, below, rule->ports, rule->n_ports);
}

static int add_name(struct compiler *c, struct name_table *n, const struct rule *rule,
		    const struct lookup *at, unsigned int flag)
{
	bool below = rule->kind == RULE_BELOW;
	int64_t node = node_of(n, rule->name, at->len, at->hash);

	if (node < 0)
		return (int)node;
	((struct policy_node *)n->nodes.v)[node].flags |=
		(uint16_t)(flag << (below ? NODE_BELOW_SHIFT : 0));
	return add_rule_ports(c, n, (uint32_t)node, rule);
}

static int add_names(struct compiler *c, struct name_table *n, const struct rule_list *l,
		     unsigned int flag)
{
	struct lookup ahead[AHEAD];
	int r = 0;

	for (size_t i = 0; i < l->n && r >= 0; i += AHEAD) {
		size_t block = MIN(l->n - i, (size_t)AHEAD);

		look_ahead(n, &l->v[i], block, ahead);
		for (size_t k = 0; k < block && r >= 0; k++)
			if (l->v[i + k].kind != RULE_NET)
				r = add_name(c, n, &l->v[i + k], &ahead[k], flag);
	}
	return r;
}

static int compare_pending(const void *pa, const void *pb)
{
	const struct pending *a = pa, *b = pb;
	uint32_t ka = egress_port_key(a->port), kb = egress_port_key(b->port);

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->below != b->below)
		return a->below ? 1 : -1;
	return (ka > kb) - (ka < kb);
}

static int add_ports(struct compiler *c, struct name_table *n)
{
	const struct pending *p = (const struct pending *)n->pending.v;
	cleanup_free struct egress_port *ports = calloc(n->pending.n + 1, sizeof *ports);
	int r = 0;

	if (!ports)
		return -ENOMEM;
	if (n->pending.n > 0)
		qsort(n->pending.v, n->pending.n, sizeof *p, compare_pending);
	for (size_t i = 0, k; i < n->pending.n && r >= 0; i = k) {
		struct policy_node *node = (struct policy_node *)n->nodes.v + p[i].node;

		for (k = i;
		     k < n->pending.n && p[k].node == p[i].node && p[k].below == p[i].below;
		     k++)
			ports[k - i] = p[k].port;
		r = compile_ports(c, ports, k - i, &node->ports[p[i].below].first,
				  &node->ports[p[i].below].n);
	}
	return r;
}

int compile_names(struct compiler *c, struct name_table *n)
{
	const struct ruleset *rs = c->rs;
	const struct {
		const struct rule_list *list;
		unsigned int flag;
	} lists[] = {
		{&rs->allow, NODE_ALLOW}, {&rs->preset_allow, NODE_ALLOW},
		{&rs->deny, NODE_DENY},	  {&rs->preset_deny, NODE_DENY},
		{&c->shut, NODE_SHUT},	  {&rs->undeny, NODE_OPEN},
	};
	size_t most = 0;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		most += lists[i].list->n;
	for (n->n_slots = 2; n->n_slots < 2 * most;)
		n->n_slots *= 2;
	n->slots = calloc(n->n_slots, sizeof *n->slots);
	if (!n->slots || entries_reserve(&n->nodes, most + 1, sizeof(struct policy_node)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(lists) && r >= 0; i++)
		r = add_names(c, n, lists[i].list, lists[i].flag);
	return r < 0 ? r : add_ports(c, n);
}
