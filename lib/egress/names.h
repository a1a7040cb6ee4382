/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process that reads what is hostile: it answers DNS (dns.h) and carries streams whose
 * names it reads (relay.h). It lives in the gate's network namespace, where it may connect,
 * as an id that nobody has, without capabilities; no socket of the host is in it. Raw
 * calls only.
 */
#ifndef CIS_EGRESS_NAMES_H
#define CIS_EGRESS_NAMES_H

#include "gate.h"

/* Of what its successor goes on with. */
size_t names_memory_size(void);
void names_main(const struct gate *g) __attribute__((noreturn));

#endif
