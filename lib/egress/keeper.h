/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper of a gate's sets: the one process that may change them. It hears requests of
 * fixed size from the names helper, and what the kernel tells about flows; it carries
 * questions to the host's resolvers (forward.h). Bytes of the sandbox it never looks at, but
 * for 64 of each refused packet. Raw calls only.
 */
#ifndef CIS_EGRESS_KEEPER_H
#define CIS_EGRESS_KEEPER_H

#include "gate.h"

/* Of what its successor goes on with. */
size_t keeper_memory_size(void);
void keeper_main(const struct gate *g) __attribute__((noreturn));

#endif
