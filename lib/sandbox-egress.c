/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handle's words about the network: rules in, and what came of them out. */
#include <errno.h>

#include "base/error.h"
#include "egress/summary.h"
#include "sandbox.h"

int cis_sandbox_set_egress(struct cis_sandbox *sb, enum cis_egress mode)
{
	if (mode != CIS_EGRESS_BLOCK && mode != CIS_EGRESS_AUDIT)
		return -EINVAL;
	sb->spec.egress.is_set = true;
	sb->spec.egress.rules.audit = mode == CIS_EGRESS_AUDIT;
	return 0;
}

int cis_sandbox_add_egress_rule(struct cis_sandbox *sb, enum cis_egress_rule kind,
				const char *text, struct cis_error *err)
{
	return spec_add_egress_rule(&sb->spec, kind, text, err);
}

int cis_sandbox_set_egress_verify(struct cis_sandbox *sb, int on)
{
	sb->spec.egress.is_set = true;
	sb->spec.egress.no_verify = !on;
	return 0;
}

int cis_sandbox_set_egress_uplink(struct cis_sandbox *sb, enum cis_uplink uplink)
{
	if (uplink != CIS_UPLINK_AUTO && uplink != CIS_UPLINK_VETH && uplink != CIS_UPLINK_PASTA)
		return -EINVAL;
	if (sb->spec.hold)
		return -EBUSY;
	sb->spec.egress.is_set = true;
	sb->spec.egress.uplink = uplink;
	return 0;
}

int cis_sandbox_set_egress_limits(struct cis_sandbox *sb, uint64_t rate, uint64_t bytes)
{
	sb->spec.egress.is_set = true;
	sb->spec.egress.rate = rate;
	sb->spec.egress.bytes = bytes;
	return 0;
}

int cis_sandbox_add_publish(struct cis_sandbox *sb, const char *text, struct cis_error *err)
{
	if (sb->spec.hold)
		return cis_fail_plain(err, EBUSY, "publish: the sandbox has come up already");
	return spec_add_publish(&sb->spec, text, err);
}

int cis_sandbox_set_egress_log(struct cis_sandbox *sb, int fd)
{
	sb->spec.egress.is_logged = fd >= 0;
	sb->egress_log = fd;
	return 0;
}

static int summarize(struct cis_sandbox *sb, struct summary *ret, struct cis_error *err)
{
	int r;

	if (sb->gate.records < 0)
		return cis_fail_plain(err, ENODATA, "the sandbox has no network gate");
	if (sb->phase != PHASE_ENDED)
		return cis_fail_plain(err, EBUSY, "the sandbox has not ended");
	r = summary_read(ret, sb->gate.records, err);
	ret->was_cut = sb->gate.was_cut;
	if (sb->gate.shared)
		ret->lost = sb->gate.shared->records_lost;
	return r;
}

int cis_sandbox_egress_summary(struct cis_sandbox *sb, char **ret, struct cis_error *err)
{
	cleanup(summary_done) struct summary s = {0};
	int r = summarize(sb, &s, err);

	if (r >= 0)
		r = summary_print(&s, ret, err);
	return r < 0 ? r : mask_whole(sb, ret);
}

int cis_sandbox_egress_learned(struct cis_sandbox *sb, char **ret, struct cis_error *err)
{
	cleanup(summary_done) struct summary s = {0};
	int r = summarize(sb, &s, err);

	if (r >= 0)
		r = summary_learn(&s, ret, err);
	return r < 0 ? r : mask_whole(sb, ret);
}
