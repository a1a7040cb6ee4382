/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image build | import | inspect | list | prune | pull | rm | verify.
 *
 * The slow work runs in child processes (image-work.h), so that Ctrl-C and kill find us waiting:
 * mmdebstrap for a build, a copy of ourselves for what calls the library.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "image-work.h"

static const char usage[] =
	"Usage: cisandbox image build [debian]\n"
	"       cisandbox image import [--name NAME] [--ref TAG] DIR|TAR|-\n"
	"       cisandbox image pull [OPTION]... REF\n"
	"       cisandbox image list [--json]\n"
	"       cisandbox image inspect NAME\n"
	"       cisandbox image rm NAME...\n"
	"       cisandbox image prune [--json]\n"
	"       cisandbox image verify [NAME...]\n"
	"\n"
	"  build    Make an image with mmdebstrap: Debian 13 with docker, buildx,\n"
	"           compose, git. CISANDBOX_MIRROR: a mirror other than deb.debian.org\n"
	"  import   Take in an image: an OCI layout as directory or tar, what docker save\n"
	"           wrote, or a root file system as directory or tar; tars compressed or not.\n"
	"           The name is that of the file unless --name says another. --ref: which,\n"
	"           of several. -: a tar on standard input\n"
	"  pull     Take in an image of a registry, with skopeo: debian:12,\n"
	"           ghcr.io/a/b@sha256:...\n"
	"           The name is that of the image unless --name says another; \"/\" and \":\"\n"
	"           become \"-\", and :latest nothing\n"
	"           --platform OS/ARCH[/VARIANT]  which, of several\n"
	"           --authfile FILE       who asks the registry; as skopeo login writes it\n"
	"           --policy FILE         what is accepted, instead of the host's policy.json\n"
	"           --timeout TIME        for all of it; default 30m\n"
	"           --stall-timeout TIME  without a byte; default 60s\n"
	"           --tls-verify false    any certificate will do, and plain http\n"
	"           --verify cosign-key=FILE[,tlog=off]\n"
	"           --verify identity=WHO,issuer=URL[,ca-roots=FILE][,tlog=off]\n"
	"                                 who must have signed it: cisandbox-admission(5)\n"
	"           --require-sbom        and its list of packages\n"
	"           --deny-package NAME[<VERSION]  of which it may have none; <=, = also\n"
	"  list     Show the images of this host\n"
	"  inspect  Show one, its layers and its configuration, as JSON\n"
	"  rm       Remove images from which no sandbox runs; their layers stay\n"
	"  prune    Remove layers that no image refers to\n"
	"  verify   Compare all files of images with what was unpacked. What is found\n"
	"           corrupt is unpacked again by the next import\n";

struct to_import {
	const char *name, *path, *ref;
};

static int run_import(struct work_report *report, void *arg, struct cis_error *err)
{
	const struct to_import *t = arg;
	struct cis_image *list = NULL;
	size_t n = 0;
	const struct cis_image_import o = {
		.ref = t->ref,
		.progress = work_progress,
		.arg = report,
	};
	int r = cis_image_import_with(t->name, t->path, &o, sizeof o, err);

	snprintf(report->image.name, sizeof report->image.name, "%s", t->name);
	/* Another image being unreadable is no failure of this one. */
	if (r == 0)
		cis_image_list(&list, &n, NULL);
	if (list)
		for (size_t i = 0; i < n; i++)
			if (strcmp(list[i].name, t->name) == 0)
				report->image = list[i];
	free(list);
	return r;
}

/* Returns the exit status. */
static int import_and_tell(const char *verb, const char *name, const char *path,
			   const char *ref)
{
	struct to_import t = {name, path, ref};

	return work_run(verb, "importing", run_import, &t);
}

/* "/a/Debian.tar.xz" makes "debian". -1: a name must be given. */
static int name_of(const char *path, char *ret, size_t size)
{
	static const char *const ends[] = {".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2",
					   ".tar",    ".tgz",    ".txz",     ".tzst"};
	char *full = realpath(path, NULL);
	const char *slash = strrchr(full ? full : path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t n = strlen(base);

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t k = strlen(ends[i]);

		if (n > k && strcasecmp(base + n - k, ends[i]) == 0) {
			n -= k;
			break;
		}
	}
	if (n >= size)
		n = 0;
	for (size_t i = 0; i < n; i++)
		ret[i] = (char)tolower((unsigned char)base[i]);
	ret[n] = '\0';
	free(full);
	return n > 0 ? 0 : -1;
}

/* ---- build ------------------------------------------------------------------- */

static const char packages[] = "docker.io,docker-cli,docker-buildx,docker-compose,"
			       "containerd,runc,iptables,git,ca-certificates,mount,procps";

/* What describes the host that built it goes, what any host has comes in. */
static const char hook[] =
	"printf '127.0.0.1\\tlocalhost\\n"
	"::1\\tlocalhost ip6-localhost ip6-loopback\\n' > \"$1/etc/hosts\"; "
	"rm -f \"$1/etc/hostname\" \"$1/etc/resolv.conf\"; "
	"echo sandbox > \"$1/etc/hostname\"; : > \"$1/etc/resolv.conf\"; "
	"rm -f \"$1\"/var/log/*.log \"$1\"/var/log/apt/* \"$1\"/var/cache/debconf/*-old "
	"\"$1\"/var/lib/dpkg/*-old";

static const char *temp_dir(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && dir[0] == '/' ? dir : "/var/tmp"; /* /tmp often is memory */
}

/* In the child. 127 says that there is no mmdebstrap. */
static void exec_mmdebstrap(int out, int err_fd)
{
	const char *mirror = getenv("CISANDBOX_MIRROR");
	const char *const argv[] = {
		"mmdebstrap", "--mode=root", "--variant=apt", "--format=tar", "--include",
		packages,
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/info/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/lintian/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-include=/usr/share/doc/*/copyright",
		"--customize-hook", hook, "trixie", "-",
		/* Without one: deb.debian.org, with updates and security. */
		mirror && *mirror ? mirror : NULL, NULL,
	};
	int null = open("/dev/null", O_RDONLY);

	/* A group of its own: on failure it kills its group, which is not to be ours. */
	setpgid(0, 0);
	work_signals(SIG_DFL);
	setenv("TMPDIR", temp_dir(), 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err_fd, 2) < 0)
		_exit(126);
	/* Inherited ones drive its own past 9, and dash knows no ">&10". */
	close_range(3, ~0U, 0);
	execvp(argv[0], (char *const *)argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static void stop_mmdebstrap(struct work_child *c, bool is_new)
{
	/* Once a signal: more would kill what it runs to clean up. */
	if (is_new)
		kill(-c->pid, SIGTERM);
}

static void print_tail(const char *said)
{
	const char *from = said + strlen(said);

	for (int lines = 0; from > said && lines < 12; from--)
		lines += from[-1] == '\n';
	fprintf(stderr, "%s%s", from > said && *from == '\n' ? from + 1 : from,
		*said && said[strlen(said) - 1] != '\n' ? "\n" : "");
}

__attribute__((format(printf, 1, 2))) static int build_error(const char *fmt, ...)
{
	struct cis_error err = {0};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.message, sizeof err.message, fmt, ap);
	va_end(ap);
	return cli_error("image build", &err);
}

/* The tar of the tree into @out. Returns the exit status. */
static int run_mmdebstrap(int out)
{
	struct work_child c = {.stop = stop_mmdebstrap};
	int fd = -1, status;
	pid_t pid = work_start(&c, &fd);

	if (pid < 0)
		return build_error("fork: %s", strerror(-pid));
	if (pid == 0)
		exec_mmdebstrap(out, fd);
	setpgid(pid, pid); /* whoever is first */
	status = work_wait(&c);
	if (work_caught())
		return EXIT_SIGNAL + work_caught();
	if (status == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return build_error("mmdebstrap is not installed "
				   "(apt install mmdebstrap)");
	print_tail(c.said);
	if (WIFSIGNALED(status))
		return build_error("mmdebstrap was killed by signal %d",
				   WTERMSIG(status));
	return build_error("mmdebstrap failed with status %d", WEXITSTATUS(status));
}

/* A file without a name: nobody has to remove it. */
static int open_nameless(void)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/cisandbox-XXXXXX", temp_dir());
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int build(const char *name)
{
	char path[64];
	int tar, r;

	if (strcmp(name, "debian") != 0)
		return cli_usage_error("image build", "no \"%s\", only \"debian\"", name);
	if (geteuid() != 0)
		return build_error("only root can do that (users import an archive: see cisandbox "
				   "image --help)");
	tar = open_nameless();
	if (tar < 0)
		return build_error("make a file in %s: %s", temp_dir(), strerror(errno));
	work_catch_signals();
	r = run_mmdebstrap(tar);
	snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), tar);
	if (r == 0)
		r = import_and_tell("image build", name, path, NULL);
	close(tar);
	return r;
}

/* ---- the sub-verbs ----------------------------------------------------------- */

#define DENIED_MAX 256

struct options {
	bool help, json;
	const char *name, *ref;
	struct cis_image_pull pull;
	const char *denied[DENIED_MAX + 1]; /* ends with NULL */
	size_t n_denied;
};

static int deny(const char *verb, struct options *o)
{
	if (o->n_denied == DENIED_MAX)
		return cli_usage_error(verb, "more than %d --deny-package (the host's policy may "
				       "have more)", DENIED_MAX);
	o->denied[o->n_denied++] = optarg;
	return 0;
}

/* What only a pull takes. false: that is none of these. */
static bool parse_pull(const char *verb, int c, struct cis_image_pull *o, int *ret)
{
	const struct {
		int c;
		const char **to;
	} texts[] = {{'P', &o->platform}, {'a', &o->authfile}, {'p', &o->policy},
		     {'v', &o->verify}};
	uint64_t *time = c == 't' ? &o->timeout_ms : c == 's' ? &o->stall_ms : NULL;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].c == c) {
			*texts[i].to = optarg;
			return true;
		}
	if (c == 'T') {
		o->skip_tls_verify = strcmp(optarg, "false") == 0;
		if (!o->skip_tls_verify && strcmp(optarg, "true") != 0)
			*ret = cli_usage_error(verb, "--tls-verify: true or false");
		return true;
	}
	if (!time)
		return false;
	if (cis_parse_duration(optarg, time) < 0 || *time == 0)
		*ret = cli_usage_error(verb, "\"%s\" is no time: 90, 1.5m, 2h", optarg);
	return true;
}

static int parse(const char *verb, const char *letters, int argc, char **argv,
		 struct options *ret)
{
	static const struct option longs[] = {
		{"help", no_argument, NULL, 'h'},
		{"json", no_argument, NULL, 'j'},
		{"name", required_argument, NULL, 'n'},
		{"ref", required_argument, NULL, 'r'},
		{"platform", required_argument, NULL, 'P'},
		{"authfile", required_argument, NULL, 'a'},
		{"policy", required_argument, NULL, 'p'},
		{"timeout", required_argument, NULL, 't'},
		{"stall-timeout", required_argument, NULL, 's'},
		{"tls-verify", required_argument, NULL, 'T'},
		{"verify", required_argument, NULL, 'v'},
		{"require-sbom", no_argument, NULL, 'S'},
		{"deny-package", required_argument, NULL, 'd'},
		{0},
	};
	int c, at, r = 0;

	*ret = (struct options){0};
	opterr = 0;
	optind = 1;
	while (at = optind, (c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c == ':')
			return cli_usage_error(verb, "%s needs a value", argv[at]);
		if (c == 'h')
			ret->help = true;
		else if (c == 'j' && strchr(letters, 'j'))
			ret->json = true;
		else if (c == 'n' && strchr(letters, 'n'))
			ret->name = optarg;
		else if (c == 'r' && strchr(letters, 'r'))
			ret->ref = optarg;
		else if (c == 'S' && strchr(letters, 'P'))
			ret->pull.require_sbom = 1;
		else if (c == 'd' && strchr(letters, 'P'))
			r = deny(verb, ret);
		else if (!strchr(letters, 'P') || !parse_pull(verb, c, &ret->pull, &r))
			return cli_usage_error(verb, "unknown option %s", argv[at]);
		if (r != 0)
			return r;
	}
	return 0;
}

static int image_build(int argc, char **argv, const struct options *o)
{
	(void)o;
	if (argc > 1)
		return cli_usage_error("image build", "too many names");
	return build(argc ? argv[0] : "debian");
}

static int image_import(int argc, char **argv, const struct options *o)
{
	static const char verb[] = "image import";
	const char *name = o->name;
	char from_path[256];
	bool is_stdin;

	if (argc != 1)
		return cli_usage_error(verb, "want one directory or tar");
	is_stdin = strcmp(argv[0], "-") == 0;
	if (!name) {
		if (is_stdin || name_of(argv[0], from_path, sizeof from_path) < 0)
			return cli_usage_error(verb, "%s: give a --name", argv[0]);
		name = from_path;
	}
	work_catch_signals();
	return import_and_tell(verb, name, is_stdin ? "/dev/stdin" : argv[0], o->ref);
}

struct to_pull {
	const char *ref;
	struct cis_image_pull options;
};

static int run_pull(struct work_report *report, void *arg, struct cis_error *err)
{
	struct to_pull *t = arg;
	int r;

	t->options.progress = work_progress;
	t->options.arg = report;
	r = cis_image_pull(t->ref, &t->options, sizeof t->options, &report->image, err);
	report->was_there = r == 1;
	return r;
}

static int image_pull(int argc, char **argv, const struct options *o)
{
	static const char verb[] = "image pull";
	struct to_pull t = {.options = o->pull};

	if (argc != 1)
		return cli_usage_error(verb, "want one image of a registry, like debian:12");
	t.ref = argv[0];
	t.options.name = o->name;
	t.options.deny_packages = o->denied;
	work_catch_signals();
	return work_run(verb, "asking the registry", run_pull, &t);
}

static int list_json(void)
{
	struct cis_error err = {0};
	char *text = NULL;
	int r = cis_image_list_json(&text, &err);

	if (r < 0 && text) /* but for one that cannot be read */
		cli_print_json("image list", 0, text, &err);
	return cli_print_json("image list", r, text, &err);
}

static int image_list(int argc, char **argv, const struct options *o)
{
	struct cis_image *list = NULL;
	struct cis_error err = {0};
	size_t n = 0;
	int r;

	(void)argv;
	if (argc > 0)
		return cli_usage_error("image list", "too many names");
	if (o->json)
		return list_json();
	r = cis_image_list(&list, &n, &err);
	if (r < 0 && !list)
		return cli_error("image list", &err);
	printf("%-24s %-19s %8s  %s\n", "NAME", "DIGEST", "SIZE", "CREATED");
	for (size_t i = 0; i < n; i++) {
		time_t created = (time_t)list[i].created;
		char when[32] = "";
		struct tm tm;

		if (localtime_r(&created, &tm))
			strftime(when, sizeof when, "%F %R", &tm);
		printf("%-24s %.19s %5llu MB  %s\n", list[i].name, list[i].digest,
		       (unsigned long long)((list[i].size + 500000) / 1000000), when);
	}
	free(list);
	if (fflush(stdout) != 0)
		return EXIT_OURS;
	return r < 0 ? cli_error("image list", &err) : 0;
}

static int image_rm(int argc, char **argv, const struct options *o)
{
	int status = 0;

	(void)o;
	if (argc == 0)
		return cli_usage_error("image rm", "no image named");
	for (int i = 0; i < argc; i++) {
		struct cis_error err = {0};

		if (cis_image_remove(argv[i], &err) < 0)
			status = cli_error("image rm", &err);
	}
	return status;
}

static int image_inspect(int argc, char **argv, const struct options *o)
{
	struct cis_error err = {0};
	char *text = NULL;
	int r;

	(void)o;
	if (argc != 1)
		return cli_usage_error("image inspect", "want one name");
	r = cis_image_inspect_json(argv[0], &text, &err);
	return cli_print_json("image inspect", r, text, &err);
}

static int image_prune(int argc, char **argv, const struct options *o)
{
	uint64_t layers = 0, bytes = 0;
	struct cis_error err = {0};
	int r;

	(void)argv;
	if (argc > 0)
		return cli_usage_error("image prune", "too many names");
	r = cis_image_prune(&layers, &bytes, &err);
	if (r < 0 && layers == 0) /* the store may not even have been opened */
		return cli_error("image prune", &err);
	if (o->json)
		printf("{\n  \"layers\": %llu,\n  \"bytes\": %llu\n}\n",
		       (unsigned long long)layers, (unsigned long long)bytes);
	else
		printf("%llu layers, %llu MB\n", (unsigned long long)layers,
		       (unsigned long long)((bytes + 500000) / 1000000));
	if (fflush(stdout) != 0)
		return EXIT_OURS;
	return r < 0 ? cli_error("image prune", &err) : 0;
}

static int verify_all(void)
{
	struct cis_image *list = NULL;
	struct cis_error err = {0};
	int status = 0;
	size_t n = 0;

	if (cis_image_list(&list, &n, &err) < 0)
		status = cli_error("image verify", &err);
	for (size_t i = 0; i < n; i++)
		if (cis_image_verify(list[i].name, &err) < 0)
			status = cli_error("image verify", &err);
	free(list);
	return status;
}

static int image_verify(int argc, char **argv, const struct options *o)
{
	int status = 0;

	(void)o;
	for (int i = 0; i < argc; i++) {
		struct cis_error err = {0};

		if (cis_image_verify(argv[i], &err) < 0)
			status = cli_error("image verify", &err);
	}
	return argc > 0 ? status : verify_all();
}

int cmd_image(int argc, char **argv)
{
	static const struct {
		const char *name, *verb, *letters;
		int (*run)(int argc, char **argv, const struct options *o);
		bool has_trees; /* whose owners are not us alone */
	} verbs[] = {
		{"build", "image build", "", image_build, false},
		{"import", "image import", "nr", image_import, true},
		{"inspect", "image inspect", "j", image_inspect, false},
		{"list", "image list", "j", image_list, false},
		{"prune", "image prune", "j", image_prune, true},
		{"pull", "image pull", "nP", image_pull, true},
		{"rm", "image rm", "", image_rm, true},
		{"verify", "image verify", "", image_verify, true},
	};
	struct options o;

	if (argc < 2)
		return cli_usage_error("image",
				       "want build, import, inspect, list, prune, pull, rm or "
				       "verify");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		int r;

		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		r = parse(verbs[i].verb, verbs[i].letters, argc - 1, argv + 1, &o);
		if (r == 0 && o.help)
			fputs(usage, stdout);
		if (r != 0 || o.help)
			return r;
		r = verbs[i].has_trees ? cli_become_root(verbs[i].verb, argv)
				       : cli_find_places(verbs[i].verb);
		if (r != 0)
			return r;
		return verbs[i].run(argc - 1 - optind, argv + 1 + optind, &o);
	}
	return cli_usage_error("image", "no such verb: %s", argv[1]);
}
