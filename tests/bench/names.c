/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it takes to ask a policy about a name, with many rules and with ten: the same ten
 * names, and ten thousand, which the processor's cache does not hold. Prints KEY=VALUE.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "egress/ruleset.h"

#define QUESTIONS 10000
#define ROUNDS 30

static char names[QUESTIONS][64];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct policy *make(unsigned int rules)
{
	static const uint8_t key[16] = {42};
	struct ruleset rs = {0};
	struct cis_error e = {0};
	struct policy *p;
	char text[64];
	int r = 0;

	for (unsigned int i = 0; i < rules && r >= 0; i++) {
		snprintf(text, sizeof text, "%shost%u.example.com:443", i % 4 ? "" : "*.", i);
		r = ruleset_allow(&rs, text, "names", &e);
	}
	if (r < 0 || ruleset_compile(&rs, key, &p, &e) < 0)
		errx(1, "%s", e.message);
	ruleset_done(&rs);
	return p;
}

/* Of the quickest round. @pool: how many different names; half of them have no rule. */
static double measure(const struct policy *p, unsigned int rules, unsigned int pool)
{
	double best = 0;
	size_t allowed = 0;

	for (unsigned int i = 0; i < pool; i++)
		snprintf(names[i], sizeof names[i], "%shost%u.example.com", i % 2 ? "a." : "",
			 (unsigned int)random() % rules);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		double start = now_ns(), took;

		for (unsigned int i = 0; i < QUESTIONS; i++)
			allowed += policy_ports(p, names[i % pool], NULL, 0);
		took = (now_ns() - start) / QUESTIONS;
		best = round == 0 || took < best ? took : best;
	}
	if (allowed == 0)
		errx(1, "nothing was allowed");
	return best;
}

int main(void)
{
	struct policy *few = make(10), *many = make(100000);
	double few_ns = measure(few, 10, 10), many_ns = measure(many, 100000, 10);
	double cold_ns = measure(many, 100000, QUESTIONS);

	printf("names.ten_ns=%.0f\nnames.many_ns=%.0f\nnames.many_cold_ns=%.0f\n", few_ns,
	       many_ns, cold_ns);
	printf("names.ratio=%.2f\nnames.cold_ratio=%.2f\n", many_ns / few_ns,
	       cold_ns / few_ns);
	policy_free(few);
	policy_free(many);
	return 0;
}
