/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json as it is read: whole documents, and what single members become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/fd.h"
#include "base/str.h"
#include "config-documents.h"
#include "config-parts.h"
#include "container/config-read.h"
#include "container/config.h"

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
