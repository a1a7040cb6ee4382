/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sandbox may reach: rules one by one, and the key "egress" of a profile. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/json.h"
#include "net/egress.h"
#include "spec.h"

#define HOST_ADDRESSES 512
#define PRESETS_DIR "/etc/cisandbox/egress"

int spec_add_egress_rule(struct spec *s, enum cis_egress_rule kind, const char *text,
			 struct cis_error *err)
{
	struct ruleset *rules = &s->egress.rules;
	int r = ruleset_presets_in(rules, PRESETS_DIR, err);

	s->egress.is_set = true;
	if (r < 0)
		return r;
	switch (kind) {
	case CIS_EGRESS_ALLOW:
		return ruleset_allow(rules, text, "allow", err);
	case CIS_EGRESS_ALLOW_PRESET:
		return ruleset_allow_preset(rules, text, "preset", err);
	case CIS_EGRESS_ALLOW_FILE:
		return ruleset_allow_file(rules, text, err);
	case CIS_EGRESS_DENY:
		return ruleset_deny(rules, text, "deny", err);
	case CIS_EGRESS_UNDENY:
		return ruleset_undeny(rules, text, "undeny", err);
	}
	return cis_fail_plain(err, EINVAL, "egress: a rule of an unknown kind");
}

int spec_shut_host(struct spec *s, struct cis_error *err)
{
	struct egress_element v[HOST_ADDRESSES];
	int n, r;

	if (s->net != CIS_NET_EGRESS)
		return 0;
	n = egress_host_addresses(v, ARRAY_SIZE(v), err);
	r = MIN(n, 0);
	for (int i = 0; i < n && r >= 0; i++)
		r = ruleset_host_address(&s->egress.rules, v[i].six ? AF_INET6 : AF_INET,
					 v[i].low, err);
	return r;
}

static int read_mode(struct spec *s, const struct json *v, struct cis_error *err)
{
	const char *mode;
	int r = json_want_string(v, &mode, err);

	if (r < 0)
		return r;
	if (strcmp(mode, "block") != 0 && strcmp(mode, "audit") != 0)
		return json_fail(v, err, EINVAL, "\"%s\" is not a mode (block, audit)", mode);
	s->egress.rules.audit = strcmp(mode, "audit") == 0;
	return 0;
}

static int read_uplink(struct spec *s, const struct json *v, struct cis_error *err)
{
	static const char *const names[] = {[CIS_UPLINK_AUTO] = "auto", [CIS_UPLINK_VETH] = "veth",
					    [CIS_UPLINK_PASTA] = "pasta"};
	const char *text;
	int r = json_want_string(v, &text, err);

	for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++)
		if (strcmp(names[i], text) == 0) {
			s->egress.uplink = (enum cis_uplink)i;
			return 0;
		}
	return r < 0 ? r : json_fail(v, err, EINVAL,
				     "\"%s\" is not an uplink (auto, veth, pasta)", text);
}

static int read_rules(struct spec *s, const struct json *v, enum cis_egress_rule kind,
		      struct cis_error *err)
{
	int r = json_want(v, JSON_ARRAY, err);

	for (const struct json *it = v->first; it && r >= 0; it = it->next) {
		const char *text;

		r = json_want_string(it, &text, err);
		if (r >= 0)
			r = spec_add_egress_rule(s, kind, text, err);
	}
	return r;
}

static int read_size(const struct json *v, uint64_t *ret, struct cis_error *err)
{
	const char *text;
	int r;

	if (v->type != JSON_STRING)
		return json_want_u64(v, INT64_MAX, ret, err);
	r = json_want_string(v, &text, err);
	if (r >= 0 && str_parse_size(text, ret) < 0)
		r = json_fail(v, err, EINVAL, "\"%s\" is not a size, as in \"100M\"", text);
	return r;
}

static int read_member(struct spec *s, const struct json *v, struct cis_error *err)
{
	static const struct {
		const char *key;
		enum cis_egress_rule kind;
	} lists[] = {
		{"allow", CIS_EGRESS_ALLOW},
		{"presets", CIS_EGRESS_ALLOW_PRESET},
		{"deny", CIS_EGRESS_DENY},
		{"undeny", CIS_EGRESS_UNDENY},
	};
	bool verify;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (strcmp(lists[i].key, v->key) == 0)
			return read_rules(s, v, lists[i].kind, err);
	if (strcmp(v->key, "mode") == 0)
		return read_mode(s, v, err);
	if (strcmp(v->key, "uplink") == 0)
		return read_uplink(s, v, err);
	if (strcmp(v->key, "rate") == 0)
		return read_size(v, &s->egress.rate, err);
	if (strcmp(v->key, "bytes") == 0)
		return read_size(v, &s->egress.bytes, err);
	r = json_want_bool(v, &verify, err);
	s->egress.no_verify = r >= 0 && !verify;
	return r;
}

int spec_read_egress(struct spec *s, const struct json *v, struct cis_error *err)
{
	static const char *const keys[] = {"mode",  "allow", "presets", "deny", "undeny",
					   "verify", "uplink", "rate", "bytes", NULL};
	int r = json_check_keys(v, keys, err);

	s->egress.is_set = true;
	for (const struct json *it = r < 0 ? NULL : v->first; it && r >= 0; it = it->next)
		r = read_member(s, it, err);
	return r;
}
