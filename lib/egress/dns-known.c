/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is remembered: which name gave which address, which name led to which, how many
 * names below a wildcard. Fixed tables, looked through from end to end (hashes first: 16 KiB);
 * the one not used for longest makes place. A sandbox can only push out what is its own.
 */
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "dns-engine.h"

/* FNV-1a from a start that the sandbox does not know. */
uint32_t dns_hash(const struct dns *d, const char *text)
{
	uint64_t h = d->seed;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ULL;
	return (uint32_t)(h ^ h >> 32);
}

static size_t address_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

static bool same_address(const struct dns_address *a, const struct dns_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, address_size(a->family));
}

static uint64_t end_of(uint64_t now, uint32_t seconds)
{
	return now + (uint64_t)seconds * 1000;
}

/* The entry of that name and address, or the one to be overwritten by it. */
static struct dns_known *find_place(struct dns *d, const char *name, uint32_t hash,
				    const struct dns_address *a, uint64_t now)
{
	struct dns_known *place = &d->known[0];

	for (size_t i = 0; i < KNOWN; i++) {
		struct dns_known *k = &d->known[i];

		if (d->known_hash[i] == hash && k->used && same_address(&k->address, a) &&
		    !strcmp(k->name, name))
			return k;
		/* Expired is as good as never used. */
		uint64_t age = k->expires > now ? k->used : 0;
		uint64_t least = place->expires > now ? place->used : 0;
		if (age < least)
			place = k;
	}
	return place;
}

void dns_learn(struct dns *d, uint64_t now, const char *name, const struct dns_address *a,
	       uint32_t seconds)
{
	uint32_t hash = dns_hash(d, name);
	struct dns_known *k = find_place(d, name, hash, a, now);
	bool is_same = k->used && same_address(&k->address, a) && !strcmp(k->name, name);
	uint64_t expires = end_of(now, seconds);

	if (!is_same) {
		k->address = *a;
		strncpy(k->name, name, sizeof k->name - 1);
		k->expires = 0;
		d->known_hash[k - d->known] = hash;
	}
	k->expires = MAX(k->expires, expires);
	k->used = ++d->used;
}

bool dns_knows(struct dns *d, const char *name, int family, const uint8_t *address,
	       uint64_t now)
{
	uint32_t hash = dns_hash(d, name);
	struct dns_address a = {.family = family};

	memcpy(a.bytes, address, address_size(family));
	for (size_t i = 0; i < KNOWN; i++) {
		struct dns_known *k = &d->known[i];

		if (d->known_hash[i] == hash && k->expires > now && same_address(&k->address, &a) &&
		    !strcmp(k->name, name)) {
			k->used = ++d->used;
			return true;
		}
	}
	return false;
}

bool dns_was_answer(const struct dns *d, uint64_t now, const struct dns_address *a)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (d->known[i].expires > now && same_address(&d->known[i].address, a))
			return true;
	return false;
}

void dns_learn_alias(struct dns *d, uint64_t now, const char *name, const char *origin,
		     uint32_t seconds)
{
	uint32_t hash = dns_hash(d, name);
	struct dns_alias *place = &d->aliases[0];
	uint64_t expires = end_of(now, seconds);

	if (!strcmp(name, origin))
		return;
	for (size_t i = 0; i < ALIASES; i++) {
		struct dns_alias *a = &d->aliases[i];

		if (d->alias_hash[i] == hash && a->used && !strcmp(a->name, name) &&
		    !strcmp(a->origin, origin)) {
			a->expires = MAX(a->expires, expires);
			a->used = ++d->used;
			return;
		}
		if ((a->expires > now ? a->used : 0) < (place->expires > now ? place->used : 0))
			place = a;
	}
	strncpy(place->name, name, sizeof place->name - 1);
	strncpy(place->origin, origin, sizeof place->origin - 1);
	place->expires = expires;
	place->used = ++d->used;
	d->alias_hash[place - d->aliases] = hash;
}

size_t dns_origins(struct dns *d, uint64_t now, const char *name,
		   const char *ret[static ORIGINS_MAX])
{
	uint32_t hash = dns_hash(d, name);
	size_t n = 0;

	for (size_t i = 0; i < ALIASES && n < ORIGINS_MAX; i++) {
		struct dns_alias *a = &d->aliases[i];

		if (d->alias_hash[i] == hash && a->expires > now && !strcmp(a->name, name)) {
			a->used = ++d->used;
			ret[n++] = a->origin;
		}
	}
	return n;
}

bool dns_wildcard_allows(struct dns *d, uint64_t now, const char *wildcard, const char *name)
{
	/* Chosen by hash and never pushed out, so that nobody starts a minute anew. */
	struct dns_wildcard *w = &d->wildcards[dns_hash(d, wildcard) % WILDCARDS];
	uint32_t bit = dns_hash(d, name) % WILDCARD_BITS;
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
