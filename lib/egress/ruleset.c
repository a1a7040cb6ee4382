/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gathers rules, and writes those that allow back. */
#include "ruleset.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../base/array.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "name.h"

#define FILE_MAX (64UL << 20)

/* ---- lists -------------------------------------------------------------------------------- */

void rule_list_done(struct rule_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		rule_done(&l->v[i]);
	free(l->v);
	*l = (struct rule_list){0};
}

int rule_list_add(struct rule_list *l, struct rule *rule_consumed)
{
	struct rule *v = NULL;

	if (l->n < RULESET_MAX)
		v = array_room(l->v, l->n, &l->room, sizeof *v);
	if (!v) {
		rule_done(rule_consumed);
		return l->n == RULESET_MAX ? -E2BIG : -ENOMEM;
	}
	l->v = v;
	l->v[l->n++] = *rule_consumed;
	return 0;
}

int ruleset_source(struct strv *sources, const char *name)
{
	/* What comes in a row is of one source: options, lines of a file. */
	if (sources->n == 0 || strcmp(sources->v[sources->n - 1], name) != 0)
		if (strv_add(sources, name) < 0)
			return -ENOMEM;
	return (int)sources->n - 1;
}

static const char *write_place(const char *source, unsigned int line,
			       char ret[static RULE_PLACE_MAX])
{
	if (line)
		snprintf(ret, RULE_PLACE_MAX, "%.100s:%u", source, line);
	else
		snprintf(ret, RULE_PLACE_MAX, "%.100s", source);
	return ret;
}

const char *rule_place(const struct strv *sources, const struct rule *rule,
		       char ret[static RULE_PLACE_MAX])
{
	return write_place(sources->v[rule->source], rule->line, ret);
}

void ruleset_done(struct ruleset *rs)
{
	rule_list_done(&rs->allow);
	rule_list_done(&rs->deny);
	rule_list_done(&rs->undeny);
	rule_list_done(&rs->preset_allow);
	rule_list_done(&rs->preset_deny);
	rule_list_done(&rs->host);
	strv_done(&rs->undone);
	strv_done(&rs->presets);
	strv_done(&rs->sources);
	free(rs->dir);
	*rs = (struct ruleset){0};
}

/* The words for a place are looked for when there is something to say about it. */
static int parse(const char *text, size_t len, bool with_ports, const char *source,
		 unsigned int line, struct rule *ret, struct cis_error *err)
{
	char place[RULE_PLACE_MAX];
	int r = rule_parse(text, len, with_ports, source, ret, NULL);

	if (r >= 0)
		return r;
	write_place(source, line, place);
	return rule_parse(text, len, with_ports, place, ret, err);
}

/* @line: 0 if @source is all there is to say about the place. */
static int add(struct ruleset *rs, struct rule_list *l, bool with_ports, const char *text,
	       size_t len, const char *source, unsigned int line, struct cis_error *err)
{
	char place[RULE_PLACE_MAX];
	struct rule rule;
	int r = parse(text, len, with_ports, source, line, &rule, err), index;

	if (r < 0)
		return r;
	rule.line = line;
	index = ruleset_source(&rs->sources, source);
	if (index < 0) {
		rule_done(&rule);
		return cis_fail(err, ENOMEM, "%s", source);
	}
	rule.source = (unsigned int)index;
	r = rule_list_add(l, &rule);
	if (r == -E2BIG)
		return cis_fail_plain(err, E2BIG, "%s: more than %d rules",
				      write_place(source, line, place), RULESET_MAX);
	return r < 0 ? cis_fail(err, -r, "%s", source) : 0;
}

/* ---- options ------------------------------------------------------------------------------ */

int ruleset_presets_in(struct ruleset *rs, const char *dir, struct cis_error *err)
{
	return str_set(&rs->dir, dir) < 0 ? cis_fail(err, ENOMEM, "presets in %s", dir) : 0;
}

int ruleset_allow(struct ruleset *rs, const char *text, const char *place,
		  struct cis_error *err)
{
	return add(rs, &rs->allow, true, text, strlen(text), place, 0, err);
}

int ruleset_deny(struct ruleset *rs, const char *text, const char *place,
		 struct cis_error *err)
{
	return add(rs, &rs->deny, false, text, strlen(text), place, 0, err);
}

int ruleset_undeny(struct ruleset *rs, const char *text, const char *place,
		   struct cis_error *err)
{
	if (preset_is_default(text))
		return strv_add(&rs->undone, text) < 0 ? cis_fail(err, ENOMEM, "%s", place)
						       : 0;
	return add(rs, &rs->undeny, false, text, strlen(text), place, 0, err);
}

static bool contains(const struct strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int ruleset_allow_preset(struct ruleset *rs, const char *name, const char *place,
			 struct cis_error *err)
{
	int r;

	if (contains(&rs->presets, name))
		return 0;
	if (preset_is_default(name))
		return cis_fail_plain(err, EINVAL,
				      "%s: preset %s denies, and is in force unless "
				      "an admin undoes it",
				      place, name);
	r = preset_read(name, rs->dir, &rs->sources, &rs->preset_allow, &rs->preset_deny,
			err);
	if (r < 0)
		return cis_wrap(err, r, "%s", place);
	if (strv_add(&rs->presets, name) < 0)
		return cis_fail(err, ENOMEM, "%s", place);
	qsort(rs->presets.v, rs->presets.n, sizeof *rs->presets.v, by_text);
	return 0;
}

int ruleset_host_address(struct ruleset *rs, int family, const uint8_t *address,
			 struct cis_error *err)
{
	struct rule rule = {.kind = RULE_NET,
			    .family = family,
			    .bits = family == AF_INET ? 32 : 128};
	int r, index;

	memcpy(rule.address, address, rule.bits / 8);
	index = ruleset_source(&rs->sources, "an address of this host");
	r = index;
	if (index >= 0) {
		rule.source = (unsigned int)index;
		r = rule_list_add(&rs->host, &rule);
	}
	return r < 0 ? cis_fail(err, -r, "addresses of this host") : 0;
}

/* ---- allow files -------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int read_line(struct ruleset *rs, const char *s, size_t len, const char *name,
		     unsigned int line, struct cis_error *err)
{
	static const char word[] = "preset";
	const size_t n = sizeof word - 1;
	const char *comment = memchr(s, '#', len);
	char place[RULE_PLACE_MAX], preset[RULE_PLACE_MAX];

	if (comment)
		len = (size_t)(comment - s);
	/* Files that were edited elsewhere end lines with CR LF. */
	else if (len > 0 && s[len - 1] == '\r')
		len--;
	for (; len > 0 && is_blank(s[0]); len--)
		s++;
	while (len > 0 && is_blank(s[len - 1]))
		len--;
	if (len == 0)
		return 0;
	if (len <= n || memcmp(s, word, n) != 0 || !is_blank(s[n]))
		return add(rs, &rs->allow, true, s, len, name, line, err);
	for (s += n, len -= n; is_blank(s[0]); len--)
		s++;
	snprintf(place, sizeof place, "%.100s:%u", name, line);
	if (len >= sizeof preset || memchr(s, '\0', len))
		return cis_fail_plain(err, EINVAL, "%s: there is no such preset", place);
	memcpy(preset, s, len);
	preset[len] = '\0';
	return ruleset_allow_preset(rs, preset, place, err);
}

int ruleset_allow_text(struct ruleset *rs, const char *text, size_t len, const char *name,
		       struct cis_error *err)
{
	unsigned int line = 0;

	/* A byte order mark, which some editors put there. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;
		int r = read_line(rs, text, n, name, ++line, err);

		if (r < 0)
			return r;
		n += end != NULL;
		text += n;
		len -= n;
	}
	return 0;
}

int ruleset_allow_file(struct ruleset *rs, const char *path, struct cis_error *err)
{
	cleanup_close int fd = io_open_given(path);
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	if (fd == -ESPIPE)
		return cis_fail_plain(err, ESPIPE,
				      "read the allow file %s: a pipe into which nobody writes",
				      path);
	r = fd < 0 ? fd : io_read_fd(fd, FILE_MAX, &text, &len);
	if (r < 0)
		return cis_fail(err, -r, "read the allow file %s", path);
	return ruleset_allow_text(rs, text, len, path, err);
}

/* ---- learn, and writing back -------------------------------------------------------------- */

int ruleset_observe(struct ruleset *rs, const char *name, int family, const uint8_t *address,
		    struct egress_port port, struct cis_error *err)
{
	struct rule rule = {.kind = name ? RULE_NAME : RULE_NET,
			    .n_ports = 1,
			    .ports = {port}};
	char canonical[NAME_MAX_LEN + 1];
	int r, index;

	if ((port.proto != IPPROTO_TCP && port.proto != IPPROTO_UDP) || port.port == 0)
		return cis_fail_plain(err, EINVAL,
				      "learn: no rule can be made of protocol %u port "
				      "%u",
				      port.proto, port.port);
	if (name) {
		if (name_canonical(name, strlen(name), canonical) < 0 ||
		    name_ends_in_number(canonical))
			return cis_fail_plain(err, EINVAL, "learn: what was seen is no name");
		rule.name = strdup(canonical);
		if (!rule.name)
			return cis_fail(err, ENOMEM, "learn");
	} else {
		rule.family = family;
		rule.bits = family == AF_INET ? 32 : 128;
		memcpy(rule.address, address, rule.bits / 8);
	}
	index = ruleset_source(&rs->sources, "learn");
	rule.source = index < 0 ? 0 : (unsigned int)index;
	if (index < 0)
		rule_done(&rule);
	r = index < 0 ? index : rule_list_add(&rs->allow, &rule);
	return r < 0 ? cis_fail(err, -r, "learn") : 0;
}

/* A line: sorted by who, then by ports, so that those of one host are together. */
struct line {
	const struct rule *rule;
	struct egress_port port;
};

static int compare_host(const struct rule *a, const struct rule *b)
{
	int r = (a->kind == RULE_NET) - (b->kind == RULE_NET);

	if (r != 0)
		return r;
	if (a->kind != RULE_NET) {
		r = strcmp(a->name, b->name);
		return r ? r : (int)a->kind - (int)b->kind;
	}
	if (a->family != b->family)
		return a->family == AF_INET ? -1 : 1;
	r = memcmp(a->address, b->address, sizeof a->address);
	return r ? r : (int)a->bits - (int)b->bits;
}

static int compare_line(const void *pa, const void *pb)
{
	const struct line *a = pa, *b = pb;
	uint32_t ka = egress_port_key(a->port), kb = egress_port_key(b->port);
	int r = compare_host(a->rule, b->rule);

	return r ? r : (ka > kb) - (ka < kb);
}

static bool is_port(const struct line *l, uint16_t port)
{
	return l->port.proto == IPPROTO_TCP && l->port.port == port;
}

/* Writes lines [from, to), which are one host's, without duplicates. */
static void write_host(FILE *f, const struct line *lines, size_t n)
{
	char text[RULE_PRINT_MAX];
	bool first = false, second = false;

	for (size_t i = 0; i < n; i++) {
		first |= is_port(&lines[i], RULE_DEFAULT_PORT_1);
		second |= is_port(&lines[i], RULE_DEFAULT_PORT_2);
	}
	if (first && second) {
		rule_print(lines[0].rule, false, text);
		fprintf(f, "%s\n", text);
	}
	for (size_t i = 0; i < n; i++) {
		struct rule one = *lines[i].rule;

		if (i > 0 &&
		    egress_port_key(lines[i].port) == egress_port_key(lines[i - 1].port))
			continue;
		if (first && second &&
		    (is_port(&lines[i], RULE_DEFAULT_PORT_1) ||
		     is_port(&lines[i], RULE_DEFAULT_PORT_2)))
			continue;
		one.n_ports = 1;
		one.ports[0] = lines[i].port;
		rule_print(&one, true, text);
		fprintf(f, "%s\n", text);
	}
}

static void write_header(FILE *f, const char *header)
{
	while (header && *header) {
		size_t n = strcspn(header, "\n");

		fprintf(f, "#%s%.*s\n", n ? " " : "", (int)n, header);
		header += n + (header[n] == '\n');
	}
}

static void write_all(FILE *f, const struct ruleset *rs, const char *header,
		      const struct line *lines, size_t n)
{
	write_header(f, header);
	for (size_t i = 0; i < rs->presets.n; i++)
		fprintf(f, "preset %s\n", rs->presets.v[i]);
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && compare_host(lines[i].rule, lines[k].rule) == 0;)
			k++;
		write_host(f, lines + i, k - i);
	}
}

int ruleset_print(const struct ruleset *rs, const char *header, char **ret,
		  struct cis_error *err)
{
	cleanup_free struct line *lines = calloc(2 * rs->allow.n + 1, sizeof *lines);
	cleanup_free char *text = NULL;
	size_t n = 0, len;
	FILE *f;
	bool failed;

	if (!lines)
		return cis_fail(err, ENOMEM, "write an allow file");
	for (size_t i = 0; i < rs->allow.n; i++)
		for (unsigned int k = 0; k < rs->allow.v[i].n_ports; k++)
			lines[n++] = (struct line){&rs->allow.v[i], rs->allow.v[i].ports[k]};
	qsort(lines, n, sizeof *lines, compare_line);
	f = open_memstream(&text, &len);
	if (!f)
		return cis_fail(err, ENOMEM, "write an allow file");
	write_all(f, rs, header, lines, n);
	failed = ferror(f);
	if (fclose(f) != 0 || failed)
		return cis_fail(err, ENOMEM, "write an allow file");
	*ret = steal_ptr(&text);
	return 0;
}
