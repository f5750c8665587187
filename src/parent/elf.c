/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/cold.h"
#include "base/macro.h"

/* From gabi 4.2: where the members are in the files of the two classes. */
struct layout {
	unsigned char header, segment;         /* sizes */
	unsigned char phoff, shoff, phentsize; /* shentsize, shnum and shstrndx end the header */
	unsigned char p_flags, p_offset, p_filesz;
	unsigned char word; /* size of an offset */
};

static const struct layout layouts[] = {
	[ELFCLASS32] = {52, 32, 28, 32, 42, 24, 4, 16, 4},
	[ELFCLASS64] = {64, 56, 32, 40, 54, 4, 8, 32, 8},
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

static void put_number(unsigned char *at, unsigned size, bool big, uint64_t value)
{
	for (unsigned i = 0; i < size; i++, value >>= 8)
		at[big ? size - 1 - i : i] = (unsigned char)value;
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

/* Notes the segment that was found at `table`, in a file of `size` bytes. */
static int read_segment(const unsigned char *file, size_t size, size_t table,
			const struct layout *layout, bool big, struct rmt_elf *elf)
{
	const unsigned char *segment = file + table;
	uint64_t offset = number(segment + layout->p_offset, layout->word, big);
	uint64_t bytes = number(segment + layout->p_filesz, layout->word, big);
	uint64_t type = number(segment, 4, big);

	if (offset > size || bytes > size - offset)
		return -ENOEXEC;
	if (type == PT_INTERP && bytes > 1) {
		elf->loader = (size_t)offset;
		elf->loader_size = strnlen((const char *)file + offset, (size_t)bytes);
	}
	if (type == PT_LOAD && bytes > sizeof(struct rmt_cold_head) &&
	    memcmp(file + offset, RMT_COLD_MAGIC, sizeof(RMT_COLD_MAGIC) - 1) == 0) {
		elf->cold_segment = table;
		elf->cold = (size_t)offset + sizeof(struct rmt_cold_head);
		elf->cold_size = (size_t)bytes - sizeof(struct rmt_cold_head);
		bytes = sizeof(struct rmt_cold_head);
	}
	elf->end = RMT_MAX(elf->end, (size_t)(offset + bytes));
	return 0;
}

int rmt_elf_read(const unsigned char *file, size_t size, struct rmt_elf *ret_elf)
{
	const struct layout *layout = &layouts[ELFCLASS32];
	const struct machine *machine;
	struct rmt_elf elf;
	uint64_t table, count;
	unsigned type;
	bool big;
	int r = 0;

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
	elf = (struct rmt_elf){.machines = machine->names,
			       .end = (size_t)(table + count * layout->segment)};
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = read_segment(file, size, (size_t)(table + i * layout->segment), layout, big,
				 &elf);
	if (r < 0)
		return r;
	/* Only what lies behind everything else can be cut off. */
	if (elf.cold_size > 0 && elf.end > elf.cold) {
		elf.end = RMT_MAX(elf.end, elf.cold + elf.cold_size);
		elf.cold_size = 0;
	}
	*ret_elf = elf;
	return 0;
}

void rmt_elf_strip(unsigned char *file, const struct rmt_elf *elf, const char *digest)
{
	const struct layout *layout = &layouts[file[EI_CLASS]];
	bool big = file[EI_DATA] == ELFDATA2MSB;
	struct rmt_cold_head *head;

	memset(file + layout->shoff, 0, layout->word);
	memset(file + layout->header - 4, 0, 4); /* shnum, shstrndx */
	if (elf->cold_size == 0)
		return;
	/* The kernel fills the rest of the segment with zeros, for which it must be writable. */
	put_number(file + elf->cold_segment + layout->p_flags, 4, big, PF_R | PF_W);
	put_number(file + elf->cold_segment + layout->p_filesz, layout->word, big,
		   sizeof(struct rmt_cold_head));
	head = (struct rmt_cold_head *)(file + elf->cold - sizeof(struct rmt_cold_head));
	head->present = 0;
	memcpy(head->digest, digest, sizeof(head->digest));
	put_number(head->check, sizeof(head->check), false,
		   rmt_cold_check(file + elf->cold, elf->cold_size));
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
