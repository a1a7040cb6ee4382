/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Without root: the whole program goes into a user and a mount namespace of its own, where
 * it is root, and does there what it does on a host. Outside it is still the user, with
 * the sub-ids that /etc/subuid gives; newuidmap and newgidmap, which are set-user-id, map them.
 *
 *	outer   0 the user   1..65535 sub-ids           65536 one more: helpers
 *	inner   0..65535 are the outer ones' 0..65535   (a sandbox, one to one)
 *
 * It is executed anew in there, and has to be: memory belongs to the user namespace in which
 * its program was executed. What init holds, a copy of ours, would otherwise be the host's,
 * and we could never look at init. Anew from a copy that cannot be written to: the file may
 * belong to the user, and so to root inside.
 *
 * Rejected: a helper for the maps alone, with the rest outside (mounts, and so all that a
 * sandbox is made of, need the mount namespace); keeping the namespaces for the next run (a
 * process that stays, or a mount that does).
 */
#include "rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/io.h"
#include "base/process.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/sys.h"
#include "container/seal.h"
#include "describe.h"
#include "inner.h"
#include "isolate/subids.h"

#define IDS 65536U /* beside the user's own */

/* ---- places ------------------------------------------------------------------ */

static int set_place(const char *variable, const char *dir, const char *below,
		     struct cis_error *err)
{
	cleanup_free char *path = NULL;
	int r = str_format(&path, "%s/%scisandbox", dir, below);

	if (r >= 0 && setenv(variable, path, 1) < 0)
		r = -errno;
	return r < 0 ? cis_fail(err, -r, "%s", variable) : 0;
}

static const char *absolute(const char *variable)
{
	const char *value = secure_getenv(variable);

	return value && value[0] == '/' ? value : NULL;
}

static int find_state(struct cis_error *err)
{
	const char *dir = absolute("XDG_RUNTIME_DIR");
	struct stat st;

	if (absolute("CISANDBOX_STATE"))
		return 0;
	if (!dir)
		return cis_fail_plain(err, ENOENT,
				      "no place for the state of sandboxes: XDG_RUNTIME_DIR is not "
				      "set (log in anew, or set CISANDBOX_STATE to a directory of "
				      "yours)");
	if (stat(dir, &st) < 0)
		return cis_fail(err, errno, "XDG_RUNTIME_DIR %s", dir);
	/* Another's would tell us what runs, and of whom. */
	if (st.st_uid != geteuid())
		return cis_fail_plain(err, EPERM,
				      "XDG_RUNTIME_DIR %s belongs to another user (after su: log "
				      "in anew, or set CISANDBOX_STATE)", dir);
	return set_place("CISANDBOX_STATE", dir, "", err);
}

static int find_data(struct cis_error *err)
{
	const char *data = absolute("XDG_DATA_HOME"), *home = absolute("HOME");

	if (absolute("CISANDBOX_ROOT"))
		return 0;
	if (!data && !home)
		return cis_fail_plain(err, ENOENT,
				      "no place for images: neither XDG_DATA_HOME nor HOME is set "
				      "(set one, or CISANDBOX_ROOT)");
	return set_place("CISANDBOX_ROOT", data ? data : home, data ? "" : ".local/share/", err);
}

int cis_user_places(struct cis_error *err)
{
	int r = geteuid() == 0 ? 0 : find_state(err);

	return r < 0 || geteuid() == 0 ? r : find_data(err);
}

/* ---- ids ----------------------------------------------------------------------- */

/* Not getpwuid(), which loads modules of the C library that a static command has not. */
static void find_name(char ret[static 64])
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	snprintf(ret, 64, "%u", geteuid());
	while (f && (pw = fgetpwent(f)))
		if (pw->pw_uid == geteuid()) {
			snprintf(ret, 64, "%s", pw->pw_name);
			break;
		}
	if (f)
		fclose(f);
}

static int read_subids(const char *file, const char *option, const char *name,
		       struct subids *ret, struct cis_error *err)
{
	cleanup_free char *text = NULL;
	int r = io_read_file_at(AT_FDCWD, file, 1 << 20, &text, NULL);

	if (r < 0 && r != -ENOENT)
		return cis_fail(err, -r, "%s", file);
	subids_parse(text ? text : "", name, geteuid(), IDS, ret);
	if (ret->total == IDS)
		return 0;
	if (ret->total)
		cis_fail_plain(err, EPERM, "%s has %llu ids in %s, and %u are needed", name,
			       (unsigned long long)ret->total, file, IDS);
	else
		cis_fail_plain(err, EPERM, "%s has no ids in %s", name, file);
	return cis_hint(err, "as root: usermod %s FIRST-LAST %s, with %u ids that nobody has",
			option, name, IDS);
}

/* newuidmap PID 0 UID 1 1 FIRST COUNT...: it checks all of it again, and is who may. */
static int run_mapper(const char *program, pid_t pid, unsigned int own, const struct subids *s,
		      struct cis_error *err)
{
	char numbers[4 + 3 * SUBIDS_RANGES][16];
	char *argv[ARRAY_SIZE(numbers) + 2] = {(char *)program};
	uint32_t inside = 1;
	size_t n = 0;

	snprintf(numbers[n++], 16, "%d", pid);
	snprintf(numbers[n++], 16, "0");
	snprintf(numbers[n++], 16, "%u", own);
	snprintf(numbers[n++], 16, "1");
	for (size_t i = 0; i < s->n; i++) {
		snprintf(numbers[n++], 16, "%u", inside);
		snprintf(numbers[n++], 16, "%u", s->v[i].first);
		snprintf(numbers[n++], 16, "%u", s->v[i].count);
		inside += s->v[i].count;
	}
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = numbers[i];
	return spawn_wait(argv, -1, "uidmap", err);
}

/* ---- into namespaces of our own -------------------------------------------------- */

struct mapper {
	struct subids uids, gids;
	pid_t of;      /* whose namespace it is */
	int go, said;  /* pipes: a byte from us; its struct cis_error */
	pid_t pid;
};

/* A child that stays outside, where set-user-id programs are. */
static void mapper_main(const struct mapper *m, int go, int say)
{
	struct cis_error err = {0};
	char byte;
	int r;

	if (read(go, &byte, 1) != 1)
		_exit(1);
	r = run_mapper("newuidmap", m->of, geteuid(), &m->uids, &err);
	if (r >= 0)
		r = run_mapper("newgidmap", m->of, getegid(), &m->gids, &err);
	if (write(say, &err, sizeof err) != sizeof err)
		r = -EPIPE;
	_exit(r < 0);
}

static int start_mapper(struct mapper *m, struct cis_error *err)
{
	int go[2], say[2];

	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(say, O_CLOEXEC) < 0)
		return cis_fail(err, errno, "map ids");
	m->of = getpid();
	m->pid = fork();
	if (m->pid == 0) {
		close(go[1]);
		close(say[0]);
		mapper_main(m, go[0], say[1]);
	}
	close(go[0]);
	close(say[1]);
	m->go = go[1];
	m->said = say[0];
	return m->pid < 0 ? cis_fail(err, errno, "map ids: fork") : 0;
}

/* @r: whether there is something to map. */
static int finish_mapper(struct mapper *m, int r, struct cis_error *err)
{
	struct cis_error said = {.code = ECHILD, .message = "map ids: the child died"};

	if (r >= 0 && write(m->go, "", 1) == 1 &&
	    read(m->said, &said, sizeof said) == sizeof said && said.code == 0)
		said = (struct cis_error){0};
	m->go = fd_close(m->go);
	m->said = fd_close(m->said);
	process_wait(m->pid);
	if (r >= 0 && said.code && err)
		*err = said;
	return r < 0 ? r : -said.code;
}

static int make_namespaces(struct cis_error *err)
{
	if (SYS(unshare, CLONE_NEWUSER | CLONE_NEWNS) >= 0)
		return 0;
	cis_fail(err, errno, "make a user namespace");
	if (errno == ENOSPC || errno == EUSERS)
		return cis_hint(err, "sysctl user.max_user_namespaces is too low");
	return cis_hint(err, "this host forbids them to users: sysctl "
			     "kernel.unprivileged_userns_clone, a seccomp filter, or SELinux");
}

/* AppArmor's restriction lets us make them, and takes the capabilities in them. */
static int use_namespaces(struct cis_error *err)
{
	int r = SYS(mount, NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);

	if (r >= 0)
		return 0;
	cis_fail(err, -r, "be root in a user namespace of one's own");
	return cis_hint(err, "AppArmor takes its capabilities: give this program a profile with "
			     "\"userns,\", or as root sysctl -w "
			     "kernel.apparmor_restrict_unprivileged_userns=0");
}

static int look(struct mapper *m, struct cis_error *err)
{
	char name[64];
	int r = cis_user_places(err);

	find_name(name);
	if (r >= 0)
		r = read_subids("/etc/subuid", "--add-subuids", name, &m->uids, err);
	if (r >= 0)
		r = read_subids("/etc/subgid", "--add-subgids", name, &m->gids, err);
	return r;
}

int rootless_look(struct cis_error *err)
{
	cleanup_free char *uidmap = NULL, *gidmap = NULL;
	struct mapper m;
	int r = look(&m, err);

	if (r >= 0 && (spawn_find("newuidmap", &uidmap) < 0 ||
		       spawn_find("newgidmap", &gidmap) < 0))
		r = cis_fail_plain(err, ENOENT, "newuidmap is not installed (apt install uidmap)");
	return r;
}

/* What is executed anew is to find what lies beside it. */
static int tell_self(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	/* Executed anew, without a name: whoever did that has told. */
	if (strrchr(self, '/') == self)
		return 0;
	return setenv(INNER_SELF, self, 1) < 0 ? -errno : 0;
}

/* Already there; what is executed by its descriptor has no name of its own. */
static int be_root(char *const argv[], struct cis_error *err)
{
	const char *slash = argv[0] ? strrchr(argv[0], '/') : NULL;
	int r;

	if (!process_is_in_userns())
		return 0;
	if (tell_self() < 0)
		return cis_fail(err, errno, "find this program");
	r = cis_oci_seal(argv, err);
	if (r >= 0 && argv[0])
		SYS(prctl, PR_SET_NAME, slash ? slash + 1 : argv[0], 0, 0, 0);
	return r;
}

int cis_user_become_root(char *const argv[], struct cis_error *err)
{
	struct mapper m = {.go = -1, .said = -1};
	int r;

	if (geteuid() == 0)
		return be_root(argv, err);
	r = look(&m, err);
	if (r >= 0)
		r = start_mapper(&m, err);
	if (r < 0)
		return r;
	r = finish_mapper(&m, make_namespaces(err), err);
	if (r >= 0)
		r = use_namespaces(err);
	if (r >= 0 && tell_self() < 0)
		r = cis_fail(err, errno, "find this program");
	return r < 0 ? r : seal_execute(argv, err);
}

/* ---- into those of a sandbox -------------------------------------------------------- */

/* The namespace that its own is in: there its supervisor is root. fd or -errno. */
static int open_outer(const struct described *d)
{
	cleanup_close int inner = -1;
	char path[64];
	int outer;

	snprintf(path, sizeof path, "/proc/%d/ns/user", d->init);
	inner = open(path, O_RDONLY | O_CLOEXEC);
	if (inner < 0)
		return -errno;
	/* Still alive, so that pid was it. */
	outer = sys_pidfd_send_signal(d->pidfd, 0);
	if (outer < 0)
		return outer;
	outer = ioctl(inner, NS_GET_PARENT);
	return outer < 0 ? -errno : outer;
}

int cis_user_join(char *const argv[], const char *id, struct cis_error *err)
{
	cleanup(state_done) struct state st;
	struct described d = {.pidfd = -1};
	int outer, r;

	state_init(&st);
	if (geteuid() == 0)
		return be_root(argv, err);
	r = cis_user_places(err);
	if (r >= 0)
		r = state_open(&st, id, err);
	if (r >= 0)
		r = describe_read_state(&st, &d, err);
	if (r < 0)
		return r;
	outer = open_outer(&d);
	fd_close(d.pidfd);
	r = outer < 0 ? outer : SYS(setns, outer, CLONE_NEWUSER);
	fd_close(outer);
	if (r < 0)
		return cis_fail(err, -r, "enter the namespaces of %s", id);
	return seal_execute(argv, err);
}
