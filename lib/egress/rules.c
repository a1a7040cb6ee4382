/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/macros.h"
#include "idn.h"
#include "name.h"

/* A part of a rule's text. */
struct piece {
	const char *s;
	size_t len;
};

/* What is being read, and where it stands. */
struct reader {
	struct piece all;
	const char *place;
	struct cis_error *err;
};

const char *rule_quote(const char *text, size_t len, char ret[static RULE_QUOTED_MAX])
{
	char *at = ret;

	*at++ = '"';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		size_t n = idn_shows(text + i, len - i);

		/* Room for one more, "...", the quote and NUL. */
		if (at - ret > RULE_QUOTED_MAX - 10) {
			at = stpcpy(at, "...");
			break;
		}
		if (n > 0) {
			at = mempcpy(at, text + i, n);
			i += n - 1;
		} else if (c >= ' ' && c <= '~' && c != '"' && c != '\\')
			*at++ = (char)c;
		else
			at += snprintf(at, 5, "\\x%02x", c);
	}
	memcpy(at, "\"", 2);
	return ret;
}

CIS_PRINTF(2, 3) static int bad(const struct reader *r, const char *fmt, ...)
{
	char quoted[RULE_QUOTED_MAX], why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return cis_fail_plain(r->err, EINVAL, "%s: rule %s: %s", r->place,
			      rule_quote(r->all.s, r->all.len, quoted), why);
}

static struct piece before(struct piece p, size_t at)
{
	return (struct piece){p.s, at};
}

static struct piece after(struct piece p, size_t at)
{
	return (struct piece){p.s + at, p.len - at};
}

static bool is(struct piece p, const char *word)
{
	return p.len == strlen(word) && memcmp(p.s, word, p.len) == 0;
}

/* Index of the first @c, or p.len. */
static size_t find(struct piece p, char c)
{
	const char *at = p.len ? memchr(p.s, c, p.len) : NULL;

	return at ? (size_t)(at - p.s) : p.len;
}

/* Decimal, no sign, no zeros in front: 0, or -EINVAL also above @max. */
static int read_number(struct piece p, unsigned int max, unsigned int *ret)
{
	unsigned int v = 0;

	if (p.len == 0 || p.len > 5 || (p.len > 1 && p.s[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < p.len; i++) {
		if (p.s[i] < '0' || p.s[i] > '9')
			return -EINVAL;
		v = v * 10 + (unsigned int)(p.s[i] - '0');
	}
	*ret = v;
	return v <= max ? 0 : -EINVAL;
}

/* ---- ports -------------------------------------------------------------------------------- */

static void set_default_ports(struct rule *rule)
{
	rule->n_ports = 2;
	rule->ports[0] = (struct egress_port){IPPROTO_TCP, RULE_DEFAULT_PORT_1};
	rule->ports[1] = (struct egress_port){IPPROTO_TCP, RULE_DEFAULT_PORT_2};
}

static int read_ports(const struct reader *r, struct piece p, struct rule *rule)
{
	size_t slash = find(p, '/');
	struct piece number = before(p, slash);
	uint8_t proto = 0;
	unsigned int port = 0;

	if (slash < p.len) {
		struct piece name = after(p, slash + 1);

		if (!is(name, "tcp") && !is(name, "udp"))
			return bad(r, "the protocol after \"/\" must be tcp or udp, in small "
				      "letters");
		proto = is(name, "tcp") ? IPPROTO_TCP : IPPROTO_UDP;
	}
	if (number.len == 0)
		return bad(r, "no port after \":\"");
	if ((find(number, '-') > 0 && find(number, '-') < number.len) ||
	    find(number, ',') < number.len)
		return bad(r, "a rule has one port, or \"*\": write a rule for each");
	if (!is(number, "*")) {
		if (read_number(number, UINT16_MAX, &port) < 0 || port == 0)
			return bad(r, "the port must be * or a number from 1 to 65535, "
				      "without zeros in front");
		proto = proto ? proto : IPPROTO_TCP;
	}
	rule->n_ports = 1;
	rule->ports[0] = (struct egress_port){proto, (uint16_t)port};
	return 0;
}

/* ---- addresses ---------------------------------------------------------------------------- */

static bool read_address(struct piece p, int family, uint8_t ret[static 16])
{
	char text[INET6_ADDRSTRLEN];

	if (p.len >= sizeof text)
		return false;
	memcpy(text, p.s, p.len);
	text[p.len] = '\0';
	memset(ret, 0, 16);
	return inet_pton(family, text, ret) == 1;
}

static bool is_mapped(const uint8_t address[static 16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(address, prefix, sizeof prefix) == 0;
}

/* Clears the bits behind rule->bits; true if one was set. */
static bool clear_host(struct rule *rule)
{
	unsigned int width = rule->family == AF_INET ? 32 : 128;
	bool had = false;

	for (unsigned int bit = rule->bits; bit < width; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		had |= rule->address[bit / 8] & mask;
		rule->address[bit / 8] &= (uint8_t)~mask;
	}
	return had;
}

/* ADDRESS or ADDRESS/BITS. */
static int read_net(const struct reader *r, struct piece p, int family, struct rule *rule)
{
	unsigned int width = family == AF_INET ? 32 : 128;
	size_t slash = find(p, '/');

	rule->kind = RULE_NET;
	rule->family = family;
	rule->bits = width;
	if (find(p, '%') < p.len)
		return bad(r, "a zone (\"%%\" and what follows) means nothing behind a gate");
	if (!read_address(before(p, slash), family, rule->address))
		return bad(r, family == AF_INET
				      ? "not an IPv4 address: four numbers from 0 to 255, "
					"without zeros in front"
				      : "not an IPv6 address (with a port: [ADDRESS]:PORT); behind "
					"a name stands one \":\", and a port");
	if (slash < p.len && read_number(after(p, slash + 1), width, &rule->bits) < 0)
		return bad(r, "the length of the prefix must be a number from 0 to %u%s",
			   width,
			   family == AF_INET ? "" : " (with a port: [ADDRESS/BITS]:PORT)");
	if (family == AF_INET6 && rule->bits >= 96 && is_mapped(rule->address))
		return bad(r, "it stands for an IPv4 address, which is what must be written");
	if (clear_host(rule)) {
		char net[RULE_PRINT_MAX];

		rule_print(rule, false, net);
		return bad(r,
			   "bits are set behind the prefix: write %s, or the address alone",
			   net);
	}
	return 0;
}

/* ---- names -------------------------------------------------------------------------------- */

static int bad_idn(const struct reader *r, struct idn_problem p)
{
	switch (p.fault) {
	case IDN_UTF8:
		return bad(r, "the byte 0x%02x is not UTF-8", p.character);
	case IDN_CHARACTER:
		return bad(r,
			   "the character U+%04X is not a small letter or digit that stands "
			   "for itself in names (write the label as xn--...)",
			   p.character);
	case IDN_MIXED:
		return bad(r,
			   "a label has letters of several alphabets, which look alike (if "
			   "it is meant, write it as xn--...)");
	case IDN_ALABEL:
		return bad(r, "a label begins with xn-- and is not valid punycode");
	default:
		return bad(r, "a label has more than %d characters, or the name more than %d",
			   NAME_LABEL_MAX, NAME_MAX_LEN);
	}
}

/* Why name_canonical() did not take it. */
static int bad_name(const struct reader *r, const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	size_t len = strlen(name);

	for (const char *s = name; *s; s++)
		if (!strchr(letters, *s))
			return bad(r, "\"%c\" has no place in a name", *s);
	if (len - (len > 0 && name[len - 1] == '.') > NAME_MAX_LEN)
		return bad(r, "the name has more than %d characters", NAME_MAX_LEN);
	if (len == 0 || name[0] == '.' || strstr(name, ".."))
		return bad(r,
			   "a label is empty: a dot stands between two labels, and one may "
			   "be at the end");
	return bad(r, "a label has more than %d characters", NAME_LABEL_MAX);
}

static int read_name(const struct reader *r, struct piece p, struct rule *rule)
{
	char ascii[NAME_MAX_LEN + 2], name[NAME_MAX_LEN + 1];
	struct idn_problem problem = {0};

	rule->kind = RULE_NAME;
	if (is(p, "*"))
		return bad(r,
			   "\"*\" would be every name: to refuse nothing but what is always "
			   "shut, use the mode audit");
	if (p.s[0] == '*') {
		if (p.len < 2 || p.s[1] != '.')
			return bad(r, "\"*\" stands for whole labels: \"*.\" and a name");
		rule->kind = RULE_BELOW;
		p = after(p, 2);
		if (p.len == 0)
			return bad(r, "no name after \"*.\"");
	}
	if (find(p, '*') < p.len)
		return bad(r, "\"*.\" may only be at the beginning, and once");
	if (idn_to_ascii(p.s, p.len, ascii, &problem) < 0)
		return bad_idn(r, problem);
	if (name_canonical(ascii, strlen(ascii), name) < 0)
		return bad_name(r, ascii);
	if (name_ends_in_number(name))
		return bad(r, "it ends in a number, so some would read it as an address, "
			      "which has four numbers from 0 to 255, without zeros in front");
	rule->name = strdup(name);
	return rule->name ? 0 : cis_fail(r->err, ENOMEM, "%s", r->place);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static int check_text(const struct reader *r)
{
	struct piece p = r->all;

	if (p.len == 0)
		return bad(r, "it is empty");
	if (p.len > RULE_TEXT_MAX)
		return bad(r, "it is longer than any rule");
	for (size_t i = 0; i < p.len; i++) {
		unsigned char c = (unsigned char)p.s[i];

		if ((c == ' ' || c == '\t') && is(before(p, i), "preset"))
			return bad(r, "a preset is no rule: give its name to --allow-preset");
		if ((c == ' ' || c == '\t') && find(p, '#') < p.len)
			return bad(r, "a comment can only stand in an allow file");
		if (c == ' ' || c == '\t')
			return bad(r, "there is a blank in it");
		if (c < ' ' || c == 0x7f)
			return bad(r, "there is a control character in it");
	}
	if (memmem(p.s, p.len, "://", 3))
		return bad(r, "it is a URL: write the host alone, or HOST:PORT");
	return 0;
}

/* Parts @p into host and, if there is a colon for it, ports. *ret_six: it is IPv6. */
static int divide(const struct reader *r, struct piece *ret_host, struct piece *ret_ports,
		  bool *ret_six)
{
	struct piece p = r->all, rest;
	size_t colon = find(p, ':');

	*ret_six = false;
	*ret_ports = (struct piece){0};
	if (p.s[0] == '[') {
		size_t end = find(p, ']');

		if (end == p.len)
			return bad(r, "\"]\" is missing");
		*ret_six = true;
		*ret_host = after(before(p, end), 1);
		rest = after(p, end + 1);
		if (rest.len > 0 && rest.s[0] == '/')
			return bad(r, "the prefix goes between the brackets: [ADDRESS/BITS]");
		if (rest.len > 0 && rest.s[0] != ':')
			return bad(r, "only \":\" and a port may follow \"]\"");
		*ret_ports = rest.len > 0 ? after(rest, 1) : rest;
		if (rest.len > 0 && ret_ports->len == 0)
			return bad(r, "no port after \":\"");
		return 0;
	}
	*ret_host = before(p, colon);
	if (colon == p.len)
		return 0;
	*ret_ports = after(p, colon + 1);
	if (find(*ret_ports, ':') == ret_ports->len)
		return ret_ports->len ? 0 : bad(r, "no port after \":\"");
	*ret_six = true;
	*ret_host = p;
	ret_ports->len = 0;
	return 0;
}

static int read_host(const struct reader *r, struct piece host, bool six, struct rule *rule)
{
	uint8_t ignored[16];
	size_t slash = find(host, '/');

	if (six)
		return read_net(r, host, AF_INET6, rule);
	if (host.len == 0)
		return bad(r, "no host before \":\"");
	if (read_address(host, AF_INET, ignored))
		return read_net(r, host, AF_INET, rule);
	if (slash < host.len) {
		if (slash > 0 && host.s[0] >= '0' && host.s[0] <= '9' &&
		    host.s[slash - 1] >= '0' && host.s[slash - 1] <= '9')
			return read_net(r, host, AF_INET, rule);
		return bad(r, "\"/\" follows a port or an address, not a name");
	}
	return read_name(r, host, rule);
}

/*
 * A name, and nothing that any of the above would stumble over: of very many rules nearly all
 * are such, and this is a third of the way.
 */
static bool is_plain_name(const char *text, size_t len, char ret[static NAME_MAX_LEN + 1])
{
	return name_canonical(text, len, ret) >= 0 && !name_ends_in_number(ret) &&
	       strncmp(ret, "xn--", 4) != 0 && !strstr(ret, ".xn--");
}

int rule_parse(const char *text, size_t len, bool with_ports, const char *place,
	       struct rule *ret, struct cis_error *err)
{
	const struct reader r = {{text, len}, place, err};
	struct piece host = {0}, ports = {0};
	struct rule rule = {0};
	char name[NAME_MAX_LEN + 1];
	bool six = false;
	int k;

	if (is_plain_name(text, len, name)) {
		rule.name = strdup(name);
		if (!rule.name)
			return cis_fail(err, ENOMEM, "%s", place);
		if (with_ports)
			set_default_ports(&rule);
		*ret = rule;
		return 0;
	}
	k = check_text(&r);
	if (k >= 0)
		k = divide(&r, &host, &ports, &six);
	if (k < 0)
		return k;
	if (ports.len > 0 && !with_ports)
		return bad(&r, "it has a port, but speaks of all ports: leave \":\" and what "
			       "follows out");
	k = ports.len > 0 ? read_ports(&r, ports, &rule) : 0;
	if (k >= 0 && ports.len == 0 && with_ports)
		set_default_ports(&rule);
	if (k >= 0)
		k = read_host(&r, host, six, &rule);
	if (k >= 0)
		*ret = rule;
	return k;
}

void rule_done(struct rule *rule)
{
	free(rule->name);
	rule->name = NULL;
}

static bool has_default_ports(const struct rule *rule)
{
	return rule->n_ports == 2;
}

void rule_print(const struct rule *rule, bool with_ports, char ret[static RULE_PRINT_MAX])
{
	bool ported = with_ports && rule->n_ports > 0 && !has_default_ports(rule);
	const struct egress_port *port = rule->ports;
	char host[RULE_PRINT_MAX - 32], bits[8] = "";
	size_t n;

	if (rule->kind == RULE_NET) {
		char address[INET6_ADDRSTRLEN] = "";

		inet_ntop(rule->family, rule->address, address, sizeof address);
		if (rule->bits != (rule->family == AF_INET ? 32 : 128))
			snprintf(bits, sizeof bits, "/%u", rule->bits);
		snprintf(host, sizeof host,
			 rule->family == AF_INET6 && ported ? "[%s%s]" : "%s%s", address,
			 bits);
	} else {
		snprintf(host, sizeof host, "%s%s", rule->kind == RULE_BELOW ? "*." : "",
			 rule->name);
	}
	n = (size_t)snprintf(ret, RULE_PRINT_MAX, "%s", host);
	if (!ported)
		return;
	n += (size_t)(port->port ? snprintf(ret + n, RULE_PRINT_MAX - n, ":%u", port->port)
				 : snprintf(ret + n, RULE_PRINT_MAX - n, ":*"));
	/* A number alone is tcp; "*" alone is both. */
	if (port->proto == IPPROTO_UDP || (port->proto == IPPROTO_TCP && !port->port))
		snprintf(ret + n, RULE_PRINT_MAX - n,
			 port->proto == IPPROTO_UDP ? "/udp" : "/tcp");
}
