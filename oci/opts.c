/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci.h"

static const struct opt *find(const struct opt *table, const char *name, size_t len)
{
	for (; table->name; table++) {
		if (strlen(table->name) == len && memcmp(table->name, name, len) == 0)
			return table;
		if (len == 1 && table->letter == *name)
			return table;
	}
	return NULL;
}

static int words_add(struct words *w, char *item)
{
	char **items = reallocarray(w->items, w->n + 2, sizeof *items);

	if (!items)
		return oci_fail("out of memory");
	items[w->n++] = item;
	items[w->n] = NULL;
	w->items = items;
	return 0;
}

static int set_flag(const char *verb, const struct opt *o, const char *value, bool *flag)
{
	static const char *const yes[] = {"true", "1", "t", "T", "TRUE", "True"};
	static const char *const no[] = {"false", "0", "f", "F", "FALSE", "False"};

	*flag = true;
	if (!value)
		return 0;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		if (strcmp(value, yes[i]) == 0)
			return 0;
		if (strcmp(value, no[i]) == 0) {
			*flag = false;
			return 0;
		}
	}
	return oci_fail_usage(verb, "--%s=%s: neither true nor false", o->name, value);
}

static int apply(const char *verb, const struct opt *o, char *value, struct options *to)
{
	void *field = (char *)to + o->offset;
	long long n;

	switch (o->kind) {
	case OPT_FLAG:
		return set_flag(verb, o, value, field);
	case OPT_TEXT:
		*(const char **)field = value;
		return 0;
	case OPT_MAYBE:
		*(const char **)field = value ? value : "true";
		return 0;
	case OPT_WORDS:
		return words_add(field, value);
	case OPT_COUNT:
		n = parse_number(value, INT32_MAX);
		if (n < 0)
			return oci_fail_usage(verb, "--%s %s: not a number", o->name, value);
		*(unsigned int *)field = (unsigned int)n;
		return 0;
	}
	return 0;
}

static bool takes_next(const struct opt *o)
{
	return o->kind != OPT_FLAG && o->kind != OPT_MAYBE;
}

int opts_parse(const char *verb, const struct opt *table, bool stop, int argc, char **argv,
	       struct options *to, int *ret_argc)
{
	int i, n = 0;

	for (i = 0; i < argc; i++) {
		char *word = argv[i], *value = NULL;
		const char *name = word + (word[0] == '-') + (word[0] && word[1] == '-');
		const struct opt *o;
		size_t len;

		if (word[0] != '-' || !word[1]) {
			if (stop)
				break;
			argv[n++] = word;
			continue;
		}
		if (strcmp(word, "--") == 0) {
			i++;
			break;
		}
		len = strcspn(name, "=");
		o = find(table, name, len);
		if (!o)
			return oci_fail_usage(verb, "unknown option %.*s",
					      (int)(name - word + (ptrdiff_t)len), word);
		if (name[len])
			value = argv[i] + (name - word) + len + 1;
		else if (takes_next(o) && i + 1 == argc)
			return oci_fail_usage(verb, "flag needs an argument: %s", word);
		else if (takes_next(o))
			value = argv[++i];
		if (apply(verb, o, value, to))
			return EXIT_FAILED;
		/* What follows --help may be anything: podman asks so for support. */
		if (to->help)
			break;
	}
	for (; i < argc; i++)
		argv[n++] = argv[i];
	*ret_argc = n;
	return 0;
}

void opts_help(const struct opt *table)
{
	for (; table->name; table++) {
		char left[64], letter[8] = "    ";
		const char *before = table->kind == OPT_MAYBE ? "[=" : " ";

		if (table->letter)
			snprintf(letter, sizeof letter, "-%c, ", table->letter);
		snprintf(left, sizeof left, "%s--%s%s%s%s", letter, table->name,
			 table->value ? before : "", table->value ? table->value : "",
			 table->kind == OPT_MAYBE ? "]" : "");
		printf("  %-38s %s\n", left, table->help);
	}
}

void opts_done(struct options *o)
{
	free(o->env.items);
	free(o->caps.items);
	free(o->groups.items);
	free(o->cgroups.items);
}
