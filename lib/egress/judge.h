/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the keeper's engine of openings wants to know: whether the beginning of a TLS stream
 * names what may be reached. From the first byte each time, so that nothing has to be
 * remembered here, and whoever comes after us answers the same. Pure.
 */
#ifndef CIS_EGRESS_JUDGE_H
#define CIS_EGRESS_JUDGE_H

#include "opening.h"
#include "relay.h"

struct judge_ops {
	/* As the relay's. */
	bool (*decide)(void *context, const struct egress_ask *ask, const char **ret_why);
	/* It was refused. */
	void (*refused)(void *context, const struct egress_ask *ask, const char *why);
};

/* @audit: what has no readable name is decided about, not refused. @ret_name: if it has one. */
void judge(const struct opening_question *q, bool audit, const struct judge_ops *ops,
	   void *context, struct opening_answer *ret, char ret_name[static NAME_MAX_LEN + 1]);

#endif
