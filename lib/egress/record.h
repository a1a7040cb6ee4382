/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One line of JSON into a buffer of fixed size and then, whole, into a file: for processes that
 * may neither allocate nor use stdio. A member that does not fit is left out.
 */
#ifndef CIS_EGRESS_RECORD_H
#define CIS_EGRESS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/text.h"

#define RECORD_SIZE 1024
/* All records of a sandbox: what is beyond is lost, and counted. */
#define RECORDS_MAX (64u << 20)

struct record {
	char buf[RECORD_SIZE];
	struct text text; /* of buf */
};

/* With time and event. */
void record_begin(struct record *r, const char *event);
/* Text of others: what is not printable ASCII becomes '?'. */
void record_text(struct record *r, const char *key, const char *value);
void record_number(struct record *r, const char *key, uint64_t value);
void record_address(struct record *r, const char *key, bool six, const uint8_t *address);
void record_protocol(struct record *r, uint8_t protocol);
/* Which rule it goes by, where that can be said: of @name, which may be NULL, or audit. */
struct policy;
void record_rule(struct record *r, const struct policy *p, const char *name);
/* To the end of @fd. False: it is full. */
bool record_end(struct record *r, int fd);
/* The sentence for a reason that is a word; others are returned as they are. */
const char *record_reason(const char *reason);

#endif
