/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between compile.c, which makes the table, compile-names.c and compile-nets.c, which fill it. */
#ifndef CIS_EGRESS_COMPILE_H
#define CIS_EGRESS_COMPILE_H

#include "policy-table.h"
#include "range.h"
#include "ruleset.h"

/* Entries of one size in a row, growing; the zeroed struct is empty. */
struct entries {
	char *v;
	size_t n, room;
};

int entries_add(struct entries *e, const void *entry, size_t size);
int entries_append(struct entries *e, const void *from, size_t n, size_t size);
/* Of one that is empty: there will be @n at most. */
int entries_reserve(struct entries *e, size_t n, size_t size);
void entries_done(struct entries *e);

struct compiler {
	const struct ruleset *rs;
	/* The presets that deny by default: those in force, and those that are undone. */
	struct rule_list shut, undone;
	struct strv sources; /* of these */
	/* By family: what these shut, and that with what --deny adds. */
	struct ranges shut_ranges[POLICY_FAMILIES], never[POLICY_FAMILIES];
	struct entries ports;		      /* struct egress_port */
	size_t last_list; /* in ports: where the last list begins */
	struct entries nets[POLICY_FAMILIES]; /* struct policy_net */
};

struct name_table {
	uint64_t key[2];
	struct policy_slot *slots;
	uint32_t n_slots, deepest;
	struct entries nodes, text, pending; /* pending: compile-names.c's alone */
};

/* Fills in what is zeroed but for its key; and ports. -ENOMEM, -E2BIG. */
int compile_names(struct compiler *c, struct name_table *n);
void compile_names_done(struct name_table *n);

/* Fills in ranges and nets. -EINVAL: a hole is in nothing, a rule allows what is shut. */
int compile_nets(struct compiler *c, struct cis_error *err);

/*
 * Adds the @n sorted ports as a list without what another covers, and *ret_n of them
 * begin at *ret_first, unless it is the list before, which is shared. -ENOMEM, -E2BIG.
 */
int compile_ports(struct compiler *c, const struct egress_port *sorted, size_t n,
		  uint32_t *ret_first, uint32_t *ret_n);

#endif
