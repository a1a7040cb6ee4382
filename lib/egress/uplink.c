/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uplink.h"

#include <errno.h>
#include <sys/socket.h>

#include "../net/forwarding.h"
#include "gate.h"
#include "policy.h"

/* Whether @r, of a link to the host, is something that pasta does not mind. */
static bool is_pastas_turn(const struct gate *g, int r)
{
	return g->wanted == CIS_UPLINK_AUTO && (r == -EACCES || r == -EPERM) &&
	       pasta_is_installed();
}

static int explain_link(const struct gate *g, int r, struct cis_error *err)
{
	if (g->wanted == CIS_UPLINK_AUTO && (r == -EACCES || r == -EPERM))
		return cis_hint(err, "or install " PASTA_PACKAGE ", whose pasta does without");
	return r;
}

int uplink_choose(struct gate *g, uint32_t number, struct cis_error *err)
{
	int r;

	g->way = g->wanted == CIS_UPLINK_PASTA ? EGRESS_PASTA : EGRESS_VETH;
	r = egress_look(number, g->way, &g->addresses, err);
	if (r >= 0)
		return r;
	if (!is_pastas_turn(g, r))
		return explain_link(g, r, err);
	g->way = EGRESS_PASTA;
	return egress_look(number, g->way, &g->addresses, err);
}

static int begin_pasta(struct gate *g, struct cis_error *err)
{
	const struct pasta_site site = {g->userns, g->netns, g->sockets[GATE_NEVER], g->life[1],
					&g->addresses};

	return pasta_start(&g->pasta, &site, err);
}

/* One that is not shut for this sandbox, or NULL. */
static const uint8_t *pick_target(const struct gate *g, bool six)
{
	for (unsigned int i = 0; i < FORWARDING_TARGETS; i++) {
		const uint8_t *to = forwarding_target(six, i);

		if (!policy_is_never(g->policy, six ? AF_INET6 : AF_INET, to))
			return to;
	}
	return NULL;
}

static int begin_link(struct gate *g, struct cis_error *err)
{
	int r = egress_make_uplink(g->netns, &g->addresses, err);

	return r < 0 ? r : forwarding_judge(g->netns, &g->addresses, pick_target(g, false),
					    pick_target(g, true), err);
}

/* The link's addresses, but for what the gate was made for before. */
static int begin_pasta_instead(struct gate *g, struct cis_error *err)
{
	const bool six = g->addresses.six;
	int r = egress_drop_uplink(&g->addresses, err);

	g->way = EGRESS_PASTA;
	if (r >= 0)
		r = egress_look(g->addresses.number, g->way, &g->addresses, err);
	g->addresses.six = g->addresses.six && six;
	return r < 0 ? r : begin_pasta(g, err);
}

int uplink_begin(struct gate *g, struct cis_error *err)
{
	int r;

	if (g->way == EGRESS_PASTA)
		return begin_pasta(g, err);
	r = begin_link(g, err);
	if (r >= 0)
		return r;
	return is_pastas_turn(g, r) ? begin_pasta_instead(g, err) : explain_link(g, r, err);
}

int uplink_finish(struct gate *g, struct cis_error *err)
{
	int r;

	if (g->way != EGRESS_PASTA)
		return 0;
	r = pasta_await(&g->pasta, err);
	return r < 0 ? r : egress_set_up_tap(g->netns, &g->addresses, err);
}
