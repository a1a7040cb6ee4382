/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dns-wire.h"

#include <errno.h>
#include <string.h>

#include "../base/macros.h"

#define POINTER 0xc0
#define POINTER_REACH 0x4000
#define OPT_DO 0x8000

/* Keys of HTTPS and SVCB. */
enum { KEY_MANDATORY = 0, KEY_IPV4HINT = 4, KEY_ECH = 5, KEY_IPV6HINT = 6 };

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* ---- reading -------------------------------------------------------------------- */

int dns_read_header(const struct dns_message *m, struct dns_header *ret)
{
	if (m->n < DNS_HEADER_SIZE)
		return -EBADMSG;
	*ret = (struct dns_header){
		.id = get_u16(m->p),
		.flags = get_u16(m->p + 2),
		.n_questions = get_u16(m->p + 4),
		.n_answers = get_u16(m->p + 6),
		.n_authority = get_u16(m->p + 8),
		.n_additional = get_u16(m->p + 10),
	};
	return 0;
}

int dns_read_name(const struct dns_message *m, size_t *at, struct dns_name *ret)
{
	size_t pos = *at, begin = *at, end = 0, len = 0;

	for (;;) {
		if (pos >= m->n)
			return -EBADMSG;
		size_t label = m->p[pos];
		if ((label & POINTER) == POINTER) {
			if (pos + 1 >= m->n)
				return -EBADMSG;
			size_t target = get_u16(m->p + pos) & (POINTER_REACH - 1);
			if (!end)
				end = pos + 2;
			if (target >= begin || target < DNS_HEADER_SIZE)
				return -EBADMSG;
			pos = begin = target;
			continue;
		}
		if (label & POINTER || label >= m->n - pos ||
		    len + 1 + label > DNS_NAME_WIRE_MAX)
			return -EBADMSG;
		memcpy(ret->wire + len, m->p + pos, 1 + label);
		len += 1 + label;
		pos += 1 + label;
		if (!label)
			break;
	}
	ret->len = (uint8_t)len;
	*at = end ? end : pos;
	return 0;
}

int dns_read_question(const struct dns_message *m, size_t *at, struct dns_question *ret)
{
	size_t pos = *at;
	int r = dns_read_name(m, &pos, &ret->name);

	if (r < 0)
		return r;
	if (m->n - pos < 4)
		return -EBADMSG;
	ret->type = get_u16(m->p + pos);
	ret->class = get_u16(m->p + pos + 2);
	*at = pos + 4;
	return 0;
}

int dns_read_rr(const struct dns_message *m, size_t *at, struct dns_rr *ret)
{
	size_t pos = *at;
	int r = dns_read_name(m, &pos, &ret->owner);

	if (r < 0)
		return r;
	if (m->n - pos < 10)
		return -EBADMSG;
	ret->type = get_u16(m->p + pos);
	ret->class = get_u16(m->p + pos + 2);
	ret->ttl = get_u32(m->p + pos + 4);
	ret->rdlen = get_u16(m->p + pos + 8);
	ret->rdata = pos + 10;
	if (ret->rdlen > m->n - ret->rdata)
		return -EBADMSG;
	*at = ret->rdata + ret->rdlen;
	return 0;
}

int dns_read_opt(const struct dns_message *m, const struct dns_rr *rr, struct dns_opt *ret)
{
	const uint8_t *p = m->p + rr->rdata;
	size_t left = rr->rdlen;

	if (rr->owner.len != 1)
		return -EBADMSG;
	while (left) {
		if (left < 4 || get_u16(p + 2) > left - 4)
			return -EBADMSG;
		size_t option = 4 + (size_t)get_u16(p + 2);
		p += option;
		left -= option;
	}
	*ret = (struct dns_opt){
		.is_there = true,
		.is_do = rr->ttl & OPT_DO,
		.version = (uint8_t)(rr->ttl >> 16),
		.rcode = (uint8_t)(rr->ttl >> 24),
		.size = rr->class,
	};
	return 0;
}

int dns_read_target(const struct dns_message *m, const struct dns_rr *rr, size_t skip,
		    struct dns_name *ret)
{
	/* The record's end is the name's, whatever follows in the message. */
	const struct dns_message until = {m->p, rr->rdata + rr->rdlen};
	size_t at = rr->rdata + skip;

	return dns_read_name(&until, &at, ret);
}

/* ---- names ---------------------------------------------------------------------- */

static bool same_labels(const uint8_t *a, const uint8_t *b, size_t n)
{
	/* Lengths of labels are below 'A': folding does not touch them. */
	for (size_t i = 0; i < n; i++)
		if (fold(a[i]) != fold(b[i]))
			return false;
	return true;
}

bool dns_name_equals(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && same_labels(a->wire, b->wire, a->len);
}

bool dns_name_is_in(const struct dns_name *name, const struct dns_name *zone)
{
	for (size_t at = 0; at + zone->len <= name->len; at += 1 + (size_t)name->wire[at])
		if (at + zone->len == name->len)
			return same_labels(name->wire + at, zone->wire, zone->len);
	return false;
}

void dns_name_fold(struct dns_name *name)
{
	for (size_t i = 0; i < name->len; i++)
		name->wire[i] = fold(name->wire[i]);
}

static bool is_host_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int dns_name_text(const struct dns_name *name, char ret[static DNS_NAME_TEXT_MAX + 1])
{
	char *out = ret;

	for (size_t at = 0; name->wire[at]; at += 1 + (size_t)name->wire[at]) {
		if (at)
			*out++ = '.';
		for (size_t i = 1; i <= name->wire[at]; i++) {
			uint8_t c = fold(name->wire[at + i]);
			if (!is_host_byte(c))
				return -EINVAL;
			*out++ = (char)c;
		}
	}
	*out = '\0';
	return 0;
}

void dns_name_escape(const struct dns_name *name, char ret[static DNS_NAME_ESCAPED_MAX + 1])
{
	char *out = ret;

	for (size_t at = 0; name->wire[at]; at += 1 + (size_t)name->wire[at]) {
		if (at)
			*out++ = '.';
		for (size_t i = 1; i <= name->wire[at]; i++) {
			uint8_t c = name->wire[at + i];
			if (is_host_byte(fold(c)) || c == '*') {
				*out++ = (char)c;
				continue;
			}
			*out++ = '\\';
			*out++ = (char)('0' + c / 100);
			*out++ = (char)('0' + c / 10 % 10);
			*out++ = (char)('0' + c % 10);
		}
	}
	if (out == ret)
		*out++ = '.';
	*out = '\0';
}

/*
 * What is answered, and what its data is made of: 1 2 4 integers, n a name that may be
 * compressed, N one that may not, s strings to the end, t one string, x any bytes to the
 * end, - made by hand.
 */
static const struct {
	uint16_t type;
	const char *name, *fields;
} types[] = {
	{DNS_A, "A", "4"},
	{DNS_NS, "NS", "n"},
	{DNS_CNAME, "CNAME", "n"},
	{DNS_SOA, "SOA", "nn44444"},
	{DNS_PTR, "PTR", "n"},
	{DNS_MX, "MX", "2n"},
	{DNS_TXT, "TXT", "s"},
	{DNS_AAAA, "AAAA", "4444"},
	{DNS_SRV, "SRV", "222N"},
	{DNS_DS, "DS", "211x"},
	{DNS_RRSIG, "RRSIG", "2114442Nx"},
	{DNS_DNSKEY, "DNSKEY", "211x"},
	{DNS_SVCB, "SVCB", "-"},
	{DNS_HTTPS, "HTTPS", "-"},
	{DNS_CAA, "CAA", "1tx"},
};

const char *dns_type_name(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return NULL;
}

/* ---- writing -------------------------------------------------------------------- */

void dns_write_init(struct dns_writer *w, void *buf, size_t size)
{
	*w = (struct dns_writer){.buf = buf, .size = size};
}

void dns_write_bytes(struct dns_writer *w, const void *p, size_t n)
{
	if (w->is_full || n > w->size - w->len) {
		w->is_full = true;
		return;
	}
	memcpy(w->buf + w->len, p, n);
	w->len += n;
}

void dns_write_u8(struct dns_writer *w, uint8_t v)
{
	dns_write_bytes(w, &v, 1);
}

void dns_write_u16(struct dns_writer *w, uint16_t v)
{
	dns_write_bytes(w, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

void dns_write_u32(struct dns_writer *w, uint32_t v)
{
	dns_write_u16(w, (uint16_t)(v >> 16));
	dns_write_u16(w, (uint16_t)v);
}

void dns_write_header(struct dns_writer *w, const struct dns_header *h)
{
	dns_write_u16(w, h->id);
	dns_write_u16(w, h->flags);
	dns_write_u16(w, h->n_questions);
	dns_write_u16(w, h->n_answers);
	dns_write_u16(w, h->n_authority);
	dns_write_u16(w, h->n_additional);
}

/* Where the labels from @at of @name have been written before; 0 if nowhere. */
static uint16_t find_written(const struct dns_writer *w, const struct dns_name *name,
			     size_t at)
{
	const struct dns_message m = {w->buf, w->len};
	struct dns_name written;

	for (size_t i = 0; i < w->n_starts; i++) {
		size_t pos = w->starts[i].at;
		if (w->starts[i].len == name->len - at &&
		    dns_read_name(&m, &pos, &written) == 0 &&
		    same_labels(written.wire, name->wire + at, written.len))
			return w->starts[i].at;
	}
	return 0;
}

void dns_write_name(struct dns_writer *w, const struct dns_name *name, bool is_compressed)
{
	size_t n_before = w->n_starts;

	for (size_t at = 0; name->wire[at] && !w->is_full; at += 1 + (size_t)name->wire[at]) {
		uint16_t found = is_compressed ? find_written(w, name, at) : 0;
		if (found) {
			dns_write_u16(w, (uint16_t)(POINTER << 8 | found));
			return;
		}
		if (w->n_starts < ARRAY_SIZE(w->starts) && w->len < POINTER_REACH) {
			w->starts[w->n_starts].at = (uint16_t)w->len;
			w->starts[w->n_starts++].len = (uint8_t)(name->len - at);
		}
		dns_write_bytes(w, name->wire + at, 1 + (size_t)name->wire[at]);
	}
	dns_write_u8(w, 0);
	if (w->is_full)
		w->n_starts = n_before;
}

void dns_write_question(struct dns_writer *w, const struct dns_question *q)
{
	dns_write_name(w, &q->name, false);
	dns_write_u16(w, q->type);
	dns_write_u16(w, q->class);
}

size_t dns_write_rr(struct dns_writer *w, const struct dns_name *owner, uint16_t type,
		    uint32_t ttl)
{
	dns_write_name(w, owner, true);
	dns_write_u16(w, type);
	dns_write_u16(w, DNS_CLASS_IN);
	dns_write_u32(w, ttl);
	dns_write_u16(w, 0);
	return w->len - 2;
}

void dns_write_rdlen(struct dns_writer *w, size_t where)
{
	if (w->is_full)
		return;
	size_t n = w->len - where - 2;

	w->buf[where] = (uint8_t)(n >> 8);
	w->buf[where + 1] = (uint8_t)n;
}

/* Parameters of HTTPS and SVCB, in the order of their keys, none twice. */
static int write_parameters(struct dns_writer *w, const uint8_t *p, size_t left)
{
	int previous = -1;
	bool is_altered = false;

	while (left) {
		if (left < 4 || get_u16(p + 2) > left - 4 || get_u16(p) <= previous)
			return -EBADMSG;
		uint16_t key = get_u16(p), n = get_u16(p + 2);

		previous = key;
		if (key == KEY_MANDATORY && (n % 2 || !n))
			return -EBADMSG;
		for (size_t i = 0; key == KEY_MANDATORY && i < n; i += 2) {
			uint16_t wanted = get_u16(p + 4 + i);
			/* Who needs what we leave out cannot use the record. */
			if (wanted == KEY_IPV4HINT || wanted == KEY_IPV6HINT ||
			    wanted == KEY_ECH)
				return -ENOENT;
		}
		if (key == KEY_IPV4HINT || key == KEY_IPV6HINT || key == KEY_ECH)
			is_altered = true;
		else
			dns_write_bytes(w, p, 4 + (size_t)n);
		p += 4 + (size_t)n;
		left -= 4 + (size_t)n;
	}
	return is_altered;
}

static int write_service(struct dns_writer *w, const struct dns_message *m,
			 const struct dns_rr *rr)
{
	const struct dns_message until = {m->p, rr->rdata + rr->rdlen};
	size_t at = rr->rdata + 2;
	struct dns_name target;

	if (rr->rdlen < 3 || dns_read_name(&until, &at, &target) < 0)
		return -EBADMSG;
	dns_name_fold(&target);
	dns_write_bytes(w, m->p + rr->rdata, 2);
	dns_write_name(w, &target, false);
	/* An alias has no parameters; what is there is to be ignored. */
	if (!get_u16(m->p + rr->rdata))
		return at != until.n;
	return write_parameters(w, m->p + at, until.n - at);
}

static int write_field(struct dns_writer *w, const struct dns_message *until, size_t *at,
		       char field)
{
	struct dns_name name;
	size_t n, left = until->n - *at;

	switch (field) {
	case 'n':
	case 'N':
		if (dns_read_name(until, at, &name) < 0)
			return -EBADMSG;
		dns_name_fold(&name);
		dns_write_name(w, &name, field == 'n');
		return 0;
	case 't':
		n = left ? 1 + (size_t)until->p[*at] : 1;
		break;
	case 's':
		n = 0;
		while (n < left)
			n += 1 + (size_t)until->p[*at + n];
		/* At least one, which may be empty. */
		n = MAX(n, 1);
		break;
	case 'x':
		n = left;
		break;
	default:
		n = (size_t)(field - '0');
	}
	if (n > left)
		return -EBADMSG;
	dns_write_bytes(w, until->p + *at, n);
	*at += n;
	return 0;
}

int dns_write_rdata(struct dns_writer *w, const struct dns_message *m,
		    const struct dns_rr *rr)
{
	const struct dns_message until = {m->p, rr->rdata + rr->rdlen};
	size_t at = rr->rdata, i = 0;

	while (i < ARRAY_SIZE(types) && types[i].type != rr->type)
		i++;
	if (i == ARRAY_SIZE(types))
		return -EBADMSG;
	if (*types[i].fields == '-')
		return write_service(w, m, rr);
	for (const char *f = types[i].fields; *f; f++)
		if (write_field(w, &until, &at, *f) < 0)
			return -EBADMSG;
	return at == until.n ? 0 : -EBADMSG;
}
