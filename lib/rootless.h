/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Root of a user namespace, as an ordinary user becomes by cis_user_become_root(), or gets
 * from somebody else: what of a spec cannot be had there.
 */
#ifndef CIS_ROOTLESS_H
#define CIS_ROOTLESS_H

#include "base/error.h"
#include "spec.h"

/*
 * What the caller asked for by name is refused, with the reason; what comes from a built-in
 * profile alone is taken out, and noted in spec.unheld. Does nothing for the host's root.
 */
int rootless_fit(struct spec *s, struct cis_error *err);

/* In spec.unheld beside the limits: no group in which engines could make any. */
#define UNHELD_GROUPS N_LIMITS

/* Whether cis_user_become_root() could, as far as can be told without doing it. */
int rootless_look(struct cis_error *err);

/* "no pids limit, ..." of spec.unheld. False: there is nothing to say. */
bool rootless_say_unheld(const struct spec *s, char *buf, size_t n);

#endif
