/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `spec`: a config.json to begin with, as its readers know it from runc. */
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config.h"

static const char text[] =
	"{\"ociVersion\":\"1.3.0\","
	"\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
	"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
	"\"TERM=xterm\"],\"cwd\":\"/\",\"capabilities\":{"
	"\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
	"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],"
	"\"noNewPrivileges\":true},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
	"\"hostname\":\"cisandbox\","
	"\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
	"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\""
	"%s]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/sys\",%s},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
	"\"linux\":{%s"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},"
	"{\"type\":\"uts\"},{\"type\":\"mount\"}%s%s],"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\","
	"\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\","
	"\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
	"\"/proc/sysrq-trigger\"]}}";

static const char sysfs[] =
	"\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"nodev\","
	"\"ro\"]";
static const char sys_bound[] =
	"\"type\":\"none\",\"source\":\"/sys\",\"options\":[\"rbind\",\"nosuid\",\"noexec\","
	"\"nodev\",\"ro\"]";

/* As runc has it: on other hosts its readers add that namespace if they want it. */
static bool is_cgroup2_alone(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

int cis_oci_spec_json(int rootless, char **ret, struct cis_error *err)
{
	static const char restricted[] =
		"\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},";
	cleanup(json_freep) struct json *doc = NULL;
	char maps[256], filled[sizeof text + sizeof maps + sizeof sys_bound];
	int n, r;

	snprintf(maps, sizeof maps,
		 "\"uidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":1}],"
		 "\"gidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":1}],",
		 geteuid(), getegid());
	n = snprintf(filled, sizeof filled, text, rootless ? "" : ",\"gid=5\"",
		     rootless ? sys_bound : sysfs, rootless ? maps : restricted,
		     is_cgroup2_alone() ? ",{\"type\":\"cgroup\"}" : "",
		     rootless ? ",{\"type\":\"user\"}" : "");
	r = json_parse(filled, (size_t)n, 0, "spec", &doc, err);
	if (r < 0)
		return r;
	r = json_write(doc, JSON_PRETTY, ret);
	return r < 0 ? cis_fail(err, -r, "spec") : 0;
}
