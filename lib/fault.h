/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failures on order, in developers' builds only (-Dfaults=true): tests/fault/every-op
 * lets each op of the plan fail once and looks what is left. fault.c or fault-none.c.
 */
#ifndef CIS_FAULT_H
#define CIS_FAULT_H

/* Index of the op that is to fail, as CISANDBOX_FAULT says; UINT_MAX for none. */
unsigned int fault_ordered(void);

#endif
