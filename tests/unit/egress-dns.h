/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The world around the engine of test-egress-dns*.c: a policy, a client, upstreams, a keeper. */
#ifndef TEST_EGRESS_DNS_H
#define TEST_EGRESS_DNS_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "egress/dns-wire.h"
#include "egress/dns.h"

#define MESSAGES_MAX 512

/* A record of a zone, its data as text. */
struct entry {
	const char *owner;
	uint16_t type;
	uint32_t ttl;
	const char *data;
};

struct sent {
	size_t upstream, n;
	bool is_tcp;
	uint8_t bytes[512];
};

struct told {
	struct dns_client client;
	size_t n;
	uint8_t bytes[DNS_ANSWER_MAX];
};

struct noted {
	char name[DNS_NAME_ESCAPED_MAX + 1];
	uint16_t type;
	bool is_tcp;
	enum dns_verdict verdict;
	enum dns_reason reason;
};

/* Everything that the engine has done. Zeroed by start(). */
struct world {
	uint64_t random, now;
	bool admits_at_once, is_spent;
	size_t n_sent, n_told, n_admitted, n_noted;
	struct sent sent;
	struct told told;
	struct dns_admission admission;
	char admitted_name[DNS_NAME_TEXT_MAX + 1];
	struct noted noted[MESSAGES_MAX];
	void (*on_told)(const struct told *);
	void (*on_sent)(const struct sent *);
	void (*on_admit)(const struct dns_admission *);
	struct dns_config config;
	struct dns_policy policy;
	struct dns *d;
	void *memory; /* which outlives it */
};

static struct world w;

/* xorshift: the same numbers in each run. */
static uint64_t next_random(void)
{
	w.random ^= w.random << 13;
	w.random ^= w.random >> 7;
	w.random ^= w.random << 17;
	return w.random;
}

/* ---- the policy ------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

static size_t model_ports(const void *data, const char *name, struct egress_port *ret,
			  size_t max)
{
	static const struct egress_port web[] = {{IPPROTO_TCP, 80}, {IPPROTO_TCP, 443}};
	static const struct egress_port alt[] = {{IPPROTO_TCP, 443}, {IPPROTO_TCP, 8443}};
	static const struct egress_port any[] = {{0, 0}};
	const struct egress_port *ports = NULL;
	size_t n = 0;

	(void)data;
	if (ends_in(name, "denied.example"))
		return 0;
	if (w.policy.is_audit)
		ports = any, n = 1;
	else if (!strcmp(name, "allowed.example"))
		ports = web, n = 2;
	else if (!strcmp(name, "other.example") || ends_in(name, ".wild.example"))
		ports = alt, n = 2;
	for (size_t i = 0; i < MIN(n, max); i++)
		ret[i] = ports[i];
	return n;
}

static bool model_is_denied(const void *data, const char *name)
{
	(void)data;
	return ends_in(name, "denied.example");
}

static const char *model_wildcard(const void *data, const char *name)
{
	(void)data;
	return ends_in(name, ".wild.example") ? name + strlen(name) - strlen("wild.example")
					      : NULL;
}

static bool model_is_never(const void *data, int family, const uint8_t *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	(void)data;
	if (family == AF_INET6 && !memcmp(a, mapped, sizeof mapped))
		return true;
	if (family == AF_INET6)
		return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) ||
		       a[0] == 0;
	return a[0] == 0 || a[0] == 10 || a[0] == 127 || (a[0] == 192 && a[1] == 168) ||
	       (a[0] == 169 && a[1] == 254);
}

/* ---- the loop --------------------------------------------------------------------- */

static void loop_random(void *context, void *buf, size_t n)
{
	(void)context;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)buf)[i] = (uint8_t)(next_random() >> 11);
}

static void loop_answer(void *context, const struct dns_client *client, const uint8_t *p,
			size_t n)
{
	(void)context;
	w.n_told++;
	w.told.client = *client;
	w.told.n = n;
	memcpy(w.told.bytes, p, n);
	if (w.on_told)
		w.on_told(&w.told);
}

static void loop_send(void *context, size_t upstream, bool is_tcp, const uint8_t *p, size_t n)
{
	(void)context;
	w.n_sent++;
	w.sent = (struct sent){.upstream = upstream, .is_tcp = is_tcp, .n = n};
	memcpy(w.sent.bytes, p, n);
	if (w.on_sent)
		w.on_sent(&w.sent);
}

static void loop_admit(void *context, const struct dns_admission *a)
{
	(void)context;
	w.n_admitted++;
	w.admission = *a;
	snprintf(w.admitted_name, sizeof w.admitted_name, "%s", a->name);
	if (w.on_admit)
		w.on_admit(a);
	if (w.admits_at_once)
		dns_admitted(w.d, w.now, a->ticket, true);
}

static void loop_record(void *context, const struct dns_record *r)
{
	struct noted *n = &w.noted[w.n_noted++ % MESSAGES_MAX];

	(void)context;
	snprintf(n->name, sizeof n->name, "%s", r->name);
	n->type = r->type;
	n->is_tcp = r->is_tcp;
	n->verdict = r->verdict;
	n->reason = r->reason;
}

static bool loop_is_spent(void *context)
{
	(void)context;
	return w.is_spent;
}

/* An engine with the configuration in @w.config, which begin() has preset. */
static inline int start(void)
{
	static const struct dns_loop loop = {
		.random = loop_random,
		.answer = loop_answer,
		.send = loop_send,
		.admit = loop_admit,
		.record = loop_record,
		.is_spent = loop_is_spent,
	};
	void *mem = calloc(1, dns_size());
	int r;

	if (!w.memory)
		w.memory = calloc(1, dns_memory_size());
	r = dns_init(mem, w.memory, &w.config, &w.policy, &loop, &w.d);

	if (r < 0)
		free(mem);
	return r;
}

static inline int begin(void **state)
{
	(void)state;
	memset(&w, 0, sizeof w);
	w.random = 0x9e3779b97f4a7c15;
	w.now = 1000000;
	w.admits_at_once = true;
	dns_config_init(&w.config);
	w.config.n_upstreams = 2;
	w.policy = (struct dns_policy){
		.ports = model_ports,
		.is_denied = model_is_denied,
		.wildcard = model_wildcard,
		.is_never = model_is_never,
	};
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	/* The engine is the first thing in its memory. */
	free(w.d);
	free(w.memory);
	return 0;
}

/* ---- messages --------------------------------------------------------------------- */

/* Of text without escapes; labels as they are. */
static struct dns_name name_of(const char *text)
{
	struct dns_name name = {0};

	while (*text) {
		size_t n = strcspn(text, ".");
		name.wire[name.len++] = (uint8_t)n;
		memcpy(name.wire + name.len, text, n);
		name.len = (uint8_t)(name.len + n);
		text += n + (text[n] == '.');
	}
	name.len++;
	return name;
}

enum { OPT_NONE, OPT_PLAIN, OPT_DO, OPT_V1, OPT_COOKIE };

static size_t make_query(uint8_t *buf, size_t size, const char *name, uint16_t type, int opt,
			 uint16_t udp_size)
{
	struct dns_name n = name_of(name);
	struct dns_writer out;

	dns_write_init(&out, buf, size);
	dns_write_header(&out, &(struct dns_header){.id = 0x1234,
						    .flags = DNS_FLAG_RD,
						    .n_questions = 1,
						    .n_additional = opt != OPT_NONE});
	dns_write_question(&out, &(struct dns_question){n, type, DNS_CLASS_IN});
	if (opt != OPT_NONE) {
		dns_write_u8(&out, 0);
		dns_write_u16(&out, DNS_OPT);
		dns_write_u16(&out, udp_size);
		dns_write_u8(&out, 0);
		dns_write_u8(&out, opt == OPT_V1);
		dns_write_u16(&out, opt == OPT_DO ? 0x8000 : 0);
		dns_write_u16(&out, opt == OPT_COOKIE ? 12 : 0);
		if (opt == OPT_COOKIE)
			dns_write_bytes(&out, "\0\12\0\10abcdefgh", 12);
	}
	return out.len;
}

static const struct dns_client udp = {.is_tcp = false, .token = "udp"};
static const struct dns_client tcp = {.is_tcp = true, .token = "tcp"};

/* Bytes at the end of memory, so that a sanitizer sees who reads on. */
static void give_query(const struct dns_client *client, const void *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	memcpy(copy, p, n);
	dns_query(w.d, w.now, client, copy, n);
	free(copy);
}

static void give_answer(size_t upstream, bool is_tcp, const void *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	memcpy(copy, p, n);
	dns_upstream(w.d, w.now, upstream, is_tcp, copy, n);
	free(copy);
}

static void ask_as(const struct dns_client *client, const char *name, uint16_t type, int opt)
{
	uint8_t buf[1024];

	give_query(client, buf, make_query(buf, sizeof buf, name, type, opt, 1232));
}

static inline void ask(const char *name, uint16_t type)
{
	ask_as(&udp, name, type, OPT_PLAIN);
}

static void write_data(struct dns_writer *out, uint16_t type, const char *data)
{
	uint8_t address[16];
	char first[300] = "", second[300] = "";
	struct dns_name name;
	unsigned int number = 0;

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		if (inet_pton(type == DNS_A ? AF_INET : AF_INET6, data, address) == 1)
			dns_write_bytes(out, address, type == DNS_A ? 4 : 16);
		return;
	case DNS_CNAME:
	case DNS_NS:
	case DNS_PTR:
		name = name_of(data);
		dns_write_name(out, &name, true);
		return;
	case DNS_SOA:
		sscanf(data, "%299s %299s %u", first, second, &number);
		name = name_of(first);
		dns_write_name(out, &name, true);
		name = name_of(second);
		dns_write_name(out, &name, true);
		for (uint32_t i = 1; i <= 4; i++)
			dns_write_u32(out, i);
		dns_write_u32(out, number);
		return;
	case DNS_MX:
	case DNS_SRV:
		dns_write_u16(out, 7);
		if (type == DNS_SRV)
			dns_write_u32(out, 443);
		name = name_of(data);
		dns_write_name(out, &name, type == DNS_MX);
		return;
	case DNS_TXT:
		dns_write_u8(out, (uint8_t)strlen(data));
		dns_write_bytes(out, data, strlen(data));
		return;
	case DNS_RRSIG: /* "A": what it covers; the rest does not matter */
		dns_write_u16(out, strcmp(data, "A") ? DNS_CNAME : DNS_A);
		dns_write_bytes(out, "\10\2\0\0\0\36\1\2\3\4\1\2\3\4\1\2", 16);
		name = name_of("example");
		dns_write_name(out, &name, false);
		dns_write_bytes(out, "signature", 9);
		return;
	case DNS_HTTPS:
	case DNS_SVCB: /* "PRIORITY TARGET HEX" */
		sscanf(data, "%u %299s %299s", &number, first, second);
		dns_write_u16(out, (uint16_t)number);
		name = name_of(strcmp(first, ".") ? first : "");
		dns_write_name(out, &name, false);
		for (const char *p = second; *p; p += 2) {
			unsigned int byte;
			sscanf(p, "%2x", &byte);
			dns_write_u8(out, (uint8_t)byte);
		}
		return;
	default:
		dns_write_bytes(out, data, strlen(data));
	}
}

#define NO_EDNS 0x10000

/* The answer to what was sent last. Entries of type 0 end a section: answer, authority, other. */
static size_t make_answer(uint8_t *buf, size_t size, const struct sent *to, uint32_t flags,
			  const struct entry *entries, size_t n)
{
	const struct dns_message m = {to->bytes, to->n};
	uint16_t counts[3] = {0};
	struct dns_question q;
	struct dns_writer out;
	struct dns_header h;
	size_t at = DNS_HEADER_SIZE, section = 0;

	dns_read_header(&m, &h);
	dns_read_question(&m, &at, &q);
	dns_write_init(&out, buf, size);
	dns_write_bytes(&out, "............", DNS_HEADER_SIZE);
	dns_write_question(&out, &q);
	for (size_t i = 0; i < n; i++) {
		if (!entries[i].type) {
			section = MIN(section + 1, 2);
			continue;
		}
		struct dns_name owner = name_of(entries[i].owner);
		size_t where = dns_write_rr(&out, &owner, entries[i].type, entries[i].ttl);
		write_data(&out, entries[i].type, entries[i].data);
		dns_write_rdlen(&out, where);
		counts[section]++;
	}
	if (!(flags & NO_EDNS)) {
		dns_write_bytes(&out, "\0\0\51\4\320\0\0\0\0\0\0", 11);
		counts[2]++;
	}
	size_t len = out.len;
	out.len = 0;
	dns_write_header(&out, &(struct dns_header){
				       .id = h.id,
				       .flags = (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD |
							   DNS_FLAG_RA | flags),
				       .n_questions = 1,
				       .n_answers = counts[0],
				       .n_authority = counts[1],
				       .n_additional = counts[2],
			       });
	return len;
}

static inline void respond_with(uint32_t flags, const struct entry *entries, size_t n)
{
	static uint8_t buf[65536];
	const struct sent to = w.sent;

	give_answer(to.upstream, to.is_tcp, buf,
		    make_answer(buf, sizeof buf, &to, flags, entries, n));
}

#define respond(...) \
	respond_with(0, (const struct entry[]){__VA_ARGS__}, \
		     ARRAY_SIZE(((const struct entry[]){__VA_ARGS__})))

/* ---- what the client was told ------------------------------------------------------ */

struct view {
	struct dns_header h;
	struct dns_question q;
	struct dns_opt opt;
	uint16_t rcode;
	int ede;  /* -1: none */
	size_t n; /* of rrs: answer, then authority */
	struct dns_rr rrs[512];
};

/* False: a client would call it malformed. */
static bool look(const struct told *t, struct view *v)
{
	const struct dns_message m = {t->bytes, t->n};
	size_t at = DNS_HEADER_SIZE;
	struct dns_rr rr;

	memset(v, 0, sizeof *v);
	v->ede = -1;
	if (dns_read_header(&m, &v->h) < 0 || v->h.n_questions > 1 ||
	    v->h.n_answers + v->h.n_authority > 512)
		return false;
	if (v->h.n_questions && dns_read_question(&m, &at, &v->q) < 0)
		return false;
	v->n = (size_t)v->h.n_answers + v->h.n_authority;
	for (size_t i = 0; i < v->n; i++)
		if (dns_read_rr(&m, &at, &v->rrs[i]) < 0)
			return false;
	if (v->h.n_additional > 1)
		return false;
	if (v->h.n_additional) {
		if (dns_read_rr(&m, &at, &rr) < 0 || rr.type != DNS_OPT ||
		    dns_read_opt(&m, &rr, &v->opt) < 0)
			return false;
		if (rr.rdlen == 6)
			v->ede = m.p[rr.rdata + 4] << 8 | m.p[rr.rdata + 5];
		else if (rr.rdlen)
			return false;
	}
	v->rcode = (uint16_t)((v->h.flags & DNS_FLAG_RCODE) | v->opt.rcode << 4);
	return at == m.n && v->h.flags & DNS_FLAG_QR && !(v->h.flags & DNS_FLAG_AA);
}

#endif
