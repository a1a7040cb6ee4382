/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.json. So that documents can be read here, they are written with ' for ", and
 * put into a frame of what must be there anyhow.
 */
#include "container/config.h"
#include "container/config-read.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/capability.h>
#include <seccomp.h>

#include "base/compat.h"
#include "base/fd.h"
#include "config-documents.h"

#define DOC "%s"
#define TOP "{'ociVersion':'1.0.2-dev','root':{'path':'r'},%s}"
#define PROCESS "{'ociVersion':'1.0.2-dev','root':{'path':'r'}," \
		"'process':{'args':['a'],'cwd':'/',%s}}"
#define MOUNT "{'ociVersion':'1.0.2-dev','root':{'path':'r'}," \
	      "'mounts':[{'destination':'/a','type':'tmpfs',%s}]}"
#define OPTIONS "{'ociVersion':'1.0.2-dev','root':{'path':'r'}," \
		"'mounts':[{'destination':'/a','type':'tmpfs','options':[%s]}]}"
#define LINUX "{'ociVersion':'1.0.2-dev','root':{'path':'r'},'linux':{%s}}"
#define RES "{'ociVersion':'1.0.2-dev','root':{'path':'r'},'linux':{'resources':{%s}}}"
#define SECCOMP "{'ociVersion':'1.0.2-dev','root':{'path':'r'}," \
		"'linux':{'seccomp':{'defaultAction':'SCMP_ACT_ERRNO',%s}}}"

/* @text in @frame, with quotes; for the caller to free. */
static char *document(const char *frame, const char *text)
{
	const char *at = strstr(frame, DOC);
	char *doc = NULL;

	assert_non_null(at);
	assert_int_equal(str_format(&doc, "%.*s%s%s", (int)(at - frame), frame, text, at + 2),
			 0);
	for (char *p = doc; *p; p++)
		if (*p == '\'')
			*p = '"';
	return doc;
}

static void load(struct config *c, const char *frame, const char *text)
{
	cleanup_free char *doc = document(frame, text);
	struct cis_error err = {0};

	if (config_parse(c, doc, strlen(doc), &err) < 0)
		fail_msg("%s", err.message);
}

static void accept(const char *frame, const char *text)
{
	struct config c;

	load(&c, frame, text);
	config_done(&c);
}

static void refuse(const char *frame, const char *text, const char *message)
{
	cleanup_free char *doc = document(frame, text);
	struct cis_error err = {0};
	struct config c;
	unsigned line = 0, column = 0;
	int n = 0, r = config_parse(&c, doc, strlen(doc), &err);

	config_done(&c);
	if (r == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(r, -err.code);
	assert_int_equal(sscanf(err.message, "config.json:%u:%u: %n", &line, &column, &n), 2);
	assert_int_equal(line, 1);
	assert_true(column > 0 && column <= strlen(doc));
	assert_string_equal(err.message + n, message);
	r = config_parse(&c, doc, strlen(doc), NULL);
	config_done(&c);
	assert_true(r < 0);
}

/* ---- whole documents ----------------------------------------------------------------- */

static void check_process(const struct config_process *p)
{
	assert_true(p->terminal && p->no_new_privs && p->has_umask && p->has_caps);
	assert_int_equal(p->rows, 25);
	assert_int_equal(p->cols, 80);
	assert_int_equal(p->uid, 1000);
	assert_true(p->gid == UINT32_MAX);
	assert_int_equal(p->umask, 022);
	assert_int_equal(p->n_groups, 2);
	assert_int_equal(p->groups[1], 6);
	assert_int_equal(p->args.n, 3);
	assert_string_equal(p->args.v[2], "echo b\xc3\xb6x");
	assert_int_equal(p->env.n, 3);
	assert_string_equal(p->cwd, "/home");
	assert_true(p->caps[CAPS_BOUNDING] == (1ULL << 40 | 1));
	assert_true(p->caps[CAPS_EFFECTIVE] == 1ULL << CAP_KILL);
	assert_true(p->caps[CAPS_INHERITABLE] == 0);
	assert_true(p->caps[CAPS_PERMITTED] == 1ULL << CAP_NET_RAW);
	assert_true(p->caps[CAPS_AMBIENT] == 1ULL << CAP_SYS_ADMIN);
	assert_int_equal(p->n_rlimits, 2);
	assert_int_equal(p->rlimits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(p->rlimits[0].limit.rlim_cur, 512);
	assert_int_equal(p->rlimits[0].limit.rlim_max, 1024);
	assert_true(p->rlimits[1].limit.rlim_cur == RLIM_INFINITY);
	assert_string_equal(p->apparmor, "acme");
	assert_string_equal(p->selinux, "system_u:system_r:svirt_t:s0");
	assert_true(p->has_oom_score && p->oom_score == -500);
	assert_true(p->scheduler.given && p->scheduler.policy == SCHED_DEADLINE);
	assert_int_equal(p->scheduler.nice, -3);
	assert_int_equal(p->scheduler.flags, 5);
	assert_int_equal(p->scheduler.runtime, 1000000);
	assert_int_equal(p->scheduler.deadline, 2000000);
	assert_int_equal(p->scheduler.period, 3000000);
	assert_true(p->has_ioprio && p->ioprio == (2 << 13 | 4));
	assert_string_equal(p->affinity_initial, "7");
	assert_string_equal(p->affinity_final, "0-3,7");
}

static void check_mounts(const struct config *c)
{
	const struct config_mount *m = c->mounts;

	assert_int_equal(c->n_mounts, 3);
	assert_string_equal(m[0].type, "proc");
	assert_true(!m[0].bind && !m[0].data && !m[0].set);
	assert_string_equal(m[1].destination, "/dev");
	assert_string_equal(m[1].data, "mode=755,size=65536k");
	assert_true(m[1].tmpcopyup && m[1].sb_flags == MS_SYNCHRONOUS);
	assert_true(m[1].set == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME));
	assert_true(m[1].clear == MOUNT_ATTR__ATIME);
	assert_string_equal(m[2].type, "bind");
	assert_string_equal(m[2].source, "/srv");
	assert_true(m[2].bind && m[2].recursive && m[2].idmap && m[2].idmap_recursive);
	assert_true(m[2].set == MOUNT_ATTR_NODEV && m[2].rec_set == MOUNT_ATTR_RDONLY);
	assert_true(m[2].propagation == (MS_SLAVE | MS_REC));
	assert_true(m[2].n_uids == 1 && m[2].uids[0].host == 1000 && m[2].n_gids == 1);
}

static void check_resources(const struct config_resources *r)
{
	assert_int_equal(r->n_devices, 2);
	assert_true(!r->devices[0].allow && r->devices[0].type == 'a');
	assert_true(r->devices[0].major == -1 && r->devices[0].mknod);
	assert_true(r->devices[1].allow && r->devices[1].major == 10);
	assert_true(r->devices[1].minor == -1 && !r->devices[1].mknod);
	assert_true(r->devices[1].read && r->devices[1].write);
	assert_true(r->memory_limit == 536870912 && r->memory_reservation == -1);
	assert_true(r->memory_swap == 536870912 && r->memory_swappiness == 0);
	assert_true(r->memory_disable_oom_killer && r->memory_check_before_update);
	assert_true(r->cpu_shares == 1024 && r->cpu_quota == 1000000);
	assert_true(r->cpu_period == 500000 && r->has_cpu_burst && r->cpu_burst == 0);
	assert_true(r->cpu_rt_runtime == 950000 && r->cpu_rt_period == 1000000);
	assert_string_equal(r->cpus, "2-3");
	assert_string_equal(r->mems, "0-7");
	assert_true(r->cpu_idle == 1 && r->pids_limit == -1);
	assert_true(r->has_blkio_weight && r->blkio_weight == 10);
	assert_true(r->has_blkio_leaf_weight && r->blkio_leaf_weight == 20);
	assert_true(r->blkio_weights[0].value == 500 && r->blkio_weights[0].leaf == 300);
	assert_true(r->blkio_throttles[BLKIO_READ_BPS][0].value == 600);
	assert_true(r->blkio_throttles[BLKIO_WRITE_BPS][0].value == UINT64_MAX);
	assert_true(r->blkio_throttles[BLKIO_READ_IOPS][0].minor == 2);
	assert_true(r->n_blkio_throttles[BLKIO_WRITE_IOPS] == 1);
	assert_string_equal(r->hugepages[0].page_size, "2MB");
	assert_true(r->has_net_class && r->net_class == 1048577);
	assert_string_equal(r->net_priorities[0].key, "eth0");
	assert_string_equal(r->net_priorities[0].value, "500");
	assert_int_equal(r->n_rdma, 2);
	assert_true(r->rdma[0].has_handles && r->rdma[0].handles == 3);
	assert_true(!r->rdma[1].has_handles && r->rdma[1].has_objects);
	assert_int_equal(r->n_unified, 2);
	assert_string_equal(r->unified[1].key, "hugetlb.1GB.max");
}

static void check_seccomp(const struct config_seccomp *s)
{
	assert_true(s->given && s->default_action == SCMP_ACT_ERRNO(0));
	assert_true(s->has_default_errno && s->default_errno == 38);
	assert_string_equal(s->architectures.v[2], "SCMP_ARCH_LOONGARCH64");
	assert_true(s->has_flags && s->flags == (1U << 1 | 1U << 5));
	assert_string_equal(s->listener_path, "/run/agent.sock");
	assert_string_equal(s->listener_metadata, "opaque");
	assert_int_equal(s->n_rules, 2);
	assert_string_equal(s->rules[0].names.v[1], "chmod");
	assert_true(s->rules[0].has_errno && s->rules[0].errno_ret == 1);
	assert_true(s->rules[1].action == SCMP_ACT_NOTIFY && !s->rules[1].has_errno);
	assert_int_equal(s->rules[1].n_args, 2);
	assert_int_equal(s->rules[1].args[0].op, SCMP_CMP_MASKED_EQ);
	assert_int_equal(s->rules[1].args[0].value_two, 8192);
	assert_true(s->rules[1].args[1].value == UINT64_MAX);
	assert_int_equal(s->rules[1].args[1].index, 5);
}

static void check_linux(const struct config *c)
{
	assert_int_equal(c->n_namespaces, 8);
	assert_string_equal(config_namespace(c, CLONE_NEWNET)->path, "/proc/1/ns/net");
	assert_null(config_namespace(c, CLONE_NEWTIME)->path);
	assert_true(c->n_uid_map == 2 && c->uid_map[1].inside == 65536);
	assert_true(c->n_gid_map == 1 && c->gid_map[0].size == UINT32_MAX);
	assert_true(c->monotonic.given && c->monotonic.secs == 172800);
	assert_int_equal(c->monotonic.nanosecs, 999999999);
	assert_true(c->boottime.given && c->boottime.secs == -604800);
	assert_int_equal(c->n_devices, 3);
	assert_int_equal(c->devices[0].mode, S_IFCHR | 0666);
	assert_true(c->devices[0].minor == 229 && c->devices[0].gid == 2);
	assert_int_equal(c->devices[1].mode, S_IFBLK | 0666);
	assert_int_equal(c->devices[2].mode, S_IFIFO | 0600);
	assert_int_equal(c->n_net_devices, 2);
	assert_string_equal(c->net_devices[0].name, "inner0");
	assert_string_equal(c->net_devices[1].host_name, "ens4");
	assert_string_equal(c->net_devices[1].name, "ens4");
	assert_string_equal(c->cgroups_path, "/docker/abc");
	assert_true(c->rootfs_propagation == (MS_SLAVE | MS_REC));
	assert_int_equal(c->n_sysctl, 6);
	assert_string_equal(c->sysctl[0].key, "net/ipv4/ip_forward");
	assert_string_equal(c->sysctl[1].key, "net/ipv4/conf/eth0.1/forwarding");
	assert_string_equal(c->sysctl[2].key, "net/ipv4/conf/eth0.2/forwarding");
	assert_int_equal(c->masked_paths.n, 1);
	assert_int_equal(c->readonly_paths.n, 2);
	assert_non_null(c->mount_label);
	assert_true(c->has_personality && c->personality == 8);
	assert_true(c->has_mempolicy && c->mempolicy_mode == (2 | 1 << 15));
	assert_string_equal(c->mempolicy_nodes, "0-1");
	assert_true(c->has_intel_rdt && c->rdt_monitoring && c->rdt_schemata.n == 2);
	assert_string_equal(c->rdt_clos, "guaranteed");
}

static void test_maximal(void **state)
{
	struct config c;

	(void)state;
	load(&c, DOC, maximal);
	assert_string_equal(c.version, "1.3.0");
	assert_true(c.has_process && c.root_readonly);
	assert_string_equal(c.root_path, "rootfs");
	assert_string_equal(c.hostname, "box");
	assert_string_equal(c.domainname, "example.org");
	check_process(&c.process);
	check_mounts(&c);
	assert_int_equal(c.hooks[HOOK_PRESTART].v[0].timeout, 5);
	assert_string_equal(c.hooks[HOOK_PRESTART].v[0].args.v[1], "b");
	assert_string_equal(c.hooks[HOOK_PRESTART].v[0].env.v[0], "K=V");
	assert_int_equal(c.hooks[HOOK_CREATE_RUNTIME].n, 2);
	assert_string_equal(c.hooks[HOOK_CREATE_CONTAINER].v[0].path, "/c");
	assert_string_equal(c.hooks[HOOK_START_CONTAINER].v[0].path, "/d");
	assert_string_equal(c.hooks[HOOK_POSTSTART].v[0].path, "/e");
	assert_string_equal(c.hooks[HOOK_POSTSTOP].v[0].path, "/f");
	assert_string_equal(config_annotation(&c, "org.example.key"), "value");
	assert_string_equal(config_annotation(&c, "empty"), "");
	assert_null(config_annotation(&c, "none"));
	check_linux(&c);
	check_resources(&c.resources);
	check_seccomp(&c.seccomp);
	assert_non_null(json_get(c.json, "x-unknown"));
	config_done(&c);
	config_done(&c);
}

static void test_docker(void **state)
{
	struct config c;

	(void)state;
	load(&c, DOC, docker);
	assert_int_equal(c.n_mounts, 8);
	assert_string_equal(c.mounts[2].data, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	assert_true(c.mounts[3].set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
	assert_true(c.mounts[7].bind && c.mounts[7].recursive && !c.mounts[7].data);
	assert_true(c.process.has_oom_score && c.process.oom_score == 0);
	assert_true(c.resources.cpu_shares == 0 && !c.resources.has_blkio_weight);
	assert_true(c.resources.memory_limit == CONFIG_NONE && c.resources.pids_limit == 0);
	assert_true(!c.seccomp.has_flags);
	assert_null(config_namespace(&c, CLONE_NEWUSER));
	config_done(&c);
}

static void test_podman(void **state)
{
	struct config c;

	(void)state;
	load(&c, DOC, podman);
	assert_true(c.mounts[1].bind && c.mounts[1].set & MOUNT_ATTR_RDONLY);
	assert_string_equal(c.mounts[1].type, "bind");
	assert_true(c.mounts[4].propagation == (MS_PRIVATE | MS_REC));
	assert_int_equal(c.devices[0].mode, S_IFCHR | 0666);
	assert_true(c.resources.memory_swap == CONFIG_NONE);
	assert_true(c.rootfs_propagation == MS_SLAVE);
	assert_true(c.process.rlimits[1].limit.rlim_max == RLIM_INFINITY);
	assert_int_equal(c.process.caps[CAPS_INHERITABLE], 0);
	config_done(&c);
}

/* ---- what is read ---------------------------------------------------------------------- */

static void test_accepted(void **state)
{
	static const struct {
		const char *frame, *text;
	} rows[] = {
		{DOC, "{'ociVersion':'1.0.0','root':{'path':'/r'}}"},
		{DOC, "{'ociVersion':'1.0.0-rc5','root':{'path':'/r'},'linux':null}"},
		{DOC, "{'ociVersion':'1.99.1+dev','root':{'path':'/r'},'process':null}"},
		{TOP, "'hostname':'','domainname':'','mounts':[],'hooks':{},'annotations':null"},
		{TOP, "'hooks':{'prestart':null,'poststop':[]}"},
		{PROCESS, "'user':{},'env':[],'rlimits':[],'capabilities':{}"},
		{PROCESS, "'oomScoreAdj':1000"},
		{PROCESS, "'scheduler':{'policy':'SCHED_RR','priority':99}"},
		{PROCESS, "'ioPriority':{'class':'IOPRIO_CLASS_IDLE'}"},
		{PROCESS, "'execCPUAffinity':{'initial':'','final':'65535'}"},
		{PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','hard':9223372036854775808,'soft':0}]"},
		{PROCESS, "'capabilities':{'bounding':['','CAP_','cap_chown','CHOWN']}"},
		{MOUNT, "'options':null,'source':''"},
		{MOUNT, "'uidMappings':[],'gidMappings':[]"},
		{LINUX, "'uidMappings':[],'resources':null,'seccomp':null,'sysctl':{}"},
		{LINUX, "'rootfsPropagation':'','mountLabel':'','cgroupsPath':''"},
		{LINUX, "'devices':[{'type':'u','path':'/d','major':4095,'minor':1048575}]"},
		{LINUX, "'devices':[{'type':'p','path':'/d','major':-7}]"},
		{LINUX, "'namespaces':[{'type':'user','path':'/n'}]"},
		{LINUX, "'memoryPolicy':{'mode':'MPOL_PREFERRED'}"},
		{LINUX, "'memoryPolicy':{'mode':'MPOL_WEIGHTED_INTERLEAVE','nodes':'0,2'}"},
		{LINUX, "'intelRdt':{}"},
		{LINUX, "'sysctl':{'kernel.domainname':'x'},'namespaces':[{'type':'uts'}]"},
		{RES, "'memory':{'limit':9223372036854775807,'swap':-1,'swappiness':200}"},
		{RES, "'pids':{},'pids2':{'limit':'x'},'network':{'classID':null}"},
		{RES, "'pids':{'limit':-9223372036854775807}"},
		{RES, "'devices':[{'allow':true,'type':'','access':'','major':null}]"},
		{RES, "'cpu':{'shares':" INF ",'period':" INF "}"},
		{SECCOMP, "'syscalls':null,'architectures':null,'flags':[]"},
		{SECCOMP, "'syscalls':[{'names':['a'],'action':'SCMP_ACT_TRACE','errnoRet':65535,"
			  "'args':null,'comment':'','includes':{}}]"},
		{SECCOMP, "'listenerPath':'/s'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		accept(rows[i].frame, rows[i].text);
}

static void test_zero_is_none(void **state)
{
	struct config c;

	(void)state;
	load(&c, RES, "'memory':{'limit':0,'swap':0},'cpu':{'quota':0,'realtimeRuntime':0},"
		      "'blockIO':{'weight':0}");
	assert_true(c.resources.memory_limit == CONFIG_NONE);
	assert_true(c.resources.memory_reservation == CONFIG_NONE);
	assert_true(c.resources.cpu_quota == CONFIG_NONE);
	assert_true(c.resources.cpu_rt_runtime == CONFIG_NONE);
	assert_true(c.resources.pids_limit == CONFIG_NONE && c.resources.cpu_idle == CONFIG_NONE);
	assert_true(!c.resources.has_blkio_weight && !c.resources.has_cpu_burst);
	config_done(&c);
}

static void test_console(void **state)
{
	struct config c;

	(void)state;
	load(&c, PROCESS, "'consoleSize':{'height':5,'width':6}");
	assert_true(c.process.rows == 0 && c.process.cols == 0);
	config_done(&c);
}

static void test_options(void **state)
{
	static const struct {
		const char *text;
		uint64_t set, clear, rec_set, rec_clear;
		unsigned long sb_flags, propagation;
	} rows[] = {
		{"'defaults',''"},
		{"'ro'", MOUNT_ATTR_RDONLY},
		{"'ro','rw'", 0, MOUNT_ATTR_RDONLY},
		{"'rw','ro'", MOUNT_ATTR_RDONLY},
		{"'nosuid','noexec'", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC},
		{"'suid','dev','exec'", 0,
		 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC},
		{"'noatime'", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
		{"'noatime','strictatime'", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
		{"'strictatime','relatime'", 0, MOUNT_ATTR__ATIME},
		{"'noatime','atime'", 0, MOUNT_ATTR__ATIME},
		{"'strictatime','nostrictatime'", 0, MOUNT_ATTR__ATIME},
		{"'norelatime','rnorelatime'"},
		{"'nodiratime','nosymfollow'", MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW},
		{"'diratime','symfollow'", 0, MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW},
		{"'rro','rnosuid','rnodev','rnoexec','rnodiratime','rnosymfollow'",
		 .rec_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW},
		{"'rrw','rsuid','rdev','rexec','rdiratime','rsymfollow'",
		 .rec_clear = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			      MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME |
			      MOUNT_ATTR_NOSYMFOLLOW},
		{"'rnoatime'", .rec_set = MOUNT_ATTR_NOATIME, .rec_clear = MOUNT_ATTR__ATIME},
		{"'rstrictatime'", .rec_set = MOUNT_ATTR_STRICTATIME,
		 .rec_clear = MOUNT_ATTR__ATIME},
		{"'rnoatime','rrelatime'", .rec_clear = MOUNT_ATTR__ATIME},
		{"'rnoatime','ratime','rnostrictatime'", .rec_clear = MOUNT_ATTR__ATIME},
		{"'ro','rrw'", MOUNT_ATTR_RDONLY, .rec_clear = MOUNT_ATTR_RDONLY},
		{"'sync','dirsync','mand','lazytime','iversion','silent','acl'",
		 .sb_flags = MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME |
			     MS_I_VERSION | MS_SILENT | MS_POSIXACL},
		{"'sync','mand','lazytime','iversion','silent','acl','async','nomand',"
		 "'nolazytime','noiversion','loud','noacl'"},
		{"'shared'", .propagation = MS_SHARED},
		{"'rshared'", .propagation = MS_SHARED | MS_REC},
		{"'slave'", .propagation = MS_SLAVE},
		{"'private'", .propagation = MS_PRIVATE},
		{"'unbindable'", .propagation = MS_UNBINDABLE},
		{"'runbindable','rprivate'", .propagation = MS_PRIVATE | MS_REC},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config c;
		const struct config_mount *m;

		load(&c, OPTIONS, rows[i].text);
		m = c.mounts;
		if (m->set != rows[i].set || m->clear != rows[i].clear ||
		    m->rec_set != rows[i].rec_set || m->rec_clear != rows[i].rec_clear ||
		    m->sb_flags != rows[i].sb_flags || m->propagation != rows[i].propagation)
			fail_msg("%s", rows[i].text);
		assert_null(m->data);
		assert_true(!m->bind && !m->remount && !m->idmap && !m->tmpcopyup);
		config_done(&c);
	}
}

static void test_mounts(void **state)
{
	struct config c;

	(void)state;
	load(&c, TOP,
	     "'mounts':[{'destination':'a','source':'rel','options':['rbind','bind','size=1']},"
	     "{'destination':'/b','source':'/s','type':'bind'},"
	     "{'destination':'/c','options':['remount','ro']},"
	     "{'destination':'/d','type':'tmpfs','options':['idmap'],"
	     "'uidMappings':[{'containerID':0,'hostID':1,'size':1}],"
	     "'gidMappings':[{'containerID':0,'hostID':1,'size':1}]},"
	     "{'destination':'/e','type':'tmpfs','options':['a','X-mount.mkdir','b,c']}]");
	assert_string_equal(c.mounts[0].destination, "/a");
	assert_string_equal(c.mounts[0].source, "rel");
	assert_string_equal(c.mounts[0].data, "size=1");
	assert_true(c.mounts[0].bind && c.mounts[0].recursive);
	assert_true(c.mounts[1].bind && !c.mounts[1].recursive);
	assert_true(c.mounts[2].remount && !c.mounts[2].bind);
	assert_string_equal(c.mounts[2].type, "none");
	assert_true(c.mounts[3].idmap && !c.mounts[3].idmap_recursive && !c.mounts[3].bind);
	assert_string_equal(c.mounts[4].data, "a,b,c");
	config_done(&c);
	load(&c, TOP,
	     "'linux':{'namespaces':[{'type':'user','path':'/n'}]},'mounts':["
	     "{'destination':'/a','source':'/s','options':['bind','idmap']}]");
	assert_true(c.mounts[0].idmap && c.mounts[0].n_uids == 0);
	config_done(&c);
}

/* The two that are read without a document around them. */
static void test_alone(void **state)
{
	cleanup_free char *text = document(
		DOC, "{'args':['a'],'cwd':'/','rlimits':[{'type':'RLIMIT_AS','hard':" INF
		     ",'soft':1}]}");
	cleanup_free char *update = document(DOC, "{'memory':{'limit':-1},'pids':{'limit':5}}");
	cleanup(json_freep) struct json *doc = NULL, *res = NULL;
	struct cis_error err = {0};
	struct config_resources r;
	struct config_process p;

	(void)state;
	assert_int_equal(json_parse(text, strlen(text), JSON_UNSIGNED, "p", &doc, &err), 0);
	assert_int_equal(config_load_process(&p, doc, &err), 0);
	assert_true(p.rlimits[0].limit.rlim_max == RLIM_INFINITY);
	config_process_done(&p);
	assert_int_equal(json_parse(update, strlen(update), JSON_UNSIGNED, "r", &res, &err), 0);
	assert_int_equal(config_load_process(&p, res, &err), -EINVAL);
	assert_string_equal(err.message, "r:1:1: the key \"args\" is missing");
	config_process_done(&p);
	assert_int_equal(config_load_resources(&r, res, &err), 0);
	assert_true(r.memory_limit == -1 && r.pids_limit == 5 && r.memory_swap == CONFIG_NONE);
	config_resources_done(&r);
	config_resources_done(&r);
}

static void test_file(void **state)
{
	char folder[] = "/tmp/test-config-XXXXXX";
	cleanup_free char *doc = document(DOC, docker);
	cleanup_close int dir = -1, file = -1;
	struct cis_error err = {0};
	struct config c;

	(void)state;
	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(config_load(&c, dir, "config.json", &err), -ENOENT);
	assert_string_equal(err.message,
			    "bundle: read config.json: No such file or directory");
	config_done(&c);
	file = openat(dir, "config.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(file, doc, strlen(doc)), strlen(doc));
	assert_int_equal(config_load(&c, dir, "config.json", &err), 0);
	assert_int_equal(c.n_mounts, 8);
	config_done(&c);
	assert_int_equal(unlinkat(dir, "config.json", 0), 0);
	assert_int_equal(rmdir(folder), 0);
}

/* ---- what is refused ------------------------------------------------------------------- */

struct refusal {
	const char *frame, *text, *message;
};

static void refuse_all(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		refuse(rows[i].frame, rows[i].text, rows[i].message);
}

static void test_refuse_top(void **state)
{
	static const struct refusal rows[] = {
		{DOC, "[]", "expected an object, found an array"},
		{DOC, "{}", "the key \"ociVersion\" is missing"},
		{DOC, "{'ociVersion':null}", "ociVersion: expected a string, found null"},
		{DOC, "{'ociVersion':1.0}", "ociVersion: expected a string, found a number"},
		{DOC, "{'ociVersion':''}", "ociVersion: empty"},
		{DOC, "{'ociVersion':'1.0'}",
		 "ociVersion: \"1.0\" is not a version like 1.3.0"},
		{DOC, "{'ociVersion':'v1.0.0'}",
		 "ociVersion: \"v1.0.0\" is not a version like 1.3.0"},
		{DOC, "{'ociVersion':'1.0.0-'}",
		 "ociVersion: \"1.0.0-\" is not a version like 1.3.0"},
		{DOC, "{'ociVersion':'2.0.0'}",
		 "ociVersion: \"2.0.0\" is not a version that is known here (1.0.0 to 1.3.0)"},
		{DOC, "{'ociVersion':'0.9.0'}",
		 "ociVersion: \"0.9.0\" is not a version that is known here (1.0.0 to 1.3.0)"},
		{DOC, "{'ociVersion':'10.0.0'}",
		 "ociVersion: \"10.0.0\" is not a version that is known here (1.0.0 to 1.3.0)"},
		{DOC, "{'ociVersion':'1.0.0'}", "the key \"root\" is missing"},
		{DOC, "{'ociVersion':'1.0.0','root':{}}", "root: the key \"path\" is missing"},
		{DOC, "{'ociVersion':'1.0.0','root':{'path':''}}", "root.path: empty"},
		{DOC, "{'ociVersion':'1.0.0','root':{'path':'r','readonly':1}}",
		 "root.readonly: expected a boolean, found an integer"},
		{TOP, "'hostname':5", "hostname: expected a string, found an integer"},
		{TOP, "'hostname':'a'",
		 "hostname: it would be the host's: there is no uts namespace in "
		 "linux.namespaces"},
		{TOP, "'domainname':'a'",
		 "domainname: it would be the host's: there is no uts namespace in "
		 "linux.namespaces"},
		{TOP, "'hostname':'0123456789012345678901234567890123456789012345678901234567890"
		      "1234'",
		 "hostname: longer than 64 bytes"},
		{TOP, "'annotations':{'':'x'}", "annotations.: the key is empty"},
		{TOP, "'annotations':{'a':1}",
		 "annotations.a: expected a string, found an integer"},
		{TOP, "'annotations':{'a':null}",
		 "annotations.a: expected a string, found null"},
		{TOP, "'annotations':[]", "annotations: expected an object, found an array"},
		{TOP, "'hooks':[]", "hooks: expected an object, found an array"},
		{TOP, "'hooks':{'prestart':{}}",
		 "hooks.prestart: expected an array, found an object"},
		{TOP, "'hooks':{'prestart':[{}]}",
		 "hooks.prestart[0]: the key \"path\" is missing"},
		{TOP, "'hooks':{'createRuntime':[{'path':'a'}]}",
		 "hooks.createRuntime[0].path: \"a\" is not an absolute path"},
		{TOP, "'hooks':{'createContainer':[{'path':''}]}",
		 "hooks.createContainer[0].path: empty"},
		{TOP, "'hooks':{'startContainer':[{'path':'/a'},{'path':'/a','timeout':0}]}",
		 "hooks.startContainer[1].timeout: 0 is less than the minimum, 1"},
		{TOP, "'hooks':{'poststart':[{'path':'/a','args':[1]}]}",
		 "hooks.poststart[0].args[0]: expected a string, found an integer"},
		{TOP, "'hooks':{'poststop':[{'path':'/a','env':'A=B'}]}",
		 "hooks.poststop[0].env: expected an array, found a string"},
		{TOP, "'linux':[]", "linux: expected an object, found an array"},
		{TOP, "'linux':{},'linux':{}",
		 "linux: duplicate key, first at line 1, column 47"},
	};

	(void)state;
	refuse_all(rows, ARRAY_SIZE(rows));
}

static void test_refuse_process(void **state)
{
	static const struct refusal rows[] = {
		{TOP, "'process':{}", "process: the key \"args\" is missing"},
		{TOP, "'process':{'args':['a']}", "process: the key \"cwd\" is missing"},
		{TOP, "'process':{'args':[],'cwd':'/'}", "process.args: no program in it"},
		{TOP, "'process':{'args':['a'],'cwd':'a'}",
		 "process.cwd: \"a\" is not an absolute path"},
		{TOP, "'process':{'args':['a'],'cwd':''}", "process.cwd: empty"},
		{PROCESS, "'terminal':'yes'",
		 "process.terminal: expected a boolean, found a string"},
		{PROCESS, "'consoleSize':{'height':1}",
		 "process.consoleSize: the key \"width\" is missing"},
		{PROCESS, "'consoleSize':{'height':65536,'width':1}",
		 "process.consoleSize.height: 65536 is more than the maximum, 65535"},
		{PROCESS, "'user':{'uid':-1}",
		 "process.user.uid: -1 is less than the minimum, 0"},
		{PROCESS, "'user':{'gid':4294967296}",
		 "process.user.gid: 4294967296 is more than the maximum, 4294967295"},
		{PROCESS, "'user':{'uid':" INF "}",
		 "process.user.uid: " INF " is more than the maximum, 4294967295"},
		{PROCESS, "'user':{'uid':1.0}",
		 "process.user.uid: expected an integer, found a number"},
		{PROCESS, "'user':{'umask':512}",
		 "process.user.umask: 512 is more than the maximum, 511"},
		{PROCESS, "'user':{'additionalGids':[1,'a']}",
		 "process.user.additionalGids[1]: expected an integer, found a string"},
		{PROCESS, "'user':{'additionalGids':[1,null]}",
		 "process.user.additionalGids[1]: expected an integer, found null"},
		{PROCESS, "'env':['A=B','C']",
		 "process.env[1]: \"C\" is not of the form NAME=VALUE"},
		{PROCESS, "'env':['=B']",
		 "process.env[0]: \"=B\" is not of the form NAME=VALUE"},
		{PROCESS, "'capabilities':['CAP_KILL']",
		 "process.capabilities: expected an object, found an array"},
		{PROCESS, "'capabilities':{'ambient':[1]}",
		 "process.capabilities.ambient[0]: expected a string, found an integer"},
		{PROCESS, "'rlimits':[{'type':'RLIMIT_FOO','hard':1,'soft':1}]",
		 "process.rlimits[0].type: \"RLIMIT_FOO\" is not a resource limit"},
		{PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','hard':1,'soft':1},"
			  "{'type':'RLIMIT_CPU','hard':2,'soft':2}]",
		 "process.rlimits[1].type: it stands in rlimits[0] already"},
		{PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','hard':1}]",
		 "process.rlimits[0]: the key \"soft\" is missing"},
		{PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','hard':1,'soft':2}]",
		 "process.rlimits[0]: soft is above hard"},
		{PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','hard':-1,'soft':2}]",
		 "process.rlimits[0].hard: -1 is less than the minimum, 0"},
		{PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','hard':18446744073709551616,'soft':2}]",
		 "integer out of range (it must fit in 64 bits)"},
		{PROCESS, "'oomScoreAdj':1001",
		 "process.oomScoreAdj: 1001 is more than the maximum, 1000"},
		{PROCESS, "'oomScoreAdj':-1001",
		 "process.oomScoreAdj: -1001 is less than the minimum, -1000"},
		{PROCESS, "'scheduler':{}", "process.scheduler: the key \"policy\" is missing"},
		{PROCESS, "'scheduler':{'policy':'SCHED_FOO'}",
		 "process.scheduler.policy: \"SCHED_FOO\" is not a scheduling policy"},
		{PROCESS, "'scheduler':{'policy':'SCHED_OTHER','nice':20}",
		 "process.scheduler.nice: 20 is more than the maximum, 19"},
		{PROCESS, "'scheduler':{'policy':'SCHED_OTHER','priority':1}",
		 "process.scheduler.priority: only SCHED_FIFO and SCHED_RR have one"},
		{PROCESS, "'scheduler':{'policy':'SCHED_FIFO','runtime':1}",
		 "process.scheduler: runtime, deadline and period are SCHED_DEADLINE's"},
		{PROCESS, "'scheduler':{'policy':'SCHED_FIFO','flags':['SCHED_FLAG_FOO']}",
		 "process.scheduler.flags[0]: \"SCHED_FLAG_FOO\" is not a scheduling flag"},
		{PROCESS, "'ioPriority':{'class':'IOPRIO_CLASS_FOO','priority':1}",
		 "process.ioPriority.class: \"IOPRIO_CLASS_FOO\" is not a class of i/o priority"},
		{PROCESS, "'ioPriority':{'class':'IOPRIO_CLASS_RT','priority':8}",
		 "process.ioPriority.priority: 8 is more than the maximum, 7"},
		{PROCESS, "'execCPUAffinity':{'initial':'a'}",
		 "process.execCPUAffinity.initial: \"a\" is not a list like 0-3,7"},
		{PROCESS, "'execCPUAffinity':{'final':'3-1'}",
		 "process.execCPUAffinity.final: \"3-1\" is not a list like 0-3,7"},
		{PROCESS, "'execCPUAffinity':{'final':'1-'}",
		 "process.execCPUAffinity.final: \"1-\" is not a list like 0-3,7"},
		{PROCESS, "'execCPUAffinity':{'final':'0 1'}",
		 "process.execCPUAffinity.final: \"0 1\" is not a list like 0-3,7"},
		{PROCESS, "'execCPUAffinity':{'final':','}",
		 "process.execCPUAffinity.final: \",\" is not a list like 0-3,7"},
		{PROCESS, "'execCPUAffinity':{'final':'99999999999'}",
		 "process.execCPUAffinity.final: \"99999999999\" is not a list like 0-3,7"},
	};

	(void)state;
	refuse_all(rows, ARRAY_SIZE(rows));
}

#define IDMAP(a, b, n) "{'containerID':" #a ",'hostID':" #b ",'size':" #n "}"

static void test_refuse_mounts(void **state)
{
	static const struct refusal rows[] = {
		{TOP, "'mounts':{}", "mounts: expected an array, found an object"},
		{TOP, "'mounts':[null]", "mounts[0]: expected an object, found null"},
		{TOP, "'mounts':[{'type':'tmpfs'}]",
		 "mounts[0]: the key \"destination\" is missing"},
		{TOP, "'mounts':[{'type':'tmpfs','destination':''}]",
		 "mounts[0].destination: empty"},
		{TOP, "'mounts':[{'destination':'/a','options':['bind']}]",
		 "mounts[0]: a bind mount needs a source"},
		{TOP, "'mounts':[{'destination':'/a','source':'/b'}]",
		 "mounts[0]: neither a type, nor a bind mount"},
		{MOUNT, "'source':1", "mounts[0].source: expected a string, found an integer"},
		{MOUNT, "'options':'ro'", "mounts[0].options: expected an array, found a string"},
		{OPTIONS, "'ro',true",
		 "mounts[0].options[1]: expected a string, found a boolean"},
		{OPTIONS, "'idmap=uids=0-1-10'",
		 "mounts[0].options[0]: \"idmap=uids=0-1-10\" is not supported: say it as "
		 "uidMappings"},
		{OPTIONS, "'idmap'", "mounts[0]: idmap needs uidMappings, or a user namespace"},
		{OPTIONS, "'ridmap'", "mounts[0]: idmap needs uidMappings, or a user namespace"},
		{MOUNT, "'uidMappings':[" IDMAP(0, 1, 1) "]",
		 "mounts[0]: uidMappings and gidMappings go together"},
		{MOUNT, "'gidMappings':[" IDMAP(0, 1, 1) "]",
		 "mounts[0]: uidMappings and gidMappings go together"},
		{MOUNT, "'uidMappings':[" IDMAP(0, 1, 0) "]",
		 "mounts[0].uidMappings[0].size: a mapping of nothing"},
		{LINUX, "'uidMappings':[" IDMAP(0, 1, 1) "]",
		 "linux.uidMappings: there is no user namespace in linux.namespaces"},
		{LINUX, "'gidMappings':[" IDMAP(0, 1, 1) "]",
		 "linux.gidMappings: there is no user namespace in linux.namespaces"},
		{LINUX, "'namespaces':[{'type':'user'}],'uidMappings':[" IDMAP(0, 1, 1) "]",
		 "linux.namespaces: a new user namespace needs uidMappings and gidMappings"},
		{LINUX, "'uidMappings':[" IDMAP(0, 0, 0) "]",
		 "linux.uidMappings[0].size: a mapping of nothing"},
		{LINUX, "'uidMappings':[" IDMAP(0, 4294967295, 1) "]",
		 "linux.uidMappings[0]: ids beyond 4294967294"},
		{LINUX, "'gidMappings':[" IDMAP(4294967290, 0, 10) "]",
		 "linux.gidMappings[0]: ids beyond 4294967294"},
		{LINUX, "'gidMappings':[{'containerID':1,'size':4}]",
		 "linux.gidMappings[0]: the key \"hostID\" is missing"},
		{LINUX, "'gidMappings':[" IDMAP(-1, 0, 10) "]",
		 "linux.gidMappings[0].containerID: -1 is less than the minimum, 0"},
		{LINUX, "'uidMappings':[" IDMAP(0, 1000, 10) "," IDMAP(9, 2000, 1) "]",
		 "linux.uidMappings[1]: ids inside that [0] has already"},
		{LINUX, "'uidMappings':[" IDMAP(9, 2000, 1) "," IDMAP(0, 1000, 10) "]",
		 "linux.uidMappings[1]: ids inside that [0] has already"},
		{LINUX, "'uidMappings':[" IDMAP(0, 1000, 10) "," IDMAP(10, 1009, 1) "]",
		 "linux.uidMappings[1]: ids of the host that [0] has already"},
	};

	(void)state;
	refuse_all(rows, ARRAY_SIZE(rows));
}

static void test_refuse_linux(void **state)
{
	static const struct refusal rows[] = {
		{LINUX, "'namespaces':[{}]", "linux.namespaces[0]: the key \"type\" is missing"},
		{LINUX, "'namespaces':[{'type':'foo'}]",
		 "linux.namespaces[0].type: \"foo\" is not a namespace"},
		{LINUX, "'namespaces':[{'type':'mnt'}]",
		 "linux.namespaces[0].type: \"mnt\" is not a namespace"},
		{LINUX, "'namespaces':[{'type':'pid'},{'type':'ipc'},{'type':'pid'}]",
		 "linux.namespaces[2].type: it stands in namespaces[0] already"},
		{LINUX, "'namespaces':[{'type':'pid','path':'proc/1/ns/pid'}]",
		 "linux.namespaces[0].path: \"proc/1/ns/pid\" is not an absolute path"},
		{LINUX, "'timeOffsets':{'monotonic':{'secs':1}}",
		 "linux.timeOffsets: there is no time namespace in linux.namespaces"},
		{LINUX, "'timeOffsets':{'boottime':{}},'namespaces':[{'type':'time','path':'/n'}]",
		 "linux.timeOffsets: the clocks of a namespace that exists cannot be changed"},
		{LINUX, "'timeOffsets':{'realtime':{}}",
		 "linux.timeOffsets.realtime: unknown key"},
		{LINUX, "'timeOffsets':{'boottime':{'nanosecs':1000000000}}",
		 "linux.timeOffsets.boottime.nanosecs: 1000000000 is more than the maximum, "
		 "999999999"},
		{LINUX, "'devices':[{'path':'/d'}]",
		 "linux.devices[0]: the key \"type\" is missing"},
		{LINUX, "'devices':[{'path':'/d','type':'x'}]",
		 "linux.devices[0].type: \"x\" is not a type of device (c, b, u or p)"},
		{LINUX, "'devices':[{'path':'d','type':'p'}]",
		 "linux.devices[0].path: \"d\" is not an absolute path"},
		{LINUX, "'devices':[{'path':'/d','type':'c','major':1}]",
		 "linux.devices[0]: the key \"minor\" is missing"},
		{LINUX, "'devices':[{'path':'/d','type':'c','major':4096,'minor':1}]",
		 "linux.devices[0].major: 4096 is more than the maximum, 4095"},
		{LINUX, "'devices':[{'path':'/d','type':'c','major':1,'minor':-1}]",
		 "linux.devices[0].minor: -1 is less than the minimum, 0"},
		{LINUX, "'devices':[{'path':'/d','type':'p','fileMode':-1}]",
		 "linux.devices[0].fileMode: -1 is less than the minimum, 0"},
		{LINUX, "'netDevices':{'eth0':{}}",
		 "linux.netDevices: there is no network namespace in linux.namespaces"},
		{LINUX, "'netDevices':{'a/b':{}}",
		 "linux.netDevices.a/b: \"a/b\" is not the name of a network device"},
		{LINUX, "'netDevices':{'0123456789abcdef':{}}",
		 "linux.netDevices.0123456789abcdef: \"0123456789abcdef\" is not the name of a "
		 "network device"},
		{LINUX, "'netDevices':{'eth0':{'name':'eth%d'}}",
		 "linux.netDevices.eth0.name: \"eth%d\" is not the name of a network device"},
		{LINUX, "'netDevices':{'eth0':'eth1'}",
		 "linux.netDevices.eth0: expected an object, found a string"},
		{LINUX, "'cgroupsPath':1",
		 "linux.cgroupsPath: expected a string, found an integer"},
		{LINUX, "'rootfsPropagation':'public'",
		 "linux.rootfsPropagation: \"public\" is not a propagation"},
		{LINUX, "'maskedPaths':['/a','b']",
		 "linux.maskedPaths[1]: \"b\" is not an absolute path"},
		{LINUX, "'readonlyPaths':['']", "linux.readonlyPaths[0]: empty"},
		{LINUX, "'mountLabel':[]", "linux.mountLabel: expected a string, found an array"},
		{LINUX, "'personality':{}", "linux.personality: the key \"domain\" is missing"},
		{LINUX, "'personality':{'domain':'BSD'}",
		 "linux.personality.domain: \"BSD\" is not a personality"},
		{LINUX, "'personality':{'domain':'LINUX','flags':['x']}",
		 "linux.personality.flags: there are no such flags"},
		{LINUX, "'memoryPolicy':{'mode':'MPOL_FOO'}",
		 "linux.memoryPolicy.mode: \"MPOL_FOO\" is not a memory policy"},
		{LINUX, "'memoryPolicy':{'mode':'MPOL_BIND'}",
		 "linux.memoryPolicy: this policy needs nodes"},
		{LINUX, "'memoryPolicy':{'mode':'MPOL_LOCAL','nodes':'0'}",
		 "linux.memoryPolicy.nodes: this policy is not about nodes"},
		{LINUX, "'memoryPolicy':{'mode':'MPOL_BIND','nodes':'x'}",
		 "linux.memoryPolicy.nodes: \"x\" is not a list like 0-3,7"},
		{LINUX, "'memoryPolicy':{'mode':'MPOL_BIND','nodes':'0','flags':['F']}",
		 "linux.memoryPolicy.flags[0]: \"F\" is not a flag of memory policies"},
		{LINUX, "'intelRdt':{'closID':'a/b'}",
		 "linux.intelRdt.closID: \"a/b\" is not the name of a class"},
		{LINUX, "'intelRdt':{'closID':'..'}",
		 "linux.intelRdt.closID: \"..\" is not the name of a class"},
		{LINUX, "'intelRdt':{'schemata':'L3'}",
		 "linux.intelRdt.schemata: expected an array, found a string"},
	};

	(void)state;
	refuse_all(rows, ARRAY_SIZE(rows));
}

static void test_refuse_sysctl(void **state)
{
	static const struct refusal rows[] = {
		{LINUX, "'sysctl':{'net.core.somaxconn':1}",
		 "linux.sysctl.net.core.somaxconn: expected a string, found an integer"},
		{LINUX, "'sysctl':{'':'1'}", "linux.sysctl.: the key is empty"},
		{LINUX, "'sysctl':{'net.core.somaxconn':'1'}",
		 "linux.sysctl.net.core.somaxconn: it would be the host's: its namespace is not "
		 "in linux.namespaces"},
		{LINUX, "'sysctl':{'net/core/somaxconn':'1'}",
		 "linux.sysctl.net/core/somaxconn: it would be the host's: its namespace is not "
		 "in linux.namespaces"},
		{LINUX, "'sysctl':{'kernel.sem':'1'}",
		 "linux.sysctl.kernel.sem: it would be the host's: its namespace is not in "
		 "linux.namespaces"},
		{LINUX, "'sysctl':{'kernel.core_pattern':'|/x'}",
		 "linux.sysctl.kernel.core_pattern: it is the host's: no namespace has one of "
		 "its own"},
		{LINUX, "'sysctl':{'kernel.hostname':'x'},'namespaces':[{'type':'uts'}]",
		 "linux.sysctl.kernel.hostname: the member \"hostname\" is for that"},
		{LINUX, "'sysctl':{'net.//.kernel.core_pattern':'x'},"
			"'namespaces':[{'type':'network'}]",
		 "linux.sysctl.net.//.kernel.core_pattern: \"net.//.kernel.core_pattern\" is not "
		 "the name of a sysctl"},
		{LINUX, "'sysctl':{'net/../kernel/x':'x'}",
		 "linux.sysctl.net/../kernel/x: \"net/../kernel/x\" is not the name of a sysctl"},
		{LINUX, "'sysctl':{'/net/x':'x'}",
		 "linux.sysctl./net/x: \"/net/x\" is not the name of a sysctl"},
		{LINUX, "'sysctl':{'net.':'x'}",
		 "linux.sysctl.net.: \"net.\" is not the name of a sysctl"},
		{LINUX, "'sysctl':{'net/./x':'x'}",
		 "linux.sysctl.net/./x: \"net/./x\" is not the name of a sysctl"},
	};

	(void)state;
	refuse_all(rows, ARRAY_SIZE(rows));
}

static void test_refuse_resources(void **state)
{
	static const struct refusal rows[] = {
		{LINUX, "'resources':5", "linux.resources: expected an object, found an integer"},
		{RES, "'devices':[{}]",
		 "linux.resources.devices[0]: the key \"allow\" is missing"},
		{RES, "'devices':[{'allow':true,'type':'p'}]",
		 "linux.resources.devices[0].type: \"p\" is not a type of device (a, b or c)"},
		{RES, "'devices':[{'allow':true,'major':-2}]",
		 "linux.resources.devices[0].major: -2 is less than the minimum, 0"},
		{RES, "'devices':[{'allow':true,'minor':1048576}]",
		 "linux.resources.devices[0].minor: 1048576 is more than the maximum, 1048575"},
		{RES, "'devices':[{'allow':true,'access':'rx'}]",
		 "linux.resources.devices[0].access: \"rx\" is not a way of access (some of r, "
		 "w and m)"},
		{RES, "'memory':{'limit':-2}",
		 "linux.resources.memory.limit: -2 is less than the minimum, -1"},
		{RES, "'memory':{'swap':" INF "}",
		 "linux.resources.memory.swap: " INF " is more than the maximum, "
		 "9223372036854775807"},
		{RES, "'memory':{'reservation':'1G'}",
		 "linux.resources.memory.reservation: expected an integer, found a string"},
		{RES, "'memory':{'kernel':false}",
		 "linux.resources.memory.kernel: expected an integer, found a boolean"},
		{RES, "'memory':{'swappiness':201}",
		 "linux.resources.memory.swappiness: 201 is more than the maximum, 200"},
		{RES, "'memory':{'disableOOMKiller':0}",
		 "linux.resources.memory.disableOOMKiller: expected a boolean, found an "
		 "integer"},
		{RES, "'cpu':{'shares':-1}",
		 "linux.resources.cpu.shares: -1 is less than the minimum, 0"},
		{RES, "'cpu':{'quota':-2}",
		 "linux.resources.cpu.quota: -2 is less than the minimum, -1"},
		{RES, "'cpu':{'period':1.5}",
		 "linux.resources.cpu.period: expected an integer, found a number"},
		{RES, "'cpu':{'idle':2}",
		 "linux.resources.cpu.idle: 2 is more than the maximum, 1"},
		{RES, "'cpu':{'cpus':3}",
		 "linux.resources.cpu.cpus: expected a string, found an integer"},
		{RES, "'pids':{'limit':-9223372036854775808}",
		 "linux.resources.pids.limit: -9223372036854775808 is less than the minimum, "
		 "-9223372036854775807"},
		{RES, "'pids':4", "linux.resources.pids: expected an object, found an integer"},
		{RES, "'blockIO':{'weight':65536}",
		 "linux.resources.blockIO.weight: 65536 is more than the maximum, 65535"},
		{RES, "'blockIO':{'weightDevice':[{'major':8,'minor':0}]}",
		 "linux.resources.blockIO.weightDevice[0]: neither weight nor leafWeight"},
		{RES, "'blockIO':{'weightDevice':[{'major':8,'weight':1}]}",
		 "linux.resources.blockIO.weightDevice[0]: the key \"minor\" is missing"},
		{RES, "'blockIO':{'throttleReadIOPSDevice':[{'major':8,'minor':0}]}",
		 "linux.resources.blockIO.throttleReadIOPSDevice[0]: the key \"rate\" is missing"},
		{RES, "'blockIO':{'throttleWriteBpsDevice':[{'major':8,'minor':0,'rate':-1}]}",
		 "linux.resources.blockIO.throttleWriteBpsDevice[0].rate: -1 is less than the "
		 "minimum, 0"},
		{RES, "'hugepageLimits':[{'pageSize':'2mb','limit':1}]",
		 "linux.resources.hugepageLimits[0].pageSize: \"2mb\" is not a size like 64KB, "
		 "2MB or 1GB"},
		{RES, "'hugepageLimits':[{'pageSize':'../2MB','limit':1}]",
		 "linux.resources.hugepageLimits[0].pageSize: \"../2MB\" is not a size like "
		 "64KB, 2MB or 1GB"},
		{RES, "'hugepageLimits':[{'pageSize':'2MB'}]",
		 "linux.resources.hugepageLimits[0]: the key \"limit\" is missing"},
		{RES, "'network':{'classID':4294967296}",
		 "linux.resources.network.classID: 4294967296 is more than the maximum, "
		 "4294967295"},
		{RES, "'network':{'priorities':[{'name':'a b','priority':1}]}",
		 "linux.resources.network.priorities[0].name: \"a b\" is not the name of a "
		 "network device"},
		{RES, "'rdma':{'mlx5_1':{}}",
		 "linux.resources.rdma.mlx5_1: neither hcaHandles nor hcaObjects"},
		{RES, "'rdma':{'a b':{'hcaHandles':1}}",
		 "linux.resources.rdma.a b: \"a b\" is not the name of an rdma device"},
		{RES, "'rdma':{'a':{'hcaHandles':4294967296}}",
		 "linux.resources.rdma.a.hcaHandles: 4294967296 is more than the maximum, "
		 "4294967295"},
		{RES, "'unified':{'../memory.max':'1'}",
		 "linux.resources.unified.../memory.max: \"../memory.max\" is not the name of a "
		 "file in a cgroup"},
		{RES, "'unified':{'..':'1'}",
		 "linux.resources.unified...: \"..\" is not the name of a file in a cgroup"},
		{RES, "'unified':{'':'1'}", "linux.resources.unified.: the key is empty"},
		{RES, "'unified':{'memory.max':1}",
		 "linux.resources.unified.memory.max: expected a string, found an integer"},
	};

	(void)state;
	refuse_all(rows, ARRAY_SIZE(rows));
}

static void test_refuse_seccomp(void **state)
{
	static const struct refusal rows[] = {
		{LINUX, "'seccomp':{}", "linux.seccomp: the key \"defaultAction\" is missing"},
		{LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_FOO'}",
		 "linux.seccomp.defaultAction: \"SCMP_ACT_FOO\" is not an action"},
		{LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_NOTIFY'}",
		 "linux.seccomp.defaultAction: it needs a listenerPath"},
		{LINUX, "'seccomp':{'defaultAction':'SCMP_ACT_ALLOW','defaultErrnoRet':1}",
		 "linux.seccomp.defaultErrnoRet: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return a "
		 "number"},
		{SECCOMP, "'defaultErrnoRet':65536",
		 "linux.seccomp.defaultErrnoRet: 65536 is more than the maximum, 65535"},
		{SECCOMP, "'architectures':['SCMP_ARCH_Z80']",
		 "linux.seccomp.architectures[0]: \"SCMP_ARCH_Z80\" is not an architecture"},
		{SECCOMP, "'architectures':['SCMP_ARCH_X86','X86_64']",
		 "linux.seccomp.architectures[1]: \"X86_64\" is not an architecture"},
		{SECCOMP, "'flags':['SECCOMP_FILTER_FLAG_NEW_LISTENER']",
		 "linux.seccomp.flags[0]: \"SECCOMP_FILTER_FLAG_NEW_LISTENER\" is not a flag of "
		 "filters"},
		{SECCOMP, "'listenerMetadata':'x'",
		 "linux.seccomp.listenerMetadata: there is no listenerPath"},
		{SECCOMP, "'syscalls':[{'action':'SCMP_ACT_ALLOW'}]",
		 "linux.seccomp.syscalls[0]: the key \"names\" is missing"},
		{SECCOMP, "'syscalls':[{'names':[],'action':'SCMP_ACT_ALLOW'}]",
		 "linux.seccomp.syscalls[0].names: no system call in it"},
		{SECCOMP, "'syscalls':[{'names':[''],'action':'SCMP_ACT_ALLOW'}]",
		 "linux.seccomp.syscalls[0].names[0]: empty"},
		{SECCOMP, "'syscalls':[{'names':['a']}]",
		 "linux.seccomp.syscalls[0]: the key \"action\" is missing"},
		{SECCOMP, "'syscalls':[{'names':['a'],'action':'ALLOW'}]",
		 "linux.seccomp.syscalls[0].action: \"ALLOW\" is not an action"},
		{SECCOMP, "'syscalls':[{'names':['a'],'action':'SCMP_ACT_NOTIFY'}]",
		 "linux.seccomp.syscalls[0].action: it needs a listenerPath"},
		{SECCOMP, "'syscalls':[{'names':['a'],'action':'SCMP_ACT_KILL','errnoRet':1}]",
		 "linux.seccomp.syscalls[0].errnoRet: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE "
		 "return a number"},
		{SECCOMP, "'syscalls':[{'names':['a'],'action':'SCMP_ACT_LOG','args':[{}]}]",
		 "linux.seccomp.syscalls[0].args[0]: the key \"index\" is missing"},
		{SECCOMP, "'syscalls':[{'names':['a'],'action':'SCMP_ACT_LOG','args':["
			  "{'index':6,'value':1,'op':'SCMP_CMP_EQ'}]}]",
		 "linux.seccomp.syscalls[0].args[0].index: 6 is more than the maximum, 5"},
		{SECCOMP, "'syscalls':[{'names':['a'],'action':'SCMP_ACT_LOG','args':["
			  "{'index':0,'value':-1,'op':'SCMP_CMP_EQ'}]}]",
		 "linux.seccomp.syscalls[0].args[0].value: -1 is less than the minimum, 0"},
		{SECCOMP, "'syscalls':[{'names':['a'],'action':'SCMP_ACT_LOG','args':["
			  "{'index':0,'value':1,'op':'EQ'}]}]",
		 "linux.seccomp.syscalls[0].args[0].op: \"EQ\" is not an operator"},
	};
	char path[140] = "'listenerPath':'/";

	(void)state;
	refuse_all(rows, ARRAY_SIZE(rows));
	memset(path + strlen(path), 'x', 110);
	strcat(path, "'");
	refuse(SECCOMP, path,
	       "linux.seccomp.listenerPath: longer than a socket's name may be");
}

/* Terminals and logs get to see what is wrong, not what it would do to them. */
static void test_messages(void **state)
{
	static const char text[] =
		"{'ociVersion':'1.0.0','root':{'path':'r'},\n'linux':{\n"
		" 'namespaces':[{'type':'pid'},\n  {'type' : 'x\\u001b[2J\\n\xc3\xbc"
		"01234567890123456789012345678901234567890123456789012345'}]}}";
	cleanup_free char *doc = document(DOC, text);
	struct cis_error err = {0};
	struct config c;

	(void)state;
	assert_int_equal(config_parse(&c, doc, strlen(doc), &err), -EINVAL);
	assert_string_equal(err.message,
			    "config.json:4:13: linux.namespaces[1].type: \"x?[2J???01234567890"
			    "12345678901234567890123456789012345678901...\" is not a namespace");
	config_done(&c);
}

/* ---- anything at all -------------------------------------------------------------------- */

static int try_text(const char *text, size_t len)
{
	/* From the heap, exactly as long: the sanitizer sees what is read too far. */
	cleanup_free char *copy = malloc(len ? len : 1);
	struct cis_error err = {0};
	struct config c;
	int r;

	assert_non_null(copy);
	memcpy(copy, text, len);
	r = config_parse(&c, copy, len, &err);
	config_done(&c);
	assert_true(r <= 0);
	assert_int_equal(err.code, -r);
	assert_true(r == 0 || str_starts(err.message, "config.json"));
	assert_null(strchr(err.message, '\n'));
	return r;
}

static void test_truncated(void **state)
{
	cleanup_free char *doc = document(DOC, maximal);
	size_t len = strlen(doc);

	(void)state;
	for (size_t i = 0; i < len; i++)
		assert_true(try_text(doc, i) < 0);
	assert_int_equal(try_text(doc, len), 0);
}

static void test_mutated(void **state)
{
	static const char bytes[] = "\0\"\\{}[],:-09.x/ \xff";
	cleanup_free char *doc = document(DOC, maximal);
	size_t len = strlen(doc);

	(void)state;
	/* 3 and the number of bytes have no common divisor: in the end all of both met. */
	for (size_t i = 0; i < len; i++) {
		char old = doc[i];

		for (size_t b = i % 3; b < sizeof bytes - 1; b += 3) {
			doc[i] = bytes[b];
			try_text(doc, len);
		}
		doc[i] = old;
	}
}

/* Every value in turn replaced by one of each kind, the document staying JSON. */
static void replace_each(struct json *root, struct json *v)
{
	struct json other[] = {
		{.type = JSON_NULL},
		{.type = JSON_BOOL, .boolean = true},
		{.type = JSON_INT, .integer = -1},
		{.type = JSON_INT, .integer = INT64_MIN},
		{.type = JSON_INT, .integer = INT64_MAX},
		{.type = JSON_INT, .integer = 0},
		{.type = JSON_NUMBER, .string = (char *)INF},
		{.type = JSON_NUMBER, .string = (char *)"1e3"},
		{.type = JSON_STRING, .string = (char *)"", .n = 0},
		{.type = JSON_STRING, .string = (char *)"/", .n = 1},
		{.type = JSON_ARRAY},
		{.type = JSON_OBJECT},
	};
	struct json old = *v;

	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		cleanup_free char *text = NULL;

		v->type = other[i].type;
		v->integer = other[i].integer;
		v->string = other[i].string;
		v->n = other[i].n;
		v->first = v->last = NULL;
		assert_int_equal(json_write(root, 0, &text), 0);
		*v = old;
		try_text(text, strlen(text));
	}
	for (struct json *it = v->first; it; it = it->next)
		replace_each(root, it);
}

static void test_replaced(void **state)
{
	cleanup_free char *doc = document(DOC, maximal);
	cleanup(json_freep) struct json *v = NULL;

	(void)state;
	assert_int_equal(json_parse(doc, strlen(doc), JSON_UNSIGNED, "x", &v, NULL), 0);
	replace_each(v, v);
}

/* As many as a document can have, of what is compared with each other. */
static void test_many(void **state)
{
	static const struct {
		const char *member, *item;
	} rows[] = {
		{"'uidMappings':[", IDMAP(0, 0, 1)},
		{"'namespaces':[", "{'type':'pid'}"},
		{"'devices':[", "{'type':'p','path':'/d'}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t step = strlen(rows[i].item) + 1, n = 24000;
		cleanup_free char *text = malloc(strlen(rows[i].member) + n * step + 2);
		cleanup_free char *doc = NULL;
		char *end = stpcpy(text, rows[i].member);

		for (size_t k = 0; k < n; k++)
			end = stpcpy(stpcpy(end, k ? "," : ""), rows[i].item);
		strcpy(end, "]");
		doc = document(LINUX, text);
		assert_int_equal(try_text(doc, strlen(doc)), i == 2 ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maximal),
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_podman),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_zero_is_none),
		cmocka_unit_test(test_console),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_refuse_top),
		cmocka_unit_test(test_refuse_process),
		cmocka_unit_test(test_refuse_mounts),
		cmocka_unit_test(test_refuse_linux),
		cmocka_unit_test(test_refuse_sysctl),
		cmocka_unit_test(test_refuse_resources),
		cmocka_unit_test(test_refuse_seccomp),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
