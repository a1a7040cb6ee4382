/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sandbox executes: its command, by its words and the image's, and services. */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/process.h"
#include "fs/passwd.h"
#include "inner.h"
#include "isolate/seccomp.h"
#include "notify/traps.h"
#include "plan.h"

void plan_exec_done(struct plan_exec *e)
{
	strv_done(&e->argv);
	strv_done(&e->envp);
	strv_done(&e->candidates);
	free(e->cwd);
	free(e->groups);
	free(e->log);
	free(e->ready_unix);
	free(e->ready_request);
}

static int fill_candidates(struct plan_exec *e, struct cis_error *err)
{
	if (!*e->argv.v[0])
		return cis_fail_plain(err, ENOENT, "the command is an empty string");
	return process_candidates(&e->candidates, e->argv.v[0], &e->envp) < 0
		       ? cis_fail(err, ENOMEM, "plan")
		       : 0;
}

/* Defaults first, then the image's, so that what the user gave replaces them. */
static int fill_env(struct plan_exec *e, const struct plan *p, const struct spec *s,
		    const char *home)
{
	cleanup_free char *home_var = NULL;
	int r = str_format(&home_var, "HOME=%s", home);

	if (r >= 0)
		r = spec_add_env(&e->envp, "PATH=" PROCESS_DEFAULT_PATH);
	if (r >= 0)
		r = spec_add_env(&e->envp, home_var);
	if (r >= 0)
		r = spec_add_env(&e->envp, "container=cisandbox");
	if (r >= 0 && s->tty)
		r = spec_add_env(&e->envp, "TERM=xterm");
	for (size_t i = 0; i < p->config.env.n && r >= 0; i++)
		r = spec_add_env(&e->envp, p->config.env.v[i]);
	for (size_t i = 0; i < s->env.n && r >= 0; i++)
		r = spec_add_env(&e->envp, s->env.v[i]);
	return r;
}

static int plan_filter(struct plan *p, uint64_t flags, struct cis_error *err)
{
	int r = 0;

	p->filter = seccomp_filter(flags, &p->n_filter);
	if (!p->filter)
		return cis_fail_plain(err, ENOSYS, "no seccomp filter for these flags");
	if (flags & TRAPS)
		r = trap_filter(flags, p->filter, p->n_filter, &p->trap_filter, &p->n_filter);
	if (p->trap_filter)
		p->filter = p->trap_filter;
	return r < 0 ? cis_fail(err, -r, "plan") : 0;
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

static int append(struct strv *to, char *const *from)
{
	int r = 0;

	for (; from && *from && r >= 0; from++)
		r = strv_add(to, *from);
	return r;
}

/*
 * As engines have it: the command comes after an entry point, and in the place of Cmd. Who
 * names another entry point does without either of the image's.
 */
static int fill_argv(struct plan_exec *e, const struct plan *p, const struct spec *s,
		     char *const argv[], struct cis_error *err)
{
	char *const given[] = {s->entrypoint && *s->entrypoint ? s->entrypoint : NULL, NULL};
	bool is_given = (argv && argv[0]) || s->entrypoint;
	int r = append(&e->argv, s->entrypoint ? given : p->config.entrypoint.v);

	if (r >= 0)
		r = append(&e->argv, is_given ? argv : p->config.cmd.v);
	if (r < 0)
		return cis_fail(err, -r, "plan");
	return e->argv.n ? 0 : cis_fail_plain(err, EINVAL, "no command given");
}

int plan_late_payload(struct plan *p, const struct spec *s, char *const argv[], int rootfd,
		      struct cis_error *err)
{
	struct plan_exec *e = &p->payload;
	struct passwd_entry user = {0};
	int r;

	r = fill_argv(e, p, s, argv, err);
	if (r >= 0)
		r = passwd_lookup(rootfd, first_of(s->user, p->config.user, "0:0"), &user, err);
	if (r < 0)
		return r;
	e->name = "command";
	e->tty = s->tty;
	e->uid = user.uid;
	e->gid = user.gid;
	e->groups = steal_ptr(&user.groups);
	e->n_groups = user.n_groups;
	r = fill_env(e, p, s, user.home);
	if (r >= 0)
		r = str_set(&e->cwd, first_of(s->workdir, p->config.workdir, "/"));
	passwd_entry_done(&user);
	return r < 0 ? cis_fail(err, -r, "plan") : fill_candidates(e, err);
}

int plan_payload(struct plan *p, const struct spec *s, char *const argv[], int rootfd,
		 struct cis_error *err)
{
	int r = s->hold ? 0 : plan_late_payload(p, s, argv, rootfd, err);

	return r < 0 ? r : plan_filter(p, s->flags, err);
}

static int plan_service(struct plan *p, struct plan_exec *e, const struct spec_service *svc,
			struct cis_error *err)
{
	const struct spec *s = p->spec;
	int r = strv_set(&e->argv, svc->argv.v);

	e->name = svc->name;
	e->timeout_ms = svc->timeout_ms;
	if (r >= 0)
		r = fill_env(e, p, s, "/root");
	if (r >= 0 && p->inner_path)
		r = spec_add_env(&e->envp, INNER_ENV "=" INNER_PLACE);
	if (r >= 0)
		r = str_set(&e->cwd, "/");
	if (r >= 0)
		r = str_set(&e->log, svc->log ? svc->log : "/dev/null");
	if (r >= 0)
		r = str_set(&e->ready_unix, svc->ready_unix);
	if (r >= 0 && svc->ready_http)
		r = str_format(&e->ready_request,
			       "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", svc->ready_http);
	return r < 0 ? cis_fail(err, -r, "plan") : fill_candidates(e, err);
}

int plan_services(struct plan *p, struct cis_error *err)
{
	int r = 0;

	if (!p->spec->n_services)
		return 0;
	p->services = calloc(p->spec->n_services, sizeof *p->services);
	if (!p->services)
		return cis_fail(err, ENOMEM, "plan");
	p->n_services = p->spec->n_services;
	for (size_t i = 0; i < p->n_services && r >= 0; i++)
		r = plan_service(p, &p->services[i], &p->spec->services[i], err);
	return r;
}
