/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One rule as people write it: cisandbox-egress(7) has the grammar. What is not understood
 * to the last character is refused, and so is what two programs might understand
 * differently.
 */
#ifndef CIS_EGRESS_RULES_H
#define CIS_EGRESS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "policy.h"

/* Of the text of a rule: a name in UTF-8 is longer than its A-labels. */
#define RULE_TEXT_MAX 1200
/* Of a rule printed, with its NUL. */
#define RULE_PRINT_MAX 320

enum rule_kind {
	RULE_NAME,  /* that name */
	RULE_BELOW, /* "*.": any name below it, at any depth, not it itself */
	RULE_NET,
};

struct rule {
	enum rule_kind kind;
	char *name; /* canonical, owned; NULL for a net */
	int family; /* of a net; its address has no bits beyond them */
	unsigned int bits;
	uint8_t address[16];
	struct egress_port ports[2];
	unsigned int n_ports;
	/* Where it came from, kept by ruleset.c. */
	unsigned int source, line;
};

/* The two without a word about ports: tcp 80 and 443. */
#define RULE_DEFAULT_PORT_1 80
#define RULE_DEFAULT_PORT_2 443

/*
 * Reads @text. @with_ports: it is a rule that allows, and so has ports; others speak of
 * all ports, and to name some is an error. @place: where it stands, for the error.
 * -EINVAL: it is no rule; -ENOMEM.
 */
int rule_parse(const char *text, size_t len, bool with_ports, const char *place,
	       struct rule *ret, struct cis_error *err) CIS_MUST_CHECK;

void rule_done(struct rule *rule);

/* As it would be written; @with_ports as above. */
void rule_print(const struct rule *rule, bool with_ports, char ret[static RULE_PRINT_MAX]);

/* Text of others between quotes: what is neither printable ASCII nor a letter as \xNN,
 * cut off if long. */
#define RULE_QUOTED_MAX 160
const char *rule_quote(const char *text, size_t len, char ret[static RULE_QUOTED_MAX]);

#endif
