/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/image-packed.h"

#include <string.h>

static const char magic[8] = "\nrametz\n";

#define FOOTER_SIZE (4 + sizeof(magic))

void rmt_image_pack(const struct rmt_buffer *member, struct rmt_buffer *file)
{
	rmt_buffer_append(file, member->data, member->size);
	for (int i = 0; i < 4; i++)
		rmt_buffer_append_byte(file, (unsigned char)(member->size >> 8 * i));
	rmt_buffer_append(file, magic, sizeof(magic));
}

bool rmt_image_packed(const unsigned char *file, size_t size, ramet_bytes *ret_member)
{
	const unsigned char *footer = file + size - FOOTER_SIZE;
	size_t packed;

	if (size < FOOTER_SIZE || memcmp(footer + 4, magic, sizeof(magic)) != 0)
		return false;
	packed = footer[0] | footer[1] << 8 | footer[2] << 16 | (size_t)footer[3] << 24;
	if (packed > size - FOOTER_SIZE)
		return false;
	*ret_member = (ramet_bytes){footer - packed, packed};
	return true;
}
