/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What options about secrets, artifacts and caches do: rows of the table in opts.c. */
#ifndef CIS_CLI_OPTS_JOB_H
#define CIS_CLI_OPTS_JOB_H

#include "opts.h"

/* Who is executed anew would find what can be read once empty. 0, or 1: the reason is printed. */
int job_before_reading(struct front *f);
/* Each as `apply` in opts.c. */
int job_add_secret(struct front *f, const char *v);
int job_add_env_file(struct front *f, const char *v);
int job_set_mask(struct front *f, const char *v);
int job_add_artifact(struct front *f, const char *v);
int job_set_artifact_max(struct front *f, const char *v);
int job_add_cache(struct front *f, const char *v);
int job_set_scope(struct front *f, const char *v);

/*
 * Where to open @path: in a pool's member /dev/fd is another's, and that of who gave it the job
 * is meant.
 */
#define JOB_PATH_MAX 64
const char *job_path(const struct front *f, const char *path, char buf[static JOB_PATH_MAX]);

/* What no single option shows. 0 or an exit status, the reason printed. */
int job_check(const struct front *f);

#endif
