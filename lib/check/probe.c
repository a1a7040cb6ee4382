/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two children, as at a launch: the "stage" has the host's privilege and
 * ends within 5 s, and "inside" is its child in a new user namespace. They
 * answer by their exit status, which is an errno. A program that uses the
 * library may be threaded: raw calls only, on this side of the clone.
 */
#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/fd.h"
#include "../base/io.h"
#include "../base/num.h"
#include "../base/process.h"
#include "../base/sys.h"
#include "../fs/dev.h"
#include "../fs/mount.h"
#include "../fs/overlay.h"
#include "../fs/path.h"
#include "../isolate/userns.h"

#define PROBE_SECONDS 5
#define MOUNT_NAMESPACES \
	(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWCGROUP)

typedef int (*probe_fn)(const void *arg);

/* Of root of a user namespace all ids are its own, and one is enough to try. */
static uid_t probe_base(void)
{
	return process_is_in_userns() ? 0 : PROBE_BASE;
}

static uint32_t probe_count(void)
{
	return process_is_in_userns() ? 1 : PROBE_COUNT;
}

/* ---- the stage ----------------------------------------------------------------- */

static void answer(int r) __attribute__((noreturn));
static void answer(int r)
{
	_exit(r < 0 ? -r : 0);
}

static int reap(pid_t pid)
{
	int status = process_wait(pid);

	if (status < 0)
		return status;
	/* Nobody else kills it: the alarm did. */
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ETIMEDOUT;
}

/* The alarm must work whatever the program around us does with signals. */
static void set_alarm(void)
{
	sigset_t set;

	signal(SIGALRM, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	alarm(PROBE_SECONDS);
}

/*
 * No signal at its end: the program around us must not see a SIGCHLD it does not
 * expect, nor its waitpid(-1) find the child. Its handlers stay out, too.
 */
static int run_stage(probe_fn fn, const void *arg)
{
	struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND};
	int pid = sys_clone3(&args);

	if (pid < 0)
		return pid;
	if (pid == 0) {
		set_alarm();
		answer(fn(arg));
	}
	return reap(pid);
}

/* ---- inside ----------------------------------------------------------------------- */

struct inside {
	uint64_t flags;
	probe_fn fn;
	const void *arg;
	bool privileged; /* may map a range of ids */
	pid_t pid;
	int gate; /* a byte: go. EOF: not wanted any more */
};

static bool is_privileged(void)
{
	struct __user_cap_data_struct caps[2];
	uint32_t need = 1U << CAP_SETUID | 1U << CAP_SETGID;

	return sys_capget(caps) >= 0 && (caps[0].effective & need) == need;
}

static int inside_main(const struct inside *in, int gate)
{
	char go;
	int r = SYS(read, gate, &go, 1);

	if (r != 1)
		return -ECANCELED;
	r = in->privileged ? userns_become_root_child() : 0;
	/* Pid 1 ignores the stage's alarm; it goes with the stage. Reset by new ids. */
	SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return r < 0 ? r : in->fn(in->arg);
}

static int map_one(pid_t pid, const char *file, const char *map)
{
	char path[64] = "/proc/";

	num_append(path, sizeof path, (unsigned long long)pid);
	strcat(path, file);
	return io_write_file_at(AT_FDCWD, path, map);
}

/* Without privilege one may map oneself, and nobody else. */
static int map_self(pid_t pid)
{
	char uid[32] = "0 ", gid[32] = "0 ";
	int r = map_one(pid, "/setgroups", "deny");

	num_append(uid, sizeof uid, geteuid());
	strcat(uid, " 1");
	num_append(gid, sizeof gid, getegid());
	strcat(gid, " 1");
	if (r >= 0)
		r = map_one(pid, "/uid_map", uid);
	return r < 0 ? r : map_one(pid, "/gid_map", gid);
}

static int end_inside(struct inside *in)
{
	in->gate = fd_close(in->gate);
	return reap(in->pid);
}

/* Leaves it waiting at the gate. */
static int start_inside(struct inside *in)
{
	struct clone_args args = {.flags = CLONE_NEWUSER | in->flags};
	int fds[2], r;

	in->privileged = is_privileged();
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	r = in->privileged ? userns_become_owner_child(probe_base()) : 0;
	if (r >= 0)
		r = in->pid = sys_clone3(&args);
	if (r == 0) {
		close(fds[1]);
		answer(inside_main(in, fds[0]));
	}
	close(fds[0]);
	if (r < 0) {
		close(fds[1]);
		return r;
	}
	in->gate = fds[1];
	r = in->privileged ? userns_write_maps(in->pid, probe_base(), probe_count())
			   : map_self(in->pid);
	if (r < 0)
		end_inside(in);
	return r;
}

static int stage_inside(const void *arg)
{
	struct inside in = *(const struct inside *)arg;
	int r = start_inside(&in);

	if (r < 0)
		return r;
	r = io_write_all(in.gate, "", 1);
	if (r < 0) {
		end_inside(&in);
		return r;
	}
	return end_inside(&in);
}

static int run_inside(uint64_t flags, probe_fn fn, const void *arg)
{
	return run_stage(stage_inside,
			 &(struct inside){.flags = flags, .fn = fn, .arg = arg});
}

/* ---- namespaces ------------------------------------------------------------------- */

static int nothing(const void *arg)
{
	(void)arg;
	return 0;
}

int probe_namespaces(uint64_t flags)
{
	return run_inside(flags, nothing, NULL);
}

/*
 * AppArmor's restriction lets the namespace be made and then withholds the
 * capabilities in it: so use one.
 */
static int inside_userns(const void *arg)
{
	int r = SYS(unshare, CLONE_NEWUSER);

	(void)arg;
	return r < 0 ? r : SYS(unshare, CLONE_NEWUTS);
}

int probe_inner_userns(void)
{
	return run_inside(0, inside_userns, NULL);
}

static int stage_time(const void *arg)
{
	int r = SYS(unshare, CLONE_NEWTIME);

	(void)arg;
	return r < 0 ? r
		     : io_write_file_at(AT_FDCWD, "/proc/self/timens_offsets",
					"boottime 1 0");
}

int probe_time_namespace(void)
{
	return run_stage(stage_time, NULL);
}

/* ---- mounts ------------------------------------------------------------------------ */

struct layers {
	const char *dir;
	int scratch; /* -1: only id-map @dir */
	bool idmap_scratch;
};

static int open_userns(pid_t pid)
{
	char path[64] = "/proc/";

	num_append(path, sizeof path, (unsigned long long)pid);
	strcat(path, "/ns/user");
	return SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

/* A work directory of the wrong owner gives an overlay that is read-only: write. */
static int try_overlay(int image, int scratch)
{
	const struct overlay_lowers lowers = {.top = image};
	cleanup_close int root = -1, file = -1;
	int r = SYS(unshare, CLONE_NEWNS);

	/* Mustn't: attach anything before this; it would cover the host's own /sys. */
	if (r >= 0)
		r = SYS(mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r >= 0)
		r = overlay_attach_layers_stage(&lowers, scratch, "/sys");
	if (r >= 0)
		r = path_make(scratch, "root/upper", false);
	if (r >= 0)
		r = path_make(scratch, "root/work", false);
	if (r < 0)
		return r;
	root = overlay_mount_stage(&lowers, scratch, "/root",
				   process_is_in_userns() ? OVERLAY_USER : 0);
	if (root < 0)
		return root;
	/* A name that the directory below, somebody's, surely does not have. */
	file = SYS(openat, root, ".cisandbox-check.6f1c0a",
		   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return MIN(file, 0);
}

static int stage_layers(const void *arg)
{
	const struct layers *l = arg;
	struct inside in = {.fn = nothing};
	cleanup_close int image = mount_clone_tree(AT_FDCWD, l->dir, true), userns = -1;
	int r = image < 0 ? image : start_inside(&in);

	if (r < 0)
		return r;
	userns = open_userns(in.pid);
	r = userns;
	if (r >= 0 && !process_is_in_userns())
		r = mount_idmap(image, userns);
	if (r >= 0 && l->idmap_scratch)
		r = mount_idmap(l->scratch, userns);
	if (r >= 0 && l->scratch >= 0)
		r = try_overlay(image, l->scratch);
	end_inside(&in);
	return r;
}

int probe_idmap(const char *dir)
{
	return run_stage(stage_layers, &(struct layers){.dir = dir, .scratch = -1});
}

int probe_overlay(const char *dir, int scratch_fd, bool idmap_scratch)
{
	return run_stage(stage_layers, &(struct layers){dir, scratch_fd, idmap_scratch});
}

static int stage_dev(const void *arg)
{
	cleanup_close int dev = dev_make_stage(0, false, false);
	cleanup_close int null = -1;

	(void)arg;
	if (dev < 0)
		return dev;
	null = SYS(openat, dev, "null", O_RDWR | O_CLOEXEC);
	return MIN(null, 0);
}

int probe_dev(void)
{
	return run_stage(stage_dev, NULL);
}

static int inside_mount(const void *type)
{
	cleanup_close int m =
		mount_new(type, type, NULL,
			  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	return MIN(m, 0);
}

int probe_mount_inside(const char *type)
{
	return run_inside(MOUNT_NAMESPACES, inside_mount, type);
}

/* ---- control groups, seccomp ----------------------------------------------------- */

static int stage_into_cgroup(const void *arg)
{
	const int *group_fd = arg;
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.cgroup = (uint64_t)group_fd[0],
	};
	int pid = sys_clone3(&args);

	if (pid == 0)
		answer(0);
	return pid < 0 ? pid : reap(pid);
}

int probe_into_cgroup(int group_fd)
{
	return run_stage(stage_into_cgroup, &group_fd);
}

static int stage_seccomp(const void *arg)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = {1, &allow};
	int r = SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	(void)arg;
	return r < 0 ? r : SYS(seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

int probe_seccomp(void)
{
	return run_stage(stage_seccomp, NULL);
}

/* ---- network --------------------------------------------------------------------- */

static int inside_ask(const void *request)
{
	return netlink_ask_child(*(const enum net_request *)request);
}

int probe_net(enum net_request request)
{
	return run_inside(CLONE_NEWNET, inside_ask, &request);
}
