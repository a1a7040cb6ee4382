/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DNS messages: a reader that believes nothing and a writer that cannot overrun. Names are
 * kept as the labels they are, not as text, so that a dot or a NUL inside a label stays
 * what it is; the text that policies compare is made by one function, which refuses them.
 *
 * Rejected: the C library's ns_parse family. It has file-scope state, and what it accepts
 * differs between C libraries.
 */
#ifndef CIS_EGRESS_DNS_WIRE_H
#define CIS_EGRESS_DNS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER_SIZE 12
#define DNS_NAME_WIRE_MAX 255
#define DNS_NAME_TEXT_MAX 253
/* Each byte may become four. */
#define DNS_NAME_ESCAPED_MAX (4 * DNS_NAME_WIRE_MAX)

enum {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_OPT = 41,
	DNS_DS = 43,
	DNS_RRSIG = 46,
	DNS_DNSKEY = 48,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
	DNS_CAA = 257,
};

#define DNS_CLASS_IN 1

#define DNS_FLAG_QR 0x8000
#define DNS_FLAG_OPCODE 0x7800
#define DNS_FLAG_AA 0x0400
#define DNS_FLAG_TC 0x0200
#define DNS_FLAG_RD 0x0100
#define DNS_FLAG_RA 0x0080
#define DNS_FLAG_AD 0x0020
#define DNS_FLAG_CD 0x0010
#define DNS_FLAG_RCODE 0x000f

enum {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16,
};

struct dns_message {
	const uint8_t *p;
	size_t n;
};

/* Labels with their lengths, uncompressed, the root's zero included. Checked when read. */
struct dns_name {
	uint8_t len;
	uint8_t wire[DNS_NAME_WIRE_MAX];
};

struct dns_header {
	uint16_t id, flags;
	uint16_t n_questions, n_answers, n_authority, n_additional;
};

struct dns_question {
	struct dns_name name;
	uint16_t type, class;
};

struct dns_rr {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl;
	size_t rdata; /* where in the message */
	uint16_t rdlen;
};

struct dns_opt {
	bool is_there, is_do;
	uint8_t version, rcode; /* the upper bits of the answer's code */
	uint16_t size;
};

/* ---- reading: 0, or -EBADMSG; @at moves on only with 0 -------------------------- */

int dns_read_header(const struct dns_message *m, struct dns_header *ret);
/* Pointers must lead backwards, each further than the last: no loop is possible. */
int dns_read_name(const struct dns_message *m, size_t *at, struct dns_name *ret);
int dns_read_question(const struct dns_message *m, size_t *at, struct dns_question *ret);
int dns_read_rr(const struct dns_message *m, size_t *at, struct dns_rr *ret);
/* An OPT record, its options looked through for their lengths. */
int dns_read_opt(const struct dns_message *m, const struct dns_rr *rr, struct dns_opt *ret);
/* The name that a record's data begins with, after @skip bytes. */
int dns_read_target(const struct dns_message *m, const struct dns_rr *rr, size_t skip,
		    struct dns_name *ret);

/* ---- names ---------------------------------------------------------------------- */

bool dns_name_equals(const struct dns_name *a, const struct dns_name *b);
/* @name is @zone or below it. */
bool dns_name_is_in(const struct dns_name *name, const struct dns_name *zone);
void dns_name_fold(struct dns_name *name);
/*
 * What policies know names by: lower case, labels of letters, digits, - and _, no dot at
 * the end; the root is "". -EINVAL for any other byte.
 */
int dns_name_text(const struct dns_name *name, char ret[static DNS_NAME_TEXT_MAX + 1]);
/* For records: as it was asked, what is not harmless as \DDD. */
void dns_name_escape(const struct dns_name *name, char ret[static DNS_NAME_ESCAPED_MAX + 1]);
/* NULL: has no name here, and is answered by none. */
const char *dns_type_name(uint16_t type);

/* ---- writing: what does not fit sets is_full, and nothing is written from then on -- */

struct dns_writer {
	uint8_t *buf;
	size_t size, len;
	bool is_full;
	/*
	 * Where names begin that later ones may point at, and how long they are: so that only
	 * those are compared that may be equal, whatever names somebody has thought of.
	 */
	struct {
		uint16_t at;
		uint8_t len;
	} starts[48];
	size_t n_starts;
};

void dns_write_init(struct dns_writer *w, void *buf, size_t size);
void dns_write_u8(struct dns_writer *w, uint8_t v);
void dns_write_u16(struct dns_writer *w, uint16_t v);
void dns_write_u32(struct dns_writer *w, uint32_t v);
void dns_write_bytes(struct dns_writer *w, const void *p, size_t n);
void dns_write_header(struct dns_writer *w, const struct dns_header *h);
void dns_write_name(struct dns_writer *w, const struct dns_name *name, bool is_compressed);
void dns_write_question(struct dns_writer *w, const struct dns_question *q);
/* Owner, type, class IN and TTL; returns where the data's length is to be put. */
size_t dns_write_rr(struct dns_writer *w, const struct dns_name *owner, uint16_t type,
		    uint32_t ttl);
void dns_write_rdlen(struct dns_writer *w, size_t where);

/*
 * A record's data, field by field, for types that dns_type_name() knows. -EBADMSG: it is
 * not what its type says. Of HTTPS and SVCB the addresses and keys that go around the
 * resolver are left out: 1, if there were any; -ENOENT, if the record is of no use then.
 */
int dns_write_rdata(struct dns_writer *w, const struct dns_message *m,
		    const struct dns_rr *rr);

#endif
