/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handle's second door: its sandbox is what an OCI bundle says. There is no init of
 * ours in it: the command is the handle's child itself. What of it is on the host, and how
 * that is taken away, is in bundle.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/sys.h"
#include "bundle.h"
#include "container/config.h"
#include "container/create.h"
#include "describe.h"
#include "host.h"
#include "sandbox.h"

int cis_sandbox_load_oci(struct cis_sandbox *sb, int bundle_dirfd, struct cis_error *err)
{
	cleanup(config_done) struct config c = {0};
	cleanup_close int dir = -1;
	int r;

	if (sb->phase != PHASE_NEW)
		return cis_fail_plain(err, EBUSY, "load a bundle: the handle is in use already");
	dir = openat(bundle_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return cis_fail(err, errno, "open the bundle");
	/* Read again at start, which is what counts; but who loads wants to know now. */
	r = config_load(&c, dir, "config.json", err);
	if (r < 0)
		return r;
	fd_close(sb->bundle);
	sb->bundle = steal_fd(&dir);
	sb->is_bundle = true;
	sb->spec.tty |= c.process.terminal;
	return 0;
}

/* ---- start ---------------------------------------------------------------------- */

/* A bundle says all of these itself, and what is asked for may not be lost silently. */
static int refuse_others(const struct spec *s, struct cis_error *err)
{
	const char *what = s->image || s->rootfs		 ? "an image or rootfs"
			   : s->seed				 ? "a seed"
			   : s->n_binds				 ? "binds"
			   : s->env.n				 ? "environment"
			   : s->workdir				 ? "a working directory"
			   : s->user				 ? "a user"
			   : s->hostname			 ? "a host name"
			   : s->n_ulimits			 ? "ulimits"
			   : s->n_services			 ? "services of a profile"
			   : s->memory || s->cpus_milli || s->pids || s->disk ? "limits"
			   : s->flags				 ? "flags"
			   : s->secrets.n			 ? "secrets"
			   : s->artifacts.n			 ? "artifacts"
			   : s->n_caches || s->scope		 ? "caches"
			   : s->vfs == CIS_VFS_ON		 ? "virtual files"
			   : s->inner == CIS_INNER_CISANDBOX	 ? "a runtime for engines inside"
								 : NULL;

	if (!what)
		return 0;
	return cis_fail_plain(err, EINVAL,
			      "%s beside a bundle (its config.json says that: change it there)",
			      what);
}

/* After the journal has been written: whoever finds us dead knows what to undo. */
static int create(struct cis_sandbox *sb, char *const argv[], const struct cis_oci *rt,
		  int stdio[3], struct cis_error *err)
{
	int pid = 0;
	struct cis_oci_create how = {.ret_console = &sb->tty, .ret_pid = &pid};
	struct create_more more = {
		.bundle = sb->bundle,
		.stdio = sb->spec.tty ? NULL : stdio,
		.argv = argv,
		.terminal = sb->spec.tty,
		.rows = sb->spec.rows,
		.cols = sb->spec.cols,
	};
	int r = container_create(rt, sb->state.id, &how, &more, err);

	if (r < 0)
		return r;
	sb->pid = pid;
	/* Our child, and nobody has waited for it: the pid is still its own. */
	sb->pidfd = sys_pidfd_open(pid);
	return sb->pidfd < 0 ? cis_fail(err, -sb->pidfd, "watch the container") : 0;
}

static int make(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	int stdio[3] = {-1, -1, -1};
	cleanup_free char *root = NULL;
	struct cis_oci rt;
	int r = bundle_runtime(&rt, &root, err);

	if (r >= 0)
		r = state_journal(&sb->state, JOURNAL_BUNDLE, err);
	if (r >= 0)
		r = prepare_stdio(sb, stdio, err);
	if (r >= 0)
		r = create(sb, argv, &rt, stdio, err);
	for (size_t i = 0; i < ARRAY_SIZE(stdio); i++)
		fd_close(stdio[i]);
	if (r >= 0)
		r = supervise_begin(sb, err);
	if (r >= 0)
		r = container_open(&sb->container, &rt, sb->state.id, false, err);
	if (r >= 0)
		r = cis_oci_start(&rt, sb->state.id, err);
	if (r < 0 && err && err->stage == CIS_STAGE_NONE)
		err->stage = CIS_STAGE_SETUP;
	return r;
}

static int describe(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	cleanup(config_done) struct config c = {0};
	int r = 0;

	if (!argv) {
		r = config_load(&c, sb->container.dir, "config.json", err);
		argv = c.process.args.v;
	}
	sb->base = sb->container.sandbox_root;
	return r < 0 ? r : describe_write_state(sb, argv, err);
}

int start_bundle(struct cis_sandbox *sb, char *const argv[], struct cis_error *err)
{
	int r = refuse_others(&sb->spec, err);

	if (r >= 0) {
		host_reap();
		r = state_create(&sb->state, sb->spec.id, err);
	}
	if (r < 0) {
		if (err)
			err->stage = CIS_STAGE_PLAN;
		return r;
	}
	sb->command_is_child = true;
	r = make(sb, argv, err);
	if (r < 0)
		return r;
	sb->phase = PHASE_RUNNING;
	r = describe(sb, argv, err);
	if (r < 0)
		return r;
	audit_line(sb, "started", "bundle", "pid", (uint64_t)sb->pid, "id_base",
		   (uint64_t)sb->base, NULL);
	supervise_payload_runs(sb);
	return 0;
}
