/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's queue of packets that wait for a verdict. Segments come one by one and
 * summed, as they will leave (no NFQA_CFG_F_GSO): what a sandbox says about sums and
 * segments that are still to be made could change bytes after they were read. Who finds the
 * queue full is dropped.
 */
#ifndef CIS_EGRESS_QUEUE_H
#define CIS_EGRESS_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#define QUEUE_PACKET_MAX 65535
#define QUEUE_DATAGRAM_MAX (QUEUE_PACKET_MAX + 4096)

/* Of the namespace it was opened in, by host root: 0 or -errno; then packets come by @fd. */
int queue_bind(int fd);

/* @packet: all of it, or NULL if it is longer than any. */
typedef void queue_seen(void *context, uint32_t id, uint8_t *packet, size_t len);
/* One datagram. @buf: of QUEUE_DATAGRAM_MAX. 0 or -errno; -EAGAIN: there is nothing. */
int queue_read(int fd, void *buf, queue_seen *each, void *context);

/* Goes on with @mark (0: as it is) behind the queue. */
void queue_pass(int fd, uint32_t id, uint32_t mark);
/* As @packet is. @buf: of QUEUE_DATAGRAM_MAX, which may not overlap. */
void queue_pass_as(int fd, uint32_t id, const uint8_t *packet, size_t len, void *buf);
void queue_drop(int fd, uint32_t id);
/* All up to @id. */
void queue_drop_until(int fd, uint32_t id);

#endif
