/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions to a compiled policy. Runs in cloned children: no allocation, no locks. */
#include "policy-table.h"

#include <endian.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "name.h"

#define LABELS_MAX ((NAME_MAX_LEN + 1) / 2)

static const void *part(const struct policy *p, const struct policy_part *of)
{
	return (const char *)p + of->at;
}

/* ---- the hash ----------------------------------------------------------------------------- */

static uint64_t rotate(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

static void mix(uint64_t v[static 4], int rounds)
{
	for (int i = 0; i < rounds; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void absorb(uint64_t v[static 4], uint64_t word)
{
	v[3] ^= word;
	mix(v, 2);
	v[0] ^= word;
}

uint64_t policy_hash(const uint64_t key[static 2], const char *s, size_t len)
{
	uint64_t v[4] = {
		key[0] ^ UINT64_C(0x736f6d6570736575),
		key[1] ^ UINT64_C(0x646f72616e646f6d),
		key[0] ^ UINT64_C(0x6c7967656e657261),
		key[1] ^ UINT64_C(0x7465646279746573),
	};
	uint64_t word;
	size_t at;

	for (at = 0; at + sizeof word <= len; at += sizeof word) {
		memcpy(&word, s + at, sizeof word);
		absorb(v, le64toh(word));
	}
	word = (uint64_t)len << 56;
	for (size_t i = at; i < len; i++)
		word |= (uint64_t)(unsigned char)s[i] << 8 * (i - at);
	absorb(v, word);
	v[2] ^= 0xff;
	mix(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- names -------------------------------------------------------------------------------- */

static const struct policy_node *find(const struct policy *p, const char *name, size_t len)
{
	const struct policy_slot *slots = part(p, &p->slots);
	const struct policy_node *nodes = part(p, &p->nodes);
	const char *names = part(p, &p->names);
	uint64_t hash = policy_hash(p->key, name, len);
	uint32_t mask = p->slots.n - 1;

	for (uint32_t i = (uint32_t)hash & mask; slots[i].node; i = (i + 1) & mask) {
		const struct policy_node *n = nodes + slots[i].node - 1;

		if (slots[i].tag == hash >> 32 && n->len == len &&
		    memcmp(names + n->name, name, len) == 0)
			return n;
	}
	return NULL;
}

/* What all rules say about a name together. */
struct answer {
	unsigned int flags;
	struct policy_match match[4]; /* by flag: the most special rule */
	struct list {
		const struct egress_port *at, *end;
	} lists[LABELS_MAX + 1];
	size_t n_lists;
};

static void hear(const struct policy *p, const struct policy_node *n, const char *name,
		 bool below, struct answer *a)
{
	const struct egress_port *ports = part(p, &p->ports);
	unsigned int flags = below ? n->flags >> NODE_BELOW_SHIFT
				   : n->flags & ((1U << NODE_BELOW_SHIFT) - 1);

	for (unsigned int i = 0; i < 4; i++)
		if (flags & 1U << i && !(a->flags & 1U << i))
			a->match[i] = (struct policy_match){name, below};
	a->flags |= flags;
	if (n->ports[below].n > 0)
		a->lists[a->n_lists++] =
			(struct list){ports + n->ports[below].first,
				      ports + n->ports[below].first + n->ports[below].n};
}

static enum policy_verdict judge(const struct policy *p, const char *name, struct answer *a,
				 struct policy_match *ret_match)
{
	size_t len = strlen(name);
	const char *end = name + len;
	unsigned int labels;
	int by;

	a->flags = 0;
	a->n_lists = 0;
	*ret_match = (struct policy_match){0};
	if (len == 0 || len > NAME_MAX_LEN)
		return POLICY_NO_RULE;
	labels = name_labels(name);
	for (const char *s = name; s; s = name_parent(s), labels--) {
		const struct policy_node *n;

		if (labels > p->deepest)
			continue;
		n = find(p, s, (size_t)(end - s));
		/* Once for each label at most, and a name has no more than 127. */
		if (n && a->n_lists <= LABELS_MAX)
			hear(p, n, s, s != name, a);
	}
	if (a->flags & NODE_DENY)
		by = 1;
	else if (a->flags & NODE_SHUT && !(a->flags & NODE_OPEN))
		by = 2;
	else if (a->flags & NODE_ALLOW)
		by = 0;
	else
		return p->audit ? POLICY_ALLOWED : POLICY_NO_RULE;
	*ret_match = a->match[by];
	return by == 1 ? POLICY_DENIED : by == 2 ? POLICY_SHUT : POLICY_ALLOWED;
}

enum policy_verdict policy_name_verdict(const struct policy *p, const char *name,
					struct policy_match *ret_match)
{
	struct policy_match ignored;
	struct answer a;

	return judge(p, name, &a, ret_match ? ret_match : &ignored);
}

static size_t any_port(struct egress_port *ret, size_t max)
{
	if (max > 0)
		ret[0] = (struct egress_port){0};
	return 1;
}

/* Merges sorted lists. What covers a port is sorted right before all that it covers. */
static size_t merge(struct answer *a, struct egress_port *ret, size_t max)
{
	struct egress_port last = {0};
	size_t n = 0;

	for (;;) {
		struct list *next = NULL;
		struct egress_port port;

		for (size_t i = 0; i < a->n_lists; i++) {
			struct list *l = &a->lists[i];

			if (l->at == l->end)
				continue;
			if (!next || egress_port_key(*l->at) < egress_port_key(*next->at))
				next = l;
		}
		if (!next)
			return n;
		port = *next->at++;
		if (n > 0 && egress_port_covers(last, port))
			continue;
		last = port;
		if (n < max)
			ret[n] = port;
		n++;
	}
}

size_t policy_ports(const struct policy *p, const char *name, struct egress_port *ret,
		    size_t max)
{
	struct policy_match match;
	struct answer a;

	if (judge(p, name, &a, &match) != POLICY_ALLOWED)
		return 0;
	return p->audit ? any_port(ret, max) : merge(&a, ret, max);
}

bool policy_is_audit(const struct policy *p)
{
	return p->audit;
}

/* ---- addresses ---------------------------------------------------------------------------- */

static int family_index(int family)
{
	return family == AF_INET ? POLICY_4 : family == AF_INET6 ? POLICY_6 : -1;
}

bool policy_is_never(const struct policy *p, int family, const uint8_t *address)
{
	const struct policy_range *never = NULL;
	size_t from = 0, to = policy_never(p, family, &never);
	size_t bytes = family == AF_INET ? 4 : 16;

	if (family_index(family) < 0)
		return true;
	while (from < to) {
		size_t mid = (from + to) / 2;

		if (memcmp(address, never[mid].first, bytes) < 0)
			to = mid;
		else if (memcmp(address, never[mid].last, bytes) > 0)
			from = mid + 1;
		else
			return true;
	}
	return false;
}

size_t policy_never(const struct policy *p, int family, const struct policy_range **ret)
{
	int i = family_index(family);

	if (i < 0)
		return 0;
	*ret = part(p, &p->never[i]);
	return p->never[i].n;
}

size_t policy_nets(const struct policy *p, int family, const struct policy_net **ret)
{
	int i = family_index(family);

	if (i < 0)
		return 0;
	*ret = part(p, &p->nets[i]);
	return p->nets[i].n;
}

size_t policy_net_ports(const struct policy *p, const struct policy_net *net,
			const struct egress_port **ret)
{
	*ret = (const struct egress_port *)part(p, &p->ports) + net->ports;
	return net->n_ports;
}

void policy_free(struct policy *p)
{
	if (p)
		munmap(p, p->size);
}
