/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A policy out of a few words, and what it says. After <cmocka.h>. */
#ifndef TEST_EGRESS_POLICY_H
#define TEST_EGRESS_POLICY_H

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "egress/policy-table.h"
#include "egress/ruleset.h"

static const uint8_t key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void must(int r, const struct cis_error *err)
{
	if (r < 0)
		fail_msg("%d: %s", r, err->message);
}

static inline void print_ports(const struct egress_port *ports, size_t n, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s%u", i ? " " : "",
					 ports[i].proto == IPPROTO_TCP	 ? "t"
					 : ports[i].proto == IPPROTO_UDP ? "u"
									 : "a",
					 ports[i].port);
}

static inline void wants(const struct policy *p, const char *name, const char *wanted)
{
	struct egress_port ports[16];
	char text[256];
	size_t n = policy_ports(p, name, ports, ARRAY_SIZE(ports));

	print_ports(ports, MIN(n, ARRAY_SIZE(ports)), text, sizeof text);
	if (strcmp(text, wanted) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", name, text, wanted);
}

static inline int parse_address(const char *text, uint8_t ret[16])
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, ret), 1);
	return family;
}

/* As a gate has it in the kernel's sets: what is never first, then the nets. */
static inline size_t address_ports(const struct policy *p, int family, const uint8_t *address,
				   const struct egress_port **ret)
{
	static const struct egress_port any;
	size_t bytes = family == AF_INET ? 4 : 16, n, found = 0;
	const bool is_never = policy_is_never(p, family, address);
	const struct policy_net *nets;

	n = policy_nets(p, family, &nets);
	for (size_t i = 0; i < n; i++) {
		if (memcmp(address, nets[i].range.first, bytes) < 0 ||
		    memcmp(address, nets[i].range.last, bytes) > 0)
			continue;
		assert_false(is_never);
		assert_int_equal(found, 0);
		found = policy_net_ports(p, &nets[i], ret);
		assert_int_not_equal(found, 0);
	}
	if (!policy_is_audit(p) || is_never)
		return found;
	*ret = &any;
	return 1;
}

static inline void wants_at(const struct policy *p, const char *address, const char *wanted)
{
	const struct egress_port *ports;
	char text[256];
	uint8_t a[16];
	int family = parse_address(address, a);
	size_t n = address_ports(p, family, a, &ports);

	print_ports(ports, n, text, sizeof text);
	if (strcmp(text, wanted) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", address, text, wanted);
}

static inline void never(const struct policy *p, const char *address, bool wanted)
{
	uint8_t a[16];
	int family = parse_address(address, a);

	if (policy_is_never(p, family, a) != wanted)
		fail_msg("%s: %d", address, !wanted);
}

static inline char *printed(const struct ruleset *rs)
{
	struct cis_error err = {0};
	char *text = NULL;

	must(ruleset_print(rs, "what a run used\n\n2026", &text, &err), &err);
	return text;
}

static uint64_t chance_state;

static inline uint32_t chance(uint32_t below)
{
	chance_state = chance_state * UINT64_C(6364136223846793005) +
		       UINT64_C(1442695040888963407);
	return (uint32_t)(chance_state >> 33) % below;
}

#endif
