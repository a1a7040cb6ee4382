/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sandbox's records added up: by name or address, port, protocol and what became of it. */
#ifndef CIS_EGRESS_SUMMARY_H
#define CIS_EGRESS_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"

struct summary_line {
	char *target; /* name, or else address */
	bool is_name, allowed, is_inbound;
	bool is_asked; /* questions for names below a wildcard: target is that rule */
	bool is_slowed;
	char protocol[8], reason[96]; /* a sentence of the relay's, too */
	uint16_t port; /* 0: none; of a name that was asked for and not allowed */
	uint64_t count, bytes_up, bytes_down;
};

/* The zeroed struct is empty. */
struct summary {
	struct summary_line *v;
	size_t n, room;
	uint64_t bytes_up, bytes_down;
	uint64_t questions; /* to the resolver */
	uint64_t lost; /* records that found no room */
	bool was_cut;  /* the last ones were not waited for */
};

int summary_read(struct summary *s, int records, struct cis_error *err);
void summary_done(struct summary *s);

/* For people. *ret is one allocation. */
int summary_print(const struct summary *s, char **ret, struct cis_error *err);
/* An allow file of what was used. */
int summary_learn(const struct summary *s, char **ret, struct cis_error *err);

#endif
