/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gate's resolver: messages, what is asked on, what is told, and hostile bytes from both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "egress-dns.h"
#include "egress/dns-engine.h"
#include "egress/ruleset.h"

#define COUNT(a) ARRAY_SIZE(a)

static struct view v;

/* ---- names and messages ------------------------------------------------------------ */

static void test_names_are_read(void **state)
{
	static const struct {
		const char *what, *bytes; /* after twelve bytes of header */
		size_t n, at;		  /* where the name is, from there */
		const char *text;	  /* NULL: refused; "!": read, but has no text */
		size_t end;
	} cases[] = {
		{"the root", "\0", 1, 0, "", 1},
		{"two labels", "\3www\2ab\0x", 9, 0, "www.ab", 8},
		{"folded", "\3WwW\2aB\0", 8, 0, "www.ab", 8},
		{"a pointer back", "\2ab\0\1c\300\14", 8, 4, "c.ab", 8},
		{"a pointer alone", "\2ab\0\300\14", 6, 4, "ab", 6},
		{"pointers in a row", "\2ab\0\300\14\300\20", 8, 6, "ab", 8},
		{"a pointer to itself", "\300\14", 2, 0, NULL, 0},
		{"a pointer ahead", "\300\16\2ab\0", 6, 0, NULL, 0},
		{"two that point at each other", "\300\16\300\14", 4, 2, NULL, 0},
		{"a label before itself", "\1a\300\14", 4, 0, NULL, 0},
		{"a pointer into the header", "\300\2\0\0", 4, 0, NULL, 0},
		{"half a pointer", "\2ab\300", 4, 0, NULL, 0},
		{"a pointer past the end", "\2ab\0\303\377", 6, 4, NULL, 0},
		{"reserved bits 01", "\101a\0", 3, 0, NULL, 0},
		{"reserved bits 10", "\201a\0", 3, 0, NULL, 0},
		{"a label past the end", "\5ab\0", 4, 0, NULL, 0},
		{"no end", "\2ab", 3, 0, NULL, 0},
		{"nothing", "", 0, 0, NULL, 0},
		{"a dot in a label", "\3a.b\0", 5, 0, "!", 5},
		{"a NUL in a label", "\3a\0b\0", 5, 0, "!", 5},
		{"a blank", "\3a b\0", 5, 0, "!", 5},
		{"UTF-8", "\2\303\251\0", 4, 0, "!", 4},
		{"an asterisk", "\1*\2ab\0", 6, 0, "!", 6},
		{"an underline", "\4_tcp\2ab\0", 9, 0, "_tcp.ab", 9},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = 12 + cases[i].n, at = 12 + cases[i].at;
		char text[DNS_NAME_TEXT_MAX + 1] = "?";
		uint8_t *bytes = calloc(1, n);
		const struct dns_message m = {bytes, n};
		struct dns_name name;

		memcpy(bytes + 12, cases[i].bytes, cases[i].n);
		int r = dns_read_name(&m, &at, &name);
		if ((r == 0) != (cases[i].text != NULL))
			fail_msg("%s: %d", cases[i].what, r);
		if (!r) {
			assert_int_equal(at, 12 + cases[i].end);
			r = dns_name_text(&name, text);
			if (strcmp(cases[i].text, r < 0 ? "!" : text))
				fail_msg("%s: %d %s", cases[i].what, r, text);
		} else {
			assert_int_equal(at, 12 + cases[i].at);
		}
		free(bytes);
	}
}

static void test_names_have_bounds(void **state)
{
	uint8_t bytes[12 + 700] = {0};
	struct dns_name name;
	char text[DNS_NAME_TEXT_MAX + 1];
	size_t at = 12;

	(void)state;
	/* 127 labels of one byte are 255 bytes with the root; 128 are too many. */
	for (int i = 0; i < 300; i++)
		memcpy(bytes + 12 + 2 * i, "\1a", 2);
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, 12 + 601}, &at, &name),
			 -EBADMSG);
	bytes[12 + 2 * 127] = 0;
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, 12 + 255}, &at, &name),
			 0);
	assert_int_equal(name.len, 255);
	assert_int_equal(dns_name_text(&name, text), 0);
	assert_int_equal(strlen(text), 253);
	memcpy(bytes + 12 + 2 * 127, "\1a", 3);
	at = 12;
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, 12 + 257}, &at, &name),
			 -EBADMSG);
	/* One byte too many, by a pointer: 126 labels, then one of two bytes before. */
	memset(bytes, 0, sizeof bytes);
	memcpy(bytes + 12, "\2ab", 4);
	for (int i = 0; i < 126; i++)
		memcpy(bytes + 16 + 2 * i, "\1a", 2);
	memcpy(bytes + 16 + 2 * 126, "\300\14", 2);
	at = 16;
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, sizeof bytes}, &at,
				       &name),
			 -EBADMSG);
	at = 18;
	assert_int_equal(dns_read_name(&(struct dns_message){bytes, sizeof bytes}, &at,
				       &name),
			 0);
	assert_int_equal(name.len, 254);
}

static void test_names_are_escaped_and_compared(void **state)
{
	struct dns_name odd = {.len = 8, .wire = "\6a.\0\"\n\\"};
	struct dns_name a = name_of("www.Example.com"), b = name_of("EXAMPLE.com");
	struct dns_name c = name_of("xample.com"), root = name_of("");
	char text[DNS_NAME_ESCAPED_MAX + 1];

	(void)state;
	dns_name_escape(&odd, text);
	assert_string_equal(text, "a\\046\\000\\034\\010\\092");
	dns_name_escape(&root, text);
	assert_string_equal(text, ".");
	/* The longest there is. */
	struct dns_name full = {.len = 255};
	memset(full.wire, 0xff, 254);
	for (size_t i = 0; i < 4; i++)
		full.wire[64 * i] = i < 3 ? 63 : 61;
	dns_name_escape(&full, text);
	assert_int_equal(strlen(text), 250 * 4 + 3);
	assert_true(dns_name_is_in(&a, &b));
	assert_true(dns_name_is_in(&a, &a));
	assert_true(dns_name_is_in(&a, &root));
	assert_false(dns_name_is_in(&b, &a));
	assert_false(dns_name_is_in(&a, &c));
	assert_false(dns_name_equals(&b, &c));
}

static void test_data_is_rebuilt(void **state)
{
	static const struct {
		uint16_t type;
		const char *bytes;
		size_t n;
		int is; /* 0: as it was; 1: shortened; else -errno */
		size_t len;
	} cases[] = {
		{DNS_A, "\1\2\3\4", 4, 0, 4},
		{DNS_A, "\1\2\3\4\5", 5, -EBADMSG, 0},
		{DNS_A, "\1\2\3", 3, -EBADMSG, 0},
		{DNS_AAAA, "0123456789abcdef", 16, 0, 16},
		{DNS_AAAA, "0123456789abcde", 15, -EBADMSG, 0},
		{DNS_CNAME, "\1a\0", 3, 0, 3},
		{DNS_CNAME, "\1a\0b", 4, -EBADMSG, 0},
		{DNS_CNAME, "\1a", 2, -EBADMSG, 0},
		{DNS_MX, "\0\1\1a\0", 5, 0, 5},
		{DNS_MX, "\0\1", 2, -EBADMSG, 0},
		{DNS_MX, "\0", 1, -EBADMSG, 0},
		{DNS_SRV, "\0\1\0\1\0\1\1a\0", 9, 0, 9},
		{DNS_SOA,
		 "\1a\0\1b\0"
		 "0123456789abcdefghij",
		 26, 0, 26},
		{DNS_SOA,
		 "\1a\0\1b\0"
		 "0123456789abcdefghi",
		 25, -EBADMSG, 0},
		{DNS_TXT, "\1a\2bc", 5, 0, 5},
		{DNS_TXT, "\0", 1, 0, 1},
		{DNS_TXT, "", 0, -EBADMSG, 0},
		{DNS_TXT, "\1a\3bc", 5, -EBADMSG, 0},
		{DNS_CAA, "\0\5issuex", 8, 0, 8},
		{DNS_CAA, "\0\7issue", 7, -EBADMSG, 0},
		{DNS_CAA, "\0", 1, -EBADMSG, 0},
		{DNS_DS, "\0\1\10\2hash", 8, 0, 8},
		{DNS_DS, "\0\1\10", 3, -EBADMSG, 0},
		{DNS_RRSIG, "0123456789abcdefgh\1a\0sig", 24, 0, 24},
		{DNS_RRSIG, "0123456789abcdefg", 17, -EBADMSG, 0},
		{DNS_HTTPS, "\0\0\1a\0", 5, 0, 5},
		{DNS_HTTPS, "\0\0\1a\0\0\1\0\0", 9, 1, 5},
		{DNS_HTTPS, "\0\1\0\0\1\0\3\2h2", 10, 0, 10},
		{DNS_HTTPS, "\0\1\0\0\1\0\3\2h2\0\4\0\4\1\2\3\4", 18, 1, 10},
		{DNS_HTTPS, "\0\1\0\0\4\0\4\1\2\3\4\0\5\0\1e\0\6\0\0\0\7\0\1d", 25, 1, 8},
		{DNS_HTTPS, "\0\1\0\0\0\0\2\0\3\0\3\0\2\0\120", 15, 0, 15},
		{DNS_HTTPS, "\0\1\0\0\0\0\2\0\4\0\4\0\4\1\2\3\4", 17, -ENOENT, 0},
		{DNS_HTTPS, "\0\1\0\0\0\0\1\0", 8, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1\0\0\3\0\0\0\1\0\0", 11, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1\0\0\3\0\0\0\3\0\0", 11, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1\0\0\1\0\4h", 8, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1\0\0\1\0", 6, -EBADMSG, 0},
		{DNS_HTTPS, "\0\1", 2, -EBADMSG, 0},
		{DNS_OPT, "", 0, -EBADMSG, 0},
		{99, "ab", 2, -EBADMSG, 0},
	};
	uint8_t out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t *bytes = malloc(12 + cases[i].n);
		const struct dns_message m = {bytes, 12 + cases[i].n};
		struct dns_rr rr = {.type = cases[i].type,
				    .rdata = 12,
				    .rdlen = (uint16_t)cases[i].n};
		struct dns_writer to;

		memcpy(bytes + 12, cases[i].bytes, cases[i].n);
		dns_write_init(&to, out, sizeof out);
		int r = dns_write_rdata(&to, &m, &rr);
		if (r != cases[i].is || (r >= 0 && to.len != cases[i].len) ||
		    (r == 0 && memcmp(out, cases[i].bytes, to.len)))
			fail_msg("case %zu: %d, %zu bytes", i, r, to.len);
		free(bytes);
	}
}

/* Whatever the room, nothing is written behind it; and what fits can be read again. */
static void test_writing_has_bounds(void **state)
{
	struct dns_name names[] = {name_of("www.a.example"), name_of("a.example"),
				   name_of("b.www.A.example"), name_of("example"),
				   name_of("")};

	(void)state;
	/* The header; 15 + 10 + 1; 2 + 10 + 2; 4 + 10 + 2; 2 + 10 + 2; 1 + 10 + 2. */
	const size_t needed = 12 + 26 + 14 + 16 + 14 + 13;

	for (size_t size = 0; size < needed + 10; size++) {
		uint8_t *buf = malloc(size ? size : 1);
		const struct dns_message m = {buf, size};
		size_t at = DNS_HEADER_SIZE, where;
		struct dns_writer out;
		struct dns_rr rr;

		dns_write_init(&out, buf, size);
		dns_write_header(&out, &(struct dns_header){.id = 7});
		for (size_t i = 0; i < COUNT(names); i++) {
			where = dns_write_rr(&out, &names[i], DNS_CNAME, 60);
			dns_write_name(&out, &names[COUNT(names) - 1 - i], true);
			dns_write_rdlen(&out, where);
		}
		assert_true(out.len <= size);
		assert_int_equal(out.is_full, size < needed);
		for (size_t i = 0; !out.is_full && i < COUNT(names); i++) {
			struct dns_name target;
			assert_int_equal(dns_read_rr(&m, &at, &rr), 0);
			assert_true(dns_name_equals(&rr.owner, &names[i]));
			assert_int_equal(dns_read_target(&m, &rr, 0, &target), 0);
			assert_true(dns_name_equals(&target, &names[COUNT(names) - 1 - i]));
		}
		free(buf);
	}
}

/* ---- what is asked on ------------------------------------------------------------- */

static void expect(uint16_t rcode, int ede, enum dns_reason reason)
{
	assert_true(look(&w.told, &v));
	if (v.rcode != rcode || v.ede != ede || w.noted[w.n_noted - 1].reason != reason)
		fail_msg("rcode %u, EDE %d, %s", v.rcode, v.ede,
			 dns_reason_name(w.noted[w.n_noted - 1].reason));
}

static void test_names_of_no_rule_stay_here(void **state)
{
	static const char *const names[] = {
		"forbidden.example",
		"www.allowed.example",
		"xallowed.example",
		"wild.example",
		"example",
		"allowed.example.forbidden.example",
		"_443._https.allowed.example",
		"denied.example",
		"a.denied.example",
		"_dns.resolver.arpa",
		"use-application-dns.net",
		"1.2.0.192.in-addr.arpa",
		"in-addr.arpa",
		"*.wild.example",
		"a b.wild.example",
	};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(names); i++) {
		ask(names[i], DNS_A);
		assert_int_equal(w.n_told, i + 1);
		expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
		assert_int_equal(w.noted[i].verdict, DNS_DENIED);
		assert_int_equal(v.n, 0);
	}
	ask("", DNS_NS);
	expect(DNS_REFUSED, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_sent, 0);
	/* Without EDNS no reason can be said. */
	ask_as(&udp, "forbidden.example", DNS_A, OPT_NONE);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.rcode, DNS_NXDOMAIN);
	assert_false(v.opt.is_there);
}

/* Bytes that a text would hide: "allowed.example" as one label, and with a NUL behind it. */
static void test_labels_are_not_text(void **state)
{
	static const char *const questions[] = {
		"\17allowed.example\0",
		"\7allowed\11example\0x\0",
		"\10allowed\0\7example\0",
		"\7allowed\10example.\0",
	};
	static const size_t lengths[] = {17, 19, 18, 18};
	uint8_t buf[64];

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(questions); i++) {
		memcpy(buf, "\1\2\1\0\0\1\0\0\0\0\0\0", 12);
		memcpy(buf + 12, questions[i], lengths[i]);
		memcpy(buf + 12 + lengths[i], "\0\1\0\1", 4);
		give_query(&udp, buf, 16 + lengths[i]);
		assert_int_equal(w.n_told, i + 1);
		assert_true(look(&w.told, &v));
		assert_int_equal(v.rcode, DNS_NXDOMAIN);
		for (const char *p = w.noted[i].name; *p; p++)
			assert_true(*p > ' ' && *p < 127 && *p != '"');
	}
	assert_int_equal(w.n_sent, 0);
	assert_string_equal(w.noted[0].name, "allowed\\046example");
}

static void test_types(void **state)
{
	static const uint16_t good[] = {DNS_A,	 DNS_AAAA, DNS_CNAME, DNS_HTTPS,  DNS_SVCB,
					DNS_TXT, DNS_MX,   DNS_SRV,   DNS_NS,	  DNS_SOA,
					DNS_CAA, DNS_PTR,  DNS_DS,    DNS_DNSKEY, DNS_RRSIG};
	static const uint16_t bad[] = {DNS_ANY, DNS_AXFR, DNS_IXFR, 0,	  DNS_OPT, 249,
				       250,	253,	  10,	    13,	  35,	   39,
				       47,	50,	  99,	    65535};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(good); i++) {
		ask("allowed.example", good[i]);
		assert_int_equal(w.n_sent, i + 1);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		ask("allowed.example", bad[i]);
		assert_int_equal(w.n_told, i + 1);
		expect(DNS_REFUSED, 21, DNS_BECAUSE_TYPE);
	}
	assert_int_equal(w.n_sent, COUNT(good));
}

static void test_malformed_queries(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
		size_t cut; /* bytes at the end */
		int rcode;  /* -1: no answer */
	} cases[] = {
		{"an answer", 2, 0x81, 0, -1},
		{"opcode 4", 2, 0x21, 0, DNS_NOTIMP},
		{"opcode 5", 2, 0x29, 0, DNS_NOTIMP},
		{"TC", 2, 0x03, 0, DNS_FORMERR},
		{"no question", 5, 0, 0, DNS_FORMERR},
		{"two questions", 5, 2, 0, DNS_FORMERR},
		{"65281 questions", 4, 255, 0, DNS_FORMERR},
		{"an answer in it", 7, 1, 0, DNS_FORMERR},
		{"authority in it", 9, 1, 0, DNS_FORMERR},
		{"two additional", 11, 2, 0, DNS_FORMERR},
		{"bytes at the end", 11, 0, 0, DNS_FORMERR},
		{"a pointer as name", 12, 0xc0, 0, DNS_FORMERR},
		{"class CH", 32, 3, 0, DNS_REFUSED},
		{"class ANY", 32, 255, 0, DNS_REFUSED},
		{"EDNS 1", 39, 1, 0, DNS_BADVERS},
		{"OPT of a name", 33, 1, 0, DNS_FORMERR},
		{"another type for OPT", 35, 16, 0, DNS_FORMERR},
		{"options past the end", 43, 9, 0, DNS_FORMERR},
		{"cut", 0, 0x12, 1, DNS_FORMERR},
		{"cut in the question", 0, 0x12, 12, DNS_FORMERR},
		{"cut in the header", 0, 0x12, 33, -1},
	};
	uint8_t buf[64];

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = make_query(buf, sizeof buf, "allowed.example", DNS_A, OPT_PLAIN,
				      1232);
		size_t before = w.n_told;

		assert_int_equal(n, 44);
		buf[cases[i].at] = cases[i].value;
		give_query(&udp, buf, n - cases[i].cut);
		if (cases[i].rcode < 0 ? w.n_told != before : w.n_told != before + 1)
			fail_msg("%s: %zu answers", cases[i].what, w.n_told - before);
		if (cases[i].rcode < 0)
			continue;
		assert_true(look(&w.told, &v));
		if (v.rcode != cases[i].rcode)
			fail_msg("%s: %u", cases[i].what, v.rcode);
		assert_int_equal(v.h.id, 0x1234);
	}
	assert_int_equal(w.n_sent, 0);
	/* version.bind */
	size_t n = make_query(buf, sizeof buf, "version.bind", DNS_TXT, OPT_PLAIN, 1232);
	buf[29] = 3;
	give_query(&udp, buf, n);
	expect(DNS_REFUSED, 21, DNS_BECAUSE_CLASS);
	/* IXFR says what it has in the authority section. */
	struct dns_writer out = {.buf = buf, .size = sizeof buf};
	dns_write_header(&out, &(struct dns_header){.n_questions = 1, .n_authority = 1});
	struct dns_name name = name_of("allowed.example");
	dns_write_question(&out, &(struct dns_question){name, DNS_IXFR, DNS_CLASS_IN});
	dns_write_rdlen(&out, dns_write_rr(&out, &name, DNS_SOA, 0));
	give_query(&tcp, buf, out.len);
	expect(DNS_REFUSED, -1, DNS_BECAUSE_TYPE);
}

/* What leaves is ours: id, case, OPT; of the client's only DO and CD. */
static void test_queries_are_made_anew(void **state)
{
	struct dns_message m = {w.sent.bytes, 0};
	uint16_t ids[8];
	unsigned int n_upper = 0;
	uint8_t buf[64];

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(ids); i++) {
		size_t n = make_query(buf, sizeof buf, "Allowed.EXAMPLE", DNS_A,
				      i % 2 ? OPT_COOKIE : OPT_DO, 4096);
		size_t at = DNS_HEADER_SIZE;
		char text[DNS_NAME_TEXT_MAX + 1];
		struct dns_question q;
		struct dns_header h;
		struct dns_opt opt;
		struct dns_rr rr;

		buf[0] = (uint8_t)i;
		buf[3] = i == 2 ? DNS_FLAG_CD : 0;
		give_query(&udp, buf, n);
		assert_int_equal(w.n_sent, i + 1);
		m.n = w.sent.n;
		assert_int_equal(dns_read_header(&m, &h), 0);
		assert_int_equal(dns_read_question(&m, &at, &q), 0);
		assert_int_equal(dns_read_rr(&m, &at, &rr), 0);
		assert_int_equal(dns_read_opt(&m, &rr, &opt), 0);
		assert_int_equal(at, m.n);
		assert_int_equal(rr.rdlen, 0);
		assert_int_equal(opt.size, DNS_UDP_SIZE);
		assert_int_equal(opt.is_do, i % 2 == 0);
		assert_int_equal(h.flags, DNS_FLAG_RD | (i == 2 ? DNS_FLAG_CD : 0));
		assert_int_equal(dns_name_text(&q.name, text), 0);
		assert_string_equal(text, "allowed.example");
		for (size_t j = 0; j < q.name.len; j++)
			n_upper += q.name.wire[j] >= 'A' && q.name.wire[j] <= 'Z';
		ids[i] = h.id;
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(ids[i], ids[j]);
	}
	/* 112 letters: about half. */
	assert_in_range(n_upper, 30, 82);
	/* Said again by the same client: one query is enough. */
	give_query(&udp, buf,
		   make_query(buf, sizeof buf, "other.example", DNS_A, OPT_NONE, 0));
	give_query(&udp, buf,
		   make_query(buf, sizeof buf, "other.example", DNS_A, OPT_NONE, 0));
	assert_int_equal(w.n_sent, COUNT(ids) + 1);
}

/* ---- what is told ------------------------------------------------------------------ */

static bool has_address(const char *text)
{
	const struct dns_message m = {w.told.bytes, w.told.n};
	uint8_t a[16];
	bool is_v4 = inet_pton(AF_INET, text, a) == 1;

	if (!is_v4)
		assert_int_equal(inet_pton(AF_INET6, text, a), 1);
	for (size_t i = 0; i < v.h.n_answers; i++)
		if (v.rrs[i].type == (is_v4 ? DNS_A : DNS_AAAA) &&
		    !memcmp(m.p + v.rrs[i].rdata, a, is_v4 ? 4 : 16))
			return true;
	return false;
}

static bool knows(const char *name, const char *address)
{
	uint8_t a[16];
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;

	inet_pton(family, address, a);
	return dns_knows(w.d, name, family, a, w.now);
}

static void test_admitted_before_told(void **state)
{
	(void)state;
	w.admits_at_once = false;
	start();
	ask("AlloweD.example", DNS_A);
	respond({"allowed.example", DNS_A, 300, "192.0.2.1"},
		{"allowed.example", DNS_A, 300, "192.0.2.2"},
		{"allowed.example", DNS_A, 300, "192.0.2.1"});
	assert_int_equal(w.n_told, 0);
	assert_int_equal(w.n_admitted, 1);
	assert_int_equal(w.admission.n_addresses, 2);
	assert_memory_equal(w.admission.addresses[1].bytes, "\300\0\2\2", 4);
	assert_int_equal(w.admission.seconds, 300 + 600);
	assert_int_equal(w.admission.n_ports, 2);
	assert_int_equal(w.admission.ports[1].port, 443);
	assert_string_equal(w.admitted_name, "allowed.example");
	dns_admitted(w.d, w.now, w.admission.ticket + 1, true);
	assert_int_equal(w.n_told, 0);
	dns_admitted(w.d, w.now, w.admission.ticket, true);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.h.n_answers, 2);
	assert_true(has_address("192.0.2.1") && has_address("192.0.2.2"));
	assert_int_equal(v.h.flags & (DNS_FLAG_RA | DNS_FLAG_RD), DNS_FLAG_RA | DNS_FLAG_RD);
	/* The question in the client's case. */
	assert_memory_equal(v.q.name.wire + 1, "AlloweD", 7);
	dns_admitted(w.d, w.now, w.admission.ticket, true);
	assert_int_equal(w.n_told, 1);
	/* The keeper could not, or does not say. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 300, "192.0.2.1"});
	dns_admitted(w.d, w.now, w.admission.ticket, false);
	expect(DNS_SERVFAIL, -1, DNS_BECAUSE_NOT_ADMITTED);
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 300, "192.0.2.1"});
	assert_in_range(dns_next_timeout(w.d, w.now), 1, 3000);
	w.now += 3000;
	dns_tick(w.d, w.now);
	expect(DNS_SERVFAIL, -1, DNS_BECAUSE_NOT_ADMITTED);
	assert_int_equal(dns_next_timeout(w.d, w.now), -1);
}

static void test_chain(void **state)
{
	(void)state;
	start();
	ask("allowed.example", DNS_A);
	respond({"edge.cdn.example", DNS_A, 60, "192.0.2.1"},
		{"allowed.example", DNS_CNAME, 100000, "Mid.cdn.example"},
		{"stray.example", DNS_A, 60, "192.0.2.66"},
		{"allowed.example", DNS_A, 60, "192.0.2.67"},
		{"mid.cdn.example", DNS_CNAME, 0, "edge.cdn.example"},
		{"edge.cdn.example", DNS_TXT, 60, "stray"}, {.type = 0},
		{"cdn.example", DNS_NS, 60, "ns.cdn.example"},
		{"edge.cdn.example", DNS_A, 60, "192.0.2.68"}, {.type = 0},
		{"ns.cdn.example", DNS_A, 60, "192.0.2.69"},
		{"edge.cdn.example", DNS_A, 60, "192.0.2.70"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.h.n_answers, 3);
	assert_int_equal(v.h.n_authority, 0);
	assert_true(has_address("192.0.2.1"));
	assert_int_equal(v.rrs[0].ttl, 3600);
	assert_int_equal(v.rrs[1].ttl, 30);
	assert_int_equal(v.rrs[2].ttl, 60);
	assert_int_equal(w.admission.n_addresses, 1);
	assert_true(knows("allowed.example", "192.0.2.1"));
	/* A target has no name of its own to be used with. */
	assert_false(knows("edge.cdn.example", "192.0.2.1"));
	assert_false(knows("allowed.example", "192.0.2.67"));
	assert_false(knows("stray.example", "192.0.2.66"));
	/* A resolver inside asks for the target itself: with the ports of who led there. */
	ask("edge.cdn.example", DNS_A);
	respond({"edge.cdn.example", DNS_A, 60, "192.0.2.9"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(w.admission.n_ports, 2);
	assert_int_equal(w.admission.ports[0].port, 80);
	assert_true(knows("allowed.example", "192.0.2.9"));
	/* But only for what connecting needs, and not what is below or above it. */
	ask("edge.cdn.example", DNS_TXT);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("a.edge.cdn.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	/* And until it is over: 60 s and the grace of 600. */
	w.now += 660 * 1000;
	ask("edge.cdn.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_false(knows("allowed.example", "192.0.2.1"));
}

static void test_chain_that_is_none(void **state)
{
	(void)state;
	w.config.n_upstreams = 1;
	start();
	/* Round and round: each try of the upstream is of no use. */
	ask("allowed.example", DNS_A);
	for (int i = 0; i < 3; i++)
		respond({"allowed.example", DNS_CNAME, 60, "a.example"},
			{"a.example", DNS_CNAME, 60, "allowed.example"});
	expect(DNS_SERVFAIL, 22, DNS_BECAUSE_UPSTREAM);
	assert_int_equal(w.n_sent, 3);
	/* A chain through what is denied by name. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 60, "x.denied.example"},
		{"x.denied.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_admitted, 0);
	assert_false(knows("allowed.example", "192.0.2.1"));
	/* The answer is only in other sections. */
	ask("allowed.example", DNS_A);
	respond({.type = 0}, {"allowed.example", DNS_A, 60, "192.0.2.1"}, {.type = 0},
		{"allowed.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.n, 0);
	/* Addresses beside "does not exist". */
	ask("allowed.example", DNS_A);
	respond_with(DNS_NXDOMAIN,
		     &(const struct entry){"allowed.example", DNS_A, 60, "192.0.2.1"}, 1);
	expect(DNS_NXDOMAIN, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.n, 0);
	assert_int_equal(w.n_admitted, 0);
}

static void test_rebinding(void **state)
{
	static const char *const never[] = {"10.0.0.1", "127.0.0.1", "192.168.1.1",
					    "169.254.169.254", "0.0.0.0"};

	(void)state;
	start();
	for (size_t i = 0; i < COUNT(never); i++) {
		ask("allowed.example", DNS_A);
		respond({"allowed.example", DNS_CNAME, 60, "lan.example"},
			{"lan.example", DNS_A, 60, never[i]});
		expect(DNS_NOERROR, 17, DNS_BECAUSE_REBINDING);
		assert_int_equal(v.n, 0);
		assert_int_equal(w.noted[w.n_noted - 1].verdict, DNS_DENIED);
		assert_false(knows("allowed.example", never[i]));
	}
	ask("allowed.example", DNS_AAAA);
	respond({"allowed.example", DNS_AAAA, 60, "fd00:ec2::254"},
		{"allowed.example", DNS_AAAA, 60, "::ffff:10.0.0.1"});
	expect(DNS_NOERROR, 17, DNS_BECAUSE_REBINDING);
	assert_int_equal(w.n_admitted, 0);
	/* One of two: the other is told, and both are recorded. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 60, "10.0.0.1"},
		{"allowed.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.n, 1);
	assert_true(has_address("192.0.2.1"));
	assert_int_equal(w.noted[w.n_noted - 2].reason, DNS_BECAUSE_REBINDING);
}

static void test_services(void **state)
{
	const struct dns_message m = {w.told.bytes, sizeof w.told.bytes};
	struct dns_name target, pool = name_of("pool.cdn.example");

	(void)state;
	start();
	/* alpn h2, ipv4hint, ech, ipv6hint of one byte less than an address: all gone. */
	ask("allowed.example", DNS_HTTPS);
	respond({"allowed.example", DNS_HTTPS, 60,
		 "1 pool.cdn.example 00010003026832000400040a0000010005000161000600020102"},
		{"allowed.example", DNS_HTTPS, 60, "2 . 00000002000400040004c0000201"},
		{.type = 0}, {.type = 0}, {"pool.cdn.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.n, 1);
	assert_int_equal(dns_read_target(&m, &v.rrs[0], 2, &target), 0);
	assert_true(dns_name_equals(&target, &pool));
	assert_int_equal(v.rrs[0].rdlen, 2 + pool.len + 7);
	assert_int_equal(w.n_admitted, 0);
	/* The target is asked for by the client, and its addresses are for the name before. */
	ask("pool.cdn.example", DNS_A);
	respond({"pool.cdn.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_true(knows("allowed.example", "192.0.2.1"));
	assert_false(knows("pool.cdn.example", "192.0.2.1"));
	/* An alias for the whole. */
	ask("other.example", DNS_HTTPS);
	respond({"other.example", DNS_HTTPS, 60, "0 pool.cdn.example"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	/* Two led there: the ports of both, once each. */
	ask("pool.cdn.example", DNS_A);
	respond({"pool.cdn.example", DNS_A, 60, "192.0.2.2"});
	assert_int_equal(w.admission.n_ports, 3);
	assert_true(knows("allowed.example", "192.0.2.2") &&
		    knows("other.example", "192.0.2.2"));
	/* Targets of SRV, MX and NS give no right. */
	ask("allowed.example", DNS_SRV);
	respond({"allowed.example", DNS_SRV, 60, "srv.example"});
	ask("allowed.example", DNS_MX);
	respond({"allowed.example", DNS_MX, 60, "mx.example"});
	ask("allowed.example", DNS_NS);
	respond({"allowed.example", DNS_NS, 60, "ns.example"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	size_t before = w.n_sent;
	ask("srv.example", DNS_A);
	ask("mx.example", DNS_A);
	ask("ns.example", DNS_A);
	assert_int_equal(w.n_sent, before);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
}

static void test_without_ipv6(void **state)
{
	(void)state;
	w.config.has_ipv6 = false;
	start();
	ask("allowed.example", DNS_AAAA);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_NO_IPV6);
	assert_int_equal(v.n, 0);
	ask("forbidden.example", DNS_AAAA);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_sent, 0);
}

static void test_negative(void **state)
{
	(void)state;
	start();
	ask("a.wild.example", DNS_A);
	respond_with(DNS_NXDOMAIN,
		     (const struct entry[]){{.type = 0},
					    {"other.zone", DNS_SOA, 60,
					     "ns.other.zone h.other.zone 60"},
					    {"wild.example", DNS_SOA, 86400,
					     "ns.wild.example h.wild.example 7200"},
					    {"a.wild.example", DNS_A, 60, "192.0.2.1"},
					    {.type = 0},
					    {"ns.wild.example", DNS_A, 60, "192.0.2.1"}},
		     6);
	expect(DNS_NXDOMAIN, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.h.n_answers, 0);
	assert_int_equal(v.h.n_authority, 1);
	assert_int_equal(v.rrs[0].type, DNS_SOA);
	assert_int_equal(v.rrs[0].ttl, 3600);
	/* No data, and a time below the floor. */
	ask("a.wild.example", DNS_TXT);
	respond({.type = 0},
		{"wild.example", DNS_SOA, 60, "ns.wild.example h.wild.example 5"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.rrs[0].ttl, 30);
	/* A chain to a name that does not exist: the chain is told. */
	ask("a.wild.example", DNS_A);
	respond_with(DNS_NXDOMAIN,
		     (const struct entry[]){
			     {"a.wild.example", DNS_CNAME, 60, "gone.cdn.example"},
			     {.type = 0},
			     {"cdn.example", DNS_SOA, 60, "ns.cdn.example h.cdn.example 60"}},
		     3);
	expect(DNS_NXDOMAIN, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.h.n_answers, 1);
	assert_int_equal(v.h.n_authority, 1);
}

static void test_reverse(void **state)
{
	static const char *const bad[] = {
		"01.2.0.192.in-addr.arpa",   "1.2.0.in-addr.arpa",
		"1.1.2.0.192.in-addr.arpa",  "256.2.0.192.in-addr.arpa",
		"1.2.0.192.ip6.arpa",	     "1.0.0.10.in-addr.arpa",
		"2.2.0.192.in-addr.arpa",    "x.2.0.192.in-addr.arpa",
		"1000.2.0.192.in-addr.arpa",
	};

	(void)state;
	start();
	ask("1.2.0.192.in-addr.arpa", DNS_PTR);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 60, "192.0.2.1"});
	ask("allowed.example", DNS_AAAA);
	respond({"allowed.example", DNS_AAAA, 60, "2001:db8::1"});
	size_t before = w.n_sent;
	for (size_t i = 0; i < COUNT(bad); i++) {
		ask(bad[i], DNS_PTR);
		expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	}
	ask("1.2.0.192.in-addr.arpa", DNS_TXT);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_sent, before);
	ask("1.2.0.192.in-addr.arpa", DNS_PTR);
	respond({"1.2.0.192.in-addr.arpa", DNS_PTR, 60, "host.example"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.n, 1);
	ask("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	    DNS_PTR);
	assert_int_equal(w.n_sent, before + 2);
}

static void test_audit(void **state)
{
	(void)state;
	w.policy.is_audit = true;
	start();
	ask("whatever.example", DNS_A);
	respond({"whatever.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(w.admission.n_ports, 1);
	assert_int_equal(w.admission.ports[0].port, 0);
	/* What is never is never. */
	ask("whatever.example", DNS_A);
	respond({"whatever.example", DNS_A, 60, "169.254.169.254"});
	expect(DNS_NOERROR, 17, DNS_BECAUSE_REBINDING);
	size_t before = w.n_sent;
	ask("denied.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("1.0.0.10.in-addr.arpa", DNS_PTR);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("_dns.resolver.arpa", DNS_SVCB);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(w.n_sent, before);
	ask("8.113.0.203.in-addr.arpa", DNS_PTR);
	assert_int_equal(w.n_sent, before + 1);
}

/* The same with rules as a person writes them. */
static void test_compiled_policy(void **state)
{
	static const char *const rules[] = {"allowed.example:8443", "*.wild.example:443",
					    "a.wild.example:22", "*.denied.example"};
	static const uint8_t key[16] = "0123456789abcde";
	struct cis_error err = {0};
	struct ruleset rs = {0};
	struct policy *policy;

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++)
		assert_int_equal(ruleset_allow(&rs, rules[i], "--allow", &err), 0);
	assert_int_equal(ruleset_deny(&rs, "x.denied.example", "--deny", &err), 0);
	assert_int_equal(ruleset_compile(&rs, key, &policy, &err), 0);
	dns_policy_of(policy, &w.policy);
	w.config.names_per_minute = 2;
	start();
	ask("Allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 60, "203.0.113.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(w.admission.n_ports, 1);
	assert_int_equal(w.admission.ports[0].port, 8443);
	ask("a.wild.example", DNS_A);
	respond({"a.wild.example", DNS_A, 60, "203.0.113.2"},
		{"a.wild.example", DNS_A, 60, "100.100.100.200"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	assert_int_equal(w.admission.n_ports, 2);
	ask("wild.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("x.denied.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 60, "x.denied.example"},
		{"x.denied.example", DNS_A, 60, "203.0.113.3"});
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	/* Of a preset that is in force. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 60, "dns.google"},
		{"dns.google", DNS_A, 60, "203.0.113.4"});
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_null(w.policy.wildcard(policy, "a.wild.example"));
	assert_string_equal(w.policy.wildcard(policy, "b.c.wild.example"), "wild.example");
	ask("allowed.example", DNS_AAAA);
	respond({"allowed.example", DNS_AAAA, 60, "64:ff9b::10.0.0.1"},
		{"allowed.example", DNS_AAAA, 60, "fd00:ec2::254"});
	expect(DNS_NOERROR, 17, DNS_BECAUSE_REBINDING);
	/* a.wild.example has a rule of its own: it is none of the two below the wildcard. */
	ask("b.wild.example", DNS_A);
	ask("c.wild.example", DNS_A);
	size_t before = w.n_sent;
	ask("d.wild.example", DNS_A);
	assert_int_equal(w.n_sent, before);
	expect(DNS_REFUSED, 18, DNS_BECAUSE_FLOOD_NAMES);
	policy_free(policy);
	ruleset_done(&rs);
}

static void test_sizes(void **state)
{
	static struct entry many[300];
	static char addresses[300][16];
	uint8_t buf[64];

	(void)state;
	for (size_t i = 0; i < COUNT(many); i++) {
		snprintf(addresses[i], sizeof addresses[i], "198.51.%zu.%zu", i / 250,
			 i % 250);
		many[i] = (struct entry){"allowed.example", DNS_A, 60, addresses[i]};
	}
	start();
	/* 33 bytes of question, 16 an address: 40 do not fit 512, do fit 1232. */
	ask_as(&udp, "allowed.example", DNS_A, OPT_NONE);
	respond_with(0, many, 40);
	assert_true(look(&w.told, &v));
	assert_true(v.h.flags & DNS_FLAG_TC);
	assert_int_equal(v.n, 0);
	assert_int_equal(w.n_admitted, 0);
	ask("allowed.example", DNS_A);
	respond_with(0, many, 40);
	assert_true(look(&w.told, &v));
	assert_false(v.h.flags & DNS_FLAG_TC);
	assert_int_equal(v.n, 40);
	assert_int_equal(w.admission.n_addresses, 40);
	/* More than is admitted is not told either. */
	ask_as(&tcp, "allowed.example", DNS_A, OPT_PLAIN);
	assert_true(w.sent.is_tcp);
	respond_with(0, many, 300);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, DNS_ADDRESSES_MAX);
	assert_true(w.told.client.is_tcp);
	/* Sizes that are lies: below 512, above ours. */
	give_query(&udp, buf,
		   make_query(buf, sizeof buf, "other.example", DNS_TXT, OPT_PLAIN, 1));
	for (size_t i = 0; i < 300; i++)
		many[i] = (struct entry){"other.example", DNS_TXT, 60,
					 "twenty bytes of text"};
	respond_with(0, many, 10);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 10);
	give_query(&udp, buf,
		   make_query(buf, sizeof buf, "other.example", DNS_TXT, OPT_PLAIN, 65535));
	respond_with(0, many, 40);
	assert_true(look(&w.told, &v));
	assert_true(v.h.flags & DNS_FLAG_TC);
	assert_int_equal(v.opt.size, DNS_UDP_SIZE);
}

static void test_dnssec(void **state)
{
	static const struct entry signed_answer[] = {
		{"allowed.example", DNS_A, 60, "192.0.2.1"},
		{"allowed.example", DNS_RRSIG, 60, "A"},
		{"allowed.example", DNS_RRSIG, 60, "CNAME"},
		{"allowed.example", DNS_A, 60, "10.0.0.1"},
	};

	(void)state;
	start();
	ask_as(&udp, "allowed.example", DNS_A, OPT_DO);
	respond_with(DNS_FLAG_AD | DNS_FLAG_AA, signed_answer, 3);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 2);
	assert_int_equal(v.rrs[1].type, DNS_RRSIG);
	assert_true(v.h.flags & DNS_FLAG_AD && v.opt.is_do);
	/* Not asked for. */
	ask("allowed.example", DNS_A);
	respond_with(DNS_FLAG_AD, signed_answer, 3);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	assert_false(v.h.flags & DNS_FLAG_AD);
	/* What was signed is not what is told. */
	ask_as(&udp, "allowed.example", DNS_A, OPT_DO);
	respond_with(DNS_FLAG_AD, signed_answer, 4);
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	assert_false(v.h.flags & DNS_FLAG_AD);
}

/* ---- upstreams -------------------------------------------------------------------- */

static const struct entry good = {"allowed.example", DNS_A, 60, "192.0.2.1"};

static void test_forged_answers(void **state)
{
	static uint8_t buf[1024];
	const struct sent *to = &w.sent;

	(void)state;
	start();
	ask("allowed.example", DNS_A);
	struct sent first = *to;
	size_t n = make_answer(buf, sizeof buf, &first, 0, &good, 1);
	/* The wrong id, upstream, transport, question, type; a query; cut. */
	buf[0] ^= 1;
	give_answer(first.upstream, false, buf, n);
	buf[0] ^= 1;
	give_answer(first.upstream + 1, false, buf, n);
	give_answer(first.upstream, true, buf, n);
	buf[13] ^= 1;
	give_answer(first.upstream, false, buf, n);
	buf[13] ^= 1;
	buf[30] ^= 1;
	give_answer(first.upstream, false, buf, n);
	buf[30] ^= 1;
	buf[2] ^= 0x80;
	give_answer(first.upstream, false, buf, n);
	buf[2] ^= 0x80;
	give_answer(first.upstream, false, buf, 11);
	give_answer(first.upstream, false, buf, 20);
	assert_int_equal(w.n_sent, 1);
	assert_int_equal(w.n_told, 0);
	/* Late: it was asked anew. */
	w.now += 1000;
	dns_tick(w.d, w.now);
	assert_int_equal(w.n_sent, 2);
	assert_int_not_equal(to->upstream, first.upstream);
	give_answer(first.upstream, false, buf, n);
	assert_int_equal(w.n_told, 0);
	/* The right name in another case: asked by TCP, where it is not compared. */
	n = make_answer(buf, sizeof buf, to, 0, &good, 1);
	buf[13] ^= 0x20;
	give_answer(to->upstream, false, buf, n);
	assert_int_equal(w.n_told, 0);
	assert_int_equal(w.n_sent, 3);
	assert_true(to->is_tcp);
	struct sent by_tcp = *to;
	n = make_answer(buf, sizeof buf, &by_tcp, 0, &good, 1);
	buf[13] ^= 0x20;
	give_answer(by_tcp.upstream, true, buf, n);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	/* Twice. */
	give_answer(by_tcp.upstream, true, buf, n);
	assert_int_equal(w.n_told, 1);
}

static void test_upstreams_that_fail(void **state)
{
	(void)state;
	start();
	/* SERVFAIL: the next one; then REFUSED, and so on: two tries each. */
	ask("allowed.example", DNS_A);
	size_t first = w.sent.upstream;
	respond_with(DNS_SERVFAIL, NULL, 0);
	assert_int_not_equal(w.sent.upstream, first);
	respond_with(DNS_REFUSED, NULL, 0);
	assert_int_equal(w.sent.upstream, first);
	respond_with(0, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	/* Silence: at most four times, in less than what stubs wait for. */
	uint64_t began = w.now;
	size_t before = w.n_sent, told = w.n_told;
	ask("allowed.example", DNS_A);
	while (w.n_told == told) {
		int ms = dns_next_timeout(w.d, w.now);
		assert_true(ms >= 0);
		w.now += (uint64_t)ms;
		dns_tick(w.d, w.now);
	}
	expect(DNS_SERVFAIL, 22, DNS_BECAUSE_UPSTREAM);
	assert_int_equal(w.n_sent - before, 4);
	assert_int_equal(w.now - began, 4500);
	/* Refused at once by the kernel. */
	ask("allowed.example", DNS_A);
	dns_upstream_failed(w.d, w.now, w.sent.upstream, true);
	assert_int_equal(w.n_sent - before, 5);
	size_t failed = w.sent.upstream;
	dns_upstream_failed(w.d, w.now, failed, false);
	assert_int_not_equal(w.sent.upstream, failed);
	respond_with(0, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	/* The next query begins where the last answer came from. */
	ask("other.example", DNS_A);
	assert_int_not_equal(w.sent.upstream, failed);
}

static void test_upstreams_of_old(void **state)
{
	uint8_t buf[64];

	(void)state;
	start();
	/* No EDNS: FORMERR with the question, or without. The next upstream may have it. */
	ask("allowed.example", DNS_A);
	respond_with(DNS_FORMERR | NO_EDNS, NULL, 0);
	respond_with(DNS_FLAG_TC | NO_EDNS, NULL, 0);
	assert_true(w.sent.is_tcp);
	assert_int_equal(w.sent.bytes[11], 0);
	respond_with(DNS_SERVFAIL | NO_EDNS, NULL, 0);
	assert_false(w.sent.is_tcp);
	assert_int_equal(w.sent.bytes[11], 1);
	respond_with(0, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	ask("allowed.example", DNS_A);
	respond_with(DNS_FORMERR | NO_EDNS, NULL, 0);
	assert_int_equal(w.sent.bytes[11], 0);
	respond_with(NO_EDNS, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	ask("allowed.example", DNS_A);
	memcpy(buf, w.sent.bytes, 2);
	memcpy(buf + 2, "\201\1\0\0\0\0\0\0\0\0", 10);
	give_answer(w.sent.upstream, false, buf, 12);
	assert_int_equal(w.sent.bytes[11], 0);
	/* TC: the same upstream by TCP. */
	size_t upstream = w.sent.upstream;
	respond_with(DNS_FLAG_TC, NULL, 0);
	assert_true(w.sent.is_tcp);
	assert_int_equal(w.sent.upstream, upstream);
	respond_with(0, &good, 1);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_false(w.told.client.is_tcp);
}

static void test_malformed_answers(void **state)
{
	static const struct {
		const char *what;
		size_t at; /* in the answer with one address, at 33 */
		uint8_t value;
		size_t cut;
	} cases[] = {
		{"more answers than there are", 7, 2, 0},
		{"65281 answers", 6, 255, 0},
		{"more authority", 9, 1, 0},
		{"more of others", 11, 2, 0},
		{"fewer: bytes at the end", 11, 0, 0},
		{"a pointer ahead", 34, 60, 0},
		{"a pointer to itself", 34, 33, 0},
		{"an address of three bytes", 44, 3, 0},
		{"an address of no bytes", 44, 0, 0},
		{"data past the end", 43, 255, 0},
		{"cut in OPT", 12, 15, 1},
		{"cut in the address", 12, 15, 12},
		{"opcode", 2, 0x91, 0},
	};
	static uint8_t buf[1024];

	(void)state;
	w.config.n_upstreams = 1;
	start();
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t before = w.n_told;

		ask(i % 2 ? "allowed.example" : "Allowed.example", DNS_A);
		for (int tries = 0; tries < 3; tries++) {
			const struct entry one = {"allowed.example", DNS_A, 60, "192.0.2.1"};
			size_t n = make_answer(buf, sizeof buf, &w.sent, 0, &one, 1);
			assert_int_equal(n, 60);
			/* The label's length at 12 is 7: that case is for "cut" alone. */
			if (cases[i].at != 12)
				buf[cases[i].at] = cases[i].value;
			give_answer(0, false, buf, n - cases[i].cut);
		}
		if (cases[i].at == 2) {
			w.now += 4500;
			dns_tick(w.d, w.now);
		}
		if (w.n_told != before + 1)
			fail_msg("%s: %zu answers", cases[i].what, w.n_told - before);
		expect(DNS_SERVFAIL, 22, DNS_BECAUSE_UPSTREAM);
	}
	assert_int_equal(w.n_admitted, 0);
	assert_false(knows("allowed.example", "192.0.2.1"));
}

static void test_odd_answers(void **state)
{
	static struct entry many[120];
	static char text[] =
		"two hundred and a few more bytes of text that are said again and again "
		"two hundred and a few more bytes of text that are said again and again "
		"two hundred and a few more bytes of text that are said again";

	(void)state;
	start();
	/* A time that looks negative is none. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 0x80000000, "192.0.2.1"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.rrs[0].ttl, 30);
	/* Longer than anything that is passed on, even by TCP. */
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (struct entry){"allowed.example", DNS_TXT, 60, text};
	ask_as(&tcp, "allowed.example", DNS_TXT, OPT_PLAIN);
	respond_with(0, many, COUNT(many));
	expect(DNS_SERVFAIL, -1, DNS_BECAUSE_TOO_LONG);
	assert_int_equal(w.noted[w.n_noted - 1].verdict, DNS_FAILED);
	/* One that is not what its type says is left out. */
	ask("allowed.example", DNS_CAA);
	respond({"allowed.example", DNS_CAA, 60, "x"},
		{"allowed.example", DNS_CAA, 60, "x\1yz"});
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 1);
	/* The CNAME itself was asked for: its target may be asked for, too. */
	ask("allowed.example", DNS_CNAME);
	respond({"allowed.example", DNS_CNAME, 60, "edge.cdn.example"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_int_equal(v.n, 1);
	/* More services than are remembered: the first may be asked for, the last not. */
	static char services[40][40];
	for (size_t i = 0; i < COUNT(services); i++) {
		snprintf(services[i], sizeof services[i], "1 s%zu.example", i);
		many[i] = (struct entry){"allowed.example", DNS_HTTPS, 60, services[i]};
	}
	ask_as(&tcp, "allowed.example", DNS_HTTPS, OPT_PLAIN);
	respond_with(0, many, COUNT(services));
	assert_true(look(&w.told, &v));
	assert_int_equal(v.n, 40);
	size_t asked = w.n_sent;
	ask("s31.example", DNS_A);
	ask("s32.example", DNS_A);
	assert_int_equal(w.n_sent, asked + 1);
	/* But what led there has been forgotten when its address comes. */
	w.now += 659999;
	ask("edge.cdn.example", DNS_A);
	w.now++;
	respond({"edge.cdn.example", DNS_A, 60, "192.0.2.7"});
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	assert_int_equal(v.n, 0);
	/* Of another class, it is another record. */
	static uint8_t buf[1024];
	const struct entry chaos = {"allowed.example", DNS_A, 60, "192.0.2.77"};
	ask("allowed.example", DNS_A);
	size_t n = make_answer(buf, sizeof buf, &w.sent, 0, &chaos, 1);
	assert_int_equal(buf[38], DNS_CLASS_IN);
	buf[38] = 3;
	give_answer(w.sent.upstream, false, buf, n);
	expect(DNS_NOERROR, -1, DNS_BECAUSE_NEGATIVE);
	assert_int_equal(v.n, 0);
	/* A label that has no text ends no chain, and may not be asked for. */
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 60, "a/b.example"},
		{"a/b.example", DNS_A, 60, "192.0.2.8"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_true(knows("allowed.example", "192.0.2.8"));
	size_t before = w.n_sent;
	ask("a/b.example", DNS_A);
	assert_int_equal(w.n_sent, before);
}

static void test_names_too_long(void **state)
{
	uint8_t buf[12 + 601 + 4] = "\1\2\1\0\0\1";

	(void)state;
	start();
	/* 300 labels; then 120, the last ones of an allowed name. */
	for (int i = 0; i < 300; i++)
		memcpy(buf + 12 + 2 * i, "\1a", 2);
	memcpy(buf + 12 + 601, "\0\1\0\1", 4);
	give_query(&udp, buf, sizeof buf);
	expect(DNS_FORMERR, -1, DNS_BECAUSE_MALFORMED);
	assert_int_equal(w.n_sent, 0);
	memcpy(buf + 12 + 2 * 120, "\4wild\7example\0\0\1\0\1", 18);
	give_query(&udp, buf, 12 + 240 + 18);
	assert_int_equal(w.n_sent, 1);
}

/* ---- floods ------------------------------------------------------------------------ */

static void test_floods(void **state)
{
	char name[64];
	uint8_t buf[64];
	size_t n;

	(void)state;
	w.config.queries_per_second = 400;
	w.config.names_per_minute = 20;
	start();
	/* Different names below a wildcard; one that was asked for may be asked for again. */
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "x%d.wild.example", i);
		ask(name, DNS_A);
	}
	assert_in_range(w.n_sent, 20, 21);
	expect(DNS_REFUSED, 18, DNS_BECAUSE_FLOOD_NAMES);
	n = w.n_sent;
	ask("x1.wild.example", DNS_TXT);
	ask("allowed.example", DNS_A);
	assert_int_equal(w.n_sent, n + 2);
	w.now += 60000;
	ask("x29.wild.example", DNS_TXT);
	assert_int_equal(w.n_sent, n + 3);
	/* More at a time than there is place for: the oldest is told so. */
	w.now += 1000;
	n = w.n_told;
	for (unsigned int i = 0; i < 300; i++) {
		size_t len = make_query(buf, sizeof buf, "allowed.example", DNS_A, OPT_NONE,
					0);
		buf[0] = (uint8_t)(i >> 8);
		buf[1] = (uint8_t)i;
		give_query(&udp, buf, len);
	}
	assert_true(w.n_told >= n + 44);
	expect(DNS_SERVFAIL, -1, DNS_BECAUSE_FLOOD_FLIGHTS);
	/* More in a second than are looked at: one record, no answers. */
	n = w.n_noted;
	size_t told = w.n_told;
	for (int i = 0; i < 200; i++)
		ask("forbidden.example", DNS_A);
	assert_int_equal(w.n_told - told, 100);
	assert_int_equal(w.n_noted - n, 101);
	assert_int_equal(w.noted[(w.n_noted - 1) % MESSAGES_MAX].reason,
			 DNS_BECAUSE_FLOOD_QUERIES);
	w.now += 1000;
	ask("forbidden.example", DNS_A);
	assert_int_equal(w.n_told - told, 101);
}

static void test_tables_are_bounded(void **state)
{
	char address[16], name[64];

	(void)state;
	w.config.queries_per_second = 100000;
	w.config.names_per_minute = 100000;
	start();
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(name, sizeof name, "x%u.wild.example", i);
		snprintf(address, sizeof address, "198.51.%u.%u", i / 250, i % 250);
		ask(name, DNS_A);
		respond({name, DNS_CNAME, 60, "t.cdn.example"},
			{"t.cdn.example", DNS_A, 60, address});
		/* In use all the time, so never the oldest. */
		if (i)
			assert_true(knows("x0.wild.example", "198.51.0.0"));
	}
	assert_false(knows("x1.wild.example", "198.51.0.1"));
	assert_true(knows("x1000.wild.example", "198.51.4.0"));
	assert_true(knows("x4999.wild.example", "198.51.19.249"));
	assert_false(knows("x4999.wild.example", "198.51.19.248"));
	/* Time passes in the keeper's and in this table alike: 60 s and the grace. */
	w.now += 659999;
	assert_true(knows("x4999.wild.example", "198.51.19.249"));
	w.now += 1;
	assert_false(knows("x4999.wild.example", "198.51.19.249"));
}

/* Nothing may be asked any more: no upstream is, and what needs none is said as ever. */
static void test_spent(void **state)
{
	(void)state;
	start();
	w.is_spent = true;
	ask("allowed.example", DNS_A);
	expect(DNS_REFUSED, 18, DNS_BECAUSE_BUDGET);
	assert_int_equal(w.n_sent, 0);
	ask("evil.example", DNS_A);
	expect(DNS_NXDOMAIN, 15, DNS_BECAUSE_NAME);
	w.is_spent = false;
	ask("allowed.example", DNS_A);
	assert_int_equal(w.n_sent, 1);
}

/* The engine has died, and another takes over what it left. */
static void start_again(void)
{
	free(w.d);
	assert_int_equal(start(), 0);
	dns_adopt(w.d, w.now);
}

static void test_successor(void **state)
{
	(void)state;
	start();
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_CNAME, 300, "edge.cdn.example"},
		{"edge.cdn.example", DNS_A, 300, "192.0.2.1"});
	ask("edge.cdn.example", DNS_AAAA);
	respond({"edge.cdn.example", DNS_AAAA, 300, "2001:db8::1"});
	start_again();
	assert_true(knows("allowed.example", "192.0.2.1"));
	assert_true(knows("allowed.example", "2001:db8::1"));
	assert_false(knows("allowed.example", "192.0.2.2"));
	assert_false(knows("other.example", "192.0.2.1"));
	/* Where a name led, and the names of addresses. */
	ask("edge.cdn.example", DNS_A);
	respond({"edge.cdn.example", DNS_A, 300, "192.0.2.3"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	assert_true(knows("allowed.example", "192.0.2.3"));
	ask("1.2.0.192.in-addr.arpa", DNS_PTR);
	respond({"1.2.0.192.in-addr.arpa", DNS_PTR, 300, "allowed.example"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	/* No longer than before. */
	w.now += 899999;
	start_again();
	assert_true(knows("allowed.example", "192.0.2.1"));
	w.now += 1;
	start_again();
	assert_false(knows("allowed.example", "192.0.2.1"));
}

/* A minute of names below a wildcard is not begun anew by a crash. */
static void test_successor_of_a_flood(void **state)
{
	(void)state;
	w.config.names_per_minute = 3;
	w.now = 60000 * 1000;
	start();
	for (int i = 0; i < 3; i++) {
		char name[64];

		snprintf(name, sizeof name, "x%d.wild.example", i);
		ask(name, DNS_A);
		respond({name, DNS_A, 60, "192.0.2.1"});
		expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
	}
	start_again();
	ask("y.wild.example", DNS_A);
	expect(DNS_REFUSED, 18, DNS_BECAUSE_FLOOD_NAMES);
	w.now += 60000;
	ask("y.wild.example", DNS_A);
	respond({"y.wild.example", DNS_A, 60, "192.0.2.1"});
	expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
}

/* What somebody else has written there who had the process. */
static void test_hostile_predecessor(void **state)
{
	struct dns_memory *m;
	uint64_t expires;

	(void)state;
	start();
	ask("allowed.example", DNS_A);
	respond({"allowed.example", DNS_A, 300, "192.0.2.1"});
	m = w.memory;
	assert_string_equal(m->known[0].name, "allowed.example");
	expires = m->known_life[0].expires;
	/* For ever. */
	m->known_life[0].expires = UINT64_MAX;
	start_again();
	assert_false(knows("allowed.example", "192.0.2.1"));
	/* A counter that would begin again at none. */
	m->known_life[0] = (struct dns_life){.expires = expires, .used = UINT64_MAX};
	start_again();
	assert_false(knows("allowed.example", "192.0.2.1"));
	/* No family, a name without an end, one that is none. */
	m->known_life[0] = (struct dns_life){.expires = expires, .used = 1};
	m->known[0].address.family = 77;
	start_again();
	assert_int_equal(m->known_life[0].expires, 0);
	m->known[0].address.family = AF_INET;
	memset(m->known[0].name, 'a', sizeof m->known[0].name);
	m->known_life[0].expires = expires;
	start_again();
	assert_int_equal(m->known_life[0].expires, 0);
	memcpy(m->known[0].name, "Allowed..example", 17);
	m->known_life[0].expires = expires;
	start_again();
	assert_int_equal(m->known_life[0].expires, 0);
	/* Anything: nothing is read beyond its end, and all works as before. */
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof *m / 8; i++)
			((uint64_t *)w.memory)[i] = next_random();
		for (size_t i = 0; i < KNOWN && round % 2; i++)
			m->known_life[i] = (struct dns_life){w.now + 1 + i, i};
		for (size_t i = 0; i < ALIASES && round % 2; i++)
			m->alias_life[i] = (struct dns_life){w.now + 1 + i, i};
		start_again();
		assert_false(knows("allowed.example", "192.0.2.1"));
		ask("allowed.example", DNS_A);
		respond({"allowed.example", DNS_A, 300, "192.0.2.1"});
		expect(DNS_NOERROR, -1, DNS_BECAUSE_ANSWERED);
		assert_true(knows("allowed.example", "192.0.2.1"));
	}
}

static void test_configuration(void **state)
{
	(void)state;
	w.config.n_upstreams = 0;
	void *before = w.d;

	assert_int_equal(start(), -EINVAL);
	assert_ptr_equal(w.d, before);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_read),
		cmocka_unit_test(test_names_have_bounds),
		cmocka_unit_test(test_names_are_escaped_and_compared),
		cmocka_unit_test(test_data_is_rebuilt),
		cmocka_unit_test(test_writing_has_bounds),
		CASE(test_names_of_no_rule_stay_here),
		CASE(test_labels_are_not_text),
		CASE(test_types),
		CASE(test_malformed_queries),
		CASE(test_queries_are_made_anew),
		CASE(test_admitted_before_told),
		CASE(test_chain),
		CASE(test_chain_that_is_none),
		CASE(test_rebinding),
		CASE(test_services),
		CASE(test_without_ipv6),
		CASE(test_negative),
		CASE(test_reverse),
		CASE(test_audit),
		CASE(test_compiled_policy),
		CASE(test_sizes),
		CASE(test_dnssec),
		CASE(test_forged_answers),
		CASE(test_upstreams_that_fail),
		CASE(test_upstreams_of_old),
		CASE(test_malformed_answers),
		CASE(test_odd_answers),
		CASE(test_names_too_long),
		CASE(test_floods),
		CASE(test_tables_are_bounded),
		CASE(test_spent),
		CASE(test_successor),
		CASE(test_successor_of_a_flood),
		CASE(test_hostile_predecessor),
		CASE(test_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
