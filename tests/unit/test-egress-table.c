/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The compiled table: its hash, its size, and each answer against a model of the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "egress-policy.h"
#include "egress/policy-table.h"
#include "egress/ruleset.h"

/* ---- the table -------------------------------------------------------------------- */

static void test_hash(void **state)
{
	/* The vectors of SipHash's authors: key 00..0f, messages 00, 00 01, ... */
	static const struct {
		size_t len;
		uint64_t wanted;
	} cases[] = {{0, UINT64_C(0x726fdb47dd0e0e31)},
		     {1, UINT64_C(0x74f839c593dc67fd)},
		     {7, UINT64_C(0xab0200f58b01d137)},
		     {8, UINT64_C(0x93f5f5799a932462)},
		     {15, UINT64_C(0xa129ca6149be45e5)}};
	const uint64_t k[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
	char message[16];

	(void)state;
	for (size_t i = 0; i < sizeof message; i++)
		message[i] = (char)i;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(policy_hash(k, message, cases[i].len) == cases[i].wanted);
}

/* Where it lies does not matter; nor how many names there are. */
static void test_many_names(void **state)
{
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p, *copy;
	char text[64];
	size_t longest = 0, run = 0;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		snprintf(text, sizeof text, "%sn%u.example.com:%u", i % 3 ? "" : "*.", i,
			 1 + i % 65535);
		must(ruleset_allow(&rs, text, "--allow", &err), &err);
	}
	must(ruleset_compile(&rs, key, &p, &err), &err);
	copy = malloc(p->size);
	assert_non_null(copy);
	memcpy(copy, p, p->size);
	for (unsigned int i = 0; i < 100000; i++) {
		char wanted[16];

		snprintf(wanted, sizeof wanted, "t%u", 1 + i % 65535);
		snprintf(text, sizeof text, "%sn%u.example.com", i % 3 ? "" : "a.b.", i);
		wants(i % 2 ? p : copy, text, wanted);
		snprintf(text, sizeof text, "%sn%u.example.com", i % 3 ? "a." : "", i);
		wants(i % 2 ? p : copy, text, "");
	}
	/* A question probes no further than the longest row of slots in use. */
	for (uint32_t i = 0; i < p->slots.n; i++) {
		const struct policy_slot *slots = (const void *)((char *)p + p->slots.at);

		run = slots[i].node ? run + 1 : 0;
		longest = MAX(longest, run);
	}
	assert_true(longest < 200);
	free(copy);
	policy_free(p);
	ruleset_done(&rs);
}

static void test_many_ports(void **state)
{
	struct ruleset rs = {0};
	struct cis_error err = {0};
	struct policy *p;
	char text[64];

	(void)state;
	for (unsigned int i = 1; i <= 65535; i++) {
		snprintf(text, sizeof text, "a.x:%u", i);
		must(ruleset_allow(&rs, text, "--allow", &err), &err);
		snprintf(text, sizeof text, "2.0.0.0/7:%u", i);
		must(ruleset_allow(&rs, text, "--allow", &err), &err);
	}
	must(ruleset_compile(&rs, key, &p, &err), &err);
	assert_int_equal(policy_ports(p, "a.x", NULL, 0), 65535);
	policy_free(p);
	/* Nets in it inherit: what would take too much memory is refused. */
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(text, sizeof text, "2.0.%u.%u:%u/udp", i / 256, i % 256, 1 + i);
		must(ruleset_allow(&rs, text, "--allow", &err), &err);
	}
	assert_int_equal(ruleset_compile(&rs, key, &p, &err), -E2BIG);
	ruleset_done(&rs);
}

/* ---- against a model that asks each rule ------------------------------------------ */

#define MODEL_RULES 24

struct model {
	struct rule allow[MODEL_RULES], deny[4];
	size_t n_allow, n_deny;
};

static bool speaks_of(const struct rule *rule, const char *name)
{
	size_t n = strlen(name), m;

	if (rule->kind == RULE_NET)
		return false;
	m = strlen(rule->name);
	if (rule->kind == RULE_NAME)
		return strcmp(name, rule->name) == 0;
	return n > m && name[n - m - 1] == '.' && strcmp(name + n - m, rule->name) == 0;
}

static bool lies_in(const struct rule *rule, int family, const uint8_t *address)
{
	if (rule->kind != RULE_NET || rule->family != family)
		return false;
	for (unsigned int bit = 0; bit < rule->bits; bit++)
		if ((rule->address[bit / 8] ^ address[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

/* Bits of (protocol, port) for few ports: what a list of ports allows. */
static uint32_t allows(const struct egress_port *ports, size_t n)
{
	uint32_t set = 0;

	for (size_t i = 0; i < n; i++)
		for (unsigned int port = 1; port <= 4; port++)
			for (unsigned int udp = 0; udp < 2; udp++)
				if (egress_port_covers(ports[i],
						       (struct egress_port){udp ? IPPROTO_UDP
										: IPPROTO_TCP,
									    (uint16_t)port}))
					set |= 1U << (2 * port + udp);
	return set;
}

static void random_name(char *ret)
{
	*ret = '\0';
	for (uint32_t n = 1 + chance(4); n > 0; n--)
		sprintf(ret + strlen(ret), "%c%s", "abc"[chance(3)], n > 1 ? "." : "");
}

static void random_address(int family, uint8_t ret[16])
{
	static const uint8_t six[6] = {0x20, 1, 0xd, 0xb8, 0, 0};

	memset(ret, 0, 16);
	if (family == AF_INET) {
		ret[0] = 203;
		ret[2] = (uint8_t)chance(2);
		ret[3] = (uint8_t)(chance(4) << 6 | chance(3));
	} else {
		memcpy(ret, six, sizeof six);
		ret[14] = (uint8_t)chance(2);
		ret[15] = (uint8_t)(chance(4) << 6 | chance(3));
	}
}

static void random_rule(char *ret, size_t size, bool with_ports)
{
	static const char *const ports[] = {":1", ":2",	    ":3/udp", ":4/tcp",
					    ":*", ":*/tcp", ":*/udp"};
	const char *port = with_ports ? ports[chance(ARRAY_SIZE(ports))] : "";
	int family = chance(2) ? AF_INET : AF_INET6;
	char name[64], address[INET6_ADDRSTRLEN];
	struct rule net = {.kind = RULE_NET, .family = family};

	if (chance(2)) {
		random_name(name);
		snprintf(ret, size, "%s%s%s", chance(2) ? "*." : "", name, port);
		return;
	}
	random_address(family, net.address);
	net.bits = (family == AF_INET ? 32 : 128) - chance(10);
	for (unsigned int bit = net.bits; bit < (family == AF_INET ? 32U : 128U); bit++)
		net.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	inet_ntop(family, net.address, address, sizeof address);
	snprintf(ret, size, family == AF_INET6 && *port ? "[%s/%u]%s" : "%s/%u%s", address,
		 net.bits, port);
}

static uint32_t model_name(const struct model *m, const char *name)
{
	uint32_t set = 0;

	for (size_t i = 0; i < m->n_deny; i++)
		if (speaks_of(&m->deny[i], name))
			return 0;
	for (size_t i = 0; i < m->n_allow; i++)
		if (speaks_of(&m->allow[i], name))
			set |= allows(m->allow[i].ports, m->allow[i].n_ports);
	return set;
}

static uint32_t model_address(const struct model *m, int family, const uint8_t *address)
{
	uint32_t set = 0;

	for (size_t i = 0; i < m->n_deny; i++)
		if (lies_in(&m->deny[i], family, address))
			return 0;
	for (size_t i = 0; i < m->n_allow; i++)
		if (lies_in(&m->allow[i], family, address))
			set |= allows(m->allow[i].ports, m->allow[i].n_ports);
	return set;
}

static void check_ranges(const struct policy *p, int family)
{
	const struct policy_range *never;
	const struct policy_net *nets;
	size_t n = policy_never(p, family, &never);

	for (size_t i = 0; i < n; i++) {
		assert_true(memcmp(never[i].first, never[i].last, 16) <= 0);
		assert_true(i == 0 || memcmp(never[i - 1].last, never[i].first, 16) < 0);
	}
	n = policy_nets(p, family, &nets);
	for (size_t i = 0; i < n; i++) {
		assert_true(memcmp(nets[i].range.first, nets[i].range.last, 16) <= 0);
		assert_true(i == 0 ||
			    memcmp(nets[i - 1].range.last, nets[i].range.first, 16) < 0);
	}
}

static void compare_with_model(const struct policy *p, const struct model *m)
{
	struct egress_port ports[16];
	const struct egress_port *at;

	for (unsigned int i = 0; i < 60; i++) {
		int family = i % 2 ? AF_INET : AF_INET6;
		uint8_t address[16];
		char name[64];
		size_t n;

		random_name(name);
		n = policy_ports(p, name, ports, ARRAY_SIZE(ports));
		assert_true(n <= ARRAY_SIZE(ports));
		if (allows(ports, n) != model_name(m, name))
			fail_msg("%s: %x, not %x", name, allows(ports, n),
				 model_name(m, name));
		for (size_t k = 1; k < n; k++)
			assert_true(egress_port_key(ports[k - 1]) <
				    egress_port_key(ports[k]));
		random_address(family, address);
		n = address_ports(p, family, address, &at);
		assert_int_equal(allows(at, n), model_address(m, family, address));
	}
	check_ranges(p, AF_INET);
	check_ranges(p, AF_INET6);
}

static void test_model(void **state)
{
	uint32_t some = 0;

	(void)state;
	chance_state = 7;
	for (unsigned int round = 0; round < 400; round++) {
		struct ruleset rs = {0};
		struct model m = {0};
		struct cis_error err = {0};
		struct policy *p;
		char text[128];

		for (uint32_t n = chance(MODEL_RULES); n > 0; n--) {
			random_rule(text, sizeof text, true);
			must(ruleset_allow(&rs, text, "--allow", &err), &err);
			must(rule_parse(text, strlen(text), true, "t", &m.allow[m.n_allow++],
					&err),
			     &err);
		}
		for (uint32_t n = chance(4); n > 0; n--) {
			random_rule(text, sizeof text, false);
			must(ruleset_deny(&rs, text, "--deny", &err), &err);
			must(rule_parse(text, strlen(text), false, "t", &m.deny[m.n_deny++],
					&err),
			     &err);
		}
		must(ruleset_compile(&rs, key, &p, &err), &err);
		compare_with_model(p, &m);
		some += model_name(&m, "a") != 0;
		for (size_t i = 0; i < m.n_allow; i++)
			rule_done(&m.allow[i]);
		for (size_t i = 0; i < m.n_deny; i++)
			rule_done(&m.deny[i]);
		policy_free(p);
		ruleset_done(&rs);
	}
	assert_true(some > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_many_ports),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
