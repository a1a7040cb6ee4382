/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a seccomp program answers, by an interpreter of our own: after <cmocka.h>. */
#ifndef TEST_BPF_H
#define TEST_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

static inline uint32_t bpf_run(const struct sock_filter *f, unsigned short n,
			       const struct seccomp_data *d)
{
	uint32_t acc = 0;

	for (unsigned int pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &f[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k % 4 == 0 && i->k < sizeof *d);
			memcpy(&acc, (const char *)d + i->k, sizeof acc);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			acc &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += acc == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += acc > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += acc >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += acc & i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %u: code %#x", pc, i->code);
		}
	}
	fail_msg("ran off the end");
	return 0;
}

#endif
