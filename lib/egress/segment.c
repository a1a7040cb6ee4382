/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "segment.h"

#include <netinet/in.h>
#include <string.h>

#define HEAD4 20
#define HEAD6 40
#define HEAD_TCP 20

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Of IPv4, whole and not a fragment; the kernel has put fragments together before. */
static bool read_head4(const uint8_t *p, size_t len, struct segment *s)
{
	if (len < HEAD4 || p[0] != (4 << 4 | HEAD4 / 4) || get16(p + 2) != len ||
	    (get16(p + 6) & 0x3fff) || p[9] != IPPROTO_TCP)
		return false;
	memcpy(s->source, p + 12, 4);
	memcpy(s->target, p + 16, 4);
	return true;
}

static bool read_head6(const uint8_t *p, size_t len, struct segment *s)
{
	if (len < HEAD6 || p[0] >> 4 != 6 || get16(p + 4) + (size_t)HEAD6 != len ||
	    p[6] != IPPROTO_TCP)
		return false;
	s->six = true;
	memcpy(s->source, p + 8, 16);
	memcpy(s->target, p + 24, 16);
	return true;
}

bool segment_parse(const uint8_t *packet, size_t len, struct segment *ret)
{
	struct segment s = {0};
	size_t at, head;

	if (len == 0 || !(packet[0] >> 4 == 6 ? read_head6(packet, len, &s)
					       : read_head4(packet, len, &s)))
		return false;
	at = s.six ? HEAD6 : HEAD4;
	if (len < at + HEAD_TCP)
		return false;
	packet += at;
	head = (size_t)(packet[12] >> 4) * 4;
	if (head < HEAD_TCP || len < at + head)
		return false;
	s.source_port = get16(packet);
	s.target_port = get16(packet + 2);
	s.seq = get32(packet + 4);
	s.ack = get32(packet + 8);
	s.flags = packet[13];
	s.data = packet + head;
	s.n = (uint32_t)(len - at - head);
	*ret = s;
	return true;
}

static uint32_t sum(uint32_t so_far, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		so_far += get16(p);
	if (n)
		so_far += (uint32_t)p[0] << 8;
	return so_far;
}

static uint16_t fold(uint32_t v)
{
	while (v >> 16)
		v = (v & 0xffff) + (v >> 16);
	return (uint16_t)~v;
}

size_t segment_trim(uint8_t *packet, const struct segment *s, uint32_t keep)
{
	const size_t at = s->six ? HEAD6 : HEAD4, size = s->six ? 16 : 4;
	const size_t len = (size_t)(s->data - packet) + keep;
	uint8_t *tcp = packet + at;
	uint32_t v = IPPROTO_TCP + (uint32_t)(len - at);

	/* Its end is not the end of the stream any more. */
	tcp[13] &= (uint8_t)~SEGMENT_FIN;
	if (s->six) {
		put16(packet + 4, (uint16_t)(len - at));
	} else {
		put16(packet + 2, (uint16_t)len);
		put16(packet + 10, 0);
		put16(packet + 10, fold(sum(0, packet, HEAD4)));
	}
	v = sum(sum(v, s->source, size), s->target, size);
	put16(tcp + 16, 0);
	put16(tcp + 16, fold(sum(v, tcp, len - at)));
	return len;
}
