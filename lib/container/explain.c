/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failures of a container's processes as sentences. Engines tell "not found" from "not
 * executable" by words, lower case only, that are Go's or runc's: they are kept.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "box.h"

static const char *go_error(int errnum, char buf[static 128])
{
	snprintf(buf, 128, "%s", strerror(errnum));
	buf[0] = (char)tolower((unsigned char)buf[0]);
	return buf;
}

int box_error(int r, struct cis_error *err)
{
	const char *text;
	size_t n, len;

	if (r >= 0 || !err || !err->code)
		return r;
	text = strerror(err->code);
	n = strlen(text);
	len = strlen(err->message);
	if (len > n && strcmp(err->message + len - n, text) == 0)
		err->message[len - n] = (char)tolower((unsigned char)err->message[len - n]);
	return r;
}

static int explain_find(const struct config_process *p, int errnum, struct cis_error *err)
{
	const char *name = p->args.v[0];
	char buf[128];

	if (errnum == ENOENT && !strchr(name, '/'))
		return cis_fail_plain(err, errnum,
				      "exec: \"%s\": executable file not found in $PATH", name);
	if (errnum == ENOENT || errnum == ENOTDIR)
		return cis_fail_plain(err, errnum, "exec: \"%s\": stat %s: %s", name, name,
				      go_error(errnum, buf));
	/* Docker up to 20.10 knows only the second word of it, later ones both. */
	if (errnum == EISDIR)
		return cis_fail_plain(err, errnum,
				      "exec: \"%s\": is a directory: permission denied", name);
	return cis_fail_plain(err, errnum, "exec: \"%s\": %s", name, go_error(errnum, buf));
}

static int explain_mount(const struct config_mount *m, int errnum, struct cis_error *err)
{
	const char *hint = "";
	char buf[128];

	if (errnum == ENODEV)
		hint = " (the kernel has no such file system)";
	else if (errnum == EPERM && (strcmp(m->type, "sysfs") == 0))
		hint = " (the network namespace belongs to another user namespace)";
	else if (errnum == ELOOP)
		hint = " (it must be mounted on ordinary directory, not on a link)";
	return cis_fail_plain(err, errnum, "error mounting \"%s\" to rootfs at \"%s\": %s%s",
			      m->source ? m->source : m->type, m->destination,
			      go_error(errnum, buf), hint);
}

static const char *const plain[STEP_COUNT] = {
	[STEP_JOIN_CGROUP] = "join the control groups",
	[STEP_JOIN_RDT] = "join the class of linux.intelRdt",
	[STEP_UNSHARE] = "make namespaces",
	[STEP_OFFSETS] = "set linux.timeOffsets",
	[STEP_LO_UP] = "set the link lo up",
	[STEP_GATE] = "show the network namespace",
	[STEP_RLIMIT] = "set process.rlimits",
	[STEP_BECOME_ROOT] = "become root of the user namespace",
	[STEP_SPAWN] = "clone init",
	[STEP_KEYRING] = "join a session keyring (--no-new-keyring leaves it)",
	[STEP_ROOT] = "attach the root file system",
	[STEP_COVER] = "attach the virtual files (annotation io.cisandbox.vfs=off does without)",
	[STEP_UNITS] = "tell systemd which units cannot work",
	[STEP_DEVICE] = "make a device",
	[STEP_DEV_LINK] = "make the links of /dev",
	[STEP_CWD_MAKE] = "make process.cwd",
	[STEP_ROOT_READONLY] = "make the root file system read-only",
	[STEP_PIVOT] = "pivot_root (--no-pivot in an initramfs)",
	[STEP_PROPAGATION] = "set linux.rootfsPropagation",
	[STEP_HOSTNAME] = "set hostname",
	[STEP_DOMAINNAME] = "set domainname",
	[STEP_CONSOLE] = "open the console (is there a devpts at /dev/pts?)",
	[STEP_STREAMS] = "open the streams",
	[STEP_SCHEDULER] = "set process.scheduler",
	[STEP_IOPRIO] = "set process.ioPriority",
	[STEP_AFFINITY] = "set process.execCPUAffinity",
	[STEP_MEMPOLICY] = "set linux.memoryPolicy",
	[STEP_PERSONALITY] = "set linux.personality",
	[STEP_OOM_SCORE] = "set process.oomScoreAdj",
	[STEP_LABEL] = "write `/proc/self/attr/exec`",
	[STEP_NO_NEW_PRIVS] = "set no_new_privs",
	[STEP_SECCOMP] = "install the seccomp filter",
	[STEP_CAPS] = "set process.capabilities",
	[STEP_IDS] = "change to process.user",
};

static int explain_item(const struct config *c, const struct config_process *p, unsigned step,
			int item, const char *why, int errnum, struct cis_error *err)
{
	size_t i = (size_t)item;

	switch (step) {
	case STEP_JOIN:
		return cis_fail_plain(err, errnum, "join namespace %s: %s",
				      i < c->n_namespaces ? c->namespaces[i].path : "?", why);
	case STEP_READONLY:
		return cis_fail_plain(err, errnum, "make %s read-only: %s",
				      i < c->readonly_paths.n ? c->readonly_paths.v[i] : "?", why);
	case STEP_MASK:
		return cis_fail_plain(err, errnum, "mask %s: %s",
				      i < c->masked_paths.n ? c->masked_paths.v[i] : "?", why);
	case STEP_SYSCTL:
		return cis_fail_plain(err, errnum, "set sysctl %s: %s",
				      i < c->n_sysctl ? c->sysctl[i].key : "?", why);
	case STEP_START_HOOK:
		return cis_fail_plain(err, errnum, "error running startContainer hook #%zu: %s: %s",
				      i, i < c->hooks[HOOK_START_CONTAINER].n
					      ? c->hooks[HOOK_START_CONTAINER].v[i].path
					      : "?",
				      why);
	case STEP_CWD:
		return cis_fail_plain(err, errnum,
				      "chdir to cwd (\"%s\") set in config.json failed: %s",
				      p->cwd, why);
	case STEP_SCHEDULER:
		return cis_fail_plain(err, errnum, "%s: %s%s", plain[step], why,
				      errnum == EPERM && c->resources.cpus
					      ? " (a process scheduler can't be used together "
						"with AllowedCPUs: linux.resources.cpu.cpus)"
					      : "");
	default:
		return cis_fail_plain(err, errnum, "%s: %s",
				      step < STEP_COUNT && plain[step] ? plain[step] : "?", why);
	}
}

int box_explain(const struct config *c, const struct config_process *p,
		const struct sync_msg *m, struct cis_error *err)
{
	char buf[128];
	int r;

	if (m->kind != BOX_FAILED)
		return cis_fail_plain(err, EPROTO, "unexpected record %u", m->kind);
	if (err && (m->index == STEP_FIND || m->index == STEP_EXEC))
		err->stage = CIS_STAGE_EXEC;
	if (m->index == STEP_FIND)
		return explain_find(p, m->value, err);
	/* It is there: what is not may be the interpreter that it names. */
	if (m->index == STEP_EXEC)
		return cis_fail_plain(err, m->value, "exec %s: %s", p->args.v[0],
				      go_error(m->value, buf));
	if (m->index == STEP_MOUNT && (size_t)m->status < c->n_mounts)
		return explain_mount(&c->mounts[m->status], m->value, err);
	r = explain_item(c, p, m->index, m->status, go_error(m->value, buf), m->value, err);
	if (m->value == ENOMEM)
		cis_hint(err, "memory limit too low?");
	return r;
}
