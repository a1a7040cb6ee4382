/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules into a policy: what is denied by default, what contradicts, and the table. */
#include "compile.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>

/* So that all offsets have 32 bits, with room to spare. */
#define TABLE_MAX (UINT64_C(1) << 31)
/* Nets in each other inherit ports: a few rules could ask for very many. */
#define PORTS_MAX (1U << 24)

/* ---- entries ------------------------------------------------------------------------------ */

int entries_append(struct entries *e, const void *from, size_t n, size_t size)
{
	if ((e->n + n) * size > TABLE_MAX)
		return -E2BIG;
	if (e->n + n > e->room) {
		size_t room = MAX(2 * e->room, e->n + n + 64);
		char *bigger = reallocarray(e->v, room, size);

		if (!bigger)
			return -ENOMEM;
		e->v = bigger;
		e->room = room;
	}
	memcpy(e->v + e->n * size, from, n * size);
	e->n += n;
	return 0;
}

int entries_reserve(struct entries *e, size_t n, size_t size)
{
	e->v = reallocarray(NULL, n, size);
	e->room = e->v ? n : 0;
	return e->v ? 0 : -ENOMEM;
}

int entries_add(struct entries *e, const void *entry, size_t size)
{
	return entries_append(e, entry, 1, size);
}

void entries_done(struct entries *e)
{
	free(e->v);
	*e = (struct entries){0};
}

/* Whether the ports from @first on are those of the list before them. */
static bool is_last_list(const struct compiler *c, size_t first)
{
	const struct egress_port *all = (const struct egress_port *)c->ports.v;
	size_t n = c->ports.n - first;

	if (first - c->last_list != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (egress_port_key(all[first + i]) != egress_port_key(all[c->last_list + i]))
			return false;
	return true;
}

int compile_ports(struct compiler *c, const struct egress_port *sorted, size_t n,
		  uint32_t *ret_first, uint32_t *ret_n)
{
	/* What covers a port is sorted right before all that it covers. */
	const struct egress_port *last = NULL;
	size_t first = c->ports.n;

	for (size_t i = 0; i < n; i++) {
		int r;

		if (last && egress_port_covers(*last, sorted[i]))
			continue;
		last = &sorted[i];
		if (c->ports.n == PORTS_MAX)
			return -E2BIG;
		r = entries_add(&c->ports, &sorted[i], sizeof *sorted);
		if (r < 0)
			return r;
	}
	*ret_n = (uint32_t)(c->ports.n - first);
	/* Most rules speak of the same ports: one list stays in the cache, many do not. */
	if (is_last_list(c, first))
		c->ports.n = first;
	else
		c->last_list = first;
	*ret_first = (uint32_t)c->last_list;
	return 0;
}

/* ---- the table ---------------------------------------------------------------------------- */

/* Where a part comes to lie; what it is copied from. */
struct layout {
	struct policy head;
	struct copy {
		const void *from;
		uint64_t at, size;
	} copies[16];
	size_t n;
};

static struct policy_part place(struct layout *l, const void *from, size_t n, size_t size)
{
	struct policy_part part = {(uint32_t)l->head.size, (uint32_t)n};

	l->copies[l->n++] = (struct copy){from, l->head.size, n * size};
	l->head.size += (n * size + 7) & ~UINT64_C(7);
	return part;
}

static int write_table(const struct layout *l, struct policy **ret)
{
	char *map = mmap(NULL, l->head.size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	if (map == MAP_FAILED)
		return -errno;
	memcpy(map, &l->head, sizeof l->head);
	for (size_t i = 0; i < l->n; i++)
		if (l->copies[i].size > 0)
			memcpy(map + l->copies[i].at, l->copies[i].from, l->copies[i].size);
	if (mprotect(map, l->head.size, PROT_READ) < 0) {
		r = -errno;
		munmap(map, l->head.size);
		return r;
	}
	*ret = (struct policy *)map;
	return 0;
}

static struct policy_part place_entries(struct layout *l, const struct entries *e,
					size_t size)
{
	return place(l, e->v, e->n, size);
}

static int make_table(const struct compiler *c, const struct name_table *n, struct policy **ret)
{
	cleanup_free struct policy_range *never = NULL;
	struct layout l = {.head = {.size = (sizeof l.head + 7) & ~UINT64_C(7),
				    .key = {n->key[0], n->key[1]},
				    .audit = c->rs->audit,
				    .deepest = n->deepest}};
	size_t all = c->never[POLICY_4].n + c->never[POLICY_6].n, done = 0;

	never = calloc(all + 1, sizeof *never);
	if (!never)
		return -ENOMEM;
	l.head.slots = place(&l, n->slots, n->n_slots, sizeof *n->slots);
	l.head.nodes = place_entries(&l, &n->nodes, sizeof(struct policy_node));
	l.head.names = place_entries(&l, &n->text, 1);
	l.head.ports = place_entries(&l, &c->ports, sizeof(struct egress_port));
	for (int f = 0; f < POLICY_FAMILIES; f++) {
		const struct ranges *from = &c->never[f];
		int family = f == POLICY_4 ? AF_INET : AF_INET6;

		l.head.never[f] = place(&l, never + done, from->n, sizeof *never);
		for (size_t i = 0; i < from->n; i++, done++) {
			range_bytes(family, from->v[i].first, never[done].first);
			range_bytes(family, from->v[i].last, never[done].last);
		}
		l.head.nets[f] = place_entries(&l, &c->nets[f], sizeof(struct policy_net));
	}
	return l.head.size > TABLE_MAX ? -E2BIG : write_table(&l, ret);
}

/* ---- what is denied by default ------------------------------------------------------------ */

static bool is_undone(const struct ruleset *rs, const char *preset)
{
	for (size_t i = 0; i < rs->undone.n; i++)
		if (strcmp(rs->undone.v[i], preset) == 0)
			return true;
	return false;
}

static int add_host(struct compiler *c, struct rule_list *l)
{
	const struct rule_list *host = &c->rs->host;
	int index = ruleset_source(&c->sources, "an address of this host"), r = index;

	for (size_t i = 0; i < host->n && r >= 0; i++) {
		struct rule rule = host->v[i];

		rule.source = (unsigned int)index;
		r = rule_list_add(l, &rule);
	}
	return r < 0 ? r : 0;
}

static int read_defaults(struct compiler *c, struct cis_error *err)
{
	struct rule_list allowed = {0};
	const char *name;
	int r = 0;

	for (size_t i = 0; r >= 0 && (name = ruleset_preset_name(i)); i++)
		if (preset_is_default(name))
			r = preset_read(name, NULL, &c->sources, &allowed,
					is_undone(c->rs, name) ? &c->undone : &c->shut, err);
	rule_list_done(&allowed);
	if (r < 0)
		return r;
	r = add_host(c, is_undone(c->rs, "no-lan") ? &c->undone : &c->shut);
	return r < 0 ? cis_fail(err, -r, "compile the rules") : 0;
}

/* ---- names that contradict -------------------------------------------------------------- */

/* Whether @a speaks of any name that @b speaks of. */
static bool meet(const struct rule *a, const struct rule *b)
{
	size_t la = strlen(a->name), lb = strlen(b->name);
	const struct rule *above = la < lb ? a : b;
	const char *upper = above->name, *lower = above == a ? b->name : a->name;
	size_t ahead = (la < lb ? lb : la) - strlen(upper);

	if (ahead == 0)
		return a->kind == b->kind && strcmp(upper, lower) == 0;
	if (lower[ahead - 1] != '.' || strcmp(lower + ahead, upper) != 0)
		return false;
	return above->kind == RULE_BELOW;
}

static bool meets_any(const struct rule *rule, const struct rule_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].kind != RULE_NET && meet(rule, &l->v[i]))
			return true;
	return false;
}

static int check_undone_names(const struct compiler *c, struct cis_error *err)
{
	char where[RULE_PLACE_MAX], text[RULE_PRINT_MAX];

	for (size_t i = 0; i < c->rs->undeny.n; i++) {
		const struct rule *rule = &c->rs->undeny.v[i];

		if (rule->kind == RULE_NET || meets_any(rule, &c->shut) ||
		    meets_any(rule, &c->undone))
			continue;
		rule_print(rule, false, text);
		return cis_fail_plain(err, EINVAL,
				      "%s: rule \"%s\": no preset denies it, nor is "
				      "there one of that name",
				      rule_place(&c->rs->sources, rule, where), text);
	}
	return 0;
}

/*
 * How names that are shut end: of very many rules nearly all end otherwise, and need not be
 * looked up. A shut name and all below it have the last @len bytes in common.
 */
struct endings {
	size_t len;
	uint64_t seen[64]; /* by hash */
};

static uint32_t ending_hash(const struct endings *e, const char *end)
{
	uint64_t last = 0;

	memcpy(&last, end - e->len, e->len);
	return (uint32_t)(last * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

static void read_endings(const struct rule_list *shut, struct endings *ret)
{
	*ret = (struct endings){.len = sizeof(uint64_t)};
	for (size_t i = 0; i < shut->n; i++)
		if (shut->v[i].kind != RULE_NET)
			ret->len = MIN(ret->len, strlen(shut->v[i].name));
	for (size_t i = 0; i < shut->n; i++) {
		const struct rule *rule = &shut->v[i];
		uint32_t hash;

		if (rule->kind == RULE_NET)
			continue;
		hash = ending_hash(ret, rule->name + strlen(rule->name));
		ret->seen[hash / 64] |= UINT64_C(1) << hash % 64;
	}
}

static bool may_be_shut(const struct endings *e, const char *name)
{
	size_t len = strlen(name);
	uint32_t hash;

	if (len < e->len)
		return false;
	hash = ending_hash(e, name + len);
	return e->seen[hash / 64] >> hash % 64 & 1;
}

/* Rules that allow a name, or all below it, that is shut as a whole. */
static int check_allowed(const struct compiler *c, const struct policy *p,
			 const struct rule_list *l, struct cis_error *err)
{
	char where[RULE_PLACE_MAX], text[RULE_PRINT_MAX];
	struct endings shut;

	read_endings(&c->shut, &shut);
	for (size_t i = 0; i < l->n; i++) {
		const struct rule *rule = &l->v[i];

		if (rule->kind == RULE_NET || !may_be_shut(&shut, rule->name))
			continue;
		/* As "*.x" it is no name, so what holds for it holds for all below x. */
		rule_print(rule, false, text);
		if (policy_name_verdict(p, text, NULL) != POLICY_SHUT)
			continue;
		return cis_fail_plain(
			err, EINVAL,
			"%s: rule \"%s\": it is shut by default, and no rule can "
			"allow it (an admin can: --undeny %s)",
			rule_place(&c->rs->sources, rule, where), text, text);
	}
	return 0;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static int compile(struct compiler *c, struct name_table *n, struct policy **ret,
		   struct cis_error *err)
{
	cleanup(policy_freep) struct policy *p = NULL;
	int r;

	r = read_defaults(c, err);
	if (r >= 0)
		r = check_undone_names(c, err);
	if (r >= 0)
		r = compile_nets(c, err);
	if (r < 0)
		return r;
	r = compile_names(c, n);
	if (r >= 0)
		r = make_table(c, n, &p);
	if (r < 0)
		return cis_fail(err, -r, "compile the rules");
	r = check_allowed(c, p, &c->rs->allow, err);
	if (r >= 0)
		r = check_allowed(c, p, &c->rs->preset_allow, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&p);
	return 0;
}

int ruleset_compile(const struct ruleset *rs, const uint8_t key[static 16],
		    struct policy **ret, struct cis_error *err)
{
	struct compiler c = {.rs = rs};
	struct name_table n = {0};
	int r;

	memcpy(n.key, key, sizeof n.key);
	n.key[0] = le64toh(n.key[0]);
	n.key[1] = le64toh(n.key[1]);
	r = compile(&c, &n, ret, err);
	compile_names_done(&n);
	rule_list_done(&c.shut);
	rule_list_done(&c.undone);
	strv_done(&c.sources);
	entries_done(&c.ports);
	for (int f = 0; f < POLICY_FAMILIES; f++) {
		ranges_done(&c.shut_ranges[f]);
		ranges_done(&c.never[f]);
		entries_done(&c.nets[f]);
	}
	return r;
}
