/*
 * Preloaded into the agent (ld.so(8)): its program select_collector begins with an instruction
 * that every verifier refuses, because it reads a register that was never written. What is
 * mocked is the program alone: the kernel's verifier refuses it, in its own words.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct bpf_object;
typedef struct bpf_object *open_mem(const void *bytes, size_t length, const void *options);

/* r0 = r9 */
static const unsigned char unreadable[8] = {0xbf, 0x90};

static void spoil(char *elf)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)elf;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(elf + header->e_shoff);

	for (int i = 0; i < header->e_shnum; i++) {
		const Elf64_Sym *symbols = (const Elf64_Sym *)(elf + sections[i].sh_offset);
		const char *names;

		if (sections[i].sh_type != SHT_SYMTAB)
			continue;
		names = elf + sections[sections[i].sh_link].sh_offset;
		for (size_t j = 0; j < sections[i].sh_size / sizeof(*symbols); j++) {
			const Elf64_Sym *symbol = &symbols[j];

			if (!strcmp(names + symbol->st_name, "select_collector"))
				memcpy(elf + sections[symbol->st_shndx].sh_offset + symbol->st_value,
				       unreadable, sizeof(unreadable));
		}
	}
}

struct bpf_object *bpf_object__open_mem(const void *bytes, size_t length, const void *options)
{
	open_mem *real = (open_mem *)dlsym(RTLD_NEXT, "bpf_object__open_mem");
	struct bpf_object *object;
	char *copy = malloc(length);

	if (!copy)
		return NULL;
	memcpy(copy, bytes, length);
	spoil(copy);
	object = real(copy, length, options);
	free(copy);
	return object;
}
