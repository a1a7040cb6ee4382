/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan in words: for --dry-run, golden tests and error messages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/scratch.h"
#include "notify/traps.h"
#include "plan.h"
#include "rootless.h"

static const char *slot_name(const struct plan *p, unsigned int slot, char buf[static 200])
{
	static const char *const names[] = {"",	  "image", "scratch", "root",
					    "dev", "vfs",   "runtime", "secrets", "seed"};

	if (slot < SLOT_BIND)
		return names[slot];
	if (slot >= plan_cache_root_slot(p, 0))
		snprintf(buf, 200, "the job's view of cache %s",
			 p->spec->caches[slot - plan_cache_root_slot(p, 0)].name);
	else if (slot >= plan_cache_slot(p, 0))
		snprintf(buf, 200, "cache %s", p->spec->caches[slot - plan_cache_slot(p, 0)].name);
	else if (slot >= plan_layer_slot(p, 1))
		snprintf(buf, 200, "layer%u", slot - plan_layer_slot(p, 1) + 1);
	else
		snprintf(buf, 200, "bind %s", p->spec->binds[slot - SLOT_BIND].source);
	return buf;
}

static void describe_limits(const struct plan *p, char *buf, size_t n)
{
	const struct spec *s = p->spec;
	char unheld[200];
	int k = snprintf(buf, n, "make control groups%s",
			 p->rootless ? " where the user has any" : "");

	if (s->memory)
		k += snprintf(buf + k, n - (size_t)k, ", memory %llu",
			      (unsigned long long)s->memory);
	if (s->cpus_milli)
		k += snprintf(buf + k, n - (size_t)k, ", cpus %llu.%03llu",
			      (unsigned long long)s->cpus_milli / 1000,
			      (unsigned long long)s->cpus_milli % 1000);
	if (s->pids)
		k += snprintf(buf + k, n - (size_t)k, ", pids %llu", (unsigned long long)s->pids);
	if (s->io.rbps || s->io.wbps || s->io.riops || s->io.wiops)
		k += snprintf(buf + k, n - (size_t)k, ", io of the disk");
	if (s->flags & TRAPS_WITH_DEVICES)
		snprintf(buf + k, n - (size_t)k, ", harmless devices only");
	if (rootless_say_unheld(s, unheld, sizeof unheld))
		snprintf(buf + k, n - (size_t)k, "; %s", unheld);
}

static void describe_scratch(const struct spec *s, const struct op *op, char *buf, size_t n)
{
	char inodes[48] = "";

	if (s->disk_inodes)
		snprintf(inodes, sizeof inodes, " and %llu inodes",
			 (unsigned long long)s->disk_inodes);
	snprintf(buf, n, "make a scratch disk of %llu bytes%s (%s)",
		 (unsigned long long)op->value, inodes,
		 scratch_name((enum cis_disk)op->flags));
}

static void describe_gate(const struct spec_egress *e, char *buf, size_t n)
{
	static const char *const ways[] = {[CIS_UPLINK_AUTO] = "", [CIS_UPLINK_VETH] = " by veth",
					   [CIS_UPLINK_PASTA] = " by pasta"};

	snprintf(buf, n, "build the gate: %s, %zu rule(s)%s, resolver, links%s",
		 e->rules.audit ? "audit" : "block", e->rules.allow.n,
		 e->no_verify ? "" : ", names verified", ways[e->uplink]);
}

/* Their names; nobody is told how long they are. */
static void describe_secrets(const struct secrets *s, char *buf, size_t n)
{
	snprintf(buf, n, "make a read-only tmpfs with the secrets");
	for (size_t i = 0; i < s->n; i++) {
		size_t k = strlen(buf);

		snprintf(buf + k, n - k, "%s %s", i ? "," : "", s->v[i].name);
	}
}

static void describe_publish(const struct publish *p, char *buf, size_t n)
{
	char text[PUBLISH_TEXT];

	publish_print(p, text);
	snprintf(buf, n, "listen on %s for port %u inside", text, p->to);
}

static void describe_overlay(const struct op *op, char *buf, size_t n)
{
	snprintf(buf, n, "mount the overlay of image and scratch%s%s", op->source,
		 op->flags & OP_NODES ? ", with device nodes" : "");
	if (op->flags & OP_OVERLAY_USER)
		strncat(buf, ", marked by user.overlay.*", n - strlen(buf) - 1);
}

static void describe_traps(const struct spec *s, char *buf, size_t n)
{
	const char *name;

	snprintf(buf, n, "install the seccomp filter and trap");
	for (size_t i = 0; (name = trap_name(s->flags, i)); i++) {
		size_t k = strlen(buf);

		snprintf(buf + k, n - k, "%s %s", i ? "," : "", name);
	}
}

/* Ops with nothing to be said about them but what they are. */
static const char *const plain_words[] = {
	[OP_JOIN] = "join the control groups",
	[OP_CLOCK] = "make a time namespace",
	[OP_FOUND] = "clone the founder",
	[OP_MAP] = "map the ids into the user namespace",
	[OP_USERNS] = "make the user namespace",
	[OP_NETNS] = "make network, ipc and uts namespaces",
	[OP_SPAWN] = "clone init into these, and new pid, cgroup and mount "
		     "namespaces",
	[OP_OWNER] = "take the effective id of the sandbox's root",
	[OP_ATTACH_LAYERS] = "attach the scratch, and the image in it",
	[OP_ENTER_ROOT] = "enter its own copy of the root",
	[OP_PIVOT] = "change the root and leave the host's behind",
	[OP_TTY] = "open a terminal",
	[OP_GATE] = "clone who makes the gate's namespaces",
	[OP_VFS] = "make the file system of virtual files",
	[OP_COVER] = "cover parts of /proc and /sys with virtual files",
};

/* What appears inside, and where. False: it is none of these. */
static bool describe_attaching(const struct op *op, const char *slot, char *buf, size_t n)
{
	switch ((enum op_kind)op->kind) {
	case OP_SHELVE:
		snprintf(buf, n, "attach %s at %s of the scratch, for init", slot, op->target);
		return true;
	case OP_TAKE:
	case OP_ATTACH:
	case OP_BIND_SCRATCH:
		snprintf(buf, n, "attach %s%s at /%s%s", op->slot ? slot : op->source,
			 op->slot ? "" : " of the scratch", op->target,
			 op->flags & OP_TARGET_FILE ? " (a file)" : "");
		return true;
	case OP_DEV_BIND:
		snprintf(buf, n, "bind the host's device nodes into /%s", op->target);
		return true;
	case OP_MOUNT:
		snprintf(buf, n, "mount %s on /%s%s%s", op->text, op->target,
			 op->options ? " with " : "", op->options ? op->options : "");
		return true;
	default:
		return false;
	}
}

void plan_describe(const struct plan *p, const struct op *op, char *buf, size_t n)
{
	unsigned long long value = op->value;
	const char *readonly = op->flags & OP_TREE_READONLY ? " read-only" : "";
	char slot_buf[200];
	const char *slot = slot_name(p, op->slot, slot_buf);

	switch ((enum op_kind)op->kind) {
	case OP_STATE:
		snprintf(buf, n, "make the state directory of %s", op->text);
		break;
	case OP_IDS:
		snprintf(buf, n, op->flags & OP_IDS_OURS ? "take our own first %llu ids, one to one"
							  : "take %llu host ids", value);
		break;
	case OP_CGROUP:
		describe_limits(p, buf, n);
		break;
	case OP_SECRETS:
		describe_secrets(&p->spec->secrets, buf, n);
		break;
	case OP_KEEP:
		snprintf(buf, n, "hand a clone of the %s to the caller, for %s", slot,
			 op->slot == SLOT_ROOT	    ? "artifacts"
			 : op->slot == SLOT_SECRETS ? "those to come"
						    : "what is published at the end");
		break;
	case OP_CPUS:
		snprintf(buf, n, "run on as many cpus as %llu.%03llu come to", value / 1000,
			 value % 1000);
		break;
	case OP_CLONE_TREE:
		snprintf(buf, n, "clone the mount of %s%s as %s", op->source, readonly, slot);
		break;
	case OP_SCRATCH:
		describe_scratch(p->spec, op, buf, n);
		break;
	case OP_SEED_INDEX:
		snprintf(buf, n, "copy the seed's index of %s to %s of the scratch", op->source,
			 op->target);
		break;
	case OP_RLIMIT:
		snprintf(buf, n, "set resource limit %d to %llu:%llu",
			 p->spec->ulimits[value].resource,
			 (unsigned long long)p->spec->ulimits[value].limit.rlim_cur,
			 (unsigned long long)p->spec->ulimits[value].limit.rlim_max);
		break;
	case OP_IDMAP:
		snprintf(buf, n, "id-map %s", slot);
		break;
	case OP_MKDIR:
		snprintf(buf, n, "make directory %s on the %s", op->target, slot);
		break;
	case OP_PUBLISH:
		describe_publish(&p->spec->egress.published[value], buf, n);
		break;
	case OP_GATE_BUILD:
		describe_gate(&p->spec->egress, buf, n);
		break;
	case OP_FILE:
		snprintf(buf, n, "write %s on the %s", op->target, slot);
		break;
	case OP_OVERLAY:
		describe_overlay(op, buf, n);
		break;
	case OP_CACHE:
		snprintf(buf, n, "mount the overlay of %s and scratch%s%s", slot, op->source,
			 op->flags & OP_OVERLAY_USER ? ", marked by user.overlay.*" : "");
		break;
	case OP_DEV:
		snprintf(buf, n, "make /dev%s",
			 op->flags & OP_DEV_CONSOLE ? " with a console" : "");
		break;
	case OP_HOSTNAME:
		snprintf(buf, n, "set the host name %s", op->text ? op->text : "(the id)");
		break;
	case OP_LINK_UP:
		snprintf(buf, n, "set %s up", op->text);
		break;
	case OP_TRAP:
		describe_traps(p->spec, buf, n);
		break;
	default:
		if (!describe_attaching(op, slot, buf, n))
			snprintf(buf, n, "%s", plain_words[op->kind]);
		break;
	}
}

static void print_exec(FILE *f, const char *who, const struct plan_exec *e)
{
	fprintf(f, "%-7s execute", who);
	for (size_t i = 0; i < e->argv.n; i++)
		fprintf(f, " %s", e->argv.v[i]);
	fprintf(f, " as %u:%u in %s", e->uid, e->gid, e->cwd);
	if (e->ready_unix)
		fprintf(f, ", ready when %s %s", e->ready_unix,
			e->ready_request ? "answers" : "accepts");
	fputc('\n', f);
}

int plan_print(const struct plan *p, char **ret)
{
	static const char *const who[] = {"caller", "founder", "stage", "init"};
	size_t len;
	FILE *f = open_memstream(ret, &len);

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_ops; i++) {
		char text[512];

		plan_describe(p, &p->ops[i], text, sizeof text);
		fprintf(f, "%-7s %s\n", who[p->ops[i].who], text);
	}
	for (size_t i = 0; i < p->n_services; i++)
		print_exec(f, "service", &p->services[i]);
	if (!p->payload.argv.n) /* it comes later */
		return fclose(f) == 0 ? 0 : -ENOMEM;
	fprintf(f, "payload %sseccomp filter%s%s%s%s\n",
		p->spec->flags & TRAPS ? "init's " : "",
		p->spec->flags & CIS_ALLOW_BPF ? ", bpf allowed" : "",
		p->spec->flags & CIS_ALLOW_PERF ? ", perf allowed" : "",
		p->spec->flags & CIS_ALLOW_IO_URING ? ", io_uring allowed" : "",
		p->spec->flags & CIS_NO_NEW_PRIVS ? ", no_new_privs" : "");
	print_exec(f, "payload", &p->payload);
	for (size_t i = 0; i < p->n_caches; i++)
		if (p->cache_writes[i])
			fprintf(f, "%-7s publish %s to cache %s after generation %llu\n", "at end",
				p->spec->caches[i].path, p->spec->caches[i].name,
				(unsigned long long)p->caches[i].g.number);
	for (size_t i = 0; i < p->spec->artifacts.n; i++)
		fprintf(f, "%-7s copy %s to %s\n", "at end", p->spec->artifacts.v[i].path,
			p->spec->artifacts.v[i].dest);
	return fclose(f) == 0 ? 0 : -ENOMEM;
}
