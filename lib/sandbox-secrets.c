/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handle's words about what the job is trusted with. */
#include "sandbox.h"

int cis_sandbox_add_secret(struct cis_sandbox *sb, const char *name, int fd,
			   struct cis_error *err)
{
	return secrets_add(&sb->spec.secrets, name, fd, err);
}
