/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client asks, and whether it may. Everything is refused here that is not one
 * plain question of class IN for a name that the policy knows, an address that was an
 * answer, or a name that an allowed one led to.
 */
#include <string.h>
#include <sys/socket.h>

#include "../base/macros.h"
#include "dns-engine.h"

static struct dns_judgement answer(uint16_t rcode, int ede, enum dns_verdict verdict,
				   enum dns_reason reason)
{
	return (struct dns_judgement){.rcode = rcode,
				      .ede = ede,
				      .verdict = verdict,
				      .reason = reason};
}

static struct dns_judgement malformed(void)
{
	return answer(DNS_FORMERR, EDE_NONE, DNS_DENIED, DNS_BECAUSE_MALFORMED);
}

static struct dns_judgement blocked(void)
{
	return answer(DNS_NXDOMAIN, EDE_BLOCKED, DNS_DENIED, DNS_BECAUSE_NAME);
}

/* ---- the message ---------------------------------------------------------------- */

/* What follows the question: in a query OPT, and with IXFR what the client has. */
static bool read_rest(const struct dns_message *m, size_t at, const struct dns_header *h,
		      struct dns_asked *asked, struct dns_opt *opt)
{
	size_t n_authority = asked->question.type == DNS_IXFR ? 1 : 0;
	struct dns_rr rr;

	if (h->n_answers || h->n_authority > n_authority || h->n_additional > 1)
		return false;
	for (size_t i = 0; i < h->n_authority; i++)
		if (dns_read_rr(m, &at, &rr) < 0)
			return false;
	if (h->n_additional) {
		if (dns_read_rr(m, &at, &rr) < 0 || rr.type != DNS_OPT ||
		    dns_read_opt(m, &rr, opt) < 0)
			return false;
		asked->has_edns = true;
		asked->is_do = opt->is_do;
		if (!asked->client.is_tcp)
			asked->size = MIN(MAX(opt->size, 512), DNS_UDP_SIZE);
	}
	return at == m->n;
}

/* Fills @asked as far as it gets. True: it is a well-formed question. */
static bool read_query(const struct dns_message *m, struct dns_asked *asked,
		       struct dns_judgement *j)
{
	struct dns_header h;
	struct dns_opt opt = {0};
	size_t at = DNS_HEADER_SIZE;

	*j = malformed();
	/* To answer an answer could go on for ever. */
	if (dns_read_header(m, &h) < 0 || h.flags & DNS_FLAG_QR) {
		j->is_silent = true;
		return false;
	}
	asked->id = h.id;
	asked->flags = h.flags;
	if (h.flags & DNS_FLAG_OPCODE) {
		*j = answer(DNS_NOTIMP, EDE_NONE, DNS_DENIED, DNS_BECAUSE_OPCODE);
		return false;
	}
	if (h.flags & DNS_FLAG_TC || h.n_questions != 1 ||
	    dns_read_question(m, &at, &asked->question) < 0)
		return false;
	asked->has_question = true;
	if (!read_rest(m, at, &h, asked, &opt))
		return false;
	if (opt.version) {
		*j = answer(DNS_BADVERS, EDE_NONE, DNS_DENIED, DNS_BECAUSE_EDNS_VERSION);
		return false;
	}
	return true;
}

/* ---- names of addresses ---------------------------------------------------------- */

/* "4.3.2.1.": four numbers as they are written, and @text is after them. */
static bool read_v4(const char *text, const char *end, struct dns_address *ret)
{
	ret->family = AF_INET;
	for (int i = 3; i >= 0; i--) {
		unsigned int v = 0, digits = 0;

		for (; text < end && *text >= '0' && *text <= '9' && digits < 3; digits++)
			v = v * 10 + (unsigned int)(*text++ - '0');
		if (!digits || v > 255 || (digits > 1 && text[-(int)digits] == '0') ||
		    text == end || *text++ != '.')
			return false;
		ret->bytes[i] = (uint8_t)v;
	}
	return text == end;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_v6(const char *text, const char *end, struct dns_address *ret)
{
	ret->family = AF_INET6;
	if (end - text != 64)
		return false;
	for (int i = 0; i < 32; i++, text += 2) {
		int v = nibble(text[0]);

		if (v < 0 || text[1] != '.')
			return false;
		ret->bytes[15 - i / 2] |= (uint8_t)(i % 2 ? v << 4 : v);
	}
	return true;
}

/* The text before @domain, if @name is it or below it; NULL if not. */
static const char *below(const char *name, const char *domain)
{
	size_t n = strlen(name), n_domain = strlen(domain);
	const char *at = name + n - n_domain;

	if (n < n_domain || strcmp(at, domain) || (at > name && at[-1] != '.'))
		return NULL;
	return at;
}

/*
 * True: a name of the trees of addresses, whatever the rules say about it, since
 * resolvers of hosts know there what is in their own network. Only what was an answer may
 * be asked for; in audit mode what is not on the never-list.
 */
static bool judge_reverse(const struct dns *d, uint64_t now, const struct dns_asked *asked,
			  struct dns_judgement *j)
{
	struct dns_address a = {0};
	const char *end = below(asked->text, "in-addr.arpa");
	bool is_one;

	if (end) {
		is_one = read_v4(asked->text, end, &a);
	} else {
		end = below(asked->text, "ip6.arpa");
		if (!end)
			return false;
		is_one = read_v6(asked->text, end, &a);
	}
	*j = blocked();
	if (!is_one || asked->question.type != DNS_PTR)
		return true;
	if (a.family == AF_INET6 && !d->config.has_ipv6)
		return true;
	if (d->policy.is_never(d->policy.data, a.family, a.bytes))
		return true;
	j->is_forward = d->policy.is_audit || dns_was_answer(d, now, &a);
	return true;
}

/* ---- names ----------------------------------------------------------------------- */

/* By these, programs find resolvers that are not the gate. Firefox asks the second. */
static bool is_about_resolvers(const char *name)
{
	return below(name, "resolver.arpa") || below(name, "use-application-dns.net");
}

/* A right that was led to is for connecting, not for whatever else may be asked. */
static bool is_type_of_alias(uint16_t type)
{
	return type == DNS_A || type == DNS_AAAA || type == DNS_CNAME || type == DNS_HTTPS ||
	       type == DNS_SVCB;
}

static struct dns_judgement judge_name(struct dns *d, uint64_t now,
				       const struct dns_asked *asked)
{
	const struct dns_policy *p = &d->policy;
	const char *origins[ORIGINS_MAX], *wildcard;
	struct egress_port port;
	struct dns_judgement j;

	if (judge_reverse(d, now, asked, &j))
		return j;
	if (is_about_resolvers(asked->text))
		return blocked();
	if (!p->ports(p->data, asked->text, &port, 1)) {
		if (!is_type_of_alias(asked->question.type) ||
		    !dns_origins(d, now, asked->text, origins))
			return blocked();
	} else if (!p->is_audit) {
		wildcard = p->wildcard(p->data, asked->text);
		if (wildcard && !dns_wildcard_allows(d, now, wildcard, asked->text))
			return answer(DNS_REFUSED, EDE_PROHIBITED, DNS_DENIED,
				      DNS_BECAUSE_FLOOD_NAMES);
	}
	if (asked->question.type == DNS_AAAA && !d->config.has_ipv6)
		return answer(DNS_NOERROR, EDE_NONE, DNS_ALLOWED, DNS_BECAUSE_NO_IPV6);
	j = answer(DNS_NOERROR, EDE_NONE, DNS_ALLOWED, DNS_BECAUSE_ANSWERED);
	j.is_forward = true;
	return j;
}

void dns_ask(struct dns *d, uint64_t now, const struct dns_client *client,
	     const struct dns_message *m, struct dns_asked *ret, struct dns_judgement *ret_j)
{
	*ret = (struct dns_asked){.client = *client,
				  .size = client->is_tcp ? DNS_ANSWER_MAX : 512};
	if (!read_query(m, ret, ret_j))
		return;
	if (ret->question.class != DNS_CLASS_IN)
		*ret_j = answer(DNS_REFUSED, EDE_NOT_SUPPORTED, DNS_DENIED,
				DNS_BECAUSE_CLASS);
	else if (!dns_type_name(ret->question.type))
		*ret_j = answer(DNS_REFUSED, EDE_NOT_SUPPORTED, DNS_DENIED, DNS_BECAUSE_TYPE);
	else if (dns_name_text(&ret->question.name, ret->text) < 0)
		*ret_j = blocked();
	else if (!*ret->text)
		/* That the root does not exist would be believed of all below it. */
		*ret_j = answer(DNS_REFUSED, EDE_BLOCKED, DNS_DENIED, DNS_BECAUSE_NAME);
	else
		*ret_j = judge_name(d, now, ret);
}
