/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process behind published ports (cis:publish), if there are any: it has sockets of the
 * host, and carries what comes to them from the gate to the sandbox. A socket of the host can be
 * turned to anybody there, so it is not in hands that read hostile bytes: here bytes are moved,
 * and not one is looked at. Raw calls only.
 */
#ifndef CIS_EGRESS_INBOUND_H
#define CIS_EGRESS_INBOUND_H

#include "gate.h"

void inbound_main(const struct gate *g) __attribute__((noreturn));

#endif
