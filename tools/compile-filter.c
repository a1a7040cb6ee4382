/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the seccomp filters of all sets of CIS_ALLOW_* flags, and those of our
 * helpers, as a C header; or, with an argument, the names of all system calls that were judged.
 */
#include <err.h>
#include <stdio.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "isolate/seccomp.h"
#include "isolate/seccomp-rules.h"

static const uint64_t allow[] = {CIS_ALLOW_BPF, CIS_ALLOW_PERF, CIS_ALLOW_IO_URING};

static void print_program(const char *name, struct sock_filter *f, unsigned short n)
{
	printf("static const struct sock_filter %s[] = {\n", name);
	for (unsigned short i = 0; i < n; i++)
		printf("\t{%#x, %u, %u, %#x},\n", f[i].code, f[i].jt, f[i].jf, f[i].k);
	printf("};\n");
	free(f);
}

static void print_filter(uint64_t flags)
{
	struct cis_error error = {0};
	struct sock_filter *f;
	unsigned short n;
	char name[32];

	if (seccomp_compile(flags, &f, &n, &error) < 0)
		errx(1, "%s", error.message);
	snprintf(name, sizeof name, "filter_%llu", (unsigned long long)flags);
	print_program(name, f, n);
}

static void print_helper(enum seccomp_helper helper)
{
	struct cis_error error = {0};
	struct sock_filter *f;
	unsigned short n;
	char name[32];

	if (seccomp_compile_helper(helper, &f, &n, &error) < 0)
		errx(1, "%s", error.message);
	snprintf(name, sizeof name, "helper_%d", (int)helper);
	print_program(name, f, n);
}

#define NAMES_MAX (2 * (SECCOMP_LAST_JUDGED + 1))

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of all architectures that programs may have here, each name once. */
static void print_calls(void)
{
	const uint32_t native = seccomp_arch_native();
	const uint32_t archs[] = {native, native == SCMP_ARCH_X86_64 ? SCMP_ARCH_X86 : native};
	char *names[NAMES_MAX];
	size_t n = 0;

	for (size_t a = 0; a < ARRAY_SIZE(archs); a++)
		for (int nr = 0; nr <= SECCOMP_LAST_JUDGED; nr++) {
			names[n] = seccomp_syscall_resolve_num_arch(archs[a], nr);
			n += names[n] != NULL;
		}
	qsort(names, n, sizeof *names, by_text);
	printf("static const char *const known_calls[] = {\n");
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(names[i - 1], names[i]) != 0)
			printf("\t\"%s\",\n", names[i]);
	printf("};\n");
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		print_calls();
		return 0;
	}
	uint64_t sets[1 << ARRAY_SIZE(allow)] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		for (size_t bit = 0; bit < ARRAY_SIZE(allow); bit++)
			if (i & 1u << bit)
				sets[i] |= allow[bit];
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		print_filter(sets[i]);
	printf("static const struct {\n\tuint64_t flags;\n\tunsigned short n;\n"
	       "\tconst struct sock_filter *program;\n} filters[] = {\n");
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		printf("\t{%llu, ARRAY_SIZE(filter_%llu), filter_%llu},\n",
		       (unsigned long long)sets[i], (unsigned long long)sets[i],
		       (unsigned long long)sets[i]);
	printf("};\n");
	for (int h = 0; h < SECCOMP_HELPERS; h++)
		print_helper((enum seccomp_helper)h);
	printf("static const struct {\n\tunsigned short n;\n"
	       "\tconst struct sock_filter *program;\n} helpers[] = {\n");
	for (int h = 0; h < SECCOMP_HELPERS; h++)
		printf("\t{ARRAY_SIZE(helper_%d), helper_%d},\n", h, h);
	printf("};\n");
	return 0;
}
