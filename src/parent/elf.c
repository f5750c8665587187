/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/macro.h"

/* From gabi 4.2: where the members are in the files of the two classes. */
struct layout {
	unsigned char header, segment;         /* sizes */
	unsigned char phoff, shoff, phentsize; /* shentsize, shnum and shstrndx end the header */
	unsigned char p_offset, p_filesz;
	unsigned char word; /* size of an offset */
};

static const struct layout layouts[] = {
	[ELFCLASS32] = {52, 32, 28, 32, 42, 4, 16, 4},
	[ELFCLASS64] = {64, 56, 32, 40, 54, 8, 32, 8},
};

static const struct machine {
	uint16_t number;
	unsigned char class, data;
	const char *names;
} machines[] = {
	{EM_X86_64, ELFCLASS64, ELFDATA2LSB, "x86_64"},
	{EM_386, ELFCLASS32, ELFDATA2LSB, "i686 i586 i486 i386"},
	{EM_AARCH64, ELFCLASS64, ELFDATA2LSB, "aarch64"},
	{EM_AARCH64, ELFCLASS64, ELFDATA2MSB, "aarch64_be"},
	{EM_ARM, ELFCLASS32, ELFDATA2LSB, "armv7l armv6l armv8l"},
	{EM_RISCV, ELFCLASS64, ELFDATA2LSB, "riscv64"},
	{EM_RISCV, ELFCLASS32, ELFDATA2LSB, "riscv32"},
	{EM_PPC64, ELFCLASS64, ELFDATA2LSB, "ppc64le"},
	{EM_PPC64, ELFCLASS64, ELFDATA2MSB, "ppc64"},
	{EM_S390, ELFCLASS64, ELFDATA2MSB, "s390x"},
	{258 /* EM_LOONGARCH */, ELFCLASS64, ELFDATA2LSB, "loongarch64"},
};

/* Whose programs a machine runs, the best first. */
static const char *const relatives[] = {
	"x86_64 i686 i586 i486 i386", "i686 i586 i486 i386", "i586 i486 i386",
	"armv8l armv7l armv6l",       "armv7l armv6l",
};

static bool has_word(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; size > 0 && (at = strstr(at, word)); at += size)
		if ((at == words || at[-1] == ' ') && (at[size] == ' ' || !at[size]))
			return true;
	return false;
}

static uint64_t number(const unsigned char *at, unsigned size, bool big)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value = value << 8 | at[big ? i : size - 1 - i];
	return value;
}

static const struct machine *find_machine(const unsigned char *file)
{
	bool big = file[EI_DATA] == ELFDATA2MSB;

	for (size_t i = 0; i < RMT_COUNT(machines); i++)
		if (machines[i].number == number(file + 18, 2, big) &&
		    machines[i].class == file[EI_CLASS] && machines[i].data == file[EI_DATA])
			return &machines[i];
	return NULL;
}

int rmt_elf_read(const unsigned char *file, size_t size, struct rmt_elf *ret_elf)
{
	const struct layout *layout = &layouts[ELFCLASS32];
	const struct machine *machine;
	struct rmt_elf elf;
	uint64_t table, count;
	unsigned type;
	bool big;

	if (size < layout->header || memcmp(file, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	machine = find_machine(file);
	if (!machine)
		return -ENOEXEC;
	layout = &layouts[machine->class];
	big = machine->data == ELFDATA2MSB;
	type = (unsigned)number(file + 16, 2, big);
	if (size < layout->header || (type != ET_EXEC && type != ET_DYN) ||
	    number(file + layout->phentsize, 2, big) != layout->segment)
		return -ENOEXEC;
	table = number(file + layout->phoff, layout->word, big);
	count = number(file + layout->phentsize + 2, 2, big);
	if (count == 0 || table > size || (size - table) / layout->segment < count)
		return -ENOEXEC;
	elf = (struct rmt_elf){machine->names, 0, 0, (size_t)(table + count * layout->segment)};
	for (uint64_t i = 0; i < count; i++) {
		const unsigned char *segment = file + table + i * layout->segment;
		uint64_t offset = number(segment + layout->p_offset, layout->word, big);
		uint64_t bytes = number(segment + layout->p_filesz, layout->word, big);

		if (offset > size || bytes > size - offset)
			return -ENOEXEC;
		elf.end = RMT_MAX(elf.end, (size_t)(offset + bytes));
		if (number(segment, 4, big) == PT_INTERP && bytes > 1) {
			elf.loader = (size_t)offset;
			elf.loader_size = strnlen((const char *)file + offset, (size_t)bytes);
		}
	}
	*ret_elf = elf;
	return 0;
}

void rmt_elf_strip(unsigned char *file, const struct rmt_elf *elf)
{
	const struct layout *layout = &layouts[file[EI_CLASS]];

	(void)elf;
	memset(file + layout->shoff, 0, layout->word);
	memset(file + layout->header - 4, 0, 4); /* shnum, shstrndx */
}

bool rmt_elf_is_for(const struct rmt_elf *elf, const char *machine)
{
	return has_word(elf->machines, machine);
}

const char *rmt_elf_relatives(const char *machine)
{
	for (size_t i = 0; i < RMT_COUNT(relatives); i++) {
		size_t size = strcspn(relatives[i], " ");

		if (strlen(machine) == size && memcmp(relatives[i], machine, size) == 0)
			return relatives[i];
	}
	return machine;
}

bool rmt_elf_runs_on(const struct rmt_elf *elf, const char *machine)
{
	const char *name = rmt_elf_relatives(machine);

	while (*name) {
		size_t size = strcspn(name, " ");
		char one[16];

		if (size < sizeof(one)) {
			memcpy(one, name, size);
			one[size] = '\0';
			if (rmt_elf_is_for(elf, one))
				return true;
		}
		name += size + strspn(name + size, " ");
	}
	return false;
}
