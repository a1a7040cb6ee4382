/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libcisandbox: start a container whose root is nobody on the host, inside
 * which unmodified dockerd, buildx, podman and systemd run.
 *
 *	struct cis_sandbox *sb = NULL;
 *	struct cis_error err = {0};
 *	char *const argv[] = {"docker", "version", NULL};
 *
 *	cis_sandbox_new(&sb);                                 1. make one
 *	cis_sandbox_set_image(sb, "debian");                  2. describe it
 *	cis_sandbox_load_profile(sb, "docker", &err);
 *	if (cis_sandbox_start(sb, argv, &err) < 0)            3. start it
 *		errx(125, "%s", err.message);
 *	cis_sandbox_wait(sb, &status, &err);                  4. watch it
 *	cis_sandbox_free(sb);                                 5. free it
 *
 * CONVENTIONS
 *	Functions return 0, or -errno for real. Positive returns are documented
 *	conditions. `err` may be NULL; it is written only on failure and holds one
 *	sentence: operation, object, cause, hint. Strings given in are copied;
 *	`char **ret` given out is the caller's to free(). Descriptors given in
 *	are borrowed for the life of the handle. Codes: -ENOMEM from
 *	everything that copies, -EINVAL for a value that makes no sense, -EBUSY
 *	for a call in the wrong state; what else a function may say stands at it.
 *
 * THREADS
 *	A handle is used by one thread at a time; different handles are free of
 *	each other. No threads, signal handlers or global state are made; nothing is
 *	printed; nothing exits. cis_sandbox_start() makes a stage process that
 *	ends before it returns and the sandbox's init, a child of the calling
 *	process, which dispatch() reaps: do not wait for unknown children
 *	(waitpid(-1)) beside it. mkfs.ext4 is run for a disk above 512 MiB.
 *
 * SINCE
 *	Everything here is 0.1 unless it says otherwise. Before 1.0 there is no
 *	promise of binary compatibility. Extensible records carry their size:
 *	a shorter one is filled with zeros, a longer one must end in zeros (-E2BIG).
 */
#ifndef CISANDBOX_H
#define CISANDBOX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* ---- errors ---------------------------------------------------------- */

/* Where in the life of a sandbox something failed (struct cis_error.stage). */
enum cis_stage {
	CIS_STAGE_NONE,     /* before anything was made */
	CIS_STAGE_PLAN,     /* choosing and opening; nothing runs yet */
	CIS_STAGE_PREPARE,  /* ids, control group, scratch disk on the host */
	CIS_STAGE_SETUP,    /* namespaces, mounts, network */
	CIS_STAGE_LOCK,     /* capabilities, seccomp */
	CIS_STAGE_EXEC,     /* the payload could not be executed */
	CIS_STAGE_SERVICE,  /* a service of the profile did not come up */
	CIS_STAGE_RUN,      /* afterwards */
};

struct cis_error {
	int code;          /* an errno value, positive */
	int stage;         /* enum cis_stage */
	char message[496]; /* one line, no newline at its end */
};

/* ---- 0. without root ------------------------------------------------- */

/*
 * For programs that ordinary users start; the host's root is left as it is. All three are
 * called first thing in main(), in a process with one thread, by whoever trusts its
 * environment; what one does by setuid or capabilities is not meant. The limits of it: README.
 */

/*
 * Sets CISANDBOX_STATE and CISANDBOX_ROOT, where they are not set, to directories of the
 * user's ($XDG_RUNTIME_DIR/cisandbox, $XDG_DATA_HOME/cisandbox). Enough for list(), open() and
 * signal(), wait(), reap(), image_list(). -ENOENT: such a variable is missing. -EPERM: the
 * directory is another user's.
 */
int cis_user_places(struct cis_error *err);

/*
 * Does that, then executes the program anew, with the same @argv, as root of a user namespace
 * of its own (with ids of /etc/subuid and /etc/subgid, by newuidmap and newgidmap) and a mount
 * namespace: enough for start(), image_import(), image_remove(). Returns 0 in there, and for
 * root; does not return otherwise, unless with an error. -EPERM: too few ids, or the host
 * forbids it; -ENOENT: newuidmap is missing too.
 */
int cis_user_become_root(char *const argv[], struct cis_error *err);

/*
 * The same with the user namespace that the sandbox @id was started in: for open() and enter(),
 * usage(), inspect_json() and stats_json(), which look into it. -ENOENT, -ESRCH: no such
 * sandbox lives.
 */
int cis_user_join(char *const argv[], const char *id, struct cis_error *err);

/* ---- 1. make one ----------------------------------------------------- */

struct cis_sandbox;

/* A new, empty description. */
int cis_sandbox_new(struct cis_sandbox **ret);

/*
 * A handle on a sandbox somebody else started: for enter(), signal().
 * -ENOENT when no live sandbox has that id.
 */
int cis_sandbox_open(struct cis_sandbox **ret, const char *id, struct cis_error *err);

/*
 * Frees the handle. A sandbox that was started through it and still runs is
 * killed first and everything made for it on the host is removed; that may
 * block for as long as the kernel needs to end its processes.
 */
void cis_sandbox_free(struct cis_sandbox *sb);

/* ---- 2. describe it -------------------------------------------------- */

/*
 * Reads a profile: the name of a built-in one ("ci", "docker"), or a path
 * (with a slash) to JSON as cisandbox-spec(5) says. Members it has replace or add
 * to what the handle already holds. -EINVAL: malformed, with line and column.
 */
int cis_sandbox_load_profile(struct cis_sandbox *sb, const char *name, struct cis_error *err);

/*
 * Takes the whole description from an OCI bundle: a directory with config.json
 * (runtime-spec 1.3) and what its root.path says; profile "docker" where the annotation
 * io.cisandbox.profile says so. The descriptor may be closed afterwards. Beside a bundle
 * only id, stdio, tty, timeout and audit may be set: start() refuses the rest with -EINVAL.
 * Its argv may then be NULL: the bundle's process.args.
 *
 * No process of ours is inside: the command is pid 1 and a child of the calling process,
 * and SIGKILL is the one signal that surely ends it. When the calling process dies the sandbox
 * lives on until cis_reap(), which every start does too. A bundle without a user
 * namespace has the host's root in it: call cis_oci_seal() first in main().
 * -ENOENT: no config.json. -EINVAL: malformed, with line, column and member.
 */
int cis_sandbox_load_oci(struct cis_sandbox *sb, int bundle_dirfd, struct cis_error *err);

/* 1 to 63 of [a-zA-Z0-9_.-], the first a letter or digit. Default: random. */
int cis_sandbox_set_id(struct cis_sandbox *sb, const char *id);

/* The root file system: an image of the store, or else a directory. */
int cis_sandbox_set_image(struct cis_sandbox *sb, const char *name);
int cis_sandbox_set_rootfs(struct cis_sandbox *sb, const char *path);

/*
 * A seed for the engines inside (below: seeds); NULL: none. start() fails with -ENOENT, and with
 * -EINVAL if the directories it is for are not scratch directories of the profile.
 */
int cis_sandbox_set_seed(struct cis_sandbox *sb, const char *name);

/*
 * One host directory or file inside. Owners are mapped; nothing is chowned. start() fails with
 * -EINVAL if the sandbox's own mounts or secrets are there, with -ENOTDIR or -EISDIR if the image
 * has the other kind.
 */
struct cis_bind {
	const char *source; /* host path */
	const char *target; /* absolute path inside; made where it is missing */
	uint64_t flags;     /* CIS_BIND_* */
};
#define CIS_BIND_READONLY 1ULL
int cis_sandbox_add_bind(struct cis_sandbox *sb, const struct cis_bind *bind, size_t size,
			 struct cis_error *err);

/*
 * A file /run/secrets/@name inside, with what @fd holds up to its end, which is read now (a
 * program that has the value in memory gives a pipe or a memfd). It is readable by the
 * payload's user and by root, read-only, never on a disk, gone with the sandbox; enter()
 * sees it, too. In the calling process it stays, in memory that is in no core dump, until
 * the handle is freed. 1 to 63 of [a-zA-Z0-9_.-]; not first: [.-]. At most 1 MiB, all 4 MiB, 64.
 * -EINVAL; -EEXIST: that name has been given; -E2BIG. start(): -ENOMEM, -EPERM: not to be locked.
 */
int cis_sandbox_add_secret(struct cis_sandbox *sb, const char *name, int fd,
			   struct cis_error *err);

/*
 * Whether their values, line by line, and these in base64, are replaced by [MASKED] in what
 * stdout and stderr (or the terminal) of the payload carry, in events, errors, audit
 * lines and the egress log of this handle. Not: lines of fewer than 4 bytes, values of
 * more than 64 KiB (CIS_EVENT_SECRET says which), commands of enter(), files. What may be the
 * beginning of one is held back, for 50 ms at most. Default: yes.
 */
int cis_sandbox_set_mask(struct cis_sandbox *sb, int on);

/*
 * What is at @path (absolute, resolved inside) when the payload has ended, however it did, is
 * copied to @dest, a path of the host (NULL: the last name of @path, in the working
 * directory). start() fails if @dest is there (-EEXIST) or its directory is not; at the end
 * it appears whole or not at all. Files, directories, and relative links that lead nowhere
 * else are copied, other things left out and named. Owners become the caller's; set-id
 * bits, attributes, and what others may write are dropped. Mounts inside are not looked into,
 * binds and /run included. dispatch() says CIS_EVENT_ARTIFACT for each. Where one
 * fails and the payload's status was 0, exit_status() is 125. -EINVAL, -EEXIST, -E2BIG: 64.
 */
int cis_sandbox_add_artifact(struct cis_sandbox *sb, const char *path, const char *dest,
			     struct cis_error *err);
/* Bytes of all artifacts, holes included; 0 is the default, 1 GiB. */
int cis_sandbox_set_artifact_max(struct cis_sandbox *sb, uint64_t bytes);

/*
 * For whom the job runs: "main", "release/1.2", "pr-17". It decides what of caches the job may
 * write, so it must come from who starts jobs and never from a job, nor be the name that somebody
 * gave to a branch of his own. Up to 255 of [A-Za-z0-9._/@+=#-]. -EINVAL.
 */
int cis_sandbox_set_scope(struct cis_sandbox *sb, const char *scope);
/*
 * The cache @name (below: caches) at @path inside, as its newest generation is at start(): what the
 * job writes there is on its own disk. Is the scope a writer's, and the payload's status 0 without
 * that it was asked to end (signal(), timeout), that becomes the next generation, unless there is
 * one already: then it is refused as stale.
 * CIS_EVENT_CACHE says which; exit_status() does not change. At most 16. -EEXIST. start():
 * -ENOENT; -EACCES: the scope may not read it; -EINVAL: no scope.
 */
#define CIS_CACHE_READONLY 1ULL /* and nothing is published */
int cis_sandbox_add_cache(struct cis_sandbox *sb, const char *name, const char *path,
			  uint64_t flags, struct cis_error *err);

/* "K=V" sets, "K" copies the caller's value (nothing if it has none). */
int cis_sandbox_add_env(struct cis_sandbox *sb, const char *assignment);
/*
 * Each line of a file, as add_env(); blanks before it, empty lines and lines that begin with
 * '#' do not count, and a value is all that stands behind the '=', quotes included: as
 * docker's --env-file. -EINVAL: err names the line, and nothing has been added.
 */
int cis_sandbox_add_env_file(struct cis_sandbox *sb, const char *path, struct cis_error *err);
int cis_sandbox_set_workdir(struct cis_sandbox *sb, const char *path);
/*
 * A program that goes before the command, in the place of the image's Entrypoint; its Cmd does
 * not count then. "": none.
 */
int cis_sandbox_set_entrypoint(struct cis_sandbox *sb, const char *program);
/* "USER[:GROUP]", names of the image's passwd or numbers. Default root. */
int cis_sandbox_set_user(struct cis_sandbox *sb, const char *user);
int cis_sandbox_set_hostname(struct cis_sandbox *sb, const char *name);
/* "K=V", or "K"; shown by inspect. */
int cis_sandbox_add_label(struct cis_sandbox *sb, const char *label);
/* name as in "nofile"; UINT64_MAX is "unlimited". */
int cis_sandbox_add_ulimit(struct cis_sandbox *sb, const char *name, uint64_t soft,
			   uint64_t hard);

/* Hard limits over all that runs inside; 0 means no limit (disk: the default). */
int cis_sandbox_set_memory(struct cis_sandbox *sb, uint64_t bytes);
int cis_sandbox_set_cpus(struct cis_sandbox *sb, uint64_t thousandths);
int cis_sandbox_set_pids(struct cis_sandbox *sb, uint64_t processes);
int cis_sandbox_set_disk(struct cis_sandbox *sb, uint64_t bytes);
/* Files, directories and the like on the disk; 0: as many as its back end gives. */
int cis_sandbox_set_disk_inodes(struct cis_sandbox *sb, uint64_t n);
/*
 * What the disk is made of. plan() and start() fail with -EOPNOTSUPP or -ENOENT where the
 * host cannot: err says what is missing.
 */
enum cis_disk {
	CIS_DISK_AUTO,  /* up to 512 MiB in memory; else the first of these three that can be */
	CIS_DISK_QUOTA, /* a directory of the host's, with a project quota (ext4, XFS) */
	CIS_DISK_LOOP,  /* ext4 in a file */
	CIS_DISK_BTRFS, /* a subvolume with a quota group; inodes cannot be limited */
	CIS_DISK_TMPFS, /* in memory; counts against its limit */
};
int cis_sandbox_set_disk_backend(struct cis_sandbox *sb, enum cis_disk kind);
/*
 * The most a second that may be read from and written to the device under the disk, in
 * bytes and in operations; 0: no limit. start() fails with -EOPNOTSUPP where the host
 * cannot hold it: on a disk in memory, and for writes without cgroup v2.
 */
struct cis_io {
	uint64_t rbps, wbps, riops, wiops;
};
int cis_sandbox_set_io(struct cis_sandbox *sb, const struct cis_io *io, size_t size);
/* User and group ids inside: 0..n-1. At least 65536, rounded up to 65536s. */
int cis_sandbox_set_ids(struct cis_sandbox *sb, uint64_t n);
/* The sandbox is killed after that; dispatch() then says CIS_EVENT_TIMEOUT. */
int cis_sandbox_set_timeout(struct cis_sandbox *sb, uint64_t milliseconds);

enum cis_net {
	CIS_NET_NONE,   /* a network namespace with only loopback, which is up */
	CIS_NET_EGRESS, /* and behind it a gate, to what the rules below allow */
};
int cis_sandbox_set_net(struct cis_sandbox *sb, enum cis_net mode);

/*
 * What a sandbox with CIS_NET_EGRESS reaches; cisandbox-egress(7) has the meaning of rules.
 * Setting any of these without it makes start() fail with -EINVAL.
 */
enum cis_egress {
	CIS_EGRESS_BLOCK, /* only what a rule allows: the default */
	CIS_EGRESS_AUDIT, /* all but what is denied; everything is recorded */
};
int cis_sandbox_set_egress(struct cis_sandbox *sb, enum cis_egress mode);
enum cis_egress_rule {
	CIS_EGRESS_ALLOW,        /* "HOST[:PORT[/PROTO]]", "*.HOST", an address, a network */
	CIS_EGRESS_ALLOW_PRESET, /* "debian", "npm", ... */
	CIS_EGRESS_ALLOW_FILE,   /* a path: a rule a line */
	CIS_EGRESS_DENY,         /* wins over all that allows */
	CIS_EGRESS_UNDENY,       /* of what is denied by default: "no-lan", a network, a name */
};
/* -EINVAL: err says what is wrong with it. Files are read now. */
int cis_sandbox_add_egress_rule(struct cis_sandbox *sb, enum cis_egress_rule kind,
				const char *text, struct cis_error *err);
/* Whether TLS and HTTP on ports 443 and 80 must name what was allowed. Default: yes. */
int cis_sandbox_set_egress_verify(struct cis_sandbox *sb, int on);
/*
 * How it leaves: by a link to the host, which takes root, net.ipv4.ip_forward and a firewall
 * that lets forwarded packets pass; or by the program pasta, which takes none of these. AUTO,
 * the default: the link if packets pass, else pasta if it is installed. start() fails with
 * -EACCES or -EPERM where the link cannot be, with -ENOENT without pasta. Since 0.1.
 */
enum cis_uplink { CIS_UPLINK_AUTO, CIS_UPLINK_VETH, CIS_UPLINK_PASTA };
int cis_sandbox_set_egress_uplink(struct cis_sandbox *sb, enum cis_uplink uplink);
/* What leaves the sandbox: bytes a second, bytes in all; 0: no limit. */
int cis_sandbox_set_egress_limits(struct cis_sandbox *sb, uint64_t rate, uint64_t bytes);
/*
 * "[IP:]PORT:PORT[/PROTO]": connections of tcp, or datagrams of udp, to that port of the host (of
 * 127.0.0.1 if no other address is given) lead to that port inside. Listening begins in start(),
 * which fails where somebody else does already. -EINVAL; -EEXIST; -E2BIG: more than 16.
 */
int cis_sandbox_add_publish(struct cis_sandbox *sb, const char *text, struct cis_error *err);
/*
 * One JSON object a line for each flow, name asked for, and refusal. Borrowed; -1: none, and
 * a sandbox without CIS_NET_EGRESS takes nothing else.
 */
int cis_sandbox_set_egress_log(struct cis_sandbox *sb, int fd);
/*
 * After the end: what was reached and refused, for people; and that as an allow file. *ret
 * is one allocation. -ENODATA: it had no gate.
 */
int cis_sandbox_egress_summary(struct cis_sandbox *sb, char **ret, struct cis_error *err);
int cis_sandbox_egress_learned(struct cis_sandbox *sb, char **ret, struct cis_error *err);

/*
 * Virtual files over parts of /proc and /sys: memory, cpus, uptime and load are the
 * sandbox's own, and sysctls that are the host's alone have a value of its own. A helper
 * process serves them; dispatch() starts another when it dies. A convenience: no
 * limit depends on them.
 */
enum cis_vfs {
	CIS_VFS_AUTO, /* where the host has /dev/fuse; CIS_EVENT_VFS says if not */
	CIS_VFS_ON,   /* or start() fails with -ENOENT or the like */
	CIS_VFS_OFF,
};
int cis_sandbox_set_vfs(struct cis_sandbox *sb, enum cis_vfs mode);

/*
 * Which OCI runtime engines inside are given: our own makes inner containers see their
 * limits in /proc and /sys, too. It is one static file of the host's that appears inside,
 * read-only; the profile's services find its path in CISANDBOX_INNER_RUNTIME and register
 * it with their engine.
 */
enum cis_inner_runtime {
	CIS_INNER_IMAGE,     /* the default: whatever the image has */
	CIS_INNER_AUTO,      /* ours where it is installed; CIS_EVENT_INNER says if not */
	CIS_INNER_CISANDBOX, /* or start() fails with -ENOENT */
};
int cis_sandbox_set_inner_runtime(struct cis_sandbox *sb, enum cis_inner_runtime mode);

/* What a job may do beyond the default; each costs safety, see SECURITY.md. */
#define CIS_NO_NEW_PRIVS   (1ULL << 0) /* set-user-id programs gain nothing */
#define CIS_ALLOW_BPF      (1ULL << 1)
#define CIS_ALLOW_PERF     (1ULL << 2)
#define CIS_ALLOW_IO_URING (1ULL << 3)
/*
 * What a helper answers in the kernel's place: cisandbox-security(7) says how. With any of
 * them nobody inside can be the listener of a seccomp filter. When start() or enter() is
 * through with its command the helper ends; what is left inside then gets ENOSYS.
 */
#define CIS_TRAP_MKNOD   (1ULL << 16) /* harmless character devices can be made */
#define CIS_TRAP_SYSINFO (1ULL << 17) /* the sandbox's own figures */
#define CIS_TRAP_SWAPON  (1ULL << 18) /* and swapoff: without effect */
#define CIS_TRAP_REBOOT  (1ULL << 19) /* Ctrl-Alt-Del on and off: without effect */
#define CIS_TRAP_MODULE  (1ULL << 20) /* loading: without effect */
/* Images of the job's, read-only, by the host kernel's driver: dangerous, see SECURITY.md. */
#define CIS_TRAP_MOUNT_SQUASHFS (1ULL << 21)
#define CIS_TRAP_MOUNT_EXT4     (1ULL << 22)
int cis_sandbox_set_flags(struct cis_sandbox *sb, uint64_t set);

/*
 * Where the payload's standard streams lead; -1 is /dev/null. The payload
 * never gets these descriptors themselves: it gets pipes (or a terminal) of
 * its own, and dispatch() carries the bytes. Default: -1, -1, -1. A program whose
 * output may be a pipe that somebody closes should ignore SIGPIPE.
 */
int cis_sandbox_set_stdio(struct cis_sandbox *sb, int in, int out, int err_fd);
/* A terminal of the sandbox's own instead of pipes; may be called again later
 * to tell of a new size. */
int cis_sandbox_set_tty(struct cis_sandbox *sb, unsigned int rows, unsigned int cols);

/* One JSON object a line: started, service, ready, limit.hit, host.full, traps.died, traps.held,
 * traps.lost, timeout, exited. */
int cis_sandbox_set_audit(struct cis_sandbox *sb, int fd);

/* ---- 3. start it ----------------------------------------------------- */

/*
 * What start() would do, op by op, as text; makes nothing and needs no
 * privilege beyond reading the root file system.
 */
int cis_sandbox_plan(struct cis_sandbox *sb, char *const argv[], char **ret,
		     struct cis_error *err);

/*
 * Starts the sandbox and in it argv. Returns once the payload has been
 * executed, or, when the profile has services, once the first is launched;
 * the payload then follows when they answer. On failure nothing is left behind.
 * err->stage CIS_STAGE_EXEC with -ENOENT or -EACCES: argv[0] is not there, or
 * cannot be executed. -EEXIST: the id is in use. -EPERM: not root.
 */
int cis_sandbox_start(struct cis_sandbox *sb, char *const argv[], struct cis_error *err);

/*
 * Brings a sandbox up without a command, services included; dispatch() says CIS_EVENT_HELD when
 * it has, and from then on all processes in it are frozen (cgroup2). start() then gives it
 * its command, once, and what was set since: id, hostname, labels, environment, workdir,
 * entrypoint, user, stdio, tty, timeout, memory, cpus, pids, io, secrets and masking, artifacts,
 * audit, rules and limits of the gate and its log. Other setters are for before: -EBUSY, where
 * they have an error to give. An id that start()
 * gives is what everybody sees; on the host, groups and disk keep the name they were made
 * under. A terminal has no /dev/console where an image forbids it; the number of cpus that
 * virtual files show stays. -EOPNOTSUPP: without control groups nothing can be frozen.
 */
int cis_sandbox_hold(struct cis_sandbox *sb, struct cis_error *err);

/*
 * Runs one more command in the live sandbox that open() found, under all its
 * limits. Environment, user, workdir, stdio and tty of this handle apply, and what the image
 * says of the first three where this handle says nothing. The command ends when the sandbox
 * does. Errors as start().
 */
int cis_sandbox_enter(struct cis_sandbox *sb, char *const argv[], struct cis_error *err);

/* ---- 4. watch it ----------------------------------------------------- */

/* Poll this for reading, call dispatch() when it is ready. Borrowed. */
int cis_sandbox_fd(struct cis_sandbox *sb);

/* Does what can be done without blocking. 0: go on polling. 1: it has ended.
 * Negative: the sandbox failed and was killed; err says why. */
int cis_sandbox_dispatch(struct cis_sandbox *sb, struct cis_error *err);

/* poll() and dispatch() until the end. *ret_status as exit_status() says. */
int cis_sandbox_wait(struct cis_sandbox *sb, int *ret_status, struct cis_error *err);

enum cis_event_kind {
	CIS_EVENT_READY = 1,    /* the payload runs; value: milliseconds since start() */
	CIS_EVENT_MEMORY_LIMIT, /* value: processes killed by the OOM killer */
	CIS_EVENT_PIDS_LIMIT,   /* value: forks refused, where the host counts them */
	CIS_EVENT_DISK_LIMIT,   /* value: bytes, or inodes, in use */
	CIS_EVENT_TIMEOUT,
	CIS_EVENT_VFS, /* no virtual files (value: errno), or their helper keeps dying (0) */
	/* A helper of CIS_TRAP_* died (value: times in a row), or no more are started (0). */
	CIS_EVENT_TRAPS,
	CIS_EVENT_INNER, /* no runtime of ours for engines inside; value: errno */
	CIS_EVENT_SECRET, /* of secrets too short or too long to be masked; value: a bit for each */
	CIS_EVENT_ARTIFACT, /* it has been copied; value: bytes. Or the reason why not: errno */
	CIS_EVENT_EGRESS,       /* the upload budget is spent, or a helper of the gate died */
	/* The host's file system under the disk is full, not the disk; value: bytes left. */
	CIS_EVENT_HOST_DISK,
	CIS_EVENT_UNHELD,       /* limits of a built-in profile that do not hold without root */
	CIS_EVENT_HELD,         /* after hold(): it is up and frozen, and start() may be called */
	/* What the job left in a cache is its next generation; value: which. Or why not: errno. */
	CIS_EVENT_CACHE,
	CIS_EVENT_COLLECT, /* all inside are dead, and artifacts or caches are being copied */
};
struct cis_event {
	int kind; /* enum cis_event_kind */
	uint64_t value;
	char text[240]; /* the same as a sentence */
};
/* 1 and the next event, or 0 when there is none now. */
int cis_sandbox_next_event(struct cis_sandbox *sb, struct cis_event *ret, size_t size);

/*
 * After the end: the payload's exit status, or 128+n when signal n ended it;
 * 124 when the timeout did. -EBUSY before the end.
 */
int cis_sandbox_exit_status(struct cis_sandbox *sb);

/*
 * To the payload's process group; SIGKILL ends the whole sandbox, and once all are dead the
 * wait for who reads their last output, the copying of artifacts and the publishing of caches.
 * With an enter()ed command on the handle: to that command. Of a payload that got SIGHUP, SIGINT,
 * SIGQUIT, SIGTERM or the image's own for that from outside no cache is published.
 */
int cis_sandbox_signal(struct cis_sandbox *sb, int sig, struct cis_error *err);

/* Id, and host path of the state directory. Borrowed; NULL before start(). */
const char *cis_sandbox_id(const struct cis_sandbox *sb);

struct cis_usage {
	uint64_t memory, memory_peak; /* bytes; 0 where the host does not count */
	uint64_t cpu_usec;
	uint64_t pids;
	uint64_t disk, disk_peak; /* bytes on the scratch disk */
	uint64_t wall_msec; /* since start(); 0 on a handle of open() */
	uint64_t has_gate;  /* 1 with CIS_NET_EGRESS; else what follows is 0 */
	uint64_t flows;     /* connections now, and those the kernel has not forgotten */
	uint64_t bytes_up, bytes_down; /* between gate and host */
	uint64_t denied;    /* names and packets; of packets at most 20 a second of each reason */
	uint64_t questions; /* to the gate's resolver */
};
/* Of a running sandbox, or the last figures of one that has ended. */
int cis_sandbox_usage(struct cis_sandbox *sb, struct cis_usage *ret, size_t size,
		      struct cis_error *err);

/* ---- the host: all sandboxes on it ------------------------------------ */

struct cis_info {
	char id[64];
	char image[128];
	char command[128];
	char status[16]; /* "starting", "running", "dead" (reap will take it) */
	int64_t created; /* seconds since the epoch */
	int32_t init;    /* host pid of its init, 0 when there is none */
	uint32_t id_base;
	uint32_t id_count;
};
/* All that have a state directory; *ret is one allocation to free(). */
int cis_list(struct cis_info **ret, size_t *ret_n, struct cis_error *err);
int cis_list_json(char **ret, struct cis_error *err);
/* Everything known of one, as JSON. -ENOENT. */
int cis_inspect_json(const char *id, char **ret, struct cis_error *err);
int cis_stats_json(const char *id, char **ret, struct cis_error *err);
/* Blocks until that sandbox has ended; *ret_status as exit_status(). -ENOENT. */
int cis_wait(const char *id, int *ret_status, struct cis_error *err);
/*
 * Removes what killed supervisors left: control groups, id ranges, files; and disks that are
 * nobody's any more, of earlier boots or state roots that are gone. start() does this too,
 * but leaves the files of disks to processes that it does not wait for.
 * *ret_n (may be NULL): how many sandboxes were taken.
 */
int cis_reap(unsigned int *ret_n, struct cis_error *err);

enum cis_check_result { CIS_CHECK_OK, CIS_CHECK_MISSING, CIS_CHECK_WARNING };
struct cis_check {
	char name[32];
	int result;       /* enum cis_check_result */
	char found[160];  /* what this host has */
	char needed[96];  /* for which option */
	char remedy[240]; /* empty when it is there */
};
/* Feature by feature what this host offers. *ret is one allocation. */
int cis_check(struct cis_check **ret, size_t *ret_n, struct cis_error *err);
int cis_check_json(char **ret, struct cis_error *err);

/* ---- images ------------------------------------------------------------ */

struct cis_image {
	char name[128];
	char digest[80]; /* "sha256:...": of its manifest, or over its tree: see cisandbox(1) */
	uint64_t size;   /* bytes of its files; layers may be other images', too */
	int64_t created;
	uint64_t layers; /* 0: it is one tree */
};
/*
 * -errno about images alone that cannot be read: *ret is there all the same, of the others, and
 * NULL with any other failure.
 */
int cis_image_list(struct cis_image **ret, size_t *ret_n, struct cis_error *err);
int cis_image_list_json(char **ret, struct cis_error *err);
/*
 * Takes an image into the store under that name, replacing one of that name in one step.
 * @path: an OCI layout as directory or tar, what "docker save" wrote, or a root file system
 * as directory or tar; each tar compressed or not. Layers that the store has are not unpacked
 * again. Device nodes are left out. Archives are read by cisandbox-unpack, without
 * privilege; runs sha256sum, and tar for a directory. -EINVAL: none of these, or not sound;
 * -EIO: truncated, or a digest is wrong; -EFBIG, -E2BIG: beyond the limits; -EBUSY: it has a
 * layer that was found corrupt, and a sandbox runs from that. The store is as before then.
 * Sandboxes that run from an image that is replaced keep it; it goes when they have ended.
 */
int cis_image_import(const char *name, const char *path, struct cis_error *err);

/* What a pull or import is doing. Bytes are those of layers as they come: compressed, mostly. */
enum cis_image_phase {
	CIS_IMAGE_RESOLVE, /* asks the registry what the image is */
	CIS_IMAGE_FETCH,   /* gets layers that the store lacks */
	CIS_IMAGE_UNPACK,  /* layers that the store lacks, one by one */
	CIS_IMAGE_READ,    /* unpacks an archive; bytes are the archive's */
};
struct cis_image_progress {
	int phase;           /* enum cis_image_phase */
	uint64_t layer;      /* CIS_IMAGE_UNPACK: which, from 1; FETCH: how many the store has */
	uint64_t layers;     /* of the image */
	uint64_t done, total; /* bytes; 0 of 0: the store has all of it */
};
/* All of it may be 0. */
struct cis_image_import {
	const char *ref; /* which of several images; NULL: there is but one */
	/*
	 * Called in the thread of cis_image_import_with(), a few times a second and once with each
	 * layer; of a directory that is a root file system, never. Must not call the library.
	 */
	void (*progress)(const struct cis_image_progress *p, void *arg);
	void *arg;
};
/* cis_image_import() with @options, a record of @size bytes, which may be NULL. */
int cis_image_import_with(const char *name, const char *path,
			  const struct cis_image_import *options, size_t size,
			  struct cis_error *err);

/* All of it may be 0. Strings are the caller's, and need to live as long as the call. */
struct cis_image_pull {
	const char *name;     /* in the store; default: of the reference, see cisandbox(1) */
	const char *platform; /* "OS/ARCH[/VARIANT]"; default: this machine's */
	const char *authfile; /* default: where containers-auth.json(5) says */
	const char *policy;   /* containers-policy.json(5); default: the host's */
	uint64_t timeout_ms;  /* of all of it; default half an hour */
	uint64_t stall_ms;    /* without a byte from the registry; default a minute */
	int skip_tls_verify;  /* 1: any certificate will do, and plain http */
	/* cisandbox-admission(5): what is demanded beside the host's policy. */
	const char *verify;   /* whose signature; as the option has it */
	int require_sbom;     /* 1 */
	const char *const *deny_packages; /* ends with NULL */
	/*
	 * Called in the thread of cis_image_pull(), a few times a second and once with each layer.
	 * Must not call the library.
	 */
	void (*progress)(const struct cis_image_progress *p, void *arg);
	void *arg;
};
/*
 * Takes an image of a registry into the store: @ref as docker understands it; @options, a
 * record of @size bytes, may be NULL. The reference becomes a digest first, and all that
 * follows is of that digest. Layers that the store has are not fetched again. Runs skopeo,
 * without privilege. *ret (may be NULL): what is in the store now. Returns 1 if it was there
 * already, and the store is as before.
 *
 * -ENOENT: no such image, or skopeo is not installed; -EACCES: the registry wants another to ask;
 * -EPERM: the policy rejects it; -ETIMEDOUT; -EIO: a digest is wrong, or the registry fails;
 * -EINVAL, -EFBIG, -E2BIG, -ENOSPC, -EBUSY: as of import. -EEXIST: without options->name, the name
 * is that of an image from elsewhere. The store is as before then.
 */
int cis_image_pull(const char *ref, const struct cis_image_pull *options, size_t size,
		   struct cis_image *ret, struct cis_error *err);
/* Name, digest, size, layers, and the image's own configuration. */
int cis_image_inspect_json(const char *name, char **ret, struct cis_error *err);
/*
 * Compares every file of the image with what was unpacked. -EIO: it, or a layer, is corrupt:
 * such an image runs no more, nor does any with such a layer, until one is imported again.
 */
int cis_image_verify(const char *name, struct cis_error *err);
/*
 * Deletes layers that no image refers to: how many, and bytes of their files, which both are set
 * on failure, too. -EBUSY: a sandbox runs from an image that does not say any more which it has.
 * -errno about images that cannot be read: all the same, what no other image refers to is gone.
 */
int cis_image_prune(uint64_t *ret_layers, uint64_t *ret_bytes, struct cis_error *err);
/* -ENOENT; -EBUSY while a sandbox runs from it. */
int cis_image_remove(const char *name, struct cis_error *err);

/* ---- seeds -------------------------------------------------------------- */

/*
 * A seed is what engines inside have stored (images, not containers or volumes), made by a
 * trusted job. Sandboxes that cis_sandbox_set_seed() names it for share its layers, read-only,
 * and copy its index. A new one of the same name replaces it for those that start then.
 */
struct cis_seed {
	char name[128];
	uint64_t generation; /* from 1 on */
	uint64_t size;       /* bytes of its files on the disk */
	int64_t created, used; /* used: when a sandbox last started with it */
	uint64_t shared;     /* directories and files of it that are bound, not copied */
	char error[496];     /* why it cannot be read: then all but its name is 0; or "" */
};
/* How many of them cannot be read. */
int cis_seed_list(struct cis_seed **ret, size_t *ret_n, struct cis_error *err);
int cis_seed_list_json(char **ret, struct cis_error *err);
int cis_seed_inspect_json(const char *name, char **ret, struct cis_error *err);
/* -ENOENT; -EBUSY while a sandbox uses it. */
int cis_seed_remove(const char *name, struct cis_error *err);
/*
 * Deletes generations that are neither the newest nor in use: how many. With @max then also the
 * seeds that were used longest ago, and are not in use, until all together have no more than
 * *max bytes: jobs that name them do not start before they are built again. How many cannot be
 * read; these count for nothing, and stay.
 */
int cis_seed_prune(const uint64_t *max, uint64_t *ret_generations, uint64_t *ret_removed,
		   struct cis_error *err);

/*
 * To make one: describe a sandbox with an engine (profile "docker"), call new(), start it with
 * argv(), and if its exit status is 0, publish(), which copies from the sandbox's disk: that is
 * kept until the sandbox is freed. @script is for sh -e inside; then containers, volumes and build
 * caches are removed and the engines ended.
 */
struct cis_seed_build;
int cis_seed_build_new(struct cis_seed_build **ret, const char *name, const char *script,
		       struct cis_sandbox *sb, struct cis_error *err);
char *const *cis_seed_build_argv(const struct cis_seed_build *b);
/* -ENODATA: no engine has stored an image; -E2BIG, -EFBIG: more than a job can be given. */
int cis_seed_build_publish(struct cis_seed_build *b, uint64_t *ret_generation,
			   struct cis_error *err);
/* Removes what was not published. */
void cis_seed_build_free(struct cis_seed_build *b);

/* ---- caches ------------------------------------------------------------- */

/*
 * Patterns are labels with "/" between them, and a label may end in "*": one or more characters
 * of it, none of them a "/". "release/" and an asterisk are release/1 and not release/1/x.
 */
struct cis_cache_policy {
	const char *const *writers; /* scopes whose jobs publish; ends with NULL, one at least */
	const char *const *readers; /* scopes whose jobs find it, beside these; NULL: any */
	uint64_t max;               /* bytes of a generation; 0: 10 GiB */
};
/* Makes one, which is empty. -EEXIST. */
int cis_cache_create(const char *name, const struct cis_cache_policy *policy, size_t size,
		     struct cis_error *err);
struct cis_cache {
	char name[128];
	uint64_t generation;
	uint64_t size, files, max; /* size: bytes of its files */
	int64_t created, used;     /* used: when a sandbox last started with it */
	char error[496];           /* why it cannot be read: then all but its name is 0; or "" */
};
/* How many of them cannot be read. */
int cis_cache_list(struct cis_cache **ret, size_t *ret_n, struct cis_error *err);
int cis_cache_list_json(char **ret, struct cis_error *err);
int cis_cache_inspect_json(const char *name, char **ret, struct cis_error *err);
/* -EBUSY: a sandbox uses it. */
int cis_cache_remove(const char *name, struct cis_error *err);
/*
 * Deletes generations that are neither the newest nor in use: how many. With @max the caches
 * that were used longest ago, and are not in use, are emptied, names and policies staying, until
 * all together have no more than *max bytes. How many cannot be read; these count for nothing,
 * and stay.
 */
int cis_cache_prune(const uint64_t *max, uint64_t *ret_generations, uint64_t *ret_emptied,
		    struct cis_error *err);

/* ---- bundles ------------------------------------------------------------ */

/*
 * What a handle describes, as an OCI bundle (config.json and rootfs/) that cisandbox-oci, runc
 * and crun run; cisandbox(1), bundle, has what is in it. The handle must be new, and is
 * left as it was. Network, limits of the disk, timeout, traps, secrets and artifacts are
 * refused; services are left out, and so are disk and timeout of built-in profiles.
 */
struct cis_bundle {
	uint32_t id_base; /* of set_ids(), host ids from that on; 0: no user namespace */
	/* After each file, with the bytes so far; may be NULL. Not 0: it ends, -ECANCELED. */
	int (*step)(void *arg, uint64_t bytes);
	void *arg;
};
/* Its config.json, without making anything. @how may be NULL; errors as start(). */
int cis_bundle_json(struct cis_sandbox *sb, char *const argv[], const struct cis_bundle *how,
		    size_t size, char **ret, struct cis_error *err);
/*
 * The bundle as the directory @dir, which must not be there, or be empty; it appears whole
 * or not at all. With id_base owners in it are those host ids. The same image and
 * description give the same bytes, owners and times. What a killed caller left behind goes
 * with the next call beside it. -EEXIST; -ERANGE: ids that there are not; -EBUSY: or that are
 * lent to sandboxes; -ENOSPC.
 */
int cis_bundle_write(struct cis_sandbox *sb, char *const argv[], const struct cis_bundle *how,
		     size_t size, const char *dir, struct cis_error *err);

/* ---- OCI containers --------------------------------------------------- */

/*
 * What runc's command line offers, for programs that drive containers by bundles
 * (runtime-spec 1.3). A container is created by one call, started by another, maybe from
 * another process, and is nobody's handle: all there is of it is a directory below
 * `root`. Functions name it by that root and its id. No process of ours stays behind but,
 * in profile docker or with the annotation io.cisandbox.vfs=on, the keeper of its virtual
 * files, which is nobody's child to wait for and ends with the container.
 *
 * Messages have the words that engines look for: "container does not exist", "container
 * not running", "executable file not found in $PATH", "permission denied" ...
 */
struct cis_oci {
	const char *root;    /* NULL: /run/cisandbox-oci */
	const char *profile; /* NULL: the bundle's annotation, else "plain" */
	uint64_t flags;
};
#define CIS_OCI_SYSTEMD_CGROUP (1ULL << 0) /* cgroupsPath is SLICE:PREFIX:NAME */

/*
 * First thing in main(), with its argv, before create() or exec(): executes the program
 * anew from a copy that nobody can write to, unless that is where it runs from. A container
 * whose root is the host's could else change the program itself (CVE-2019-5736).
 * Returns 0 in the copy; does not return otherwise, unless with an error. In the copy
 * /proc/self/exe has no directory, so $ORIGIN of a run path finds no libraries.
 */
int cis_oci_seal(char *const argv[], struct cis_error *err);

struct cis_oci_create {
	const char *bundle;         /* its directory; NULL: the working directory */
	const char *pid_file;       /* relative to the working directory; may be NULL */
	const char *console_socket; /* gets the terminal's master; may be NULL */
	const char *pidfd_socket;   /* gets a pidfd of init; may be NULL */
	unsigned int preserve_fds;  /* 3 .. 3+n-1 are passed on, after: */
	unsigned int listen_fds;    /* as in sd_listen_fds(3); the container is told */
	uint64_t flags;
	int *ret_console;           /* a terminal without a socket: its master goes here */
	int *ret_pid;               /* host pid of init, our child; may be NULL */
	const char *config;         /* relative to the bundle; NULL: config.json */
};
#define CIS_OCI_NO_PIVOT       (1ULL << 0)
#define CIS_OCI_NO_NEW_KEYRING (1ULL << 1)
#define CIS_OCI_NOTIFY         (1ULL << 2) /* it can sd_notify(3), to: */

/*
 * Reads the bundle, makes the container, and leaves its init waiting for start(). stdin,
 * stdout and stderr of the calling process are the container's, unless it has a
 * terminal. -EEXIST: the id is taken. On failure nothing is left behind.
 */
int cis_oci_create(const struct cis_oci *rt, const char *id, const struct cis_oci_create *how,
		   size_t size, struct cis_error *err);
/*
 * A datagram socket that gets what a container made with CIS_OCI_NOTIFY tells of itself:
 * "READY=1" ... To be opened before start(). Returned: the caller's descriptor, nonblocking.
 * -ENOENT: made without.
 */
int cis_oci_notify_open(const struct cis_oci *rt, const char *id, struct cis_error *err);
/* Runs the command of a created container. */
int cis_oci_start(const struct cis_oci *rt, const char *id, struct cis_error *err);

struct cis_oci_exec {
	const char *process;        /* file with a process object; NULL: the fields below */
	char *const *argv;
	char *const *env;           /* added to the container's; may be NULL */
	const char *cwd, *user;     /* "UID[:GID]"; NULL: the container's */
	const unsigned int *groups; /* additional gids */
	size_t n_groups;
	char *const *caps;          /* added; may be NULL */
	const char *apparmor, *process_label;
	char *const *cgroups;       /* "[CONTROLLER[,CONTROLLER]:]PATH"; may be NULL */
	const char *pid_file, *console_socket, *pidfd_socket;
	unsigned int preserve_fds;
	uint64_t flags;
	int *ret_console, *ret_pid;
	unsigned short rows, cols;
};
#define CIS_OCI_EXEC_TTY           (1ULL << 0)
#define CIS_OCI_EXEC_NO_NEW_PRIVS  (1ULL << 1)
#define CIS_OCI_EXEC_IGNORE_PAUSED (1ULL << 2)
/* One more process in a running container; a child of the calling process. */
int cis_oci_exec(const struct cis_oci *rt, const char *id, const struct cis_oci_exec *how,
		 size_t size, struct cis_error *err);

/* @all: every process of the container, not only its init. */
int cis_oci_kill(const struct cis_oci *rt, const char *id, int sig, int all,
		 struct cis_error *err);
/* A stopped or created container; with @force a running one too, and none at all. */
int cis_oci_delete(const struct cis_oci *rt, const char *id, int force, struct cis_error *err);
int cis_oci_pause(const struct cis_oci *rt, const char *id, struct cis_error *err);
int cis_oci_resume(const struct cis_oci *rt, const char *id, struct cis_error *err);
/*
 * @resources: JSON text, a bare LinuxResources object; its member intelRdt, if there is one,
 * may have l3CacheSchema and memBwSchema. What it does not name stays.
 */
int cis_oci_update(const struct cis_oci *rt, const char *id, const char *resources,
		   struct cis_error *err);

/*
 * A container on disk, by the program criu, and back. Not with profile docker, with a
 * terminal, with linux.intelRdt: -EINVAL. -ENOENT: criu is not installed. Its messages are
 * dump.log and restore.log in the working directory.
 */
struct cis_oci_checkpoint {
	const char *image_path;     /* made if it is not there; NULL: "checkpoint" */
	const char *work_path;      /* for the log; NULL: the images' */
	const char *parent_path;    /* the images before, relative to the images; may be NULL */
	const char *manage_cgroups; /* soft, full, strict, ignore; NULL: soft */
	int status_fd;              /* gets a NUL when criu is ready; 0: none */
	uint64_t flags;
};
#define CIS_OCI_LEAVE_RUNNING      (1ULL << 0) /* checkpoint: it goes on */
#define CIS_OCI_PRE_DUMP           (1ULL << 1) /* checkpoint: memory alone; it goes on */
#define CIS_OCI_TCP_ESTABLISHED    (1ULL << 2)
#define CIS_OCI_TCP_SKIP_IN_FLIGHT (1ULL << 3)
#define CIS_OCI_TCP_CLOSE          (1ULL << 4)
#define CIS_OCI_EXT_UNIX_SK        (1ULL << 5)
#define CIS_OCI_SHELL_JOB          (1ULL << 6)
#define CIS_OCI_FILE_LOCKS         (1ULL << 7)
#define CIS_OCI_AUTO_DEDUP         (1ULL << 8)
#define CIS_OCI_LINK_REMAP         (1ULL << 9)
#define CIS_OCI_EMPTY_NETNS        (1ULL << 10) /* the network namespace without content */
/* Afterwards there is no container any more, unless flags say that it goes on. */
int cis_oci_checkpoint(const struct cis_oci *rt, const char *id,
		       const struct cis_oci_checkpoint *how, size_t size,
		       struct cis_error *err);

struct cis_oci_restore {
	const char *bundle, *config;    /* as in struct cis_oci_create */
	const char *image_path, *work_path;
	const char *manage_cgroups;
	const char *lsm_profile;        /* "apparmor:NAME", "selinux:LABEL"; may be NULL */
	const char *lsm_mount_context;
	const char *pid_file;
	int *ret_pid;                   /* host pid of init, our child; may be NULL */
	uint64_t flags;                 /* CIS_OCI_TCP_ESTABLISHED ... */
};
/*
 * Makes the container @id of the bundle and of the images; its command runs on, with the
 * calling process's streams in the place of pipes and files that it had from outside.
 */
int cis_oci_restore(const struct cis_oci *rt, const char *id,
		    const struct cis_oci_restore *how, size_t size, struct cis_error *err);

/* The state object of the runtime-spec; an array of them. */
int cis_oci_state_json(const struct cis_oci *rt, const char *id, char **ret,
		       struct cis_error *err);
int cis_oci_list_json(const struct cis_oci *rt, char **ret, struct cis_error *err);
/* Host pids of all its processes; *ret is one allocation. */
int cis_oci_pids(const struct cis_oci *rt, const char *id, int **ret, size_t *ret_n,
		 struct cis_error *err);
/* The data member of runc's `events --stats`. */
int cis_oci_stats_json(const struct cis_oci *rt, const char *id, char **ret,
		       struct cis_error *err);
/*
 * A live container, watched: the descriptor is readable (POLLIN) when something may have
 * happened to it. oom() is then how often it ran out of memory since it was asked last, or
 * -errno; that it has ended, cis_oci_state_json() tells, and the descriptor stays readable.
 * -ESRCH: not running.
 */
struct cis_oci_watch;
int cis_oci_watch_new(const struct cis_oci *rt, const char *id, struct cis_oci_watch **ret,
		      struct cis_error *err);
int cis_oci_watch_fd(const struct cis_oci_watch *w);
int cis_oci_watch_oom(struct cis_oci_watch *w);
void cis_oci_watch_free(struct cis_oci_watch *w);
/* The features object; a config.json to start from (@rootless: without privilege). */
int cis_oci_features_json(char **ret, struct cis_error *err);
int cis_oci_spec_json(int rootless, char **ret, struct cis_error *err);

/* ---- pools ------------------------------------------------------------- */

/*
 * Sandboxes that were brought up by hold() and wait, frozen, each for one job. A pool is a name
 * with a size and with words that say how its members are made, which mean something to
 * the program that writes them alone; each member has a process of that program that called
 * hold(), then offer(). There is no other process. Pools are in the state root: root's.
 *
 *	one member's supervisor           who has a job
 *	cis_sandbox_hold()                cis_pool_take()
 *	cis_pool_offer()                      |
 *	poll; cis_pool_accept() <-------- a connection: the job, as these two like it
 *	setters; cis_sandbox_start()
 *
 * -EINVAL: no such name can be; -ENOENT: there is no such pool.
 */
#define CIS_POOL_SIZE_MAX 1000u

/* Makes or replaces it; members are left as they are. @options ends with NULL. */
int cis_pool_save(const char *name, unsigned int size, const char *directory,
		  char *const options[], struct cis_error *err);
/* *ret_options is one allocation. */
int cis_pool_load(const char *name, unsigned int *ret_size, char ***ret_options,
		  char **ret_directory, struct cis_error *err);
/* Names; *ret is one allocation, ended by NULL. */
int cis_pool_list(char ***ret, struct cis_error *err);
/* Its members are left as they are. */
int cis_pool_remove(const char *name, struct cis_error *err);
/* A descriptor: until it is closed nobody else has it, who makes or drops members. Blocks. */
int cis_pool_lock(const char *name, struct cis_error *err);

/*
 * Text that is the same for two new handles whose sandboxes would come up alike on this host
 * now: options, contents of profiles, digest of the image, the calling program. To be asked of
 * a handle that is freed afterwards. What changes in a directory given as root file system is
 * not seen. *ret is the caller's.
 */
int cis_sandbox_likeness(struct cis_sandbox *sb, char **ret, struct cis_error *err);

/*
 * Offers a held sandbox as a member of @pool. Returns a listening descriptor, non-blocking, the
 * caller's: readable when somebody takes it.
 */
int cis_pool_offer(struct cis_sandbox *sb, const char *pool, const char *like,
		   struct cis_error *err);
/*
 * Takes the offer back. Returns a connection to who has taken it, the caller's, and closes
 * @listening; -EAGAIN: nobody has, and it stays offered; -ESRCH: a service of it has died, which
 * whoever asks is told as if it were none.
 */
int cis_pool_accept(struct cis_sandbox *sb, int listening, struct cis_error *err);
/*
 * A connection to a member of that likeness, which is nobody else's: closing it without a word
 * ends it. -EAGAIN: none is left.
 */
int cis_pool_take(const char *pool, const char *like, struct cis_error *err);

struct cis_pool_count {
	unsigned int ready; /* of the likeness that was asked for */
	unsigned int stale; /* of another */
};
int cis_pool_count(const char *pool, const char *like, struct cis_pool_count *ret, size_t size,
		   struct cis_error *err);
/* Ends the members that are not @like; NULL: all. Blocks until they are gone. */
int cis_pool_drop(const char *pool, const char *like, struct cis_error *err);

/* ---- small helpers for front ends -------------------------------------- */

/* "64M", "1.5g"; "10m", "1.5s", "500ms"; "0.5": -EINVAL, -ERANGE. */
int cis_parse_size(const char *text, uint64_t *ret_bytes);
int cis_parse_duration(const char *text, uint64_t *ret_milliseconds);
int cis_parse_cpus(const char *text, uint64_t *ret_thousandths);

/* "0.1.0" */
const char *cis_version(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
