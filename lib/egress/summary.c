/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "summary.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/array.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/str.h"
#include "record.h"
#include "ruleset.h"

#define LINES_MAX 20000 /* different ones; the log has them all */
#define SHOWN_MAX 40

void summary_done(struct summary *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].target);
	free(s->v);
	*s = (struct summary){0};
}

/* ---- reading -------------------------------------------------------------------------------- */

static const char *text_of(const struct json *line, const char *key)
{
	const struct json *v = json_get(line, key);

	return v && v->type == JSON_STRING ? v->string : "";
}

static uint64_t number_of(const struct json *line, const char *key)
{
	const struct json *v = json_get(line, key);

	return v && v->type == JSON_INT && v->integer > 0 ? (uint64_t)v->integer : 0;
}

static bool is_same(const struct summary_line *a, const struct summary_line *b)
{
	return a->allowed == b->allowed && a->is_inbound == b->is_inbound &&
	       a->is_asked == b->is_asked && a->is_slowed == b->is_slowed && a->port == b->port &&
	       strcmp(a->target, b->target) == 0 && strcmp(a->protocol, b->protocol) == 0 &&
	       strcmp(a->reason, b->reason) == 0;
}

static struct summary_line *find(struct summary *s, const struct summary_line *wanted)
{
	struct summary_line *v;

	for (size_t i = 0; i < s->n; i++)
		if (is_same(&s->v[i], wanted))
			return &s->v[i];
	if (s->n == LINES_MAX)
		return NULL;
	v = array_room(s->v, s->n, &s->room, sizeof *v);
	if (!v)
		return NULL;
	s->v = v;
	v = &s->v[s->n];
	*v = *wanted;
	v->target = strdup(wanted->target);
	if (!v->target)
		return NULL;
	s->n++;
	return v;
}

static void copy_text(char *ret, size_t size, const char *from)
{
	snprintf(ret, size, "%s", from);
}

/*
 * Names that were asked for and allowed say nothing: the flows to them do. But questions
 * below a wildcard are told by their number: they carry data, whatever comes of them.
 */
static void add_line(struct summary *s, const struct json *line)
{
	const char *event = text_of(line, "event"), *name = text_of(line, "name");
	const char *target = *name ? name : text_of(line, "address");
	const bool allowed = strcmp(text_of(line, "verdict"), "allowed") == 0;
	const bool is_question = strcmp(event, "dns") == 0;
	const char *rule = text_of(line, "rule");
	struct summary_line l = {.is_name = *name != '\0', .allowed = allowed,
				 .is_inbound = strcmp(event, "inbound") == 0,
				 .port = (uint16_t)number_of(line, "port")};
	struct summary_line *known;

	s->questions += is_question;
	if (is_question && strncmp(rule, "*.", 2) == 0) {
		l.is_asked = true;
		target = rule;
	} else if (!*target ||
		   (is_question && strcmp(text_of(line, "verdict"), "denied") != 0)) {
		return;
	}
	l.is_slowed = strcmp(event, "slowed") == 0;
	l.target = (char *)target;
	copy_text(l.protocol, sizeof l.protocol, text_of(line, "proto"));
	if (!l.is_asked)
		copy_text(l.reason, sizeof l.reason, text_of(line, "reason"));
	known = find(s, &l);
	if (!known)
		return;
	known->count++;
	known->bytes_up += number_of(line, "bytes_up");
	known->bytes_down += number_of(line, "bytes_down");
	s->bytes_up += number_of(line, "bytes_up");
	s->bytes_down += number_of(line, "bytes_down");
}

static int by_bytes(const void *a, const void *b)
{
	const struct summary_line *x = a, *y = b;
	uint64_t xs = x->bytes_up + x->bytes_down, ys = y->bytes_up + y->bytes_down;

	if (xs != ys)
		return xs < ys ? 1 : -1;
	return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->target, y->target);
}

int summary_read(struct summary *s, int records, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	*s = (struct summary){0};
	lseek(records, 0, SEEK_SET);
	r = io_read_fd(records, RECORDS_MAX + RECORD_SIZE, &text, &len);
	if (r < 0)
		return cis_fail(err, -r, "egress: read the records");
	for (char *at = text; *at;) {
		cleanup(json_freep) struct json *line = NULL;
		size_t n = strcspn(at, "\n");

		if (json_parse(at, n, 0, "record", &line, NULL) >= 0)
			add_line(s, line);
		at += n + (at[n] == '\n');
	}
	if (s->n)
		qsort(s->v, s->n, sizeof *s->v, by_bytes);
	return 0;
}

/* ---- printing ------------------------------------------------------------------------------- */

static void print_bytes(FILE *f, uint64_t n)
{
	static const char units[] = "BKMGT";
	double v = (double)n;
	size_t u = 0;

	for (; v >= 1024 && u + 2 < sizeof units; u++)
		v /= 1024;
	fprintf(f, u ? "%.1f%c" : "%.0f%c", v, units[u]);
}

static void print_target(FILE *f, const struct summary_line *l)
{
	bool six = !l->is_name && strchr(l->target, ':');

	fprintf(f, six && l->port ? "[%s]" : "%s", l->target);
	if (l->port)
		fprintf(f, ":%u", l->port);
	if (l->port && strcmp(l->protocol, "tcp") != 0)
		fprintf(f, "/%s", l->protocol);
}

/* What somebody could say to have it the next time. */
static bool has_rule(const struct summary_line *l)
{
	static const char *const mended[] = {"block", "name", "no name"};

	for (size_t i = 0; i < ARRAY_SIZE(mended); i++)
		if (strcmp(l->reason, mended[i]) == 0)
			return strcmp(l->protocol, "icmp") != 0;
	return false;
}

static void print_line(FILE *f, const struct summary_line *l)
{
	fprintf(f, "  %s  ", l->allowed ? "reached" : "refused");
	print_target(f, l);
	fprintf(f, "  %llux  ", (unsigned long long)l->count);
	if (l->allowed) {
		fprintf(f, "up ");
		print_bytes(f, l->bytes_up);
		fprintf(f, " down ");
		print_bytes(f, l->bytes_down);
	} else {
		fputs(record_reason(l->reason), f);
		if (has_rule(l)) {
			fprintf(f, "  --allow ");
			print_target(f, l);
		}
	}
	fputc('\n', f);
}

static void print_inbound(FILE *f, const struct summary *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct summary_line *l = &s->v[i];

		if (!l->is_inbound)
			continue;
		fprintf(f, "  inbound  port %u%s from %s  %llux  up ", l->port,
			strcmp(l->protocol, "udp") == 0 ? "/udp" : "", l->target,
			(unsigned long long)l->count);
		print_bytes(f, l->bytes_up);
		fprintf(f, "  down ");
		print_bytes(f, l->bytes_down);
		fputc('\n', f);
	}
}

/* Whose number says something, not what became of each. */
static bool is_counted(const struct summary_line *l)
{
	return l->is_asked || l->is_slowed;
}

static void print_counted(FILE *f, const struct summary *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct summary_line *l = &s->v[i];

		if (!is_counted(l))
			continue;
		fputs(l->is_asked ? "  asked    " : "  slowed   ", f);
		print_target(f, l);
		if (l->is_asked)
			fprintf(f, "  %llux  names below a wildcard\n",
				(unsigned long long)l->count);
		else
			fprintf(f, "  above --egress-rate\n");
	}
}

static void print_lines(FILE *f, const struct summary *s, bool allowed)
{
	size_t all = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!s->v[i].is_inbound && !is_counted(&s->v[i]) && s->v[i].allowed == allowed &&
		    all++ < SHOWN_MAX)
			print_line(f, &s->v[i]);
	if (all > SHOWN_MAX)
		fprintf(f, "  ... and %zu more %s\n", all - SHOWN_MAX,
			allowed ? "reached" : "refused");
}

int summary_print(const struct summary *s, char **ret, struct cis_error *err)
{
	size_t len;
	FILE *f = open_memstream(ret, &len);

	if (!f)
		return cis_fail(err, ENOMEM, "egress: print the summary");
	fprintf(f, "network: up ");
	print_bytes(f, s->bytes_up);
	fprintf(f, ", down ");
	print_bytes(f, s->bytes_down);
	fprintf(f, ", %llu names asked for\n", (unsigned long long)s->questions);
	if (s->lost)
		fprintf(f, "  %llu records are missing: there were too many\n",
			(unsigned long long)s->lost);
	if (s->was_cut)
		fprintf(f, "  the last records are missing: the gate's helper hung\n");
	print_lines(f, s, true);
	print_inbound(f, s);
	print_counted(f, s);
	print_lines(f, s, false);
	return fclose(f) == 0 ? 0 : cis_fail(err, ENOMEM, "egress: print the summary");
}

/* ---- learning ------------------------------------------------------------------------------- */

static int observe(struct ruleset *rs, const struct summary_line *l, struct cis_error *err)
{
	const struct egress_port port = {
		.proto = strcmp(l->protocol, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP,
		.port = l->port,
	};
	uint8_t address[16] = {0};
	int family = strchr(l->target, ':') ? AF_INET6 : AF_INET;

	if (l->is_name)
		return ruleset_observe(rs, l->target, 0, NULL, port, err);
	if (inet_pton(family, l->target, address) != 1)
		return 0;
	return ruleset_observe(rs, NULL, family, address, port, err);
}

int summary_learn(const struct summary *s, char **ret, struct cis_error *err)
{
	cleanup(ruleset_done) struct ruleset rs = {0};
	int r = 0;

	for (size_t i = 0; i < s->n && r >= 0; i++)
		if (s->v[i].allowed && !s->v[i].is_inbound && !is_counted(&s->v[i]) &&
		    s->v[i].port)
			r = observe(&rs, &s->v[i], err);
	return r < 0 ? r : ruleset_print(&rs, "What a sandbox used. Read it before you keep it.",
					 ret, err);
}
