/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an upstream says, and what of it the client is told. From the question the chain of
 * CNAMEs is followed; only what hangs on it, in the answer's own section, counts. It
 * is written anew: names in lower case, times within bounds, addresses that may never be
 * reached left out.
 *
 * Signatures go with what they sign if the client wants them, but not where something was
 * left out. Proofs of absence (NSEC) are not passed on.
 */
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "dns-engine.h"

#define OPT_SIZE 11
#define EDE_SIZE 6

/* ---- writing --------------------------------------------------------------------- */

void dns_answer_begin(struct dns_writer *w, const struct dns_asked *asked)
{
	/* The header comes last. */
	dns_write_header(w, &(struct dns_header){0});
	if (asked->has_edns)
		w->size -= OPT_SIZE + EDE_SIZE;
	if (asked->has_question)
		dns_write_question(w, &asked->question);
}

void dns_answer_end(struct dns_writer *w, const struct dns_asked *asked, uint16_t flags,
		    uint16_t rcode, int ede, uint16_t n_answers, uint16_t n_authority)
{
	size_t len;

	if (asked->has_edns) {
		w->size += OPT_SIZE + EDE_SIZE;
		dns_write_u8(w, 0);
		dns_write_u16(w, DNS_OPT);
		dns_write_u16(w, DNS_UDP_SIZE);
		dns_write_u8(w, (uint8_t)(rcode >> 4));
		dns_write_u8(w, 0);
		dns_write_u16(w, asked->is_do ? 0x8000 : 0);
		dns_write_u16(w, ede == EDE_NONE ? 0 : EDE_SIZE);
		if (ede != EDE_NONE) {
			dns_write_u16(w, 15);
			dns_write_u16(w, 2);
			dns_write_u16(w, (uint16_t)ede);
		}
	}
	len = w->len;
	w->len = 0;
	flags |= DNS_FLAG_QR | DNS_FLAG_RA | (rcode & DNS_FLAG_RCODE) |
		 (asked->flags & (DNS_FLAG_OPCODE | DNS_FLAG_RD | DNS_FLAG_CD));
	const struct dns_header h = {
		.id = asked->id,
		.flags = flags,
		.n_questions = asked->has_question,
		.n_answers = n_answers,
		.n_authority = n_authority,
		.n_additional = asked->has_edns,
	};
	dns_write_header(w, &h);
	w->len = len;
}

/* ---- what the upstream said -------------------------------------------------------- */

struct said {
	const struct dns_message *m;
	struct dns_header h;
	struct dns_opt opt;
	size_t n_records; /* of answer and authority, in d->rrs */
};

/* The question, as it was sent: by UDP in the very case. */
static bool is_our_question(const struct dns_flight *f, const struct dns_question *q,
			    bool *is_other_case)
{
	if (q->type != f->asked.question.type || q->class != DNS_CLASS_IN ||
	    !dns_name_equals(&q->name, &f->sent))
		return false;
	*is_other_case = memcmp(q->name.wire, f->sent.wire, f->sent.len) != 0;
	return true;
}

/* True if all of it is well-formed. */
static bool read_records(struct dns *d, size_t at, struct said *s)
{
	struct dns_rr rr;

	s->n_records = (size_t)s->h.n_answers + s->h.n_authority;
	if (s->n_records > RECORDS_MAX)
		return false;
	for (size_t i = 0; i < s->n_records; i++)
		if (dns_read_rr(s->m, &at, &d->rrs[i]) < 0)
			return false;
	for (size_t i = 0; i < s->h.n_additional; i++) {
		if (dns_read_rr(s->m, &at, &rr) < 0)
			return false;
		if (rr.type == DNS_OPT &&
		    (s->opt.is_there || dns_read_opt(s->m, &rr, &s->opt) < 0))
			return false;
	}
	return at == s->m->n;
}

/* DNS_READY: it can be looked at. */
static enum dns_outcome read_answer(struct dns *d, const struct dns_flight *f, struct said *s)
{
	size_t at = DNS_HEADER_SIZE;
	struct dns_question q;
	bool is_other_case = false;

	if (dns_read_header(s->m, &s->h) < 0 || !(s->h.flags & DNS_FLAG_QR) ||
	    s->h.flags & DNS_FLAG_OPCODE)
		return DNS_NOT_OURS;
	uint16_t rcode = s->h.flags & DNS_FLAG_RCODE;
	/* Who does not know EDNS may not even repeat the question. */
	if (!s->h.n_questions && (rcode == DNS_FORMERR || rcode == DNS_NOTIMP))
		return f->without_edns ? DNS_TRY_NEXT : DNS_TRY_PLAIN;
	if (s->h.n_questions != 1 || dns_read_question(s->m, &at, &q) < 0 ||
	    !is_our_question(f, &q, &is_other_case))
		return DNS_NOT_OURS;
	/* Forged, or an upstream that does not keep it: TCP is harder to forge. */
	if (is_other_case && !f->is_tcp)
		return DNS_TRY_TCP;
	if (s->h.flags & DNS_FLAG_TC)
		return f->is_tcp ? DNS_TRY_NEXT : DNS_TRY_TCP;
	if (!read_records(d, at, s))
		return DNS_TRY_NEXT;
	if (!f->without_edns && (rcode == DNS_FORMERR || rcode == DNS_NOTIMP || s->opt.rcode))
		return DNS_TRY_PLAIN;
	if ((rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN) || s->opt.rcode)
		return DNS_TRY_NEXT;
	return DNS_READY;
}

/* ---- making the answer ------------------------------------------------------------- */

struct making {
	struct dns *d;
	struct dns_flight *f;
	const struct said *s;
	struct dns_writer w;
	struct dns_name end; /* of the chain, so far */
	uint16_t n_answers, n_authority;
	size_t n_filtered;
	bool is_altered, is_bad, is_denied;
	uint32_t longest; /* TTL of an address */
};

static uint32_t clamp_ttl(const struct dns *d, uint32_t ttl)
{
	/* RFC 2181: what looks negative is none. */
	if (ttl > INT32_MAX)
		ttl = 0;
	return MIN(MAX(ttl, d->config.ttl_floor), d->config.ttl_ceiling);
}

static void add_target(struct making *k, const struct dns_name *name, uint32_t ttl)
{
	struct dns *d = k->d;
	struct dns_target *t = &d->targets[d->n_targets];

	/* What has no text cannot be asked for: no right to remember. */
	if (d->n_targets == TARGETS_MAX || name->len == 1 || dns_name_text(name, t->text) < 0)
		return;
	if (d->policy.is_denied(d->policy.data, t->text)) {
		k->is_denied = true;
		return;
	}
	t->ttl = clamp_ttl(d, ttl);
	d->n_targets++;
}

/* False: left out, for it is of no use or not what its type says. */
static bool copy_record(struct making *k, const struct dns_rr *rr, uint32_t ttl)
{
	struct dns_writer before = k->w;
	struct dns_name owner = rr->owner;

	dns_name_fold(&owner);
	size_t where = dns_write_rr(&k->w, &owner, rr->type, clamp_ttl(k->d, ttl));
	int r = dns_write_rdata(&k->w, k->s->m, rr);
	if (r < 0) {
		k->w = before;
		k->is_altered = true;
		return false;
	}
	if (r)
		k->is_altered = true;
	dns_write_rdlen(&k->w, where);
	return true;
}

static bool is_record(const struct dns_rr *rr, const struct dns_name *owner, uint16_t type)
{
	return rr->type == type && rr->class == DNS_CLASS_IN &&
	       dns_name_equals(&rr->owner, owner);
}

static void copy_signatures(struct making *k, const struct dns_name *owner, uint16_t covered)
{
	const struct dns_message *m = k->s->m;

	if (!k->f->asked.is_do)
		return;
	for (size_t i = 0; i < k->s->h.n_answers; i++) {
		const struct dns_rr *rr = &k->d->rrs[i];

		if (is_record(rr, owner, DNS_RRSIG) && rr->rdlen > 18 &&
		    (m->p[rr->rdata] << 8 | m->p[rr->rdata + 1]) == covered)
			k->n_answers += copy_record(k, rr, rr->ttl);
	}
}

static const struct dns_rr *find_cname(const struct making *k)
{
	for (size_t i = 0; i < k->s->h.n_answers; i++)
		if (is_record(&k->d->rrs[i], &k->end, DNS_CNAME))
			return &k->d->rrs[i];
	return NULL;
}

/* Leaves its end in @k->end. False: it is too long, or goes round. */
static bool follow_chain(struct making *k)
{
	const struct dns_rr *rr;
	struct dns_name target;

	for (int i = 0; (rr = find_cname(k)); i++) {
		if (i == CHAIN_MAX || dns_read_target(k->s->m, rr, 0, &target) < 0 ||
		    !copy_record(k, rr, rr->ttl))
			return false;
		k->n_answers++;
		copy_signatures(k, &k->end, DNS_CNAME);
		dns_name_fold(&target);
		add_target(k, &target, rr->ttl);
		k->end = target;
	}
	return true;
}

/* True if it may be told: then it is among those to be admitted. */
static bool take_address(struct making *k, const struct dns_rr *rr)
{
	struct dns_admission *all = &k->d->admission;
	int family = rr->type == DNS_A ? AF_INET : AF_INET6;
	size_t size = family == AF_INET ? 4 : 16;
	struct dns_address a = {.family = family};

	if (rr->rdlen != size) {
		k->is_bad = true;
		return false;
	}
	memcpy(a.bytes, k->s->m->p + rr->rdata, size);
	if (k->d->policy.is_never(k->d->policy.data, family, a.bytes)) {
		k->n_filtered++;
		return false;
	}
	for (size_t i = 0; i < all->n_addresses; i++)
		if (!memcmp(all->addresses[i].bytes, a.bytes, size))
			return false;
	if (all->n_addresses == DNS_ADDRESSES_MAX)
		return false;
	all->addresses[all->n_addresses++] = a;
	k->longest = MAX(k->longest, clamp_ttl(k->d, rr->ttl));
	return true;
}

static void take_service(struct making *k, const struct dns_rr *rr)
{
	struct dns_name target;

	if (dns_read_target(k->s->m, rr, 2, &target) < 0)
		return;
	dns_name_fold(&target);
	add_target(k, &target, rr->ttl);
}

static void copy_final(struct making *k)
{
	uint16_t type = k->f->asked.question.type;
	bool is_address = type == DNS_A || type == DNS_AAAA;
	bool is_chain_altered = k->is_altered;

	k->is_altered = false;
	for (size_t i = 0; i < k->s->h.n_answers; i++) {
		const struct dns_rr *rr = &k->d->rrs[i];

		if (!is_record(rr, &k->end, type))
			continue;
		if (is_address && !take_address(k, rr)) {
			k->is_altered = true;
			continue;
		}
		if (!copy_record(k, rr, rr->ttl))
			continue;
		k->n_answers++;
		if (type == DNS_HTTPS || type == DNS_SVCB)
			take_service(k, rr);
		/* That a name has another is to be remembered also when it is asked for. */
		if (type == DNS_CNAME) {
			struct dns_name target;
			if (dns_read_target(k->s->m, rr, 0, &target) == 0)
				add_target(k, &target, rr->ttl);
		}
	}
	if (!k->is_altered && type != DNS_RRSIG)
		copy_signatures(k, &k->end, type);
	k->is_altered |= is_chain_altered;
}

/* Why there is nothing, and for how long. */
static void copy_soa(struct making *k)
{
	const uint8_t *p = k->s->m->p;

	for (size_t i = k->s->h.n_answers; i < k->s->n_records; i++) {
		const struct dns_rr *rr = &k->d->rrs[i];
		size_t last = rr->rdata + rr->rdlen - 4;

		if (rr->type != DNS_SOA || rr->class != DNS_CLASS_IN || rr->rdlen < 22 ||
		    !dns_name_is_in(&k->end, &rr->owner))
			continue;
		uint32_t minimum = (uint32_t)p[last] << 24 | (uint32_t)p[last + 1] << 16 |
				   (uint32_t)p[last + 2] << 8 | p[last + 3];
		k->n_authority += copy_record(k, rr, MIN(rr->ttl, minimum));
		return;
	}
}

uint8_t *dns_buffer(struct dns *d, const struct dns_flight *f)
{
	return d->answers[f - d->flights];
}

static void finish(struct making *k, uint16_t flags, uint16_t rcode, int ede)
{
	dns_answer_end(&k->w, &k->f->asked, flags, rcode, ede, k->n_answers, k->n_authority);
	k->f->len = k->w.len;
}

static void begin(struct making *k)
{
	dns_write_init(&k->w, dns_buffer(k->d, k->f), k->f->asked.size);
	dns_answer_begin(&k->w, &k->f->asked);
	k->n_answers = k->n_authority = 0;
	k->d->n_targets = k->d->admission.n_addresses = 0;
}

/* Nothing but a code, and why. */
static enum dns_outcome make_empty(struct making *k, uint16_t rcode, int ede,
				   enum dns_reason reason)
{
	begin(k);
	finish(k, 0, rcode, ede);
	k->f->reason = reason;
	return DNS_READY;
}

/* ---- rights -------------------------------------------------------------------------- */

static void add_ports(struct dns *d, const char *origin)
{
	struct dns_admission *a = &d->admission;
	struct egress_port ports[DNS_PORTS_MAX];
	size_t n = d->policy.ports(d->policy.data, origin, ports, DNS_PORTS_MAX);

	for (size_t i = 0; i < MIN(n, DNS_PORTS_MAX); i++) {
		size_t j = 0;
		while (j < a->n_ports && (a->ports[j].proto != ports[i].proto ||
					  a->ports[j].port != ports[i].port))
			j++;
		if (j == a->n_ports && j < DNS_PORTS_MAX)
			a->ports[a->n_ports++] = ports[i];
	}
}

/*
 * Whatever led to the name that was asked for may be used to reach its addresses, and what
 * this name leads to may be asked for. False: it may not be used for anything.
 */
static bool remember(struct making *k, uint64_t now)
{
	struct dns *d = k->d;
	struct dns_admission *a = &d->admission;
	const char *text = k->f->asked.text, *origins[ORIGINS_MAX + 1];
	char copies[ORIGINS_MAX][DNS_NAME_TEXT_MAX + 1];
	size_t n = dns_origins(d, now, text, origins);

	/* Learning may overwrite what they point at. */
	for (size_t i = 0; i < n; i++) {
		memcpy(copies[i], origins[i], sizeof copies[i]);
		origins[i] = copies[i];
	}
	if (d->policy.ports(d->policy.data, text, a->ports, 1))
		origins[n++] = text;
	a->n_ports = 0;
	for (size_t i = 0; i < n; i++) {
		add_ports(d, origins[i]);
		for (size_t j = 0; j < a->n_addresses; j++)
			dns_learn(d, now, origins[i], &a->addresses[j],
				  k->longest + d->config.grace);
		for (size_t j = 0; j < d->n_targets; j++)
			dns_learn_alias(d, now, d->targets[j].text, origins[i],
					d->targets[j].ttl + d->config.grace);
	}
	a->seconds = k->longest + d->config.grace;
	a->name = text;
	return a->n_ports > 0;
}

/* ---- all of it ----------------------------------------------------------------------- */

/* No room: the client is to come by TCP, or there is nothing to be done. */
static enum dns_outcome make_short(struct making *k)
{
	bool is_tcp = k->f->asked.client.is_tcp;

	begin(k);
	k->f->reason = is_tcp ? DNS_BECAUSE_TOO_LONG : DNS_BECAUSE_ANSWERED;
	finish(k, is_tcp ? 0 : DNS_FLAG_TC, is_tcp ? DNS_SERVFAIL : DNS_NOERROR, EDE_NONE);
	return DNS_READY;
}

static enum dns_outcome make_answer(struct making *k, uint64_t now)
{
	struct dns_flight *f = k->f;
	uint16_t rcode = k->s->h.flags & DNS_FLAG_RCODE, flags = 0;

	begin(k);
	k->end = f->sent;
	dns_name_fold(&k->end);
	if (f->asked.question.type != DNS_CNAME && !follow_chain(k))
		return DNS_TRY_NEXT;
	if (k->is_denied)
		return make_empty(k, DNS_NXDOMAIN, EDE_BLOCKED, DNS_BECAUSE_NAME);
	uint16_t n_chain = k->n_answers;
	if (rcode == DNS_NOERROR)
		copy_final(k);
	if (k->is_bad)
		return DNS_TRY_NEXT;
	if (k->n_filtered)
		dns_tell(k->d, now, &f->asked, DNS_DENIED, DNS_BECAUSE_REBINDING);
	if (k->n_filtered && !k->d->admission.n_addresses)
		return make_empty(k, DNS_NOERROR, EDE_FILTERED, DNS_BECAUSE_REBINDING);
	f->reason = k->n_answers > n_chain ? DNS_BECAUSE_ANSWERED : DNS_BECAUSE_NEGATIVE;
	if (f->reason == DNS_BECAUSE_NEGATIVE)
		copy_soa(k);
	if (k->w.is_full)
		return make_short(k);
	if (k->s->h.flags & DNS_FLAG_AD && !k->is_altered &&
	    (f->asked.is_do || f->asked.flags & DNS_FLAG_AD))
		flags |= DNS_FLAG_AD;
	/* What led to it has been forgotten since it was asked for. */
	if (!remember(k, now) && k->d->admission.n_addresses)
		return make_empty(k, DNS_NXDOMAIN, EDE_BLOCKED, DNS_BECAUSE_NAME);
	finish(k, flags, rcode, EDE_NONE);
	return k->d->admission.n_addresses ? DNS_HOLD : DNS_READY;
}

enum dns_outcome dns_judge(struct dns *d, uint64_t now, struct dns_flight *f,
			   const struct dns_message *m)
{
	struct said s = {.m = m};
	enum dns_outcome outcome = read_answer(d, f, &s);

	return outcome == DNS_READY
		       ? make_answer(&(struct making){.d = d, .f = f, .s = &s}, now)
		       : outcome;
}
