/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the seccomp filters of all sets of CIS_ALLOW_* flags, and those of our
 * helpers, as a C header.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "isolate/seccomp.h"

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

int main(void)
{
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
