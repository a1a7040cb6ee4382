/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A compiled policy as the engine asks it. Tests of the engine have a smaller one. */
#include "dns.h"
#include "policy.h"

static size_t ports(const void *data, const char *name, struct egress_port *ret, size_t max)
{
	return policy_ports(data, name, ret, max);
}

static bool is_denied(const void *data, const char *name)
{
	enum policy_verdict verdict = policy_name_verdict(data, name, NULL);

	return verdict == POLICY_DENIED || verdict == POLICY_SHUT;
}

static const char *wildcard(const void *data, const char *name)
{
	struct policy_match match;

	if (policy_name_verdict(data, name, &match) != POLICY_ALLOWED || !match.below)
		return NULL;
	return match.name;
}

static bool is_never(const void *data, int family, const uint8_t *address)
{
	return policy_is_never(data, family, address);
}

void dns_policy_of(const struct policy *policy, struct dns_policy *ret)
{
	*ret = (struct dns_policy){
		.data = policy,
		.is_audit = policy_is_audit(policy),
		.ports = ports,
		.is_denied = is_denied,
		.wildcard = wildcard,
		.is_never = is_never,
	};
}
