/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * checkpoint and restore. podman and CRI-O take a `checkpoint --help` that succeeds for
 * support: it does, criu being a package that can be installed at any time.
 */
#include <stdint.h>
#include <string.h>

#include "oci.h"
#include "session.h"

/* 0, or EXIT_FAILED: what criu alone cannot do, and what this program does not know. */
static int check(const struct call *c)
{
	const struct options *o = &c->o;

	if (o->lazy_pages || o->page_server)
		return oci_fail("--%s is not supported: images are files, all of them there before "
				"anything is restored", o->lazy_pages ? "lazy-pages" : "page-server");
	if (o->empty_ns && strcmp(o->empty_ns, "network") != 0)
		return oci_fail_usage(c->command->name, "--empty-ns %s: only network can be empty",
				      o->empty_ns);
	if (o->console_socket)
		return oci_fail("cannot use console socket: a container with a terminal is not "
				"restored");
	return 0;
}

static uint64_t flags_of(const struct options *o)
{
	const struct {
		bool given;
		uint64_t flag;
	} all[] = {
		{o->leave_running, CIS_OCI_LEAVE_RUNNING},
		{o->pre_dump, CIS_OCI_PRE_DUMP},
		{o->tcp_established, CIS_OCI_TCP_ESTABLISHED},
		{o->tcp_skip_in_flight, CIS_OCI_TCP_SKIP_IN_FLIGHT},
		{o->tcp_close, CIS_OCI_TCP_CLOSE},
		{o->ext_unix_sk, CIS_OCI_EXT_UNIX_SK},
		{o->shell_job, CIS_OCI_SHELL_JOB},
		{o->file_locks, CIS_OCI_FILE_LOCKS},
		{o->auto_dedup, CIS_OCI_AUTO_DEDUP},
		{o->link_remap, CIS_OCI_LINK_REMAP},
		{o->empty_ns, CIS_OCI_EMPTY_NETNS},
	};
	uint64_t flags = 0;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].given)
			flags |= all[i].flag;
	return flags;
}

int verb_checkpoint(struct call *c)
{
	const struct options *o = &c->o;
	struct cis_error err = {0};
	struct cis_oci_checkpoint how = {
		.image_path = o->image_path,
		.work_path = o->work_path,
		.parent_path = o->parent_path,
		.manage_cgroups = o->manage_cgroups,
		.flags = flags_of(o),
	};
	long long fd;

	if (check(c))
		return EXIT_FAILED;
	if (o->status_fd) {
		fd = parse_number(o->status_fd, 1 << 20);
		if (fd < 3)
			return oci_fail_usage("checkpoint", "--status-fd %s: not a descriptor from 3 up",
					      o->status_fd);
		how.status_fd = (int)fd;
	}
	if (cis_oci_checkpoint(&c->rt, c->argv[0], &how, sizeof how, &err) < 0)
		return oci_fail_err(&err);
	return 0;
}

static int restore_attached(struct call *c, struct cis_oci_restore *how)
{
	struct cis_error err = {0};
	struct session s;
	int status = EXIT_FAILED;

	if (session_open(&s, false, !c->o.no_subreaper)) {
		session_close(&s);
		return EXIT_FAILED;
	}
	how->ret_pid = &s.pid;
	if (cis_oci_restore(&c->rt, c->argv[0], how, sizeof *how, &err) < 0) {
		session_close(&s);
		return oci_fail_err(&err);
	}
	status = session_run(&s);
	session_close(&s);
	if (cis_oci_delete(&c->rt, c->argv[0], 1, &err) < 0)
		oci_fail_err(&err);
	return status;
}

int verb_restore(struct call *c)
{
	const struct options *o = &c->o;
	struct cis_error err = {0};
	struct cis_oci_restore how = {
		.bundle = o->bundle,
		.config = o->config,
		.image_path = o->image_path,
		.work_path = o->work_path,
		.manage_cgroups = o->manage_cgroups,
		.lsm_profile = o->lsm_profile,
		.lsm_mount_context = o->lsm_mount_context,
		.pid_file = o->pid_file,
		.flags = flags_of(o),
	};

	if (check(c))
		return EXIT_FAILED;
	if (!o->detach)
		return restore_attached(c, &how);
	return cis_oci_restore(&c->rt, c->argv[0], &how, sizeof how, &err) < 0 ? oci_fail_err(&err)
									      : 0;
}
