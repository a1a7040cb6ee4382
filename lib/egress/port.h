/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CIS_EGRESS_PORT_H
#define CIS_EGRESS_PORT_H

#include <stdint.h>

struct egress_port {
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP; 0: any */
	uint16_t port; /* 0: any */
};

#endif
