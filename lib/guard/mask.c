/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/array.h"

#define HASH_BITS 16
#define NONE UINT32_MAX
#define MADE_AT_ONCE 16384u

struct word {
	const char *at;
	uint32_t next; /* with the same hash */
	uint16_t len;
};

struct mask {
	struct word *words;
	size_t n, room;
	size_t longest;
	struct vault *made;
	size_t n_made, left; /* bytes, of the last */
	bool firsts[256];                        /* a word begins with that byte, */
	uint64_t pairs[1 << (HASH_BITS - 6)];    /* with these two, */
	uint64_t quads[1 << (HASH_BITS - 6)];    /* with four of that hash */
	uint32_t heads[1 << HASH_BITS];
};

/* ---- words ------------------------------------------------------------------------ */

static inline uint32_t hash(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v * 2654435761u >> (32 - HASH_BITS);
}

static inline uint32_t pair(const char *p)
{
	return (uint32_t)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

static inline bool has(const uint64_t *bits, uint32_t i)
{
	return bits[i >> 6] >> (i & 63) & 1;
}

static inline void set(uint64_t *bits, uint32_t i)
{
	bits[i >> 6] |= UINT64_C(1) << (i & 63);
}

struct mask *mask_new(void)
{
	struct mask *m = calloc(1, sizeof *m);

	if (m)
		memset(m->heads, 0xff, sizeof m->heads);
	return m;
}

void mask_free(struct mask *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_made; i++)
		vault_done(&m->made[i]);
	free(m->made);
	free(m->words);
	free(m);
}

int mask_add_word(struct mask *m, const char *word, size_t len)
{
	uint32_t h = hash(word);
	struct word *words;

	for (uint32_t i = m->heads[h]; i != NONE; i = m->words[i].next)
		if (m->words[i].len == len && memcmp(m->words[i].at, word, len) == 0)
			return 0;
	words = array_room(m->words, m->n, &m->room, sizeof *words);
	if (!words)
		return -ENOMEM;
	m->words = words;
	m->words[m->n] = (struct word){word, m->heads[h], (uint16_t)len};
	m->heads[h] = (uint32_t)m->n++;
	m->firsts[(unsigned char)word[0]] = true;
	set(m->pairs, pair(word));
	set(m->quads, h);
	m->longest = MAX(m->longest, len);
	return 0;
}

static int make_vault(struct mask *m, size_t room)
{
	struct vault *bigger = reallocarray(m->made, m->n_made + 1, sizeof *bigger);
	int r = bigger ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	m->made = bigger;
	r = vault_make(&m->made[m->n_made], room);
	if (r >= 0)
		m->left = m->made[m->n_made++].room;
	return r;
}

char *mask_make_room(struct mask *m, size_t len)
{
	const struct vault *v;
	char *p;

	if (len > m->left && make_vault(m, MAX(len, MADE_AT_ONCE)) < 0)
		return NULL;
	v = &m->made[m->n_made - 1];
	p = v->at + v->room - m->left;
	m->left -= len;
	return p;
}

int mask_seal(const struct mask *m)
{
	int r = 0;

	for (size_t i = 0; i < m->n_made && r >= 0; i++)
		r = vault_seal(&m->made[i]);
	return r;
}

/* ---- looking ------------------------------------------------------------------------ */

/* The length of the longest word at @p, or 0. */
static size_t match(const struct mask *m, const char *p, size_t left)
{
	size_t best = 0;
	uint32_t h;

	if (left < MASK_WORD_MIN || !has(m->quads, h = hash(p)))
		return 0;
	for (uint32_t i = m->heads[h]; i != NONE; i = m->words[i].next) {
		const struct word *w = &m->words[i];

		if (w->len > best && w->len <= left && memcmp(w->at, p, w->len) == 0)
			best = w->len;
	}
	return best;
}

/* May a word begin at @p that is longer than the @left bytes there are? */
static bool is_open(const struct mask *m, const char *p, size_t left)
{
	uint32_t h;

	if (left >= m->longest)
		return false;
	if (left < MASK_WORD_MIN)
		return left == 1 ? m->firsts[(unsigned char)*p] : has(m->pairs, pair(p));
	if (!has(m->quads, h = hash(p)))
		return false;
	for (uint32_t i = m->heads[h]; i != NONE; i = m->words[i].next) {
		const struct word *w = &m->words[i];

		if (w->len > left && memcmp(w->at, p, left) == 0)
			return true;
	}
	return false;
}

/* One walk over bytes. */
struct walk {
	const struct mask *m;
	const char *in;
	size_t n;
	size_t told;  /* given out before */
	size_t cover; /* up to there it belongs to a word that has begun */
	bool masked;  /* the last that was given out was MASK_TEXT */
	char *out;
	size_t len, room;
};

static void put(struct walk *w, const char *p, size_t n)
{
	n = MIN(n, w->room - w->len);
	memcpy(w->out + w->len, p, n);
	w->len += n;
}

/* What is known of in[from..to): in a word up to w->cover, plain behind. */
static void tell(struct walk *w, size_t from, size_t to)
{
	size_t secret = MIN(MAX(from, w->cover), to);

	from = MAX(from, w->told);
	if (from < secret && !w->masked) {
		put(w, MASK_TEXT, strlen(MASK_TEXT));
		w->masked = true;
	}
	from = MAX(from, secret);
	if (from < to) {
		put(w, w->in + from, to - from);
		w->masked = false;
	}
}

/* Up to where it is settled: @all, or the first place where a word may have begun. */
static size_t walk(struct walk *w, bool all)
{
	const size_t end = w->m->longest + MASK_WORD_MIN;
	const size_t sure = w->n > end ? w->n - end : 0;
	size_t at = 0;

	while (at < w->n) {
		size_t plain = at;

		while (plain < sure && !has(w->m->quads, hash(w->in + plain)))
			plain++;
		tell(w, at, plain);
		at = plain;
		if (!all && is_open(w->m, w->in + at, w->n - at))
			break;
		w->cover = MAX(w->cover, at + match(w->m, w->in + at, w->n - at));
		tell(w, at, at + 1);
		at++;
	}
	return at;
}

size_t mask_tail(const struct mask *m, const char *in, size_t skip, size_t n, char *out,
		 size_t room)
{
	struct walk w = {.m = m, .in = in, .n = n, .told = skip, .out = out, .room = room - 1};

	walk(&w, true);
	out[w.len] = '\0';
	return w.len;
}

size_t mask_text(const struct mask *m, const char *in, size_t n, char *out, size_t room)
{
	return mask_tail(m, in, 0, n, out, room);
}

/* ---- streams -------------------------------------------------------------------------- */

struct mask_stream {
	const struct mask *m;
	struct vault in;
	size_t room;
	size_t held;  /* at its beginning: from where a word may have begun */
	size_t told;  /* so many of these were given out nevertheless */
	size_t cover; /* so many of these are in a word that began before them */
	bool masked;
};

struct mask_stream *mask_stream_new(const struct mask *m, size_t room)
{
	struct mask_stream *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->m = m;
	s->room = room;
	if (vault_make(&s->in, room + MASK_WORD_MAX) < 0 || vault_seal(&s->in) < 0) {
		vault_done(&s->in);
		free(s);
		return NULL;
	}
	return s;
}

void mask_stream_free(struct mask_stream *s)
{
	if (!s)
		return;
	vault_done(&s->in);
	free(s);
}

char *mask_stream_in(struct mask_stream *s)
{
	return s->in.at + s->held;
}

static struct walk begin(const struct mask_stream *s, size_t n, char *out)
{
	return (struct walk){
		.m = s->m, .in = s->in.at, .n = n, .told = s->told, .cover = s->cover,
		.masked = s->masked, .out = out, .room = MASK_OUT(s->room),
	};
}

size_t mask_stream_take(struct mask_stream *s, size_t n, char *out)
{
	size_t all = s->held + n;
	struct walk w = begin(s, all, out);
	size_t settled = walk(&w, false);

	s->held = all - settled;
	memmove(s->in.at, s->in.at + settled, s->held);
	s->told = w.told > settled ? w.told - settled : 0;
	s->cover = w.cover > settled ? w.cover - settled : 0;
	s->masked = w.masked;
	return w.len;
}

bool mask_stream_holds(const struct mask_stream *s)
{
	return s->told < s->held;
}

size_t mask_stream_let_go(struct mask_stream *s, char *out)
{
	struct walk w = begin(s, s->held, out);

	walk(&w, true);
	s->told = s->held;
	s->masked = w.masked;
	return w.len;
}
