/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json of a bundle, as our own reader of such files finds it, and the filter in it as
 * libseccomp compiles it; what an image's configuration may say to a runtime; the copy of a
 * root file system, as far as no privilege is needed.
 */
#include "bundle/config.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/json.h"
#include "bpf.h"
#include "bundle/annotations.h"
#include "bundle/dir.h"
#include "bundle/tree.h"
#include "container/config-read.h"
#include "container/profile.h"
#include "image/tree.h"
#include "isolate/caps.h"
#include "isolate/seccomp-oci.h"

/* ---- a bundle, in parts ------------------------------------------------------------- */

struct made {
	struct spec spec;
	struct plan_exec exec;
	struct strv annotations, sources;
	struct bundle_config config;
	char *text;
	struct config read;
};

static void begin(struct made *m)
{
	static char *const argv[] = {(char *)"make", (char *)"test", NULL};

	*m = (struct made){.exec = {.uid = 1000, .gid = 100}};
	spec_init(&m->spec);
	assert_int_equal(strv_set(&m->exec.argv, argv), 0);
	assert_int_equal(strv_add(&m->exec.envp, "PATH=/bin"), 0);
	assert_int_equal(str_set(&m->exec.cwd, "/src"), 0);
	m->config = (struct bundle_config){.spec = &m->spec, .exec = &m->exec,
					   .annotations = &m->annotations,
					   .sources = &m->sources};
}

static void map(struct made *m)
{
	m->config.uids = (struct bundle_maps){{{0, 1200000000, 65536}}, 1};
	m->config.gids = m->config.uids;
}

static void write_it(struct made *m)
{
	struct cis_error err = {0};

	assert_int_equal(bundle_config_write(&m->config, &m->text), 0);
	if (config_parse(&m->read, m->text, strlen(m->text), &err) < 0)
		fail_msg("%s", err.message);
}

static void end(struct made *m)
{
	config_done(&m->read);
	free(m->text);
	spec_done(&m->spec);
	plan_exec_done(&m->exec);
	strv_done(&m->annotations);
	strv_done(&m->sources);
}

#define FEW                                                                              \
	(1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER |             \
	 1ULL << CAP_FSETID | 1ULL << CAP_KILL | 1ULL << CAP_NET_BIND_SERVICE |          \
	 1ULL << CAP_SETFCAP | 1ULL << CAP_SETGID | 1ULL << CAP_SETPCAP |                \
	 1ULL << CAP_SETUID | 1ULL << CAP_SYS_CHROOT)

static const struct config_mount *mount_at(const struct config *c, const char *to)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		if (strcmp(c->mounts[i].destination, to) == 0)
			return &c->mounts[i];
	fail_msg("no mount at %s", to);
	return NULL;
}

/* ---- config.json --------------------------------------------------------------------- */

static void test_plain(void **state)
{
	struct made m;

	(void)state;
	begin(&m);
	write_it(&m);
	assert_string_equal(m.read.root_path, "rootfs");
	assert_false(m.read.root_readonly);
	assert_string_equal(m.read.hostname, "cisandbox");
	assert_string_equal(m.read.process.args.v[1], "test");
	assert_string_equal(m.read.process.cwd, "/src");
	assert_int_equal(m.read.process.uid, 1000);
	assert_int_equal(m.read.process.gid, 100);
	assert_int_equal(m.read.process.caps[CAPS_BOUNDING], FEW);
	assert_int_equal(m.read.process.caps[CAPS_EFFECTIVE], FEW);
	assert_int_equal(m.read.process.caps[CAPS_INHERITABLE], 0);
	assert_int_equal(m.read.process.caps[CAPS_AMBIENT], 0);
	assert_null(config_namespace(&m.read, CLONE_NEWUSER));
	assert_non_null(config_namespace(&m.read, CLONE_NEWCGROUP));
	assert_non_null(config_namespace(&m.read, CLONE_NEWNET));
	assert_int_equal(m.read.n_uid_map, 0);
	assert_int_equal(m.read.masked_paths.n, 12);
	assert_int_equal(m.read.readonly_paths.n, 5);
	assert_true(mount_at(&m.read, "/sys")->set & MOUNT_ATTR_RDONLY);
	assert_true(mount_at(&m.read, "/sys/fs/cgroup")->set & MOUNT_ATTR_RDONLY);
	assert_string_equal(config_annotation(&m.read, PROFILE_ANNOTATION), "docker");
	assert_string_equal(config_annotation(&m.read, CAPABILITIES_ANNOTATION), "engine");
	assert_null(strstr(m.text, "\"memory\""));
	end(&m);
}

/* Only who is nobody's root on the host gets everything. */
static void test_engines(void **state)
{
	struct made m;

	(void)state;
	for (int mapped = 0; mapped < 2; mapped++) {
		begin(&m);
		assert_int_equal(strv_add(&m.spec.scratch_dirs, "/var/lib/docker"), 0);
		if (mapped)
			map(&m);
		write_it(&m);
		assert_int_equal(m.read.process.caps[CAPS_BOUNDING],
				 mapped ? (1ULL << (CAP_LAST_CAP + 1)) - 1 : FEW);
		assert_int_equal(m.read.masked_paths.n, mapped ? 0 : 12);
		assert_int_equal(m.read.readonly_paths.n, mapped ? 0 : 5);
		assert_int_equal(!!(mount_at(&m.read, "/sys/fs/cgroup")->set & MOUNT_ATTR_RDONLY),
				 !mapped);
		assert_null(config_annotation(&m.read, CAPABILITIES_ANNOTATION));
		end(&m);
	}
}

static void test_maps(void **state)
{
	struct made m;

	(void)state;
	begin(&m);
	m.config.uids = (struct bundle_maps){{{0, 1000, 1}, {1, 100000, 65535}}, 2};
	m.config.gids = (struct bundle_maps){{{0, 100, 1}, {1, 200000, 65535}}, 2};
	write_it(&m);
	assert_non_null(config_namespace(&m.read, CLONE_NEWUSER));
	assert_int_equal(m.read.n_uid_map, 2);
	assert_int_equal(m.read.uid_map[1].inside, 1);
	assert_int_equal(m.read.uid_map[1].host, 100000);
	assert_int_equal(m.read.uid_map[1].size, 65535);
	assert_int_equal(m.read.gid_map[0].host, 100);
	assert_int_equal(m.read.process.caps[CAPS_BOUNDING], FEW);
	assert_int_equal(m.read.masked_paths.n, 12);
	end(&m);
}

static void test_options(void **state)
{
	struct made m;
	struct cis_error err = {0};

	(void)state;
	begin(&m);
	m.spec.memory = 64 << 20;
	m.spec.cpus_milli = 1500;
	m.spec.pids = 77;
	m.spec.flags = CIS_NO_NEW_PRIVS;
	m.spec.tty = true;
	m.spec.vfs = CIS_VFS_OFF;
	m.exec.groups = calloc(2, sizeof *m.exec.groups);
	m.exec.groups[1] = m.exec.n_groups = 2;
	assert_int_equal(str_set(&m.spec.hostname, "h"), 0);
	assert_int_equal(spec_add_ulimit(&m.spec, "nofile", 1, 2), 0);
	assert_int_equal(spec_add_ulimit(&m.spec, "core", 0, UINT64_MAX), 0);
	assert_int_equal(spec_add_ulimit(&m.spec, "nofile", 10, 20), 0);
	assert_int_equal(spec_add_bind(&m.spec, "given", "/in", true, &err), 0);
	assert_int_equal(strv_add(&m.sources, "/abs/given"), 0);
	assert_int_equal(strv_add(&m.annotations, "a=image"), 0);
	assert_int_equal(strv_add(&m.annotations, "b=image"), 0);
	assert_int_equal(strv_add(&m.spec.labels, "a=user=x"), 0);
	assert_int_equal(strv_add(&m.spec.labels, "bare"), 0);
	write_it(&m);
	assert_int_equal(m.read.resources.memory_limit, 64 << 20);
	assert_int_equal(m.read.resources.memory_swap, 64 << 20);
	assert_int_equal(m.read.resources.cpu_quota, 150000);
	assert_int_equal(m.read.resources.cpu_period, 100000);
	assert_int_equal(m.read.resources.pids_limit, 77);
	assert_true(m.read.process.no_new_privs);
	assert_true(m.read.process.terminal);
	assert_int_equal(m.read.process.n_groups, 2);
	assert_string_equal(m.read.hostname, "h");
	assert_int_equal(m.read.process.n_rlimits, 2);
	assert_int_equal(m.read.process.rlimits[0].limit.rlim_max, RLIM_INFINITY);
	assert_int_equal(m.read.process.rlimits[1].limit.rlim_cur, 10);
	assert_int_equal(m.read.process.rlimits[1].limit.rlim_max, 20);
	assert_string_equal(mount_at(&m.read, "/in")->source, "/abs/given");
	assert_true(mount_at(&m.read, "/in")->set & MOUNT_ATTR_RDONLY);
	assert_string_equal(config_annotation(&m.read, "a"), "user=x");
	assert_string_equal(config_annotation(&m.read, "b"), "image");
	assert_string_equal(config_annotation(&m.read, "bare"), "");
	assert_string_equal(config_annotation(&m.read, "io.cisandbox.vfs"), "off");
	end(&m);
}

/* ---- its filter ------------------------------------------------------------------------ */

#ifdef __x86_64__
struct program {
	struct sock_filter *f;
	unsigned short n;
};

static struct program compile(uint64_t flags, bool engines)
{
	struct cis_error err = {0};
	struct program p = {0};
	struct made m;

	begin(&m);
	m.spec.flags = flags;
	if (engines) {
		assert_int_equal(strv_add(&m.spec.scratch_dirs, "/var/lib/docker"), 0);
		map(&m);
	}
	write_it(&m);
	if (seccomp_from_config(&m.read.seccomp, -1, &p.f, &p.n, &err) < 0)
		fail_msg("%s", err.message);
	end(&m);
	return p;
}

static uint32_t ask(const struct program *p, int nr, uint64_t first)
{
	const struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .args = {first}};

	return bpf_run(p->f, p->n, &d);
}

#define ALLOW SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

static void test_filter(void **state)
{
	struct program few = compile(0, false), all = compile(0, true);
	struct program bpf = compile(CIS_ALLOW_BPF, false);

	(void)state;
	assert_int_equal(ask(&few, SYS_read, 0), ALLOW);
	assert_int_equal(ask(&few, SYS_openat2, 0), ALLOW);
	assert_int_equal(ask(&few, SYS_kexec_load, 0), ERRNO(EPERM));
	assert_int_equal(ask(&all, SYS_kexec_load, 0), ERRNO(EPERM));
	assert_int_equal(ask(&few, SYS_keyctl, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&few, SYS_io_uring_setup, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&few, SYS_bpf, 0), ERRNO(EPERM));
	assert_int_equal(ask(&bpf, SYS_bpf, 0), ALLOW);
	/* What nobody has judged yet, and x32. */
	assert_int_equal(ask(&all, 600, 0), ERRNO(ENOSYS));
	assert_int_not_equal(ask(&all, 0x40000000 | SYS_read, 0), ALLOW);
	/* Namespaces and mounts are for engines. */
	assert_int_equal(ask(&few, SYS_mount, 0), ERRNO(EPERM));
	assert_int_equal(ask(&all, SYS_mount, 0), ALLOW);
	assert_int_equal(ask(&few, SYS_unshare, CLONE_NEWUSER), ERRNO(EPERM));
	assert_int_equal(ask(&all, SYS_unshare, CLONE_NEWUSER), ALLOW);
	assert_int_equal(ask(&few, SYS_clone3, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&all, SYS_clone3, 0), ALLOW);
	assert_int_equal(ask(&few, SYS_clone, CLONE_VM | CLONE_VFORK), ALLOW);
	assert_int_equal(ask(&few, SYS_clone, CLONE_NEWUSER | CLONE_VM), ERRNO(ENOSYS));
	assert_int_equal(ask(&few, SYS_clone, CLONE_NEWNET | 1ULL << 40), ERRNO(ENOSYS));
	assert_int_equal(ask(&all, SYS_clone, CLONE_NEWUSER), ALLOW);
	/* The kernel looks at 32 bits of a family, and so do we. */
	for (uint64_t upper = 0; upper <= 1ULL << 32; upper += 1ULL << 32) {
		assert_int_equal(ask(&few, SYS_socket, upper | AF_INET6), ALLOW);
		assert_int_equal(ask(&few, SYS_socketpair, upper | AF_UNIX), ALLOW);
		assert_int_equal(ask(&all, SYS_socket, upper | AF_VSOCK), ERRNO(ENOSYS));
		assert_int_equal(ask(&all, SYS_socket, upper | AF_ALG), ERRNO(ENOSYS));
	}
	free(few.f);
	free(all.f);
	free(bpf.f);
}
#endif

/* ---- an image's words ----------------------------------------------------------------------- */

static char place[64];

static int enter_place(void **state)
{
	(void)state;
	snprintf(place, sizeof place, "/var/tmp/cisandbox-unit.XXXXXX");
	return mkdtemp(place) && chdir(place) == 0 ? 0 : -1;
}

static int leave_place(void **state)
{
	(void)state;
	return chdir("/") < 0 ? -1 : tree_remove(AT_FDCWD, place);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static const char *find(const struct strv *l, const char *key)
{
	const char *found = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (str_starts(l->v[i], key) && l->v[i][strlen(key)] == '=')
			found = l->v[i] + strlen(key) + 1;
	return found;
}

static void test_annotations(void **state)
{
	cleanup_close int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup(strv_done) struct strv l = {0};
	struct cis_error err = {0};

	(void)state;
	assert_int_equal(image_annotations_read(dir, "x", &l, &err), 0);
	assert_int_equal(l.n, 0);
	put("config.json",
	    "{\"os\":\"linux\",\"architecture\":\"amd64\",\"author\":null,\"config\":{"
	    "\"StopSignal\":\"SIGUSR1\",\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}},"
	    "\"Labels\":{\"org.opencontainers.image.os\":\"mine\",\"run.oci.handler\":\"wasm\","
	    "\"io.cisandbox.profile\":\"plain\",\"org.systemd.property.X\":\"1\",\"a=b\":\"c\","
	    "\"org.opencontainers.image.title\":\"T=1\",\"n\":5}}}");
	assert_int_equal(image_annotations_read(dir, "x", &l, &err), 0);
	assert_string_equal(find(&l, "org.opencontainers.image.os"), "mine");
	assert_string_equal(find(&l, "org.opencontainers.image.architecture"), "amd64");
	assert_string_equal(find(&l, "org.opencontainers.image.stopSignal"), "SIGUSR1");
	assert_string_equal(find(&l, "org.opencontainers.image.exposedPorts"), "80/tcp,53/udp");
	assert_string_equal(find(&l, "org.opencontainers.image.title"), "T=1");
	assert_null(find(&l, "org.opencontainers.image.author"));
	/* What makes a runtime do something is not the image's to say. */
	assert_null(find(&l, "run.oci.handler"));
	assert_null(find(&l, "io.cisandbox.profile"));
	assert_null(find(&l, "org.systemd.property.X"));
	assert_string_equal(find(&l, IMAGE_LABEL "run.oci.handler"), "wasm");
	assert_null(find(&l, IMAGE_LABEL "a"));
	put("config.json", "{\"config\":{\"Labels\":[],\"ExposedPorts\":7,\"StopSignal\":[]}}");
	strv_done(&l);
	assert_int_equal(image_annotations_read(dir, "x", &l, &err), 0);
	assert_int_equal(l.n, 0);
	put("config.json", "{\"config\":");
	assert_int_equal(image_annotations_read(dir, "x", &l, &err), -EINVAL);
	assert_non_null(strstr(err.message, "image \"x\": config.json:1:"));
}

/* ---- the directory -------------------------------------------------------------------------- */

static int refuse_dir(const char *path)
{
	cleanup(bundle_dir_done) struct bundle_dir d = BUNDLE_DIR_CLOSED;

	return bundle_dir_begin(&d, path, NULL);
}

static size_t entries(void)
{
	DIR *list = opendir(".");
	size_t n = 0;

	while (readdir(list))
		n++;
	closedir(list);
	return n - 2;
}

static void test_dir(void **state)
{
	struct bundle_dir d = BUNDLE_DIR_CLOSED, e = BUNDLE_DIR_CLOSED;
	const struct timespec then = {.tv_sec = 1000000000};
	struct cis_error err = {0};
	struct stat st;

	(void)state;
	put("file", "");
	assert_int_equal(symlink("empty", "link"), 0);
	assert_int_equal(mkdir("empty", 0755) | mkdir("full", 0755) | mkdir("full/x", 0755), 0);
	assert_int_equal(refuse_dir("file"), -EEXIST);
	assert_int_equal(refuse_dir("link"), -EEXIST);
	assert_int_equal(refuse_dir("full/"), -EEXIST);
	assert_int_equal(refuse_dir("missing/x"), -ENOENT);
	assert_int_equal(refuse_dir("."), -EINVAL);
	assert_int_equal(refuse_dir("empty/.."), -EINVAL);
	assert_int_equal(refuse_dir("/"), -EINVAL);
	assert_int_equal(refuse_dir(""), -EINVAL);

	/* Litter goes, what somebody is at work on stays, and others' files. */
	assert_int_equal(mkdir(BUNDLE_TEMP "litter", 0700), 0);
	assert_int_equal(mkdir(BUNDLE_TEMP "litter/x", 0700), 0);
	put(BUNDLE_TEMP "file", "");
	assert_int_equal(bundle_dir_begin(&d, "new", &err), 0);
	assert_int_equal(access(BUNDLE_TEMP "litter", F_OK), -1);
	assert_int_equal(bundle_dir_begin(&e, "new//", &err), 0);
	assert_int_equal(access(d.temp, F_OK), 0);
	assert_int_equal(access(BUNDLE_TEMP "file", F_OK), 0);
	assert_int_equal(fstat(d.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(mkdirat(d.fd, "in", 0700) | mkdirat(e.fd, "in", 0700), 0);
	assert_int_equal(bundle_dir_finish(&d, 0710, getegid(), &then, &err), 0);
	bundle_dir_done(&d);
	assert_int_equal(stat("new", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0710);
	assert_int_equal(st.st_mtim.tv_sec, then.tv_sec);
	/* The second is too late. */
	assert_true(bundle_dir_finish(&e, 0710, getegid(), &then, &err) < 0);
	bundle_dir_done(&e);
	assert_int_equal(entries(), 6);
	assert_int_equal(access("new/in", F_OK), 0);

	assert_int_equal(bundle_dir_begin(&d, "empty", &err), 0);
	assert_int_equal(mkdirat(d.fd, "in", 0700), 0);
	assert_int_equal(bundle_dir_finish(&d, 0700, getegid(), &then, &err), 0);
	bundle_dir_done(&d);
	assert_int_equal(access("empty/in", F_OK), 0);
}

/* ---- the copy ---------------------------------------------------------------------------------- */

static int stop_at_second(void *arg, uint64_t bytes)
{
	(void)bytes;
	return ++*(int *)arg == 2;
}

static void test_tree(void **state)
{
	struct strv none = {0};
	struct bundle_tree t = {.layers = &none};
	struct cis_error err = {0};
	cleanup_close int from = -1, to = -1, half = -1;
	struct stat a, b;
	int calls = 0;

	(void)state;
	assert_int_equal(mkdir("from", 0755) | mkdir("to", 0700) | mkdir("half", 0700), 0);
	assert_int_equal(mkdir("from/d", 0755) | symlink("/etc/passwd", "from/d/abs") |
				 mkfifo("from/fifo", 0640) | chmod("from/fifo", 0622),
			 0);
	put("from/d/one", "text");
	assert_int_equal(chmod("from/d/one", 0751), 0);
	assert_int_equal(link("from/d/one", "from/two"), 0);
	put("from/sparse", "");
	assert_int_equal(truncate("from/sparse", 32 << 20), 0);
	assert_int_equal(chmod("from/d", 0555), 0);
	t.root = from = open("from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = open("to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	half = open("half", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bundle_tree_copy(&t, to, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(stat("from/d/one", &a) | stat("to/d/one", &b), 0);
	assert_int_equal(b.st_mode & 07777, 0751);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	assert_int_equal(b.st_nlink, 2);
	assert_int_equal(stat("to/two", &a), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(stat("to/d", &a) | stat("from/d", &b), 0);
	assert_int_equal(a.st_mode & 07777, 0555);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	assert_int_equal(lstat("to/d/abs", &a), 0);
	assert_true(S_ISLNK(a.st_mode));
	assert_int_equal(stat("to/fifo", &a), 0);
	assert_int_equal(a.st_mode, S_IFIFO | 0622);
	assert_int_equal(stat("to/sparse", &a), 0);
	assert_int_equal(a.st_size, 32 << 20);
	assert_int_equal(a.st_blocks, 0);

	t.step = stop_at_second;
	t.arg = &calls;
	assert_int_equal(bundle_tree_copy(&t, half, &err), -ECANCELED);
	assert_int_equal(calls, 2);
	/* It makes nothing over what is there already. */
	t.step = NULL;
	assert_int_equal(bundle_tree_copy(&t, to, &err), -EEXIST);
	assert_non_null(strstr(err.message, "copy d: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_engines),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_options),
#ifdef __x86_64__
		cmocka_unit_test(test_filter),
#endif
		cmocka_unit_test_setup_teardown(test_annotations, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_dir, enter_place, leave_place),
		cmocka_unit_test_setup_teardown(test_tree, enter_place, leave_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
