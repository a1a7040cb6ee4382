/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is refused of config.json, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "config-documents.h"
#include "config-parts.h"
#include "container/config-read.h"
#include "container/config.h"

/* ---- what is refused ------------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuse_top),
		cmocka_unit_test(test_refuse_process),
		cmocka_unit_test(test_refuse_mounts),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
