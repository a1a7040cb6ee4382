/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A moment in another network namespace: sockets opened there stay there. */
#ifndef CIS_NET_VISIT_H
#define CIS_NET_VISIT_H

/*
 * Runs @work in it and returns what it returns; -errno. The thread alone goes, or a child with
 * its memory and descriptors: @work must be fit for both, as raw calls are.
 */
int netns_visit(int netns, int (*work)(void *arg), void *arg);

#endif
