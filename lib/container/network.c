/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "../isolate/ids.h"
#include "../isolate/procfd.h"
#include "../state.h"
#include "profile.h"

#define JOURNAL "gate"
#define OWNER_HINT "a sandbox needs its own (for pods: hostUsers: false)"

void network_init(struct network *n)
{
	*n = (struct network){.gate = -1, .userns = -1};
}

void network_done(struct network *n)
{
	fd_close(n->gate);
	fd_close(n->userns);
	free(n->path);
	network_init(n);
}

/* ---- whose it is ----------------------------------------------------------------------- */

static bool is_same(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static bool is_hosts(int ns, const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	if (is_same(ns, path))
		return true;
	snprintf(path, sizeof path, "/proc/1/ns/%s", name);
	return is_same(ns, path);
}

static const struct {
	int flag;
	const char *name;
} kinds[] = {{CLONE_NEWNET, "net"}, {CLONE_NEWIPC, "ipc"}, {CLONE_NEWUTS, "uts"},
	     {CLONE_NEWPID, "pid"}};

static struct config_namespace *given(struct config *c, int flag)
{
	for (size_t i = 0; i < c->n_namespaces; i++)
		if (c->namespaces[i].flag == flag && c->namespaces[i].path)
			return &c->namespaces[i];
	return NULL;
}

static int open_given(const struct config_namespace *ns, struct cis_error *err)
{
	int fd = open(ns->path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? cis_fail(err, errno, "namespace %s", ns->path) : fd;
}

/* The user namespace that owns it: -EPERM when that is above ours. */
static int open_owner(int ns)
{
	return SYS(ioctl, ns, NS_GET_USERNS);
}

static bool owned_by(int ns, const char *userns)
{
	cleanup_close int owner = open_owner(ns);

	return owner >= 0 && is_same(owner, userns);
}

/*
 * The ids of the sandbox that owns @ns: its user namespace is a child of ours and belongs
 * to the host id of its root, which is the first of a range that is lent. 0: no sandbox,
 * or one whose ids are the engine's.
 */
static uint32_t sandbox_of(int ns, int *ret_userns)
{
	cleanup_close int owner = open_owner(ns), parent = -1, ids = -1;
	uid_t uid = 0;

	if (owner >= 0)
		parent = SYS(ioctl, owner, NS_GET_PARENT);
	if (parent < 0 || !is_same(parent, "/proc/self/ns/user") ||
	    SYS(ioctl, owner, NS_GET_OWNER_UID, &uid) < 0)
		return 0;
	ids = state_open_ids(NULL);
	if (ids < 0 || !ids_are_lent(ids, uid, PROFILE_IDS))
		return 0;
	*ret_userns = steal_fd(&owner);
	return uid;
}

/* ---- sharing a sandbox's ------------------------------------------------------------------ */

static const char *pod_says(const struct config *c, const char *const keys[2])
{
	const char *value = config_annotation(c, keys[0]);

	return value ? value : config_annotation(c, keys[1]);
}

static bool pod_type_is(const struct config *c, const char *type)
{
	static const char *const keys[] = {"io.kubernetes.cri.container-type",
					   "io.kubernetes.cri-o.ContainerType"};
	const char *value = pod_says(c, keys);

	return value && strcmp(value, type) == 0;
}

/* Instead of what was given: CRI-O makes a pod's namespaces itself, as the host's. */
static int redirect(struct config *c, pid_t init)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r >= 0; i++) {
		struct config_namespace *ns = given(c, kinds[i].flag);
		char path[64];

		snprintf(path, sizeof path, "/proc/%d/ns/%s", init, kinds[i].name);
		if (ns && kinds[i].flag != CLONE_NEWPID)
			r = str_set(&ns->path, path);
	}
	return r;
}

/* 1: joined the pod's sandbox, as the annotations name it. */
static int join_pod(struct network *n, struct config *c, const struct cis_oci *rt,
		    struct cis_error *err)
{
	static const char *const keys[] = {"io.kubernetes.cri.sandbox-id",
					   "io.kubernetes.cri-o.SandboxID"};
	const char *id = pod_says(c, keys);
	cleanup(container_done) struct container pod;
	cleanup_close int pidfd = -1;
	char path[64];
	int r;

	container_init(&pod);
	if (!id || !pod_type_is(c, "container"))
		return 0;
	r = container_open(&pod, rt, id, false, err);
	if (r < 0)
		return cis_wrap(err, r, "sandbox of the pod");
	/* A pod whose sandbox is plain: its namespaces are like any other's. */
	if (!pod.sandbox_root)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/ns/user", pod.init);
	n->userns = open(path, O_RDONLY | O_CLOEXEC);
	r = redirect(c, pod.init);
	/* Only now is it sure that what was opened is that process's. */
	pidfd = container_pidfd(&pod);
	if (n->userns < 0 || pidfd < 0)
		return cis_fail_plain(err, ESRCH, "sandbox %s of the pod has ended", id);
	n->base = pod.sandbox_root;
	return r < 0 ? cis_fail(err, -r, "profile docker") : 1;
}

/* 1: joined the sandbox that owns the given network namespace. */
static int join_owner(struct network *n, int net)
{
	n->base = sandbox_of(net, &n->userns);
	return n->base > 0;
}

static int add_userns(struct network *n, struct config *c)
{
	struct config_namespace *bigger =
		reallocarray(c->namespaces, c->n_namespaces + 1, sizeof *bigger);
	struct config_namespace ns = {.flag = CLONE_NEWUSER};

	if (!bigger)
		return -ENOMEM;
	c->namespaces = bigger;
	if (str_format(&ns.path, "/proc/self/fd/%d", n->userns) < 0)
		return -ENOMEM;
	c->namespaces[c->n_namespaces++] = ns;
	return 0;
}

/* ---- all that is given ----------------------------------------------------------------------- */

static int lock_gate(struct network *n, const char *path, struct cis_error *err)
{
	cleanup_close int procfd = procfd_open();

	if (procfd < 0)
		return cis_fail(err, -procfd, "open procfs");
	/* Until its table is made, or we are dead. */
	if (flock(n->gate, LOCK_EX) < 0)
		return cis_fail(err, errno, "lock the network namespace %s", path);
	return gate_look(n->gate, procfd, &n->facts, err);
}

static int use_as_gate(struct network *n, struct config_namespace *ns, int net,
		       struct cis_error *err)
{
	int r;

	n->gate = fcntl(net, F_DUPFD_CLOEXEC, 3);
	r = n->gate < 0 ? cis_fail(err, errno, "network namespace %s", ns->path)
			: lock_gate(n, ns->path, err);
	n->path = ns->path;
	ns->path = NULL; /* it gets a new one */
	return r;
}

static int wants_direct(const struct config *c, bool *ret, struct cis_error *err)
{
	const char *value = config_annotation(c, NETWORK_ANNOTATION);

	*ret = value && strcmp(value, "direct") == 0;
	if (value && !*ret && strcmp(value, "gate") != 0)
		return cis_fail_plain(err, EINVAL,
				      "annotation " NETWORK_ANNOTATION ": \"%s\" is neither "
				      "\"gate\" nor \"direct\"", value);
	return 0;
}

static int refuse(const struct config_namespace *ns, const char *name, struct cis_error *err)
{
	return cis_fail_plain(err, EPERM,
			      "the %s namespace %s belongs to another user namespace: " OWNER_HINT,
			      name, ns->path);
}

/* Without a user namespace in the config: of ipc, uts and pid. */
static int decide_rest(const struct network *n, struct config *c, struct cis_error *err)
{
	for (size_t i = 1; i < ARRAY_SIZE(kinds); i++) {
		struct config_namespace *ns = given(c, kinds[i].flag);
		cleanup_close int fd = ns ? open_given(ns, err) : -1;
		char userns[64];

		if (!ns)
			continue;
		if (fd < 0)
			return fd;
		snprintf(userns, sizeof userns, "/proc/self/fd/%d", n->userns);
		if (n->base && owned_by(fd, userns))
			continue;
		if (is_hosts(fd, kinds[i].name))
			return cis_fail_plain(err, EPERM,
					      "a sandbox does not share the host's %s namespace",
					      kinds[i].name);
		if (n->base || !pod_type_is(c, "sandbox") || kinds[i].flag == CLONE_NEWPID)
			return refuse(ns, kinds[i].name, err);
		free(ns->path);
		ns->path = NULL;
	}
	return 0;
}

static int decide_network(struct network *n, struct config *c, const char *userns,
			  struct cis_error *err)
{
	struct config_namespace *ns = given(c, CLONE_NEWNET);
	cleanup_close int net = ns ? open_given(ns, err) : -1;

	if (!ns)
		return 0;
	if (net < 0)
		return net;
	if (is_hosts(net, "net"))
		return cis_fail_plain(err, EPERM,
				      "a sandbox does not share the host's network namespace (%s)",
				      ns->path);
	if (userns ? owned_by(net, userns) : n->base > 0 || join_owner(n, net))
		return 0;
	return n->direct ? 0 : use_as_gate(n, ns, net, err);
}

int network_decide(struct network *n, struct config *c, const struct cis_oci *rt,
		   struct cis_error *err)
{
	const struct config_namespace *user = config_namespace(c, CLONE_NEWUSER);
	int r = wants_direct(c, &n->direct, err);

	if (r < 0)
		return r;
	/* A new user namespace owns nothing yet. */
	if (user)
		r = decide_network(n, c, user->path ? user->path : "", err);
	else
		r = join_pod(n, c, rt, err);
	if (!user && r >= 0)
		r = decide_network(n, c, NULL, err);
	if (!user && r >= 0)
		r = decide_rest(n, c, err);
	if (r < 0)
		return r;
	n->direct = n->direct && given(c, CLONE_NEWNET) && !n->base;
	r = n->base ? add_userns(n, c) : 0;
	return r < 0 ? cis_fail(err, -r, "profile docker") : 0;
}

/* ---- making and undoing ---------------------------------------------------------------------- */

int network_make(const struct network *n, int box, struct cis_error *err)
{
	cleanup_close int procfd = procfd_open();

	if (procfd < 0)
		return cis_fail(err, -procfd, "open procfs");
	return gate_make(n->gate, box, procfd, &n->facts, err);
}

void network_save(const struct network *n, struct json *doc)
{
	const struct gate_facts *f = &n->facts;
	struct json *o;
	struct stat st;

	if (n->gate < 0 || fstat(n->gate, &st) < 0)
		return;
	o = json_object_new();
	json_set_string(o, "path", n->path);
	json_set_int(o, "inode", (int64_t)st.st_ino);
	json_set_bool(o, "forwards4", f->forwards4);
	json_set_bool(o, "forwards6", f->forwards6);
	json_set_string(o, "acceptsRa", f->accepts_ra ? f->uplink : "");
	json_set(doc, JOURNAL, o);
}

static bool flag_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_BOOL && v->boolean;
}

int network_undo(const struct json *doc, struct cis_error *err)
{
	const struct json *o = doc ? json_get(doc, JOURNAL) : NULL, *inode;
	struct gate_facts f = {0};
	const char *path, *uplink;
	cleanup_close int ns = -1, procfd = -1;
	struct stat st;
	int r;

	if (!o)
		return 0;
	inode = json_get(o, "inode");
	r = json_want_string(json_get(o, "path"), &path, err);
	if (r >= 0)
		r = json_want_string(json_get(o, "acceptsRa"), &uplink, err);
	if (r < 0)
		return r;
	/* Gone, or another one by now: the rules went with it. */
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || fstat(ns, &st) < 0 || !inode || (int64_t)st.st_ino != inode->integer ||
	    is_hosts(ns, "net") || SYS(ioctl, ns, NS_GET_NSTYPE) != CLONE_NEWNET)
		return 0;
	f.forwards4 = flag_of(o, "forwards4");
	f.forwards6 = flag_of(o, "forwards6");
	f.accepts_ra = *uplink != '\0';
	snprintf(f.uplink, sizeof f.uplink, "%s", uplink);
	procfd = procfd_open();
	if (procfd < 0)
		return cis_fail(err, -procfd, "open procfs");
	return gate_undo(ns, procfd, &f, err);
}
