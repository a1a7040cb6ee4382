/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is remembered: which name gave which address, which name led to which, how many
 * names below a wildcard. Fixed tables, looked through from end to end, hashes first: 16
 * KiB, some microseconds; the one not used for longest makes place. A sandbox can only push out
 * what is its own.
 */
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "dns-engine.h"
#include "name.h"

/* FNV-1a from a start that the sandbox does not know. */
static uint32_t hash_text(const struct dns *d, const char *text)
{
	uint64_t h = d->seed;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ULL;
	return (uint32_t)(h ^ h >> 32);
}

/* The one to be overwritten: never used, expired, or else not used for longest. */
static size_t find_place(const struct dns_life *lives, size_t n, uint64_t now)
{
	size_t place = 0;
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		uint64_t used = lives[i].expires > now ? lives[i].used : 0;

		if (used < least) {
			least = used;
			place = i;
		}
		if (!used)
			break;
	}
	return place;
}

/* Nothing of it counts until it is whole: we may die in between. */
static void begin_entry(struct dns_life *life)
{
	__atomic_store_n(&life->expires, 0, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void renew(struct dns *d, struct dns_life *life, uint64_t now, uint32_t seconds)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	life->used = ++d->used;
	life->expires = MAX(life->expires, now + (uint64_t)seconds * 1000);
}

/* ---- addresses of names ------------------------------------------------------------- */

static bool same_address(const struct dns_address *a, const struct dns_address *b)
{
	return a->family == b->family &&
	       !memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16);
}

/* KNOWN: not there. */
static size_t find_known(const struct dns *d, uint64_t now, const char *name, uint32_t hash,
			 const struct dns_address *a)
{
	const struct dns_memory *m = d->memory;
	size_t i = 0;

	while (i < KNOWN &&
	       (m->known_hash[i] != hash || m->known_life[i].expires <= now ||
		!same_address(&m->known[i].address, a) || strcmp(m->known[i].name, name)))
		i++;
	return i;
}

void dns_learn(struct dns *d, uint64_t now, const char *name, const struct dns_address *a,
	       uint32_t seconds)
{
	struct dns_memory *m = d->memory;
	uint32_t hash = hash_text(d, name);
	size_t i = find_known(d, now, name, hash, a);

	if (i == KNOWN) {
		i = find_place(m->known_life, KNOWN, now);
		begin_entry(&m->known_life[i]);
		m->known_hash[i] = hash;
		m->known[i].address = *a;
		strncpy(m->known[i].name, name, sizeof m->known[i].name - 1);
	}
	renew(d, &m->known_life[i], now, seconds);
}

bool dns_knows(struct dns *d, const char *name, int family, const uint8_t *address,
	       uint64_t now)
{
	struct dns_address a = {.family = family};

	memcpy(a.bytes, address, family == AF_INET ? 4 : 16);
	size_t i = find_known(d, now, name, hash_text(d, name), &a);
	if (i == KNOWN)
		return false;
	d->memory->known_life[i].used = ++d->used;
	return true;
}

bool dns_was_answer(const struct dns *d, uint64_t now, const struct dns_address *a)
{
	const struct dns_memory *m = d->memory;

	for (size_t i = 0; i < KNOWN; i++)
		if (m->known_life[i].expires > now && same_address(&m->known[i].address, a))
			return true;
	return false;
}

/* ---- names that led to names ---------------------------------------------------------- */

void dns_learn_alias(struct dns *d, uint64_t now, const char *name, const char *origin,
		     uint32_t seconds)
{
	struct dns_memory *m = d->memory;
	uint32_t hash = hash_text(d, name);
	size_t i = 0;

	if (!strcmp(name, origin))
		return;
	while (i < ALIASES &&
	       (m->alias_hash[i] != hash || m->alias_life[i].expires <= now ||
		strcmp(m->aliases[i].name, name) || strcmp(m->aliases[i].origin, origin)))
		i++;
	if (i == ALIASES) {
		i = find_place(m->alias_life, ALIASES, now);
		begin_entry(&m->alias_life[i]);
		m->alias_hash[i] = hash;
		strncpy(m->aliases[i].name, name, sizeof m->aliases[i].name - 1);
		strncpy(m->aliases[i].origin, origin, sizeof m->aliases[i].origin - 1);
	}
	renew(d, &m->alias_life[i], now, seconds);
}

size_t dns_origins(struct dns *d, uint64_t now, const char *name,
		   const char *ret[static ORIGINS_MAX])
{
	struct dns_memory *m = d->memory;
	uint32_t hash = hash_text(d, name);
	size_t n = 0;

	for (size_t i = 0; i < ALIASES && n < ORIGINS_MAX; i++) {
		if (m->alias_hash[i] != hash || m->alias_life[i].expires <= now ||
		    strcmp(m->aliases[i].name, name))
			continue;
		m->alias_life[i].used = ++d->used;
		ret[n++] = m->aliases[i].origin;
	}
	return n;
}

/* ---- names below wildcards ------------------------------------------------------------ */

bool dns_wildcard_allows(struct dns *d, uint64_t now, const char *wildcard, const char *name)
{
	/* Chosen by hash and never pushed out, so that nobody starts a minute anew. */
	struct dns_wildcard *w = &d->memory->wildcards[hash_text(d, wildcard) % WILDCARDS];
	uint32_t bit = hash_text(d, name) % WILDCARD_BITS;
	uint8_t mask = (uint8_t)(1U << bit % 8);

	if (w->minute != now / 60000) {
		memset(w, 0, sizeof *w);
		w->minute = now / 60000;
	}
	if (w->seen[bit / 8] & mask)
		return true;
	if (w->n >= d->config.names_per_minute)
		return false;
	w->seen[bit / 8] |= mask;
	w->n++;
	return true;
}

/* ---- of a predecessor ------------------------------------------------------------------ */

/* A string with an end, and one that we could have written. */
static bool is_name(const char *text)
{
	char name[NAME_MAX_LEN + 1];
	size_t n = strnlen(text, DNS_NAME_TEXT_MAX + 1);

	return n <= NAME_MAX_LEN && name_canonical(text, n, name) == 0 && !strcmp(name, text);
}

/* In the future, but not further than an answer of now would put it. */
static bool is_life(const struct dns *d, uint64_t now, const struct dns_life *life)
{
	uint64_t longest = (uint64_t)d->config.ttl_ceiling + d->config.grace;

	return life->expires > now && life->expires <= now + longest * 1000 &&
	       life->used < UINT64_MAX / 2;
}

static void adopt_known(struct dns *d, uint64_t now)
{
	struct dns_memory *m = d->memory;

	for (size_t i = 0; i < KNOWN; i++) {
		const struct dns_known *k = &m->known[i];

		if (!is_life(d, now, &m->known_life[i]) || !is_name(k->name) ||
		    (k->address.family != AF_INET && k->address.family != AF_INET6)) {
			m->known_life[i].expires = 0;
			continue;
		}
		m->known_hash[i] = hash_text(d, k->name);
		d->used = MAX(d->used, m->known_life[i].used);
	}
}

static void adopt_aliases(struct dns *d, uint64_t now)
{
	struct dns_memory *m = d->memory;

	for (size_t i = 0; i < ALIASES; i++) {
		if (!is_life(d, now, &m->alias_life[i]) || !is_name(m->aliases[i].name) ||
		    !is_name(m->aliases[i].origin)) {
			m->alias_life[i].expires = 0;
			continue;
		}
		m->alias_hash[i] = hash_text(d, m->aliases[i].name);
		d->used = MAX(d->used, m->alias_life[i].used);
	}
}

/*
 * Which names were seen is lost with the seed that it went by; how many is not, or each crash would
 * begin a minute anew. Wildcards move with the seed too, so all have what the fullest had.
 */
static void adopt_wildcards(struct dns *d, uint64_t now)
{
	struct dns_memory *m = d->memory;
	uint32_t n = 0;

	for (size_t i = 0; i < WILDCARDS; i++)
		if (m->wildcards[i].minute == now / 60000)
			n = MAX(n, m->wildcards[i].n);
	memset(m->wildcards, 0, sizeof m->wildcards);
	for (size_t i = 0; i < WILDCARDS && n; i++) {
		m->wildcards[i].minute = now / 60000;
		m->wildcards[i].n = n;
	}
}

void dns_adopt(struct dns *d, uint64_t now)
{
	adopt_known(d, now);
	adopt_aliases(d, now);
	adopt_wildcards(d, now);
}
