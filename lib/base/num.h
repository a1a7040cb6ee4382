/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as text without stdio: for code between clone and execve. */
#ifndef CIS_BASE_NUM_H
#define CIS_BASE_NUM_H

#include <stddef.h>

/* Appends @v in decimal to the string in @buf; cuts off at its end. */
void num_append(char *buf, size_t size, unsigned long long v);

#endif
