/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS connections on their way to be opened: every packet of one, of both directions, is
 * shown to this engine by the kernel's queue until the server has read a name that was
 * judged. From then on the kernel carries it alone. No I/O, no allocation, no clock.
 *
 * What makes it true is that the server can have read nothing else:
 *
 *   - a byte of the client's stream passes only when those before it have, and a second
 *     time only if it is the same: whatever packets are lost behind us (times to live that
 *     end on the way, sums that are wrong), what the server puts together is what is here;
 *   - bytes pass once the judge has seen them and has found no wrong name so far; behind the
 *     hello nothing passes until the server has answered;
 *   - a connection is opened when the server has acknowledged the last byte of the hello,
 *     which is heard from outside, where the sandbox cannot speak, and does not ask for
 *     another hello. If it does, the second is judged like the first;
 *   - a connection whose bytes passed in part is remembered for longer than any answer to
 *     its beginning can be under way: nobody can begin it again over the same numbers.
 *
 * Not trusted from the client: resets (the server may never see them) and beginnings of
 * what is there already. Urgent data, which receivers take out of the stream, ends a
 * connection. Rejected: holding all of the hello back. One in small pieces waits for each
 * to be acknowledged.
 */
#ifndef CIS_EGRESS_OPENING_H
#define CIS_EGRESS_OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hello.h"

#define OPENING_FLOWS 2048  /* that are not open yet, or were just opened */
#define OPENING_BUFFERS 256 /* of them, that have said something; more: the oldest ends */
#define OPENING_TEXT_MAX (2 * HELLO_MAX)
#define OPENING_HELD 9      /* packets of one that wait; further ones are sent again */
#define OPENING_HELD_ALL 512

enum opening_verdict {
	OPENING_PASS,
	OPENING_OPEN, /* passes, and its connection is the kernel's from now on */
	OPENING_DROP,
	OPENING_REFUSE, /* and who sent it is told */
};

/* Is this the beginning of what may pass? */
struct opening_question {
	uint64_t ticket;
	bool six;
	bool is_second; /* behind the first hello the server wanted another */
	bool is_late;   /* nothing more will come: what is it as it is? */
	uint8_t address[16];
	uint16_t port;
	const uint8_t *text;
	uint32_t len;
};

enum opening_judgement {
	OPENING_MORE,  /* no wrong name so far */
	OPENING_HELLO, /* the hello that ends at @end may go */
	OPENING_ALL,   /* whatever it is */
	OPENING_NO,
};

struct opening_answer {
	uint64_t ticket;
	uint32_t len; /* of the question */
	uint32_t end;
	enum opening_judgement judgement;
};

struct opening_ops {
	void (*verdict)(void *context, uint32_t id, enum opening_verdict v);
	/* Passes, but as it is here. */
	void (*pass_as)(void *context, uint32_t id, const uint8_t *packet, size_t len);
	/* False: not now. The answer is opening_answer()'s. */
	bool (*ask)(void *context, const struct opening_question *q);
};

/* Who talks: of IPv4 the first four bytes, others 0. */
struct opening_key {
	uint8_t client[16], server[16];
	uint16_t client_port, server_port;
	uint32_t six;
};

struct opening;

size_t opening_size(void);
/* In @memory, zeroed. @box4, @box6: who is a client. @seed: nobody else knows it. */
struct opening *opening_init(void *memory, const uint8_t box4[static 4],
			     const uint8_t box6[static 16], uint32_t seed,
			     const struct opening_ops *ops, void *context);

/* One packet, @id, which gets its verdict now or later. @packet may be changed. */
void opening_packet(struct opening *o, uint64_t now_msec, uint32_t id, uint8_t *packet,
		    size_t len);
void opening_answer(struct opening *o, uint64_t now_msec, const struct opening_answer *a);
/* Once a second while opening_is_busy(). */
void opening_tick(struct opening *o, uint64_t now_msec);
bool opening_is_busy(const struct opening *o);

/* NULL: it is over. */
const struct opening_key *opening_key(const struct opening *o, uint64_t ticket);

#endif
