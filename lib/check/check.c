/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this host offers, feature by feature, and what to do about the rest.
 * A feature is tried (probe.c), not looked up: a version number does not
 * know what a distribution patched, a container engine filtered or an
 * administrator switched off. Version, sysctls and the like only explain.
 *
 * "Missing" is what every `cisandbox run` needs; what one option or some programs
 * inside need is a warning. No sysctl is set and no module loaded, beyond
 * what the kernel itself loads when somebody asks for the feature.
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/fd.h"
#include "../base/io.h"
#include "../base/json.h"
#include "../base/str.h"
#include "../base/sys.h"
#include "../disk.h"
#include "../egress/pasta.h"
#include "../isolate/ids.h"
#include "../net/egress.h"
#include "../net/forwarding.h"
#include "../rootless.h"
#include "../spec.h"
#include "../state.h"

#define INOTIFY_FEW 128
#define PROBE_TMPFS (16ULL << 20)
/* The least that goes to a disk; mkfs takes other block sizes for smaller ones. */
#define PROBE_DISK (SPEC_DISK_IN_MEMORY + (1ULL << 20))

struct item {
	const char *name, *needed;
	void (*fn)(const struct host *h, struct cis_check *c);
};

/* ---- words ------------------------------------------------------------------- */

void check_found(struct cis_check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->found, sizeof c->found, fmt, ap);
	va_end(ap);
}

void check_lacks(struct cis_check *c, int result, const char *fmt, ...)
{
	va_list ap;

	c->result = result;
	va_start(ap, fmt);
	vsnprintf(c->remedy, sizeof c->remedy, fmt, ap);
	va_end(ap);
}

bool check_judge(const struct host *h, struct cis_check *c, int r, int result, const char *good,
	   const char *remedy)
{
	if (r >= 0) {
		check_found(c, "%s", good);
		return true;
	}
	check_found(c, "refused: %s", r == -ETIMEDOUT ? "no answer within 5 s" : strerror(-r));
	/* EINVAL: without privilege the id maps are too small for what was tried. */
	if (!h->root && (r == -EPERM || r == -EACCES || r == -EINVAL))
		remedy = "run as root, with the capabilities that \"privilege\" names";
	else if (r == -ENOSYS)
		remedy = "first what \"kernel\" says";
	check_lacks(c, result, "%s", remedy);
	return false;
}

static void add_word(char *list, size_t size, const char *word)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s", used ? " " : "", word);
}

/* ---- kernel and privilege ---------------------------------------------------- */

/*
 * Arguments that make sense to none of them: a call that exists says so.
 * No pointer is followed and no structure has a size.
 */
static void check_kernel(const struct host *h, struct cis_check *c)
{
	static const struct {
		const char *name;
		long number;
	} calls[] = {
		{"clone3", SYS_clone3},
		{"openat2", SYS_openat2},
		{"open_tree", SYS_open_tree},
		{"move_mount", SYS_move_mount},
		{"fsopen", SYS_fsopen},
		{"fsconfig", SYS_fsconfig},
		{"fsmount", SYS_fsmount},
		{"mount_setattr", SYS_mount_setattr},
		{"close_range", SYS_close_range},
		{"pidfd_open", SYS_pidfd_open},
		{"pidfd_send_signal", SYS_pidfd_send_signal},
	};
	char missing[sizeof c->found] = "";
	struct utsname u;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		int r = sys_ret(syscall(calls[i].number, -1, 0, 0, 0, 0));

		/* EPERM with every capability is a seccomp filter's answer. */
		if (r == -ENOSYS || (r == -EPERM && h->root))
			add_word(missing, sizeof missing, calls[i].name);
	}
	uname(&u);
	if (!missing[0]) {
		check_found(c, "Linux %.100s, all system calls there", u.release);
		return;
	}
	check_found(c, "Linux %.40s without %s", u.release, missing);
	check_lacks(c, CIS_CHECK_MISSING,
	      "Linux 5.19 or later; in a container, a seccomp profile that allows these "
	      "(docker: --security-opt seccomp=unconfined)");
}

static const cap_value_t needed_caps[] = {
	CAP_SYS_ADMIN,
	CAP_SETUID,
	CAP_SETGID,
	CAP_MKNOD,
	CAP_CHOWN,
	CAP_DAC_OVERRIDE,
	CAP_SYS_PTRACE, /* to open the namespaces of init */
	CAP_KILL,
};

static uint64_t effective_caps(void)
{
	cap_t caps = cap_get_proc();
	uint64_t set = 0;

	if (!caps)
		return 0;
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		cap_flag_value_t v = CAP_CLEAR;

		if (cap_get_flag(caps, cap, CAP_EFFECTIVE, &v) == 0 && v == CAP_SET)
			set |= 1ULL << cap;
	}
	cap_free(caps);
	return set;
}

static bool has_cap(const struct host *h, cap_value_t cap)
{
	return h->caps & 1ULL << cap;
}

/* "cap_sys_admin" */
static void add_cap(char *list, size_t size, cap_value_t cap)
{
	char *name = cap_to_name(cap);

	add_word(list, size, name ? name : "?");
	if (name)
		cap_free(name);
}

static void check_privilege(const struct host *h, struct cis_check *c)
{
	char missing[sizeof c->found] = "";

	for (size_t i = 0; i < ARRAY_SIZE(needed_caps); i++)
		if (!has_cap(h, needed_caps[i]))
			add_cap(missing, sizeof missing, needed_caps[i]);
	if (missing[0]) {
		check_found(c, "uid %u without %s", geteuid(), missing);
		check_lacks(c, CIS_CHECK_MISSING,
		      "run as root; in a container or unit, with these capabilities "
		      "(docker: --privileged)");
	} else {
		check_found(c, "uid %u with the capabilities needed%s", geteuid(),
			    h->inner ? ", of a user namespace" : "");
	}
}

static void check_rlimits(const struct host *h, struct cis_check *c)
{
	if (has_cap(h, CAP_SYS_RESOURCE) && !h->inner) {
		check_found(c, "may be raised");
		return;
	}
	check_found(c, "may only be lowered: no CAP_SYS_RESOURCE");
	check_lacks(c, CIS_CHECK_WARNING,
	      "give CAP_SYS_RESOURCE to whoever starts cisandbox, or raise the hard "
	      "limits before (ulimit, systemd's LimitNOFILE= and the like)");
}

/* ---- namespaces -------------------------------------------------------------- */

static bool sysctl_is(const char *path, uint64_t value)
{
	uint64_t v;

	return io_read_u64_at(AT_FDCWD, path, &v) == 0 && v == value;
}

static void check_userns(const struct host *h, struct cis_check *c)
{
	int r = probe_namespaces(0);
	uint64_t max = 0;

	if (r == -ENOSPC || r == -EUSERS) {
		check_judge(h, c, r, CIS_CHECK_MISSING, "",
		      "sysctl -w user.max_user_namespaces=10000 (and in /etc/sysctl.d)");
		return;
	}
	if (!check_judge(h, c, r, CIS_CHECK_MISSING, "",
		   "a kernel with CONFIG_USER_NS; in a container, a seccomp profile that "
		   "allows clone3 with CLONE_NEWUSER"))
		return;
	io_read_u64_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", &max);
	check_found(c, "made one with id maps; at most %llu", (unsigned long long)max);
}

static void check_inner_userns(const struct host *h, struct cis_check *c)
{
	int r = probe_inner_userns();

	if (check_judge(h, c, r, CIS_CHECK_WARNING, "root inside may make its own",
		  "allow nested user namespaces (sysctl user.max_user_namespaces)"))
		return;
	if (sysctl_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1))
		check_lacks(c, CIS_CHECK_WARNING,
		      "AppArmor takes the capabilities in user namespaces that others "
		      "than root make: sysctl -w "
		      "kernel.apparmor_restrict_unprivileged_userns=0, or start "
		      "cisandbox under a profile with \"userns,\"");
	else if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", 0))
		check_lacks(c, CIS_CHECK_WARNING,
		      "only the host's root may make user namespaces: sysctl -w "
		      "kernel.unprivileged_userns_clone=1");
}

static void check_namespaces(const struct host *h, struct cis_check *c)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} kinds[] = {
		{"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},
		{"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP},
	};
	char there[64] = "", missing[64] = "";
	int r, last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		r = probe_namespaces(kinds[i].flag);
		last = MIN(last, r);
		add_word(r < 0 ? missing : there, sizeof there, kinds[i].name);
	}
	r = probe_time_namespace();
	last = MIN(last, r);
	add_word(r < 0 ? missing : there, sizeof there, "time");
	if (!check_judge(h, c, last, CIS_CHECK_MISSING, "",
		   "a kernel with CONFIG_NAMESPACES and all below it, and sysctls "
		   "user.max_*_namespaces above 0"))
		check_found(c, "refused: %s (%s)", missing, strerror(-last));
	else
		check_found(c, "%s", there);
}

/* ---- file systems ------------------------------------------------------------ */

static void check_idmap(const struct host *h, struct cis_check *c)
{
	int r;

	if (h->inner) {
		check_found(c, "not needed without root: ids are one to one");
		return;
	}
	r = probe_idmap(h->data);
	if (!check_judge(h, c, r, CIS_CHECK_MISSING, "",
		   "move the images to ext4, xfs or btrfs: set CISANDBOX_ROOT, or mount "
		   "one at /var/lib/cisandbox"))
		return;
	check_found(c, "the file system of %.120s can be id-mapped", h->data);
}

static int small_tmpfs(uid_t base)
{
	const struct scratch_want want = {.bytes = PROBE_TMPFS, .base = base, .dir = -1};

	return scratch_make(CIS_DISK_TMPFS, &want, NULL);
}

static void check_overlay(const struct host *h, struct cis_check *c)
{
	cleanup_close int scratch = small_tmpfs(h->inner ? 0 : PROBE_BASE);
	int r = scratch < 0 ? scratch : probe_overlay(h->data, scratch, false);

	if (h->inner)
		check_judge(h, c, r, CIS_CHECK_MISSING, "mounted one, marked by user.overlay.*",
			    "modprobe overlay; without root, Linux 6.6 or later");
	else
		check_judge(h, c, r, CIS_CHECK_MISSING, "mounted one over an id-mapped layer",
	      "modprobe overlay; Linux 5.19 or later, and images on ext4, xfs or btrfs");
}

static void check_tmpfs(const struct host *h, struct cis_check *c)
{
	if (h->inner)
		check_found(c, "with the host's device nodes, bound");
	else
		check_judge(h, c, probe_dev(), CIS_CHECK_MISSING, "with device nodes that open",
	      "run on the host, or in a container whose device rules allow the usual "
	      "nodes (docker: --privileged)");
}

static void check_procfs(const struct host *h, struct cis_check *c)
{
	int r = probe_mount_inside("proc");

	if (check_judge(h, c, r, CIS_CHECK_MISSING, "can be mounted inside",
		  "a kernel with CONFIG_PROC_FS"))
		return;
	if (r == -EPERM && h->root) {
		check_found(c, "refused: our own /proc is partly covered, as in a container");
		check_lacks(c, CIS_CHECK_MISSING,
		      "run on the host, or with all of /proc visible and writable "
		      "(docker: --privileged, or --security-opt systempaths=unconfined)");
	}
}

static void check_mounts(const struct host *h, struct cis_check *c)
{
	static const char *const types[] = {"sysfs", "cgroup2", "tmpfs", "devpts",
					    "mqueue"};
	char missing[64] = "";
	int last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		int r = probe_mount_inside(types[i]);

		last = MIN(last, r);
		if (r < 0)
			add_word(missing, sizeof missing, types[i]);
	}
	if (!check_judge(h, c, last, CIS_CHECK_MISSING,
		   "sysfs cgroup2 tmpfs devpts mqueue can be mounted inside",
		   "a kernel with these file systems (CONFIG_POSIX_MQUEUE, CONFIG_SYSFS "
		   "...); in a container, all of /sys visible and writable"))
		check_found(c, "refused: %s (%s)", missing, strerror(-last));
}

/*
 * The whole of one: mkfs, loop device, mount, id map. 10 ms, and nameless throughout. What
 * has a name is asked for only: if we were killed it would stay.
 */
static int try_backend(const struct host *h, enum cis_disk kind, struct cis_error *err)
{
	cleanup_close int dir = disk_open_dir(err);
	const struct scratch_want want = {.bytes = PROBE_DISK, .base = PROBE_BASE, .dir = dir};
	cleanup_close int disk = -1;
	int r = dir < 0 ? dir : scratch_probe(kind, dir, err);

	if (r < 0 || scratch_is_named(kind))
		return r;
	disk = scratch_make(kind, &want, err);
	if (disk < 0)
		return disk;
	r = probe_overlay(h->data, disk, true);
	return r < 0 ? cis_fail(err, -r, "id-map it") : 0;
}

static void check_backend(const struct host *h, struct cis_check *c, enum cis_disk kind,
			  const char *good, const char *remedy)
{
	struct cis_error err = {0};
	int r = try_backend(h, kind, &err);

	if (!check_judge(h, c, r, CIS_CHECK_WARNING, good, remedy))
		check_found(c, "%s", err.message);
}

static void check_disk(const struct host *h, struct cis_check *c)
{
	if (h->inner)
		check_found(c, "in memory without root: a tmpfs of at most half of it");
	else
		check_backend(h, c, CIS_DISK_LOOP, "mounted an id-mapped ext4 on a loop device",
			      "modprobe loop; apt install e2fsprogs; in a container, give it "
			      "/dev/loop-control and /dev/loop*; the file system of the images "
			      "must be writable and know O_TMPFILE");
}

/* Nobody lacks it who has the other: it is faster, that is all. */
static void check_disk_quota(const struct host *h, struct cis_check *c)
{
	if (h->inner) {
		check_found(c, "root's to use");
		return;
	}
	check_backend(h, c, CIS_DISK_QUOTA, "project quotas are enforced there",
		      "for CISANDBOX_ROOT: XFS, or ext4 after tune2fs -O quota,project, mounted "
		      "with prjquota; a kernel with CONFIG_XFS_QUOTA or CONFIG_QFMT_V2");
}

static void check_disk_btrfs(const struct host *h, struct cis_check *c)
{
	if (h->inner) {
		check_found(c, "root's to use");
		return;
	}
	check_backend(h, c, CIS_DISK_BTRFS, "quota groups are on",
		      "a btrfs for CISANDBOX_ROOT, with btrfs quota enable --simple");
}

static void check_device(const struct host *h, struct cis_check *c, const char *path,
			 const char *remedy)
{
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : 0;

	if (check_judge(h, c, r, CIS_CHECK_WARNING, "", remedy)) {
		check_found(c, "%s opens", path);
		return;
	}
	if (r == -EACCES)
		check_lacks(c, CIS_CHECK_WARNING, "as root: chmod 666 %s, as udev does", path);
	check_found(c, "%s: %s", path, strerror(-r));
}

static void check_fuse(const struct host *h, struct cis_check *c)
{
	check_device(
		h, c, "/dev/fuse",
		"modprobe fuse; in a container, give it /dev/fuse (docker: --device)");
}

static void check_tun(const struct host *h, struct cis_check *c)
{
	check_device(
		h, c, "/dev/net/tun",
		"modprobe tun; in a container, give it /dev/net/tun (docker: --device)");
}

/* ---- what programs inside need ----------------------------------------------- */

/* What dockerd's own rules ask of iptables, and iptables of the kernel. */
static int probe_nft_compat(void)
{
	int r = probe_net(NET_COMPAT_ADDRTYPE);

	if (r >= 0)
		r = probe_net(NET_COMPAT_CONNTRACK);
	return r < 0 ? r : probe_net(NET_COMPAT_MASQUERADE);
}

static void check_nf_tables(const struct host *h, struct cis_check *c)
{
	if (!check_judge(h, c, probe_net(NET_NFT_LIST), CIS_CHECK_WARNING, "",
		   "modprobe nf_tables"))
		return;
	if (!check_judge(h, c, probe_net(NET_NFT_NAT), CIS_CHECK_WARNING, "",
		   "modprobe -a nf_nat nft_chain_nat")) {
		check_found(c, "there, but without chains for NAT");
		return;
	}
	if (!check_judge(h, c, probe_nft_compat(), CIS_CHECK_WARNING,
		   "tables, NAT chains and iptables' extensions",
		   "modprobe -a nft_compat xt_addrtype xt_conntrack xt_MASQUERADE"))
		check_found(c, "there, but iptables lacks addrtype, conntrack or MASQUERADE");
}

static void check_bridge(const struct host *h, struct cis_check *c)
{
	check_judge(h, c, probe_net(NET_MAKE_BRIDGE), CIS_CHECK_WARNING, "made one",
	      "modprobe bridge");
}

static void check_veth(const struct host *h, struct cis_check *c)
{
	check_judge(h, c, probe_net(NET_MAKE_VETH), CIS_CHECK_WARNING, "made a pair",
	      "modprobe veth");
}

static void check_seccomp(const struct host *h, struct cis_check *c)
{
	static const struct {
		const char *name;
		uint32_t action;
	} extra[] = {{"LOG", SECCOMP_RET_LOG}, {"USER_NOTIF", SECCOMP_RET_USER_NOTIF}};
	uint32_t action = SECCOMP_RET_ERRNO;
	char missing[32] = "";
	int r = probe_seccomp();

	if (r >= 0)
		r = SYS(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
	if (!check_judge(h, c, r, CIS_CHECK_MISSING, "filters; actions ERRNO LOG USER_NOTIF",
		   "a kernel with CONFIG_SECCOMP_FILTER"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(extra); i++) {
		action = extra[i].action;
		if (SYS(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
			add_word(missing, sizeof missing, extra[i].name);
	}
	if (!missing[0])
		return;
	check_found(c, "filters, but without the actions %s", missing);
	check_lacks(c, CIS_CHECK_WARNING, "a newer kernel (LOG 4.14, USER_NOTIF 5.0)");
}

/* As a start finds it out, and what it does then. */
static void check_network(const struct host *h, struct cis_check *c)
{
	struct egress_addresses a;
	struct cis_error err = {0};

	(void)h;
	if (forwarding_check(&a, &err) >= 0) {
		check_found(c, "the host forwards by IPv4%s, MTU %u", a.six ? " and IPv6" : "",
			    a.mtu);
		return;
	}
	if (pasta_is_installed() && egress_look(0, EGRESS_PASTA, &a, NULL) >= 0) {
		check_found(c, "by pasta, IPv4%s; as for a link: %s", a.six ? " and IPv6" : "",
			    err.message);
		return;
	}
	check_found(c, "%s", err.message);
	check_lacks(c, CIS_CHECK_WARNING,
		    "install " PASTA_PACKAGE " for its pasta; or have a default route, sysctl "
		    "net.ipv4.ip_forward=1, and a firewall that accepts what comes in by "
		    "cisandbox+ (cisandbox-egress(7) has the lines for docker, nft, firewalld)");
}

static void check_apparmor(const struct host *h, struct cis_check *c)
{
	cleanup_free char *enabled = NULL, *profile = NULL;
	size_t n = 0;

	(void)h;
	if (io_read_file_at(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 64,
			    &enabled, NULL) < 0 ||
	    enabled[0] != 'Y') {
		check_found(c, "not enabled");
		return;
	}
	if (io_read_file_at(AT_FDCWD, "/proc/self/attr/apparmor/current", 4096, &profile,
			    &n) < 0 &&
	    io_read_file_at(AT_FDCWD, "/proc/self/attr/current", 4096, &profile, &n) <
		    0) {
		check_found(c, "enabled");
		return;
	}
	profile[strcspn(profile, "\n")] = '\0';
	check_found(c, "enabled, we run as \"%.120s\"", profile);
	if (strstr(profile, "(enforce)"))
		check_lacks(c, CIS_CHECK_WARNING,
		      "this profile may refuse mounts and namespaces: start cisandbox "
		      "unconfined (docker: --security-opt apparmor=unconfined), or "
		      "extend it");
}

static void check_inotify(const struct host *h, struct cis_check *c)
{
	uint64_t n = 0;
	int r = io_read_u64_at(AT_FDCWD, "/proc/sys/fs/inotify/max_user_instances", &n);

	if (!check_judge(h, c, r, CIS_CHECK_WARNING, "", "a kernel with CONFIG_INOTIFY_USER"))
		return;
	check_found(c, "%llu instances for each sandbox", (unsigned long long)n);
	if (n < INOTIFY_FEW)
		check_lacks(c, CIS_CHECK_WARNING,
		      "sysctl -w fs.inotify.max_user_instances=1024 (and in "
		      "/etc/sysctl.d)");
}

/* ---- the house's own --------------------------------------------------------- */

/* The names of the ranges on loan, into the table @to. */
static unsigned int copy_lent(int to)
{
	cleanup_free char *path = NULL;
	unsigned int n = 0;
	struct dirent *e;
	DIR *dir;

	if (str_format(&path, "%s/.ids", state_root()) < 0)
		return 0;
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		cleanup_close int fd = -1;

		if (!strchr(e->d_name, '+'))
			continue;
		fd = openat(to, e->d_name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		n += fd >= 0;
	}
	if (dir)
		closedir(dir);
	return n;
}

static bool has_subuid(void)
{
	cleanup_free char *text = NULL;
	char *at;

	if (io_read_file_at(AT_FDCWD, "/etc/subuid", 1 << 20, &text, NULL) < 0)
		return false;
	at = strstr(text, "cisandbox:");
	return at && (at == text || at[-1] == '\n');
}

/*
 * Lends a range from a copy of the table, on a tmpfs that nobody sees: what
 * is in the true one could stay there if we are killed.
 */
static void check_ids(const struct host *h, struct cis_check *c)
{
	cleanup_close int table = small_tmpfs(0);
	struct cis_error err = {0};
	uint32_t base = 0;
	unsigned int lent;

	if (h->inner) {
		check_found(c, "those of our user namespace, one to one");
		return;
	}
	if (table < 0) {
		check_judge(h, c, table, CIS_CHECK_MISSING, "", "tmpfs must be mountable");
		return;
	}
	lent = copy_lent(table);
	if (ids_alloc(table, "check", PROBE_COUNT, &base, &err) < 0) {
		check_found(c, "%s", err.message);
		check_lacks(c, CIS_CHECK_MISSING,
		      "cisandbox reap; end sandboxes; or give \"cisandbox\" a larger "
		      "range in /etc/subuid and /etc/subgid that overlaps no other");
		return;
	}
	check_found(c, "%u ranges lent; the next is %u+%u, %s", lent, base, PROBE_COUNT,
	      has_subuid() ? "from /etc/subuid" : "from the default pool");
}

static void check_images(const struct host *h, struct cis_check *c)
{
	cleanup_free struct cis_image *images = NULL;
	cleanup_free char *store = NULL;
	struct cis_error err = {0};
	size_t n = 0;
	int r = 0;

	if (str_format(&store, "%s/images", state_data_root()) == 0 && check_exists(store))
		r = cis_image_list(&images, &n, &err);
	if (r < 0) {
		check_found(c, "%s", err.message);
		check_lacks(c, CIS_CHECK_WARNING, "%s, or give --rootfs",
		      h->root ? "repair the store" : "run as root");
	} else if (n == 0) {
		check_found(c, "none in %.120s", state_data_root());
		check_lacks(c, CIS_CHECK_WARNING,
		      "cisandbox image build, cisandbox image import --name NAME TAR, or "
		      "give --rootfs");
	} else {
		check_found(c, "%zu, first %.100s", n, images[0].name);
	}
}

/* Where spawn.c looks. Some of these take 0.2 s only to say their version. */
static void check_program(struct cis_check *c, const char *name)
{
	static const char *const dirs[] = {
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
		"/sbin",          "/bin",
	};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof path, "%s/%s", dirs[i], name);
		if (access(path, X_OK) == 0) {
			check_found(c, "%s", path);
			return;
		}
	}
	check_found(c, "not installed");
	check_lacks(c, CIS_CHECK_WARNING, "apt install %s", name);
}

static void check_mmdebstrap(const struct host *h, struct cis_check *c)
{
	(void)h;
	check_program(c, "mmdebstrap");
}

static void check_tar(const struct host *h, struct cis_check *c)
{
	(void)h;
	check_program(c, "tar");
}

/* What an ordinary user needs before all else; where it is there, all else was tried in it. */
static void check_rootless(const struct host *h, struct cis_check *c)
{
	struct cis_error err = {0};

	if (h->inner)
		check_found(c, "root of a user namespace");
	else if (geteuid() == 0)
		check_found(c, "not needed: this is the host's root");
	else if (rootless_look(&err) >= 0)
		check_found(c, "sub-ids, newuidmap and places are there");
	if (!err.code)
		return;
	check_found(c, "%s", err.message);
	check_lacks(c, CIS_CHECK_MISSING,
		    "what is said there, or run as root; cisandbox(1), \"WITHOUT ROOT\"");
}

/* ---- the report -------------------------------------------------------------- */

static const struct item items[] = {
	{"kernel", "everything", check_kernel},
	{"privilege", "everything", check_privilege},
	{"rootless", "everything, for users who are not root", check_rootless},
	{"userns", "everything", check_userns},
	{"namespaces", "everything", check_namespaces},
	{"idmap", "everything: images and --bind", check_idmap},
	{"overlay", "everything: the root", check_overlay},
	{"tmpfs", "everything: /dev and small disks", check_tmpfs},
	{"procfs", "everything: /proc", check_procfs},
	{"mounts", "everything: /sys, /dev and the like", check_mounts},
	{"seccomp", "everything", check_seccomp},
	{"cgroup", "everything: one group a sandbox", check_cgroup},
	{"ids", "everything: 65536 ids a sandbox", check_ids},
	{"memory", "--memory", check_memory},
	{"cpu", "--cpus", check_cpu},
	{"pids", "--pids", check_pids},
	{"io", "--io", check_io},
	{"swap", "--memory, to hold for swap too", check_swap},
	{"cgroup-kill", "ending a sandbox in one step", check_cgroup_kill},
	{"disk", "--disk above 512M, --disk-backend loop", check_disk},
	{"disk-quota", "--disk-backend quota", check_disk_quota},
	{"disk-btrfs", "--disk-backend btrfs", check_disk_btrfs},
	{"rlimits", "--ulimit above the present hard limits", check_rlimits},
	{"nf_tables", "iptables inside docker", check_nf_tables},
	{"bridge", "--docker", check_bridge},
	{"veth", "--docker", check_veth},
	{"network", "--net egress", check_network},
	{"fuse", "--vfs, and fuse-overlayfs inside", check_fuse},
	{"tun", "rootless podman and VPNs inside", check_tun},
	{"inner-userns", "rootless podman, bwrap, userns-remap inside",
	 check_inner_userns},
	{"inotify", "many file watchers inside", check_inotify},
	{"apparmor", "nothing; may refuse what others need", check_apparmor},
	{"images", "--image", check_images},
	{"mmdebstrap", "image build", check_mmdebstrap},
	{"tar", "image import", check_tar},
};

/* The store or what it would be made in: one file system, and nothing to clean up. */
static int find_data(struct host *h)
{
	int r = str_set(&h->data, state_data_root());

	while (r >= 0 && h->data[1] && !check_exists(h->data)) {
		char *slash = strrchr(h->data, '/');

		slash[slash == h->data] = '\0';
	}
	return r;
}

static int look_at_host(struct host *h)
{
	cleanup_free char *map = NULL;
	unsigned long long inside, outside, count;

	h->caps = effective_caps();
	/* The first user namespace maps every id to itself. */
	h->inner =
		io_read_file_at(AT_FDCWD, "/proc/self/uid_map", 65536, &map, NULL) == 0 &&
		(sscanf(map, "%llu %llu %llu", &inside, &outside, &count) != 3 ||
		 count != UINT32_MAX);
	h->root = !h->inner;
	for (size_t i = 0; i < ARRAY_SIZE(needed_caps); i++)
		h->root = h->root && has_cap(h, needed_caps[i]);
	h->hs_result = hierarchies_find(&h->hs, -1, 0, NULL);
	check_try_group(h);
	return find_data(h);
}

int cis_check(struct cis_check **ret, size_t *ret_n, struct cis_error *err)
{
	cleanup_free struct cis_check *list = calloc(ARRAY_SIZE(items), sizeof *list);
	struct host h = {0};

	if (!list || look_at_host(&h) < 0)
		return cis_fail(err, ENOMEM, "check");
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		snprintf(list[i].name, sizeof list[i].name, "%s", items[i].name);
		snprintf(list[i].needed, sizeof list[i].needed, "%s", items[i].needed);
		items[i].fn(&h, &list[i]);
	}
	free(h.data);
	*ret_n = ARRAY_SIZE(items);
	*ret = steal_ptr(&list);
	return 0;
}

int cis_check_json(char **ret, struct cis_error *err)
{
	static const char *const words[] = {
		[CIS_CHECK_OK] = "ok",
		[CIS_CHECK_MISSING] = "missing",
		[CIS_CHECK_WARNING] = "warning",
	};
	cleanup_free struct cis_check *list = NULL;
	cleanup(json_freep) struct json *doc = json_array_new();
	size_t n = 0;
	int r = cis_check(&list, &n, err);

	for (size_t i = 0; i < n; i++) {
		struct json *o = json_object_new();

		json_set_string(o, "name", list[i].name);
		json_set_string(o, "result", words[list[i].result]);
		json_set_string(o, "found", list[i].found);
		json_set_string(o, "needed", list[i].needed);
		json_set_string(o, "remedy", list[i].remedy);
		json_push(doc, o);
	}
	if (r < 0)
		return r;
	r = json_write(doc, JSON_PRETTY, ret);
	return r < 0 ? cis_fail(err, -r, "check") : 0;
}
