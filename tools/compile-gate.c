/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the messages of lib/net/gate-messages.h as a C header, with the places in them
 * of what is only known when they are sent. Each is made with values that nothing else
 * in it looks like, which are then searched for; made with others, it must come out the
 * same as when those are put into these places.
 */
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/gate-messages.h"

#define FIELD(name) {#name, offsetof(struct gate_values, name), \
		     sizeof((struct gate_values *)NULL)->name}
static const struct {
	const char *name;
	size_t offset, size;
} fields[] = {FIELD(link), FIELD(mtu),  FIELD(netns), FIELD(own4), FIELD(gate4),
	      FIELD(box4), FIELD(own6), FIELD(gate6), FIELD(box6),
	      FIELD(net_head4), FIELD(net4), FIELD(rate), FIELD(budget),
	      FIELD(burst)};
#define FIELDS (sizeof fields / sizeof *fields)

/* Bytes without a pattern, so that no field looks like a part of another. */
static void fill(struct gate_values *v, uint32_t seed)
{
	unsigned char *bytes = (unsigned char *)v;

	for (size_t f = 0; f < FIELDS; f++) {
		for (size_t i = 0; i < fields[f].size; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[fields[f].offset + i] = (unsigned char)(seed >> 24);
		}
	}
}

static size_t build(enum gate_message m, const struct gate_values *v, char *buf)
{
	memset(buf, 0, GATE_MESSAGE_MAX);
	if (gate_message_is_egress(m))
		return egress_rules_build(m, v, buf);
	return gate_message_is_rules(m) ? gate_rules_build(m, v, buf)
					: gate_links_build(m, v, buf);
}

static void print_message(int m)
{
	static char first[GATE_MESSAGE_MAX], second[GATE_MESSAGE_MAX];
	struct gate_values one = {0}, other = {0};
	size_t len, places = 0;

	fill(&one, 0x51);
	fill(&other, 0x9c);
	len = build((enum gate_message)m, &one, first);
	if (!len || build((enum gate_message)m, &other, second) != len)
		abort();
	printf("static const struct gate_place places_%d[] = {", m);
	for (size_t f = 0; f < FIELDS; f++) {
		const char *mark = (const char *)&one + fields[f].offset;

		for (size_t at = 0; at + fields[f].size <= len; at++) {
			if (memcmp(first + at, mark, fields[f].size) != 0)
				continue;
			printf("{%zu, offsetof(struct gate_values, %s), %zu}, ", at,
			       fields[f].name, fields[f].size);
			memcpy(first + at, (const char *)&other + fields[f].offset,
			       fields[f].size);
			places++;
		}
	}
	printf("{0, 0, 0}};\n#define N_PLACES_%d %zu\n", m, places);
	if (memcmp(first, second, len) != 0) {
		fprintf(stderr, "compile-gate: message %d has a value in no known place\n", m);
		exit(1);
	}
	printf("static const char bytes_%d[] = \"", m);
	for (size_t i = 0; i < len; i++)
		printf("\\%03o", (unsigned char)first[i]);
	puts("\";");
}

int main(void)
{
	puts("struct gate_place { unsigned short at, field, size; };");
	for (int m = 0; m < GATE_MESSAGES; m++)
		print_message(m);
	puts("static const struct {\n\tint protocol;\n\tsize_t len;\n\tconst char *bytes;\n"
	     "\tsize_t n_places;\n\tconst struct gate_place *places;\n} messages[] = {");
	for (int m = 0; m < GATE_MESSAGES; m++)
		printf("\t[%d] = {%d, sizeof bytes_%d - 1, bytes_%d, N_PLACES_%d, places_%d},\n",
		       m, gate_message_is_rules((enum gate_message)m) ? NETLINK_NETFILTER
								       : NETLINK_ROUTE,
		       m, m, m, m);
	puts("};");
	return ferror(stdout) || fflush(stdout) != 0;
}
