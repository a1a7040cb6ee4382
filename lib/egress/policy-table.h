/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a policy lies in memory: compile.c writes it, policy.c reads it. */
#ifndef CIS_EGRESS_POLICY_TABLE_H
#define CIS_EGRESS_POLICY_TABLE_H

#include "policy.h"

/* An array: bytes from the beginning of the mapping, entries. */
struct policy_part {
	uint32_t at, n;
};

enum { POLICY_4, POLICY_6, POLICY_FAMILIES };

struct policy {
	uint64_t size;
	uint64_t key[2];
	uint32_t audit;
	uint32_t deepest; /* labels of the longest name: longer ones need no look */
	/* A power of two, at least twice as many as nodes; found by probing in a row. */
	struct policy_part slots;
	struct policy_part nodes, names, ports;
	struct policy_part never[POLICY_FAMILIES], nets[POLICY_FAMILIES];
};

struct policy_slot {
	uint32_t tag;  /* the upper half of the hash */
	uint32_t node; /* and 1; 0: free */
};

/* What there is about the name itself, and shifted about all below it. */
enum {
	NODE_ALLOW = 1 << 0,
	NODE_DENY = 1 << 1,
	NODE_SHUT = 1 << 2,
	NODE_OPEN = 1 << 3, /* a hole in what is shut */
	NODE_BELOW_SHIFT = 4,
};

/* Some of ports. */
struct policy_list {
	uint32_t first, n;
};

struct policy_node {
	uint32_t name; /* bytes from the beginning of names; NUL at the end */
	uint16_t len, flags;
	struct policy_list ports[2]; /* for the name itself, and for all below */
};

/* SipHash-2-4: a keyed hash of 64 bits. */
uint64_t policy_hash(const uint64_t key[static 2], const char *s, size_t len);

#endif
