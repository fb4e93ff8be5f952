/*
 * Preloaded into the agent (ld.so(8)): its selection programs begin with an instruction
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
	const char *names = elf + sections[header->e_shstrndx].sh_offset;

	/* select_collector is the section's first program. */
	for (int i = 0; i < header->e_shnum; i++) {
		if (!strcmp(names + sections[i].sh_name, "sk_reuseport"))
			memcpy(elf + sections[i].sh_offset, unreadable, sizeof(unreadable));
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
