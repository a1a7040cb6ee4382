/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup2 has no files for devices: a program decides. Ours is made here, an instruction
 * at a time, and is known again by its name, so that systemd's on the same group stays
 * when ours is replaced. libbpf would be a dependency for four system calls.
 */
#include <stdio.h>
#include <string.h>

#include "../base/fd.h"
#include "../base/sys.h"
#include "devices.h"

#define PROGRAM_NAME "cis_devices"
#define MAX_ATTACHED 64 /* the kernel's limit for one group */

/* ---- the program --------------------------------------------------------- */

/* r2 type, r3 access asked for, r4 major, r5 minor; r1 is for trying. */
enum { TYPE = BPF_REG_2, ACCESS, MAJOR, MINOR };
#define HEAD 6
#define PER_RULE 9
#define TAIL 2

static struct bpf_insn insn(int code, int dst, int src, int off, int32_t imm)
{
	return (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = (uint8_t)(dst & 15),
		.src_reg = (uint8_t)(src & 15),
		.off = (int16_t)off,
		.imm = imm,
	};
}

static struct bpf_insn load(int dst, size_t offset)
{
	return insn(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1, (int)offset, 0);
}

static size_t head(struct bpf_insn *out)
{
	size_t n = 0;

	out[n++] = load(TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	out[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, ACCESS, TYPE, 0, 0);
	out[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	out[n++] = insn(BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	out[n++] = load(MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	out[n++] = load(MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	return n;
}

/*
 * An exception that allows must contain all that is asked for; one that denies needs to
 * contain a part of it. Jumps for "does not match" get their distance at the end.
 */
static size_t rule(struct bpf_insn *out, const struct device_exception *e, bool allow)
{
	int type = e->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
	size_t n = 0;

	out[n++] = insn(BPF_JMP32 | BPF_JNE | BPF_K, TYPE, 0, 0, type);
	if (e->access != DEVICE_ALL) {
		out[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, ACCESS, 0, 0);
		out[n++] = insn(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0,
				(int32_t)e->access);
		if (allow)
			out[n++] = insn(BPF_JMP32 | BPF_JNE | BPF_X, BPF_REG_1, ACCESS, 0,
					0);
		else
			out[n++] = insn(BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0);
	}
	if (e->major >= 0)
		out[n++] = insn(BPF_JMP32 | BPF_JNE | BPF_K, MAJOR, 0, 0,
				(int32_t)e->major);
	if (e->minor >= 0)
		out[n++] = insn(BPF_JMP32 | BPF_JNE | BPF_K, MINOR, 0, 0,
				(int32_t)e->minor);
	out[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
	out[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = 0; i < n; i++)
		if (BPF_CLASS(out[i].code) == BPF_JMP32)
			out[i].off = (int16_t)(n - i - 1);
	return n;
}

int device_program(const struct device_policy *d, struct bpf_insn **ret, size_t *ret_n)
{
	struct bpf_insn *out = calloc(HEAD + d->n * PER_RULE + TAIL, sizeof *out);
	size_t n;

	if (!out)
		return -ENOMEM;
	n = head(out);
	for (size_t i = 0; i < d->n; i++)
		n += rule(out + n, &d->v[i], !d->allow);
	out[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, d->allow);
	out[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	*ret = out;
	*ret_n = n;
	return 0;
}

/* ---- bpf(2) -------------------------------------------------------------- */

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	int r;

	do
		r = SYS(bpf, cmd, attr, sizeof *attr);
	while (r == -EAGAIN || r == -EINTR);
	return r;
}

static int load_program(const struct device_policy *d)
{
	union bpf_attr attr = {0};
	cleanup_free struct bpf_insn *insns = NULL;
	size_t n = 0;
	int r = device_program(d, &insns, &n);

	if (r < 0)
		return r;
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "";
	snprintf(attr.prog_name, sizeof attr.prog_name, "%s", PROGRAM_NAME);
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

/* A descriptor of the attached program @id if it is one of ours, else -1. */
static int open_ours(uint32_t id)
{
	union bpf_attr attr = {.prog_id = id};
	struct bpf_prog_info info = {0};
	cleanup_close int fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);

	if (fd < 0)
		return -1;
	attr = (union bpf_attr){0};
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof info;
	attr.info.info = (uint64_t)(uintptr_t)&info;
	if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0 ||
	    strncmp(info.name, PROGRAM_NAME, sizeof info.name) != 0)
		return -1;
	return steal_fd(&fd);
}

static int find_ours(int dir)
{
	union bpf_attr attr = {0};
	uint32_t ids[MAX_ATTACHED];

	attr.query.target_fd = (uint32_t)dir;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = MAX_ATTACHED;
	if (sys_bpf(BPF_PROG_QUERY, &attr) < 0)
		return -1;
	for (uint32_t i = 0; i < MIN(attr.query.prog_cnt, MAX_ATTACHED); i++) {
		int fd = open_ours(ids[i]);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

static int attach(int dir, int prog, uint32_t flags, int replaced)
{
	union bpf_attr attr = {0};

	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = flags;
	if (flags & BPF_F_REPLACE)
		attr.replace_bpf_fd = (uint32_t)replaced;
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

static int detach(int dir, int prog)
{
	union bpf_attr attr = {0};

	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return sys_bpf(BPF_PROG_DETACH, &attr);
}

int device_program_attach(int dir, const struct device_policy *d, struct cis_error *err)
{
	cleanup_close int prog = load_program(d);
	cleanup_close int old = -1;
	int r;

	if (prog < 0)
		return cis_fail(err, prog == -EACCES ? EPERM : -prog,
				"cgroups: load the program that restricts devices");
	old = find_ours(dir);
	r = old < 0 ? -EINVAL
		    : attach(dir, prog, BPF_F_ALLOW_MULTI | BPF_F_REPLACE, old);
	if (r < 0) {
		/* Before Linux 5.6: for a moment both must agree, never none. */
		r = attach(dir, prog, BPF_F_ALLOW_MULTI, -1);
		if (r >= 0 && old >= 0)
			r = detach(dir, old);
	}
	return r < 0 ? cis_fail(err, -r,
				"cgroups: attach the program that restricts devices")
		     : 0;
}
