/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names that a person writes in other letters than ASCII: "bücher.example" becomes
 * "xn--bcher-kva.example".
 *
 * No library does this: libidn2 with libunistring would make the one static command 0.3
 * MB bigger, which each clone pays for. And we want less than they do: a rule must mean
 * what it shows. ASCII letters become small; nothing else is mapped. A label is taken if
 * all its characters are letters or digits of the basic plane that IDNA2008 permits and
 * that stand for themselves (idn-table.h): so it is in normal form (NFC), and IDNA2003,
 * UTS#46 and IDNA2008 make the same of it, but for the German sharp s and the Greek final
 * sigma, which are kept as IDNA2008 and UTS#46 (non-transitional) do. All else is refused:
 * capitals beyond ASCII, full-width forms and dots, ligatures, combining marks, joiners,
 * emoji; and labels that mix letters of Latin, Greek and Cyrillic. Their A-label can be
 * written.
 */
#ifndef CIS_EGRESS_IDN_H
#define CIS_EGRESS_IDN_H

#include <stdbool.h>
#include <stddef.h>

#include "name.h"

enum idn_fault {
	IDN_FINE,
	IDN_UTF8,      /* not valid UTF-8 */
	IDN_CHARACTER, /* one that is not taken: which */
	IDN_MIXED,     /* alphabets that look alike in one label */
	IDN_LENGTH,    /* a label or the name gets too long */
	IDN_ALABEL,    /* a label begins with xn-- and is no punycode of anything */
};

struct idn_problem {
	enum idn_fault fault;
	unsigned int character;
};

/*
 * Labels of UTF-8 become A-labels, those of ASCII stay as they are and A-labels are
 * checked: what an A-label stands for need not be a letter, but it must stand for
 * something, spelt in the one way there is. -EINVAL, and *ret_problem.
 */
int idn_to_ascii(const char *text, size_t len, char ret[static NAME_MAX_LEN + 2],
		 struct idn_problem *ret_problem);

/* Bytes of the character at @text if that is a letter or digit beyond ASCII which shows what it
 * is, in small or as a capital; else 0. */
size_t idn_shows(const char *text, size_t len);

#endif
