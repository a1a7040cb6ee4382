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

static void renew(struct dns *d, struct dns_life *life, uint64_t now, uint32_t seconds)
{
	life->expires = MAX(life->expires, now + (uint64_t)seconds * 1000);
	life->used = ++d->used;
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
	size_t i = 0;

	while (i < KNOWN &&
	       (d->known_hash[i] != hash || d->known_life[i].expires <= now ||
		!same_address(&d->known[i].address, a) || strcmp(d->known[i].name, name)))
		i++;
	return i;
}

void dns_learn(struct dns *d, uint64_t now, const char *name, const struct dns_address *a,
	       uint32_t seconds)
{
	uint32_t hash = hash_text(d, name);
	size_t i = find_known(d, now, name, hash, a);

	if (i == KNOWN) {
		i = find_place(d->known_life, KNOWN, now);
		d->known_life[i].expires = 0;
		d->known_hash[i] = hash;
		d->known[i].address = *a;
		strncpy(d->known[i].name, name, sizeof d->known[i].name - 1);
	}
	renew(d, &d->known_life[i], now, seconds);
}

bool dns_knows(struct dns *d, const char *name, int family, const uint8_t *address,
	       uint64_t now)
{
	struct dns_address a = {.family = family};

	memcpy(a.bytes, address, family == AF_INET ? 4 : 16);
	size_t i = find_known(d, now, name, hash_text(d, name), &a);
	if (i == KNOWN)
		return false;
	d->known_life[i].used = ++d->used;
	return true;
}

bool dns_was_answer(const struct dns *d, uint64_t now, const struct dns_address *a)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (d->known_life[i].expires > now && same_address(&d->known[i].address, a))
			return true;
	return false;
}

/* ---- names that led to names ---------------------------------------------------------- */

void dns_learn_alias(struct dns *d, uint64_t now, const char *name, const char *origin,
		     uint32_t seconds)
{
	uint32_t hash = hash_text(d, name);
	size_t i = 0;

	if (!strcmp(name, origin))
		return;
	while (i < ALIASES &&
	       (d->alias_hash[i] != hash || d->alias_life[i].expires <= now ||
		strcmp(d->aliases[i].name, name) || strcmp(d->aliases[i].origin, origin)))
		i++;
	if (i == ALIASES) {
		i = find_place(d->alias_life, ALIASES, now);
		d->alias_life[i].expires = 0;
		d->alias_hash[i] = hash;
		strncpy(d->aliases[i].name, name, sizeof d->aliases[i].name - 1);
		strncpy(d->aliases[i].origin, origin, sizeof d->aliases[i].origin - 1);
	}
	renew(d, &d->alias_life[i], now, seconds);
}

size_t dns_origins(struct dns *d, uint64_t now, const char *name,
		   const char *ret[static ORIGINS_MAX])
{
	uint32_t hash = hash_text(d, name);
	size_t n = 0;

	for (size_t i = 0; i < ALIASES && n < ORIGINS_MAX; i++) {
		if (d->alias_hash[i] != hash || d->alias_life[i].expires <= now ||
		    strcmp(d->aliases[i].name, name))
			continue;
		d->alias_life[i].used = ++d->used;
		ret[n++] = d->aliases[i].origin;
	}
	return n;
}

/* ---- names below wildcards ------------------------------------------------------------ */

bool dns_wildcard_allows(struct dns *d, uint64_t now, const char *wildcard, const char *name)
{
	/* Chosen by hash and never pushed out, so that nobody starts a minute anew. */
	struct dns_wildcard *w = &d->wildcards[hash_text(d, wildcard) % WILDCARDS];
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
