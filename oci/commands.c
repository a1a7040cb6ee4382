/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs and their options: the union of what dockerd, containerd, CRI-O, podman, conmon
 * and BuildKit send and what runc lists. The manual and the completion name the same.
 */
#include <stddef.h>

#include "oci.h"

#define AT(field) offsetof(struct options, field)
#define FLAG(name, letter, field, help) {name, letter, OPT_FLAG, AT(field), NULL, help}
#define TEXT(name, letter, field, value, help) \
	{name, letter, OPT_TEXT, AT(field), value, help}
#define WORDS(name, letter, field, value, help) \
	{name, letter, OPT_WORDS, AT(field), value, help}
#define COUNT(name, letter, field, value, help) \
	{name, letter, OPT_COUNT, AT(field), value, help}
#define MAYBE(name, letter, field, value, help) \
	{name, letter, OPT_MAYBE, AT(field), value, help}
#define HELP FLAG("help", 'h', help, "print this")
#define END {0}

#define BUNDLE \
	TEXT("bundle", 'b', bundle, "DIR", "directory of the bundle (default: this one)")
#define CONFIG TEXT("config", 0, config, "FILE", "its configuration (default config.json)")
#define PID_FILE TEXT("pid-file", 0, pid_file, "FILE", "write the host pid into FILE")
#define CONSOLE_SOCKET \
	TEXT("console-socket", 0, console_socket, "SOCKET", "send its terminal there")
#define PIDFD_SOCKET \
	TEXT("pidfd-socket", 0, pidfd_socket, "SOCKET", "send a pidfd of the process there")
#define PRESERVE_FDS \
	COUNT("preserve-fds", 0, preserve_fds, "N", "pass N descriptors on, from 3 up")
#define DETACH FLAG("detach", 'd', detach, "leave the process to itself")
#define NO_SUBREAPER FLAG("no-subreaper", 0, no_subreaper, "do not become a subreaper")
#define NO_PIVOT FLAG("no-pivot", 0, no_pivot, "chroot instead of pivot_root, for a ramdisk")
#define NO_NEW_KEYRING FLAG("no-new-keyring", 0, no_new_keyring, "keep the session's keyring")

const struct opt global_opts[] = {
	TEXT("root", 0, root, "DIR", "state of containers (default /run/cisandbox-oci)"),
	TEXT("log", 0, log, "FILE", "append the error to FILE, too"),
	TEXT("log-format", 0, log_format, "text|json", "format of it there (default text)"),
	FLAG("systemd-cgroup", 0, systemd_cgroup, "cgroupsPath is SLICE:PREFIX:NAME"),
	TEXT("cgroup-manager", 0, cgroup_manager, "cgroupfs|systemd", "the same, as crun has it"),
	TEXT("profile", 0, profile, "NAME", "kind of sandbox (default: the annotation's)"),
	MAYBE("rootless", 0, rootless, "true|false|auto", "accepted, as runc has it"),
	FLAG("debug", 0, debug, "accepted, as runc has it"),
	FLAG("version", 'v', version, "print the version"),
	HELP,
	END,
};

static const struct opt none[] = {HELP, END};

static const struct opt create_opts[] = {
	BUNDLE, CONFIG, PID_FILE, CONSOLE_SOCKET, PIDFD_SOCKET, PRESERVE_FDS, NO_PIVOT,
	NO_NEW_KEYRING, HELP, END,
};

static const struct opt run_opts[] = {
	BUNDLE, CONFIG, PID_FILE, CONSOLE_SOCKET, PIDFD_SOCKET, PRESERVE_FDS, NO_PIVOT,
	NO_NEW_KEYRING, DETACH,
	FLAG("keep", 0, keep, "do not delete the container afterwards"),
	NO_SUBREAPER, HELP, END,
};

static const struct opt exec_opts[] = {
	TEXT("process", 'p', process, "FILE", "all of it from a process object"),
	PID_FILE, CONSOLE_SOCKET, PIDFD_SOCKET, PRESERVE_FDS, DETACH,
	FLAG("tty", 't', tty, "give it a terminal"),
	TEXT("cwd", 0, cwd, "DIR", "directory to start in"),
	WORDS("env", 'e', env, "K=V", "set a variable"),
	TEXT("user", 'u', user, "UID[:GID]", "user and group to run as"),
	WORDS("additional-gids", 'g', groups, "GID", "one more group"),
	WORDS("cap", 'c', caps, "CAP", "one more capability"),
	FLAG("no-new-privs", 0, no_new_privs, "set-user-id programs gain nothing"),
	TEXT("process-label", 0, process_label, "LABEL", "SELinux label"),
	TEXT("apparmor", 0, apparmor, "NAME", "AppArmor profile"),
	WORDS("cgroup", 0, cgroups, "[CTRL:]PATH", "a group below the container's"),
	FLAG("ignore-paused", 0, ignore_paused, "also in a paused container"),
	NO_SUBREAPER, HELP, END,
};

static const struct opt kill_opts[] = {
	FLAG("all", 'a', all, "to every process of the container"), HELP, END,
};

static const struct opt delete_opts[] = {
	FLAG("force", 'f', force, "a running one too, and none at all"), HELP, END,
};

static const struct opt list_opts[] = {
	TEXT("format", 'f', format, "table|json", "how to print it (default table)"),
	FLAG("quiet", 'q', quiet, "only the ids"), HELP, END,
};

static const struct opt ps_opts[] = {
	TEXT("format", 'f', format, "table|json", "how to print it (default table)"),
	HELP, END,
};

static const struct opt events_opts[] = {
	FLAG("stats", 0, stats, "print one and exit"),
	TEXT("interval", 0, interval, "DURATION", "time between two (default 5s)"), HELP, END,
};

static const struct opt spec_opts[] = {
	TEXT("bundle", 'b', bundle, "DIR", "where to write it (default: here)"),
	FLAG("rootless", 0, spec_rootless, "one that needs no privilege"), HELP, END,
};

static const struct opt update_opts[] = {
	TEXT("resources", 'r', resources, "FILE|-", "a LinuxResources object, and no others"),
	TEXT("memory", 0, memory, "SIZE", "limit of memory; -1 is none"),
	TEXT("memory-reservation", 0, memory_reservation, "SIZE", "soft limit of memory"),
	TEXT("memory-swap", 0, memory_swap, "SIZE", "limit of memory and swap; -1 is none"),
	TEXT("cpu-period", 0, cpu_period, "USEC", "period of the quota"),
	TEXT("cpu-quota", 0, cpu_quota, "USEC", "cpu time in each period; -1 is no limit"),
	TEXT("cpu-burst", 0, cpu_burst, "USEC", "time saved for peaks"),
	TEXT("cpu-share", 0, cpu_share, "N", "share among others"),
	TEXT("cpu-rt-period", 0, cpu_rt_period, "USEC", "period of real-time scheduling"),
	TEXT("cpu-rt-runtime", 0, cpu_rt_runtime, "USEC", "real-time in each period"),
	TEXT("cpu-idle", 0, cpu_idle, "0|1", "only what others leave"),
	TEXT("cpuset-cpus", 0, cpuset_cpus, "LIST", "processors to run on"),
	TEXT("cpuset-mems", 0, cpuset_mems, "LIST", "memory nodes to use"),
	TEXT("blkio-weight", 0, blkio_weight, "N", "share of disk time, 10 to 1000"),
	TEXT("pids-limit", 0, pids_limit, "N", "limit of processes; -1 is none"),
	TEXT("l3-cache-schema", 0, l3_cache, "TEXT", "share of the cache, as resctrl has it"),
	TEXT("mem-bw-schema", 0, mem_bw, "TEXT", "share of memory bandwidth, as resctrl has it"),
	HELP, END,
};

#define CRIU_OPTS \
	TEXT("image-path", 0, image_path, "DIR", "where its images are (default checkpoint)"), \
	TEXT("work-path", 0, work_path, "DIR", "where criu writes its log (default: there)"), \
	FLAG("tcp-established", 0, tcp_established, "with open TCP connections"), \
	FLAG("ext-unix-sk", 0, ext_unix_sk, "with Unix sockets that lead outside"), \
	FLAG("shell-job", 0, shell_job, "also when its session is not its own"), \
	FLAG("file-locks", 0, file_locks, "with the locks it has on files"), \
	TEXT("manage-cgroups-mode", 0, manage_cgroups, "soft|full|strict|ignore", \
	     "what becomes of control groups (default soft)"), \
	TEXT("empty-ns", 0, empty_ns, "network", "leave the content of a namespace out"), \
	FLAG("auto-dedup", 0, auto_dedup, "keep each page of memory once"), \
	FLAG("lazy-pages", 0, lazy_pages, "refused"), \
	FLAG("link-remap", 0, link_remap, "with open files that are deleted")

static const struct opt checkpoint_opts[] = {
	CRIU_OPTS,
	TEXT("parent-path", 0, parent_path, "DIR", "images before these, relative to them"),
	FLAG("leave-running", 0, leave_running, "it goes on, and is not deleted"),
	FLAG("pre-dump", 0, pre_dump, "only its memory, ahead of time; it goes on"),
	TEXT("status-fd", 0, status_fd, "FD", "write a NUL there when criu is ready"),
	TEXT("page-server", 0, page_server, "ADDRESS:PORT", "refused"),
	FLAG("tcp-skip-in-flight", 0, tcp_skip_in_flight, "without connections half made"),
	HELP, END,
};

static const struct opt restore_opts[] = {
	CRIU_OPTS, BUNDLE, CONFIG, PID_FILE,
	TEXT("console-socket", 0, console_socket, "SOCKET", "refused: no terminal comes back"),
	DETACH, NO_SUBREAPER,
	FLAG("no-pivot", 0, no_pivot, "accepted, as runc has it"),
	TEXT("lsm-profile", 0, lsm_profile, "TYPE:NAME", "another AppArmor or SELinux label"),
	TEXT("lsm-mount-context", 0, lsm_mount_context, "LABEL", "another label of mounts"),
	FLAG("tcp-close", 0, tcp_close, "TCP connections come back closed"), HELP, END,
};

#define ENGINES \
	FLAG("docker", 0, docker, "dockerd: /etc/docker/daemon.json"), \
	FLAG("containerd", 0, containerd, "containerd, for Kubernetes: config.toml"), \
	FLAG("crio", 0, crio, "CRI-O: a file in /etc/crio/crio.conf.d"), \
	FLAG("podman", 0, podman, "podman: a file in /etc/containers/containers.conf.d"), \
	TEXT("name", 0, name, "NAME", "name of the runtime there (default cisandbox)"), \
	TEXT("file", 0, file, "FILE", "another configuration file")

static const struct opt install_opts[] = {
	ENGINES,
	TEXT("path", 0, path, "BINARY", "what to register (default: this program)"),
	FLAG("default", 0, is_default, "make it the default runtime, if none is named there"),
	FLAG("dry-run", 0, dry_run, "print the file as it would become"), HELP, END,
};

static const struct opt check_opts[] = {ENGINES, HELP, END};

const struct command commands[] = {
	{"create", verb_create, "ID", "Make a container that waits for its start",
	 create_opts, 1, 1},
	{"start", verb_start, "ID", "Run the command of a created container", none, 1, 1},
	{"run", verb_run, "ID", "Create and start a container, wait, delete it",
	 run_opts, 1, 1},
	{"exec", verb_exec, "ID [COMMAND [ARG]...]", "Run one more command in a container",
	 exec_opts, 1, -1, true},
	{"kill", verb_kill, "ID [SIGNAL]", "Send a signal (default TERM)", kill_opts, 1, 2,
	 true},
	{"delete", verb_delete, "ID", "Remove a container that has ended", delete_opts, 1, 1},
	{"state", verb_state, "ID", "Print the state of a container", none, 1, 1},
	{"list", verb_list, "", "Show the containers", list_opts, 0, 0},
	{"ps", verb_ps, "ID [PS-OPTION]...", "Show the processes of a container",
	 ps_opts, 1, -1, true},
	{"pause", verb_pause, "ID", "Freeze all processes of a container", none, 1, 1},
	{"resume", verb_resume, "ID", "Thaw them", none, 1, 1},
	{"update", verb_update, "ID", "Change the limits of a container", update_opts, 1, 1},
	{"events", verb_events, "ID", "Print what a container uses and when it runs out of memory",
	 events_opts, 1, 1},
	{"spec", verb_spec, "", "Write a config.json to start from", spec_opts, 0, 0},
	{"features", verb_features, "", "Print what this runtime can do", none, 0, 0},
	{"checkpoint", verb_checkpoint, "ID", "Write a running container to disk, with criu",
	 checkpoint_opts, 1, 1},
	{"restore", verb_restore, "ID", "Make a container that runs on from there",
	 restore_opts, 1, 1},
	{"install", verb_install, "", "Register this runtime with an engine",
	 install_opts, 0, 0},
	{"check", verb_check, "", "See with which engines it is registered",
	 check_opts, 0, 0},
	{0},
};
