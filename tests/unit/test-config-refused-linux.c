/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is refused of the member linux of config.json, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config-documents.h"
#include "config-parts.h"

/* ---- what is refused ------------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuse_linux),
		cmocka_unit_test(test_refuse_sysctl),
		cmocka_unit_test(test_refuse_resources),
		cmocka_unit_test(test_refuse_seccomp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
