/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The spec: everything a sandbox can be, as plain data. Filled by the
 * setters of sandbox.c and by spec-json.c, judged by spec_validate(), read by
 * plan.c. It holds no open descriptor of its own and touches nothing.
 */
#ifndef CIS_SPEC_H
#define CIS_SPEC_H

#include <cisandbox.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/str.h"
#include "egress/publish.h"
#include "egress/ruleset.h"
#include "guard/artifact.h"
#include "guard/secret.h"

struct spec_bind {
	char *source, *target;
	bool readonly;
};

#define CACHES_MAX 16

struct spec_cache {
	char *name;
	char *path; /* inside */
	bool readonly;
};

struct spec_ulimit {
	int resource;
	struct rlimit limit;
};

/* A program that runs beside the payload and comes up before it. */
struct spec_service {
	char *name;
	struct strv argv;
	char *log;        /* file inside that gets its output */
	char *ready_unix; /* socket inside that must accept ... */
	char *ready_http; /* ... and answer GET of this path with 200; may be NULL */
	uint64_t timeout_ms;
};

/* What a sandbox with a network may reach. */
struct spec_egress {
	struct ruleset rules;
	bool is_set, is_logged, no_verify;
	enum cis_uplink uplink;
	uint64_t rate, bytes; /* 0: no limit */
	struct publish published[PUBLISH_MAX];
	size_t n_published;
};

enum spec_limit { LIMIT_MEMORY, LIMIT_CPUS, LIMIT_PIDS, LIMIT_DISK, LIMIT_TIMEOUT, N_LIMITS };

struct spec {
	char *id, *image, *rootfs, *seed, *user, *workdir, *hostname;
	char *entrypoint; /* "": none; NULL: the image's */
	struct strv env, labels;
	struct strv scratch_dirs; /* inside: on the scratch disk, not on the overlay */
	struct spec_bind *binds;
	size_t n_binds;
	struct spec_ulimit *ulimits;
	size_t n_ulimits;
	struct spec_service *services;
	size_t n_services;
	struct secrets secrets; /* no profile has them, */
	struct artifacts artifacts; /* nor these, */
	struct spec_cache caches[CACHES_MAX]; /* nor these, */
	size_t n_caches;
	char *scope; /* nor for whom the job runs (volumes/cache-scope.h); or NULL */
	uint64_t memory, cpus_milli, pids, disk, ids, timeout_ms;
	uint64_t disk_inodes; /* 0: the back end's ratio */
	enum cis_disk disk_kind;
	struct cis_io io;
	unsigned int builtin; /* limits that only a built-in profile names: 1 << enum spec_limit */
	unsigned int unheld;  /* of these, what cannot be had without root (rootless.h) */
	uint64_t flags; /* CIS_NO_NEW_PRIVS, CIS_ALLOW_*, CIS_TRAP_* */
	enum cis_net net;
	struct spec_egress egress;
	enum cis_vfs vfs;
	enum cis_inner_runtime inner;
	bool tty;
	unsigned short rows, cols;
	uint64_t profiles_hash; /* of the text of all profiles, in their order; FNV-1a */
	bool hold; /* comes up without a command, and waits for one (hold.c) */
	bool interactive; /* something will be written to stdin */
};

/* Sizes of the house. */
#define SPEC_DISK_DEFAULT (512ULL << 20)
#define SPEC_DISK_IN_MEMORY (512ULL << 20) /* up to this the scratch is a tmpfs */
#define SPEC_DISK_MIN (1ULL << 20)
#define SPEC_INODES_MIN 64ULL /* what setting up makes, and a few for the job */
#define SPEC_MEMORY_MIN (6ULL << 20)
#define SPEC_PIDS_MIN 4ULL /* stage, founder, init, and one to spare */
#define SPEC_IDS_UNIT 65536ULL
#define SPEC_IDS_MAX (1ULL << 31)

void spec_init(struct spec *s);
void spec_done(struct spec *s);

int spec_add_bind(struct spec *s, const char *source, const char *target, bool readonly,
		  struct cis_error *err);
int spec_add_ulimit(struct spec *s, const char *name, uint64_t soft, uint64_t hard);
/* "nofile"; of one that was added. */
const char *spec_ulimit_name(int resource);
/* Takes the members of *svc over on success. */
int spec_add_service(struct spec *s, struct spec_service *svc);
void spec_service_done(struct spec_service *svc);
/* "[IP:]PORT:PORT" */
int spec_add_publish(struct spec *s, const char *text, struct cis_error *err);
/* "K=V" replaces an earlier K; "K" takes the caller's value. */
int spec_add_env(struct strv *env, const char *assignment);

/*
 * spec-env.c: a file of such lines, as docker's --env-file. Values are taken as they stand,
 * quotes and trailing blanks included; empty lines and #comments are passed over.
 */
int spec_add_env_file(struct strv *env, const char *path, struct cis_error *err);
/* Its value; 0: none. */
uint64_t *spec_limit(struct spec *s, enum spec_limit which);
/* By its name, not by way of a profile. */
void spec_demand(struct spec *s, enum spec_limit which, uint64_t value);

bool spec_id_is_valid(const char *id);
bool spec_hostname_is_valid(const char *name);

/* What no single field shows: contradictions, missing parts, floors. */
int spec_validate(const struct spec *s, struct cis_error *err);

/* spec-json.c: reads a profile document into the spec. */
int spec_load_json(struct spec *s, const char *text, size_t len, const char *name,
		   struct cis_error *err);
/* spec-egress.c: the value of its key "egress". */
struct json;
int spec_read_egress(struct spec *s, const struct json *v, struct cis_error *err);
/* The host's own addresses are no more to be reached than its network: looks them up. */
int spec_shut_host(struct spec *s, struct cis_error *err);
int spec_add_egress_rule(struct spec *s, enum cis_egress_rule kind, const char *text,
			 struct cis_error *err);
/* A built-in profile by name, or NULL. */
const char *spec_builtin_profile(const char *name);

#endif
