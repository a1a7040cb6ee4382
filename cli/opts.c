/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opts-egress.h"
#include "opts-job.h"

/* Each takes the value of one option; 0, -errno, or 1 when it has printed why. */
typedef int (*apply)(struct front *f, const char *value);

static int say(struct front *f, const struct cis_error *err)
{
	cli_error(f->verb, err);
	return 1;
}

static int set_image(struct front *f, const char *v)
{
	return cis_sandbox_set_image(f->sb, v);
}

/* Of a pool: whoever makes members stands elsewhere. */
static int set_rootfs(struct front *f, const char *v)
{
	char *whole = f->is_template ? realpath(v, NULL) : NULL;
	int r = cis_sandbox_set_rootfs(f->sb, whole ? whole : v);

	free(whole);
	return r;
}

static int load_profile(struct front *f, const char *v)
{
	struct cis_error err = {0};
	int r = job_before_reading(f);

	if (r)
		return r;
	return cis_sandbox_load_profile(f->sb, v, &err) < 0 ? say(f, &err) : 0;
}

static int set_docker(struct front *f, const char *v)
{
	(void)v;
	return load_profile(f, "docker");
}

static int scaled(struct front *f, const char *v, int (*parse)(const char *, uint64_t *),
		  int (*set)(struct cis_sandbox *, uint64_t))
{
	uint64_t n;
	int r = parse(v, &n);

	return r < 0 ? r : set(f->sb, n);
}

static int parse_count(const char *v, uint64_t *ret)
{
	char *end;

	if (v[0] < '0' || v[0] > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoull(v, &end, 10);
	return *end ? -EINVAL : -errno;
}

/* A limit of nothing would mean none at all to the library: say so instead. */
static int parse_limit(const char *v, uint64_t *ret)
{
	int r = cis_parse_size(v, ret);

	return r == 0 && *ret == 0 ? -EINVAL : r;
}

static int parse_cpu_limit(const char *v, uint64_t *ret)
{
	int r = cis_parse_cpus(v, ret);

	return r == 0 && *ret == 0 ? -EINVAL : r;
}

static int parse_positive(const char *v, uint64_t *ret)
{
	int r = parse_count(v, ret);

	return r == 0 && *ret == 0 ? -EINVAL : r;
}

static int set_seed(struct front *f, const char *v)
{
	f->seed = v;
	return *v ? cis_sandbox_set_seed(f->sb, v) : -EINVAL;
}

static int set_from(struct front *f, const char *v)
{
	f->from = v;
	return 0;
}

static int set_memory(struct front *f, const char *v)
{
	return scaled(f, v, parse_limit, cis_sandbox_set_memory);
}

static int set_cpus(struct front *f, const char *v)
{
	return scaled(f, v, parse_cpu_limit, cis_sandbox_set_cpus);
}

static int set_pids(struct front *f, const char *v)
{
	return scaled(f, v, parse_positive, cis_sandbox_set_pids);
}

static int set_disk(struct front *f, const char *v)
{
	return scaled(f, v, parse_limit, cis_sandbox_set_disk);
}

static int set_disk_inodes(struct front *f, const char *v)
{
	return scaled(f, v, parse_positive, cis_sandbox_set_disk_inodes);
}

static int set_disk_backend(struct front *f, const char *v)
{
	static const struct {
		const char *name;
		enum cis_disk kind;
	} known[] = {
		{"auto", CIS_DISK_AUTO},   {"quota", CIS_DISK_QUOTA}, {"loop", CIS_DISK_LOOP},
		{"btrfs", CIS_DISK_BTRFS}, {"tmpfs", CIS_DISK_TMPFS},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, v) == 0)
			return cis_sandbox_set_disk_backend(f->sb, known[i].kind);
	return -EINVAL;
}

/* KEY=N[,KEY=N]..., in the kernel's own words (io.max). */
static int set_io(struct front *f, const char *v)
{
	struct cis_io io = {0};
	const struct {
		const char *key;
		uint64_t *limit;
		int (*parse)(const char *text, uint64_t *ret);
	} keys[] = {
		{"rbps", &io.rbps, parse_limit},
		{"wbps", &io.wbps, parse_limit},
		{"riops", &io.riops, parse_positive},
		{"wiops", &io.wiops, parse_positive},
	};
	char *copy = strdup(v), *save = NULL;
	int r = copy ? 0 : -ENOMEM;

	if (r == 0 && (!*v || *v == ',' || strstr(v, ",,") || v[strlen(v) - 1] == ','))
		r = -EINVAL;
	for (char *word = r == 0 ? strtok_r(copy, ",", &save) : NULL; word && r == 0;
	     word = strtok_r(NULL, ",", &save)) {
		char *value = strchr(word, '=');

		r = -EINVAL;
		for (size_t i = 0; value && i < sizeof keys / sizeof *keys; i++)
			if (strncmp(word, keys[i].key, strlen(keys[i].key)) == 0 &&
			    word + strlen(keys[i].key) == value && !*keys[i].limit)
				r = keys[i].parse(value + 1, keys[i].limit);
	}
	free(copy);
	return r == 0 ? cis_sandbox_set_io(f->sb, &io, sizeof io) : r;
}

static int set_ids(struct front *f, const char *v)
{
	return scaled(f, v, parse_positive, cis_sandbox_set_ids);
}

/* BASE[:N] */
static int set_id_base(struct front *f, const char *v)
{
	const char *colon = strchr(v, ':');
	char *base_text = colon ? strndup(v, (size_t)(colon - v)) : strdup(v);
	uint64_t base = 0, n;
	int r = base_text ? parse_positive(base_text, &base) : -ENOMEM;

	free(base_text);
	if (r == 0 && base > UINT32_MAX)
		r = -ERANGE;
	f->id_base = (uint32_t)base;
	if (r == 0 && colon && (r = parse_positive(colon + 1, &n)) == 0)
		r = cis_sandbox_set_ids(f->sb, n);
	return r;
}

static int set_json(struct front *f, const char *v)
{
	(void)v;
	f->json = true;
	return 0;
}

static int set_timeout(struct front *f, const char *v)
{
	return scaled(f, v, cis_parse_duration, cis_sandbox_set_timeout);
}

static int set_vfs(struct front *f, const char *v)
{
	if (strcmp(v, "on") == 0)
		return cis_sandbox_set_vfs(f->sb, CIS_VFS_ON);
	return strcmp(v, "off") == 0 ? cis_sandbox_set_vfs(f->sb, CIS_VFS_OFF) : -EINVAL;
}

static int set_inner_runtime(struct front *f, const char *v)
{
	if (strcmp(v, "cisandbox") == 0)
		return cis_sandbox_set_inner_runtime(f->sb, CIS_INNER_CISANDBOX);
	return strcmp(v, "image") == 0 ? cis_sandbox_set_inner_runtime(f->sb, CIS_INNER_IMAGE)
				       : -EINVAL;
}

static int add_bind(struct front *f, const char *v)
{
	struct cis_error err = {0};
	struct cis_bind bind = {0};
	char *copy = strdup(v), *target, *flag;
	int r = -EINVAL;

	target = copy ? strchr(copy, ':') : NULL;
	if (target) {
		*target++ = '\0';
		flag = strchr(target, ':');
		if (flag)
			*flag++ = '\0';
		if (!flag || strcmp(flag, "ro") == 0 || strcmp(flag, "rw") == 0) {
			char *whole = f->is_template ? realpath(copy, NULL) : NULL;

			bind.source = whole ? whole : copy;
			bind.target = target;
			bind.flags = flag && flag[1] == 'o' ? CIS_BIND_READONLY : 0;
			r = cis_sandbox_add_bind(f->sb, &bind, sizeof bind, &err);
			free(whole);
			r = r < 0 ? say(f, &err) : 0;
		}
	}
	free(copy);
	return r;
}

static int add_env(struct front *f, const char *v)
{
	return cis_sandbox_add_env(f->sb, v);
}

static int set_workdir(struct front *f, const char *v)
{
	return cis_sandbox_set_workdir(f->sb, v);
}

static int set_entrypoint(struct front *f, const char *v)
{
	return cis_sandbox_set_entrypoint(f->sb, v);
}

static int set_user(struct front *f, const char *v)
{
	return cis_sandbox_set_user(f->sb, v);
}

static int set_hostname(struct front *f, const char *v)
{
	return cis_sandbox_set_hostname(f->sb, v);
}

static int set_name(struct front *f, const char *v)
{
	return cis_sandbox_set_id(f->sb, v);
}

static int add_label(struct front *f, const char *v)
{
	return cis_sandbox_add_label(f->sb, v);
}

static int parse_rlimit(const char *v, uint64_t *ret)
{
	if (strcmp(v, "unlimited") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	return parse_count(v, ret);
}

/* NAME=SOFT[:HARD] */
static int add_ulimit(struct front *f, const char *v)
{
	char name[32], soft_text[32], hard_text[32];
	uint64_t soft, hard;
	int n = sscanf(v, "%31[a-z]=%31[^:]:%31s", name, soft_text, hard_text), r;

	if (n < 2)
		return -EINVAL;
	r = parse_rlimit(soft_text, &soft);
	hard = soft;
	if (r == 0 && n == 3)
		r = parse_rlimit(hard_text, &hard);
	return r < 0 ? r : cis_sandbox_add_ulimit(f->sb, name, soft, hard);
}

static int allow(struct front *f, const char *v)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} known[] = {
		{"bpf", CIS_ALLOW_BPF},
		{"perf", CIS_ALLOW_PERF},
		{"io_uring", CIS_ALLOW_IO_URING},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, v) == 0)
			return cis_sandbox_set_flags(f->sb, known[i].flag);
	return -EINVAL;
}

static int trap(struct front *f, const char *v)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} known[] = {
		{"mknod", CIS_TRAP_MKNOD},   {"sysinfo", CIS_TRAP_SYSINFO},
		{"swapon", CIS_TRAP_SWAPON}, {"reboot", CIS_TRAP_REBOOT},
		{"module", CIS_TRAP_MODULE}, {"mount-squashfs", CIS_TRAP_MOUNT_SQUASHFS},
		{"mount-ext4", CIS_TRAP_MOUNT_EXT4},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, v) == 0)
			return cis_sandbox_set_flags(f->sb, known[i].flag);
	return -EINVAL;
}

static int no_new_privs(struct front *f, const char *v)
{
	(void)v;
	return cis_sandbox_set_flags(f->sb, CIS_NO_NEW_PRIVS);
}

static int set_interactive(struct front *f, const char *v)
{
	(void)v;
	f->interactive = true;
	return 0;
}

static int set_tty(struct front *f, const char *v)
{
	(void)v;
	f->tty = true;
	return 0;
}

static int set_detach(struct front *f, const char *v)
{
	(void)v;
	f->detach = true;
	return 0;
}

static int set_dry_run(struct front *f, const char *v)
{
	(void)v;
	f->dry_run = true;
	return 0;
}

static int set_audit(struct front *f, const char *v)
{
	f->audit = v;
	return 0;
}

static int set_help(struct front *f, const char *v)
{
	(void)v;
	f->help = true;
	return 0;
}

static int set_pool(struct front *f, const char *v)
{
	f->pool = v;
	return 0;
}

static int set_no_fill(struct front *f, const char *v)
{
	(void)v;
	f->no_fill = true;
	return 0;
}

static int set_pool_size(struct front *f, const char *v)
{
	uint64_t n;
	int r = parse_positive(v, &n);

	if (r == 0 && n > CIS_POOL_SIZE_MAX)
		r = -ERANGE;
	f->pool_size = r == 0 ? (unsigned int)n : 0;
	return r;
}

/*
 * The one table of what can be said late: EARLY is for `run` and `pool start`, and settled when
 * a pool's sandbox is up; LATE is the job's own; what limits a group can be said by both.
 */
#define EARLY (FOR_RUN | FOR_POOL)
#define LATE (FOR_RUN | FOR_JOB)
#define BOTH (EARLY | LATE)
#define RUN FOR_RUN
#define EXEC FOR_EXEC
#define BUNDLE FOR_BUNDLE

static const struct opt {
	const char *name;
	char letter;
	unsigned int which;
	const char *value; /* NULL: takes none */
	apply apply;
	const char *help;
} table[] = {
	{"image", 0, EARLY, "NAME", set_image, "root file system from the image store"},
	{"rootfs", 0, EARLY, "DIR", set_rootfs,
	 "root file system from a directory, kept unchanged"},
	{"profile", 0, EARLY | BUNDLE, "NAME|FILE", load_profile, "options of a profile"},
	{"docker", 0, EARLY, NULL, set_docker, "bring dockerd up first (profile docker)"},
	{"seed", 0, EARLY, "NAME", set_seed, "images that docker inside has from the start"},
	{"from", 0, FOR_SEED, "SCRIPT", set_from, "shell commands that pull or load images"},
	{"memory", 'm', BOTH | BUNDLE, "SIZE", set_memory, "limit of memory, swap included"},
	{"cpus", 0, BOTH | BUNDLE, "N", set_cpus, "limit of cpu time, as in 1.5"},
	{"pids", 0, BOTH | BUNDLE, "N", set_pids, "limit of processes and threads"},
	{"disk", 0, EARLY, "SIZE", set_disk, "limit of all that is written (default 512M)"},
	{"disk-backend", 0, EARLY, "auto|quota|loop|btrfs|tmpfs", set_disk_backend,
	 "what the disk is made of (default auto)"},
	{"disk-inodes", 0, EARLY, "N", set_disk_inodes, "limit of files and directories on it"},
	{"io", 0, BOTH, "rbps=SIZE,wbps=SIZE,...", set_io,
	 "limits of the disk's device, a second"},
	{"ids", 0, EARLY, "N", set_ids, "user and group ids inside (default 65536)"},
	{"ids", 0, BUNDLE, "BASE[:N]", set_id_base, "a user namespace of these host ids"},
	{"json", 0, BUNDLE, NULL, set_json, "print config.json and make nothing"},
	{"net", 0, EARLY, "none|egress", egress_set_net, "network: loopback only, or by a gate"},
	{"egress", 0, LATE, "block|audit|learn=FILE", egress_set_mode, "what the gate lets pass"},
	{"allow", 0, LATE, "HOST[:PORT[/PROTO]]", egress_allow, "a name, address or net to reach"},
	{"allow-preset", 0, LATE, "NAME", egress_allow_preset,
	 "what debian, npm, github ... need"},
	{"allow-file", 0, LATE, "FILE", egress_allow_file, "a rule a line"},
	{"deny", 0, LATE, "HOST|NET", egress_deny, "never to reach, whatever allows it"},
	{"undeny", 0, LATE, "no-lan|NET|NAME", egress_undeny, "of what is denied by default"},
	{"egress-verify", 0, LATE, "on|off", egress_set_verify, "read names in TLS and HTTP (on)"},
	{"egress-uplink", 0, EARLY, "auto|veth|pasta", egress_set_uplink, "how the gate gets out"},
	{"egress-rate", 0, LATE, "SIZE", egress_set_rate, "upload, a second"},
	{"egress-bytes", 0, LATE, "SIZE", egress_set_bytes, "upload, in all"},
	{"publish", 'p', RUN, "[IP:]PORT:PORT[/PROTO]", egress_publish,
	 "a port of the host that leads in"},
	{"egress-log", 0, LATE, "FILE", egress_set_log, "append flows and refusals as JSON lines"},
	{"vfs", 0, EARLY | BUNDLE, "on|off", set_vfs,
	 "/proc and /sys show its own limits (default on)"},
	{"inner-runtime", 0, EARLY, "cisandbox|image", set_inner_runtime,
	 "whose OCI runtime engines inside use"},
	{"bind", 'v', EARLY | BUNDLE, "SRC:DST[:ro|rw]", add_bind,
	 "a host directory or file inside"},
	{"secret", 0, LATE, "NAME=FILE|-", job_add_secret, "a file /run/secrets/NAME inside"},
	{"mask", 0, LATE, "on|off", job_set_mask, "[MASKED] for values of secrets in output (on)"},
	{"artifact", 0, LATE, "PATH[:DEST]", job_add_artifact, "copied out at the end"},
	{"artifact-max", 0, LATE, "SIZE", job_set_artifact_max, "limit of all artifacts (1G)"},
	{"cache", 0, RUN, "NAME:PATH[:ro]", job_add_cache, "what earlier jobs left there"},
	{"scope", 0, RUN, "SCOPE", job_set_scope, "for whom it runs, as in main or pr-17"},
	{"timeout", 0, LATE, "DURATION", set_timeout, "end it after that; exit status 124"},
	{"name", 0, LATE, "ID", set_name, "its name (default random)"},
	{"hostname", 'h', LATE | BUNDLE, "NAME", set_hostname, "its host name"},
	{"label", 'l', LATE | BUNDLE, "K=V", add_label, "a label; in bundles an annotation"},
	{"ulimit", 0, EARLY | BUNDLE, "NAME=SOFT[:HARD]", add_ulimit,
	 "a resource limit, as in nofile=1024"},
	{"allow-syscalls", 0, EARLY | BUNDLE, "bpf|perf|io_uring", allow,
	 "what the filter refuses otherwise"},
	{"trap", 0, EARLY, "mknod|sysinfo|...", trap, "have a helper answer that system call"},
	{"no-new-privs", 0, EARLY | BUNDLE, NULL, no_new_privs,
	 "set-user-id programs gain nothing"},
	{"audit", 0, LATE, "FILE", set_audit, "append events and usage as JSON lines"},
	{"detach", 'd', LATE, NULL, set_detach, "go to the background, print the ID"},
	{"pool", 0, LATE, "NAME", set_pool, "take a sandbox of that pool, which is up already"},
	{"no-fill", 0, LATE, NULL, set_no_fill, "with --pool: do not start another in its place"},
	{"size", 0, FOR_POOL, "N", set_pool_size, "so many sandboxes wait"},
	{"dry-run", 0, RUN, NULL, set_dry_run, "print the plan and do nothing"},
	{"env", 'e', LATE | EXEC | BUNDLE, "K[=V]", add_env, "set a variable, or pass ours on"},
	{"env-file", 0, LATE | EXEC | BUNDLE, "FILE", job_add_env_file,
	 "such a line each, before all --env"},
	{"workdir", 'w', LATE | EXEC | BUNDLE, "DIR", set_workdir, "directory to start in"},
	{"entrypoint", 0, LATE | BUNDLE, "PROGRAM", set_entrypoint,
	 "before the command, not the image's"},
	{"user", 'u', LATE | EXEC | BUNDLE, "USER[:GROUP]", set_user,
	 "user to run as (default root)"},
	{"interactive", 'i', LATE | EXEC, NULL, set_interactive, "connect standard input"},
	{"tty", 't', LATE | EXEC | BUNDLE, NULL, set_tty, "give it a terminal"},
	{"help", 0, LATE | EXEC | FOR_POOL | BUNDLE, NULL, set_help, "print this"},
};

#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))
#define N_OPTS (sizeof table / sizeof *table)

void opts_help(unsigned int which, const char *synopsis)
{
	printf("Usage: %s\n\n", synopsis);
	for (size_t i = 0; i < N_OPTS; i++) {
		char left[64], letter[8] = "    ";

		if (!(table[i].which & which))
			continue;
		if (table[i].letter)
			snprintf(letter, sizeof letter, "-%c, ", table[i].letter);
		snprintf(left, sizeof left, "%s--%s%s%s", letter, table[i].name,
			 table[i].value ? " " : "", table[i].value ? table[i].value : "");
		printf("  %-38s %s\n", left, table[i].help);
	}
}

static const struct opt *find_letter(int letter)
{
	for (size_t i = 0; i < N_OPTS; i++)
		if (table[i].letter == letter)
			return &table[i];
	return NULL;
}

/* getopt's two tables; only options of this verb go in. */
static void fill_getopt(unsigned int which, struct option *longs, char *shorts)
{
	*shorts++ = '+'; /* stop at the command: its options are its own */
	*shorts++ = ':';
	for (size_t i = 0; i < N_OPTS; i++) {
		if (!(table[i].which & which))
			continue;
		*longs++ = (struct option){table[i].name, table[i].value != NULL, NULL,
					   (int)(256 + i)};
		if (table[i].letter) {
			*shorts++ = table[i].letter;
			if (table[i].value)
				*shorts++ = ':';
		}
	}
	*longs = (struct option){0};
	*shorts = '\0';
}

static int apply_one(struct front *f, const struct opt *o)
{
	int r = o->apply(f, optarg);

	if (r == 0)
		return 0;
	if (r == -ENOMEM)
		return cli_usage_error(f->verb, "out of memory");
	if (r == -ERANGE)
		return cli_usage_error(f->verb, "--%s %s: too big", o->name, optarg);
	if (r < 0)
		return cli_usage_error(f->verb, "--%s %s: not of the form %s", o->name, optarg,
				       o->value);
	return EXIT_OURS;
}

/* What is given in person wins over what a file says, wherever they stand. */
enum turn { PROFILES, ENV_FILES, THE_REST };

static enum turn turn_of(const struct opt *o)
{
	if (o->apply == load_profile || o->apply == set_docker)
		return PROFILES;
	return o->apply == job_add_env_file ? ENV_FILES : THE_REST;
}

/* One pass over argv. */
static int pass(struct front *f, unsigned int which, enum turn turn, int argc, char **argv,
		const char *shorts, const struct option *longs)
{
	int c, at;

	/* 0 and not 1: getopt shall forget where it was inside a cluster of letters. */
	optind = 0;
	while (at = MAX_OF(optind, 1), (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct opt *o = c >= 256 ? &table[c - 256] : find_letter(c);
		int r;

		if (c == ':')
			return cli_usage_error(f->verb, "%s needs a value", argv[at]);
		if (c == '?' || !o)
			return cli_usage_error(f->verb, "unknown option %s", argv[at]);
		if (which == FOR_JOB && !(o->which & FOR_JOB))
			return cli_usage_error(f->verb,
					       "--%s does not go with --pool: its sandboxes are "
					       "up already%s", o->name,
					       o->which & FOR_POOL ? " (say it to cisandbox "
								     "pool start)" : "");
		r = turn_of(o) == turn ? apply_one(f, o) : 0;
		if (r != 0)
			return r;
	}
	return 0;
}

int opts_parse(struct front *f, unsigned int which, int argc, char **argv, int *ret_index)
{
	struct option longs[N_OPTS + 1];
	char shorts[3 * N_OPTS + 3];
	int r = 0;

	/* What run has and a pool's job has not is refused by name. */
	fill_getopt(which == FOR_JOB ? FOR_RUN : which, longs, shorts);
	opterr = 0;
	for (enum turn turn = PROFILES; turn <= THE_REST && r == 0; turn++)
		r = pass(f, which, turn, argc, argv, shorts, longs);
	*ret_index = optind;
	return r;
}

const char *opts_find_pool(int argc, char **argv)
{
	struct option longs[N_OPTS + 1];
	char shorts[3 * N_OPTS + 3];
	const char *found = NULL;
	int c;

	fill_getopt(FOR_RUN, longs, shorts);
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1)
		if (c >= 256 && table[c - 256].apply == set_pool)
			found = optarg;
	return found;
}
