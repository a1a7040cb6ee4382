/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../base/macros.h"
#include "../base/num.h"
#include "../base/sys.h"
#include "name.h"
#include "policy.h"

static void add(struct record *r, const char *s, size_t n)
{
	/* Two bytes stay for the end. */
	n = MIN(n, sizeof r->text - 2 - r->len);
	memcpy(r->text + r->len, s, n);
	r->len += n;
}

static void add_number(struct record *r, uint64_t value)
{
	char digits[24] = "";

	num_append(digits, sizeof digits, value);
	add(r, digits, strlen(digits));
}

/* Room for "," KEY ":" and @n bytes more, or nothing is written. */
static bool begin_member(struct record *r, const char *key, size_t n)
{
	size_t len = strlen(key);

	if (r->len + len + n + 8 > sizeof r->text)
		return false;
	add(r, r->len > 1 ? ",\"" : "\"", r->len > 1 ? 2 : 1);
	add(r, key, len);
	add(r, "\":", 2);
	return true;
}

void record_begin(struct record *r, const char *event)
{
	struct timespec now = {0};

	SYS(clock_gettime, CLOCK_REALTIME, &now);
	r->len = 0;
	add(r, "{", 1);
	record_number(r, "time_msec",
		      (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
	record_text(r, "event", event);
}

void record_text(struct record *r, const char *key, const char *value)
{
	size_t n = strlen(value);

	if (!begin_member(r, key, n + 2))
		return;
	add(r, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		char c = value[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			c = '?';
		add(r, &c, 1);
	}
	add(r, "\"", 1);
}

void record_number(struct record *r, const char *key, uint64_t value)
{
	if (begin_member(r, key, 20))
		add_number(r, value);
}

static void append(char *text, const char *s)
{
	memcpy(text + strlen(text), s, strlen(s) + 1);
}

/* Not inet_ntop(), which for IPv6 is stdio's. Every group is written. */
static void append_six(char *text, const uint8_t *a)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 16; i += 2) {
		unsigned int group = (unsigned int)a[i] << 8 | a[i + 1];
		char hex[6] = "", *at = hex;

		for (int shift = 12; shift >= 0; shift -= 4)
			if (shift == 0 || group >> shift)
				*at++ = digits[group >> shift & 15];
		if (i)
			append(text, ":");
		append(text, hex);
	}
}

void record_address(struct record *r, const char *key, bool six, const uint8_t *address)
{
	char text[48] = "";

	if (six)
		append_six(text, address);
	for (size_t i = 0; i < 4 && !six; i++) {
		if (i)
			append(text, ".");
		num_append(text, sizeof text, address[i]);
	}
	record_text(r, key, text);
}

void record_protocol(struct record *r, uint8_t protocol)
{
	if (protocol == IPPROTO_TCP)
		record_text(r, "proto", "tcp");
	else if (protocol == IPPROTO_UDP)
		record_text(r, "proto", "udp");
	else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		record_text(r, "proto", "icmp");
	else
		record_number(r, "proto", protocol);
}

void record_rule(struct record *r, const struct policy *p, const char *name)
{
	struct policy_match m = {NULL, false};
	char rule[NAME_MAX_LEN + 3] = "*.";

	if (name)
		policy_name_verdict(p, name, &m);
	if (m.name) {
		memcpy(rule + 2, m.name, strlen(m.name) + 1);
		record_text(r, "rule", m.below ? rule : rule + 2);
	} else if (policy_is_audit(p)) {
		record_text(r, "rule", "audit");
	}
}

bool record_end(struct record *r, int fd)
{
	struct stat st;

	r->text[r->len++] = '}';
	r->text[r->len++] = '\n';
	if (SYS(fstat, fd, &st) < 0 || st.st_size > (off_t)RECORDS_MAX)
		return false;
	return SYS(write, fd, r->text, r->len) == (int)r->len;
}
