/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of a sandbox, gathered from options, files and presets, and compiled into
 * what helpers ask (policy.h). cisandbox-egress(7) is the manual.
 *
 *	struct ruleset rs = {0};
 *
 *	r = ruleset_allow(&rs, "*.example.com:443", "--allow", err);
 *	r = ruleset_allow_preset(&rs, "debian", "--preset", err);
 *	r = ruleset_allow_file(&rs, "allow.txt", err);
 *	r = ruleset_undeny(&rs, "10.1.0.0/16", "--undeny", err);
 *	r = ruleset_compile(&rs, key, &policy, err);
 *	ruleset_done(&rs);
 *
 * What a person can do wrong is told with the place: "allow.txt:12: rule "a..b": ...".
 * After an error there is nothing to do with a ruleset but ruleset_done().
 * What is denied by default is a matter of compiling: there is no call to leave it out
 * but ruleset_undeny().
 */
#ifndef CIS_EGRESS_RULESET_H
#define CIS_EGRESS_RULESET_H

#include "../base/str.h"
#include "rules.h"

/* More are refused, so that numbers stay within what the table has. */
#define RULESET_MAX 1000000

struct rule_list {
	struct rule *v;
	size_t n, room;
};

/* The zeroed struct is empty. The fields are ruleset*.c's and compile.c's. */
struct ruleset {
	bool audit;
	struct rule_list allow, deny, undeny;
	struct rule_list preset_allow, preset_deny;
	struct rule_list host; /* the host's own addresses */
	struct strv undone;    /* presets that are not in force */
	struct strv presets;   /* that allow, as they were named */
	struct strv sources;   /* where rules came from */
	char *dir;	       /* of more presets; NULL: none */
};

void ruleset_done(struct ruleset *rs);

/* Presets are also looked for in the directory @dir, as NAME.json, and before ours. */
int ruleset_presets_in(struct ruleset *rs, const char *dir, struct cis_error *err);

/* @place: what the person wrote it to: "--allow". */
int ruleset_allow(struct ruleset *rs, const char *text, const char *place,
		  struct cis_error *err);
int ruleset_allow_preset(struct ruleset *rs, const char *name, const char *place,
			 struct cis_error *err);
/* An allow file: a rule a line, "preset NAME", "#" and what follows it. */
int ruleset_allow_file(struct ruleset *rs, const char *path, struct cis_error *err);
/* The same, read: bytes, called @name. */
int ruleset_allow_text(struct ruleset *rs, const char *text, size_t len, const char *name,
		       struct cis_error *err);

/* Wins over all that allows, and over audit. */
int ruleset_deny(struct ruleset *rs, const char *text, const char *place,
		 struct cis_error *err);

/* A preset that is in force by default, or of such a one a name or net. For admins only. */
int ruleset_undeny(struct ruleset *rs, const char *text, const char *place,
		   struct cis_error *err);

/* An address of the host: as if the preset no-lan had it. */
int ruleset_host_address(struct ruleset *rs, int family, const uint8_t *address,
			 struct cis_error *err);

/*
 * What learn saw: a name, or with NULL an address, and what it was used with. A name is
 * canonical. -EINVAL: it is not, or the protocol is neither tcp nor udp.
 */
int ruleset_observe(struct ruleset *rs, const char *name, int family, const uint8_t *address,
		    struct egress_port port, struct cis_error *err);

/*
 * What is allowed, as an allow file: presets, then rules, sorted, each once. @header:
 * lines of a comment. The caller frees *ret.
 */
int ruleset_print(const struct ruleset *rs, const char *header, char **ret,
		  struct cis_error *err);

/*
 * @key: random, the caller's; whoever knows it can choose names that are slow to find.
 * -EINVAL: a rule allows what is always shut, or undoes nothing; -E2BIG.
 */
int ruleset_compile(const struct ruleset *rs, const uint8_t key[static 16],
		    struct policy **ret, struct cis_error *err) CIS_MUST_CHECK;

/* The names of our own presets; NULL behind the last. */
const char *ruleset_preset_name(size_t i);

/* ---- between ruleset.c, presets.c and compile.c ---- */

void rule_list_done(struct rule_list *l);
/* Takes @rule over, whatever happens. */
int rule_list_add(struct rule_list *l, struct rule *rule_consumed);
/* Index of @name in @sources, which it is added to; -ENOMEM. */
int ruleset_source(struct strv *sources, const char *name);
/* Where @rule came from, for an error: "allow.txt:12". */
#define RULE_PLACE_MAX 128
const char *rule_place(const struct strv *sources, const struct rule *rule,
		       char ret[static RULE_PLACE_MAX]);

/* What a preset says, added to the lists; @dir may be NULL. -ENOENT: there is none. */
int preset_read(const char *name, const char *dir, struct strv *sources,
		struct rule_list *allow, struct rule_list *deny, struct cis_error *err);
/* One of ours that is in force unless undone. */
bool preset_is_default(const char *name);

#endif
