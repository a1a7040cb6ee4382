/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256 by libcrypto; and who makes one of bytes on their way. */
#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "unpack.h"

static const EVP_MD *sha256;

void hash_load(void)
{
	EVP_MD_CTX *h;

	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256)
		fail(EIO, "libcrypto has no SHA-256");
	h = hash_new(); /* what is made lazily is made now */
	EVP_MD_CTX_free(h);
}

EVP_MD_CTX *hash_new(void)
{
	EVP_MD_CTX *h = EVP_MD_CTX_new();

	if (!h)
		fail_errno(ENOMEM, "libcrypto");
	hash_reset(h);
	return h;
}

void hash_reset(EVP_MD_CTX *h)
{
	if (!EVP_DigestInit_ex2(h, sha256, NULL))
		fail(EIO, "libcrypto cannot make SHA-256");
}

void hash_add(EVP_MD_CTX *h, const void *buf, size_t n)
{
	if (!EVP_DigestUpdate(h, buf, n))
		fail(EIO, "libcrypto cannot make SHA-256");
}

void hash_zeros(EVP_MD_CTX *h, uint64_t n)
{
	static const unsigned char zeros[1 << 16];

	while (n > 0) {
		size_t k = MIN(n, sizeof zeros);

		hash_add(h, zeros, k);
		n -= k;
	}
}

void hash_end(EVP_MD_CTX *h, unsigned char ret[static 32])
{
	if (!EVP_DigestFinal_ex(h, ret, NULL))
		fail(EIO, "libcrypto cannot make SHA-256");
}

void hash_hex(const unsigned char sum[static 32], char ret[static HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 32; i++) {
		ret[2 * i] = digits[sum[i] >> 4];
		ret[2 * i + 1] = digits[sum[i] & 15];
	}
	ret[64] = '\0';
}

/*
 * What is hashed is what the next one reads: out of the same buffer, which neither he who
 * sent it nor he who gets it can reach. Nothing looks at a byte.
 */
void hash_pass(int in, int out)
{
	static unsigned char buf[1 << 18];
	EVP_MD_CTX *h = hash_new();
	unsigned char sum[32];
	char hex[HEX_SIZE];
	uint64_t all = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(in, buf, sizeof buf)) != 0) {
		if (n < 0 && errno != EINTR)
			fail_errno(errno, "read");
		if (n < 0)
			continue;
		hash_add(h, buf, (size_t)n);
		all += (uint64_t)n;
		r = io_write_all(out, buf, (size_t)n);
	}
	if (r < 0)
		fail_errno(-r, "pass on what was read");
	hash_end(h, sum);
	hash_hex(sum, hex);
	report(WIRE_SUM, "%s", hex);
	report(WIRE_SIZE, "%llu", (unsigned long long)all);
}
