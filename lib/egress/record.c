/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../base/macros.h"
#include "../base/sys.h"
#include "name.h"
#include "policy.h"

/* Room for "," KEY ":" and @n bytes more, or nothing is written. */
static bool begin_member(struct record *r, const char *key, size_t n)
{
	size_t len = strlen(key);

	if (r->text.len + len + n + 8 > sizeof r->buf)
		return false;
	text_str(&r->text, r->text.len > 1 ? ",\"" : "\"");
	text_bytes(&r->text, key, len);
	text_str(&r->text, "\":");
	return true;
}

void record_begin(struct record *r, const char *event)
{
	struct timespec now = {0};

	SYS(clock_gettime, CLOCK_REALTIME, &now);
	/* Two bytes stay for the end. */
	r->text = (struct text){.buf = r->buf, .size = sizeof r->buf - 2};
	text_str(&r->text, "{");
	record_number(r, "time_msec",
		      (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
	record_text(r, "event", event);
}

void record_text(struct record *r, const char *key, const char *value)
{
	size_t n = strlen(value);

	if (!begin_member(r, key, n + 2))
		return;
	text_str(&r->text, "\"");
	for (size_t i = 0; i < n; i++) {
		char c = value[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			c = '?';
		text_bytes(&r->text, &c, 1);
	}
	text_str(&r->text, "\"");
}

void record_number(struct record *r, const char *key, uint64_t value)
{
	if (begin_member(r, key, 20))
		text_num(&r->text, value);
}

/* Not inet_ntop(), which for IPv6 is stdio's. Every group is written. */
static void add_six(struct text *t, const uint8_t *a)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 16; i += 2) {
		unsigned int group = (unsigned int)a[i] << 8 | a[i + 1];

		if (i)
			text_str(t, ":");
		for (int shift = 12; shift >= 0; shift -= 4)
			if (shift == 0 || group >> shift)
				text_bytes(t, &digits[group >> shift & 15], 1);
	}
}

void record_address(struct record *r, const char *key, bool six, const uint8_t *address)
{
	char buf[48] = "";
	struct text t = {.buf = buf, .size = sizeof buf - 1};

	if (six)
		add_six(&t, address);
	for (size_t i = 0; i < 4 && !six; i++) {
		if (i)
			text_str(&t, ".");
		text_num(&t, address[i]);
	}
	record_text(r, key, buf);
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

	r->buf[r->text.len++] = '}';
	r->buf[r->text.len++] = '\n';
	if (SYS(fstat, fd, &st) < 0 || st.st_size > (off_t)RECORDS_MAX)
		return false;
	return SYS(write, fd, r->buf, r->text.len) == (int)r->text.len;
}

const char *record_reason(const char *reason)
{
	static const char *const sentences[][2] = {
		{"never", "an address that no job reaches (no-lan)"},
		{"block", "no rule allows it"},
		{"dns", "a resolver other than the gate's"},
		{"quic", "QUIC, whose names nobody reads"},
		{"gate", "the gate itself"},
		{"flood", "too many connections at a time"},
		{"spoof", "not the sandbox's own source address"},
		{"budget", "the upload budget is spent"},
		{"name", "no rule allows that name"},
		{"denied", "a rule denies it"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sentences); i++)
		if (strcmp(sentences[i][0], reason) == 0)
			return sentences[i][1];
	return reason;
}
