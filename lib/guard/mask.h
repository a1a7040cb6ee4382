/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Masking: bytes go through, and what belongs to an occurrence of a word, overlapping ones
 * included, comes out as [MASKED]; runs of it as one. Words are made of the values of secrets
 * (mask-words.c). In a stream an occurrence may come in pieces: what could be the beginning
 * of one is held back, MASK_WORD_MAX - 1 bytes at most, until more has come or somebody
 * says that it has taken long enough.
 *
 * It keeps secrets out of logs by accident. A job that wants them there writes them backwards.
 *
 * No automaton: words may be thousands, of 256 bytes each, and its states would be
 * megabytes that are as secret as they are. A bitmap by the first four bytes lets 1 GB/s
 * of what is no word pass.
 */
#ifndef CIS_GUARD_MASK_H
#define CIS_GUARD_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

#define MASK_TEXT "[MASKED]"
#define MASK_WORD_MIN 4u
#define MASK_WORD_MAX 256u      /* a longer one is several, side by side */
#define MASK_VALUE_MAX (1u << 16)

struct mask;

struct mask *mask_new(void);
void mask_free(struct mask *m);
static inline void mask_freep(struct mask **m)
{
	mask_free(*m);
}

/* @word (MASK_WORD_MIN to MASK_WORD_MAX bytes) is borrowed for the life of @m. 0 or -ENOMEM. */
int mask_add_word(struct mask *m, const char *word, size_t len);
/* Memory for words that have to be made, m's own; NULL without memory. */
char *mask_make_room(struct mask *m, size_t len);
/* As vault_seal(), of all such memory. */
int mask_seal(const struct mask *m);

/*
 * mask-words.c: each line of @value without the blanks around it, and these and the whole in
 * base64, standard and for URLs, wherever it begins in what is encoded. @value is borrowed. 1; 0:
 * no line has MASK_WORD_MIN bytes, or it is longer than MASK_VALUE_MAX; -ENOMEM.
 */
int mask_add_value(struct mask *m, const char *value, size_t len);

/* A whole text. At most @room bytes of the outcome and a NUL go to @out; their number. */
size_t mask_text(const struct mask *m, const char *in, size_t n, char *out, size_t room);
/* The same of its end: the first @skip bytes are looked at, and not given out. */
size_t mask_tail(const struct mask *m, const char *in, size_t skip, size_t n, char *out,
		 size_t room);

/* What a stream of @n bytes can come to at once. */
#define MASK_OUT(n) (2 * ((n) + MASK_WORD_MAX) + sizeof MASK_TEXT)

struct mask_stream;

/* @room: how much is read at once. NULL without memory. @m is borrowed. */
struct mask_stream *mask_stream_new(const struct mask *m, size_t room);
void mask_stream_free(struct mask_stream *s);
/* Where to read to, as much as it was made for. */
char *mask_stream_in(struct mask_stream *s);
/* So much was read. To @out goes what is settled, MASK_OUT() at most; its length. */
size_t mask_stream_take(struct mask_stream *s, size_t n, char *out);
/* Something is held back that nobody has seen yet. */
bool mask_stream_holds(const struct mask_stream *s);
/*
 * Gives out what is held back. If it does turn out to be the beginning of a word, the rest is
 * masked all the same.
 */
size_t mask_stream_let_go(struct mask_stream *s, char *out);

#endif
