/* SPDX-License-Identifier: BSD-3-Clause */
/* What has to be known of an executable file to send it: for any machine, whatever its byte order and
 * word size. Bytes in, facts out, no descriptors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rmt_elf {
	const char *machines; /* as uname -m names those it is made for, separated by blanks */
	size_t loader, loader_size; /* where its path is, without the NUL; 0: statically linked */
	size_t end;                 /* of what is ever loaded and always travels */
	size_t cold, cold_size;     /* what can be cut off behind that; 0: nothing */
	size_t cold_segment;        /* its program header */
};

/* 0, or -ENOEXEC: it is no executable for Linux on a machine that is known here. */
int rmt_elf_read(const unsigned char *file, size_t size, struct rmt_elf *ret_elf);

/* Takes away what only linkers read (sections, symbols), and the cold part: its head is going to know
 * its digest and check, and the place where it belongs stays reserved, as memory that can be written. The file
 * has been read, and ends at elf->end from now on. */
void rmt_elf_strip(unsigned char *file, const struct rmt_elf *elf, const char *digest);

/* True when a machine that calls itself so runs the file by itself, or (the second) because it runs
 * its older relatives' programs. */
bool rmt_elf_is_for(const struct rmt_elf *elf, const char *machine);
bool rmt_elf_runs_on(const struct rmt_elf *elf, const char *machine);

/* The names of machines whose programs run on this one, itself first, separated by blanks. */
const char *rmt_elf_relatives(const char *machine);
