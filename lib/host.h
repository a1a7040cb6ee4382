/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CIS_HOST_H
#define CIS_HOST_H

/*
 * What a start does first: takes the dead away, whose names, ids and groups may be wanted.
 * As cis_reap(), but files of their disks are removed by others meanwhile.
 */
void host_reap(void);

#endif
