/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Versions are compared as dpkg does, which agrees with rpm and apk in all but rare cases,
 * and after a few changes with semver, PEP 440 and Maven: there "1.0" is "1.0.0", and what
 * precedes a release is marked by a word. Where an ecosystem cannot be told, or a version
 * is missing, the package is taken for the one that is denied.
 */
#include "admit.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define VERSION_MAX 128

enum op { OP_ANY, OP_LESS, OP_LESS_EQUAL, OP_EQUAL };

struct denied {
	const char *name;
	size_t name_len;
	enum op op;
	const char *version;
};

static struct denied split(const char *rule)
{
	struct denied d = {.name = rule, .name_len = strcspn(rule, "<=>")};
	const char *op = rule + d.name_len;

	if (op[0] == '<' && op[1] == '=') {
		d.op = OP_LESS_EQUAL;
		d.version = op + 2;
	} else if (*op) {
		d.op = *op == '<' ? OP_LESS : OP_EQUAL;
		d.version = op + 1;
	}
	return d;
}

int admit_denied_check(const char *rule, struct cis_error *err)
{
	struct denied d = split(rule);

	if (strchr(rule, '>'))
		return cis_fail_plain(err, EINVAL, "denied package \"%.200s\": there is no \">\", "
				      "only NAME, NAME<VERSION, NAME<=VERSION, NAME=VERSION",
				      rule);
	for (const char *p = rule; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			return cis_fail_plain(err, EINVAL, "denied package \"%.200s\": has a blank",
					      rule);
	if (d.name_len == 0 || strlen(rule) > 2 * VERSION_MAX)
		return cis_fail_plain(err, EINVAL, "denied package \"%.200s\": has no name, or is "
				      "too long", rule);
	if (d.version && (!isalnum((unsigned char)*d.version) || strpbrk(d.version, "<=") ||
			  strlen(d.version) >= VERSION_MAX))
		return cis_fail_plain(err, EINVAL, "denied package \"%.200s\": \"%.100s\" is no "
				      "version", rule, d.version);
	return 0;
}

/* ---- versions ------------------------------------------------------------------------ */

/* As dpkg has it: a tilde is before the end, the end before letters, these before the rest. */
static int rank(char c)
{
	if (c == '~')
		return -1;
	if (!c || isdigit((unsigned char)c))
		return 0;
	return isalpha((unsigned char)c) ? c : (unsigned char)c + 256;
}

static size_t digits(const char **s)
{
	size_t n;

	*s += strspn(*s, "0");
	n = strspn(*s, "0123456789");
	*s += n;
	return n;
}

static int compare(const char *a, const char *b)
{
	while (*a || *b) {
		size_t na, nb;

		while ((*a && !isdigit((unsigned char)*a)) || (*b && !isdigit((unsigned char)*b))) {
			int d = rank(*a) - rank(*b);

			if (d)
				return d;
			a++;
			b++;
		}
		na = digits(&a);
		nb = digits(&b);
		if (na != nb)
			return na < nb ? -1 : 1;
		if (na && memcmp(a - na, b - nb, na) != 0)
			return memcmp(a - na, b - nb, na);
	}
	return 0;
}

/* Does what begins here precede the release it is written behind? 1.0.2m of OpenSSL's does not. */
static bool is_before_release(const char *s)
{
	static const char *const words[] = {"a",   "alpha", "b",       "beta", "c",   "cr", "rc",
					    "pre", "m",     "preview", "dev",  "snapshot"};
	size_t n = 0;

	while (isalpha((unsigned char)s[n]))
		n++;
	if (n == 1 && !isdigit((unsigned char)s[n]))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (n == strlen(words[i]) && strncasecmp(s, words[i], n) == 0)
			return true;
	return false;
}

/* Of ".0.0" that is the end of the release's numbers. */
static size_t zeros(const char *s)
{
	size_t n = 0;

	while (s[n] == '.' && s[n + 1] == '0')
		n += 2;
	return isdigit((unsigned char)s[n + (s[n] == '.')]) ? 0 : n;
}

/* Other ecosystems' in dpkg's order. @to has room for VERSION_MAX + 1. */
static void translate(const char *s, char *to)
{
	const char *end = to + VERSION_MAX;
	bool released = false;

	while (*s && *s != '+' && to < end) {
		bool sep = strchr("-._", *s);
		const char *word = s + sep;

		if (!released && zeros(s)) {
			s += zeros(s);
			continue;
		}
		if (isalpha((unsigned char)*word) && !released &&
		    (is_before_release(word) || *s == '-')) {
			released = true;
			*to++ = '~';
			s = word;
			continue;
		}
		*to++ = *s++;
	}
	*to = '\0';
}

/* deb, rpm and apk have versions of one kind. */
static bool is_distribution(const char *purl)
{
	return purl && (str_starts(purl, "pkg:deb/") || str_starts(purl, "pkg:rpm/") ||
			str_starts(purl, "pkg:apk/"));
}

static const char *skip_v(const char *s)
{
	return (*s == 'v' || *s == 'V') && isdigit((unsigned char)s[1]) ? s + 1 : s;
}

/* What the rule does not name, an epoch or a revision, does not count. */
static int compare_to_rule(const char *version, const char *wanted, bool distribution)
{
	char a[2 * VERSION_MAX] = "", b[2 * VERSION_MAX] = "";
	const char *colon = strchr(version, ':');
	char *dash;

	if (colon && !strchr(wanted, ':'))
		version = colon + 1;
	version = skip_v(version);
	wanted = skip_v(wanted);
	if (distribution) {
		memcpy(a, version, strlen(version) + 1);
		memcpy(b, wanted, strlen(wanted) + 1);
	} else {
		translate(version, a);
		translate(wanted, b);
	}
	dash = distribution ? strrchr(a, '-') : strchr(a, '-');
	if (dash && !strchr(b, '-'))
		*dash = '\0';
	return compare(a, b);
}

/* ---- names ------------------------------------------------------------------------------ */

static bool is_name(const struct denied *d, const char *name)
{
	return name && strlen(name) == d->name_len && strncasecmp(name, d->name, d->name_len) == 0;
}

/* "group/name", as npm and Go have it, or "group:name", as Maven has. */
static bool is_grouped_name(const struct denied *d, const struct admit_package *p)
{
	size_t n = p->group ? strlen(p->group) : 0;

	return n > 0 && d->name_len == n + 1 + strlen(p->name) &&
	       strncasecmp(d->name, p->group, n) == 0 && strchr("/:", d->name[n]) &&
	       strncasecmp(d->name + n + 1, p->name, d->name_len - n - 1) == 0;
}

static bool is_purl(const struct denied *d, const char *purl)
{
	return purl && strncasecmp(purl, d->name, d->name_len) == 0 &&
	       strchr("@?#", purl[d->name_len]);
}

bool admit_is_denied(const char *rule, const struct admit_package *p)
{
	struct denied d = split(rule);
	int order;

	if (!is_name(&d, p->name) && !is_grouped_name(&d, p) && !is_purl(&d, p->purl))
		return false;
	if (d.op == OP_ANY || !p->version || strlen(p->version) >= VERSION_MAX ||
	    !strpbrk(p->version, "0123456789"))
		return true;
	order = compare_to_rule(p->version, d.version, is_distribution(p->purl));
	return d.op == OP_LESS ? order < 0 : d.op == OP_EQUAL ? order == 0 : order <= 0;
}
