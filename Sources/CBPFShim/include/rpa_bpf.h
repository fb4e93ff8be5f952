/* Maps, programs and pins: bpf(2) through libbpf. */
#ifndef RPA_BPF_H
#define RPA_BPF_H

#include <stddef.h>
#include <stdint.h>

#include "meter_layout.h"
#include "sk_reuseport_layout.h"

enum rpa_map_kind {
	RPA_MAP_ARRAY,          /* BPF_MAP_TYPE_ARRAY */
	RPA_MAP_MMAPABLE_ARRAY, /* the same, BPF_F_MMAPABLE */
	RPA_MAP_PERCPU_ARRAY,
	RPA_MAP_SOCKARRAY,     /* BPF_MAP_TYPE_REUSEPORT_SOCKARRAY */
	RPA_MAP_PROGRAMS,      /* BPF_MAP_TYPE_PROG_ARRAY: update takes a program's fd, lookup gives its id */
	RPA_MAP_OF_SOCKARRAYS, /* BPF_MAP_TYPE_ARRAY_OF_MAPS: update takes a map's fd, lookup gives its id */
	RPA_MAP_SESSIONS,      /* BPF_MAP_TYPE_LRU_HASH by struct rpa_session */
	RPA_MAP_PREFIXES,      /* BPF_MAP_TYPE_LPM_TRIE by struct rpa_prefix; the others have 4-byte keys */
	RPA_MAP_ALLOCATOR, /* an array of struct rpa_exporter_allocator, which the kernel knows to have a lock */
	RPA_MAP_EVENTS,    /* BPF_MAP_TYPE_RINGBUF; max_entries are its bytes, value_size is 0 */
};

/* New fd. template: of RPA_MAP_OF_SOCKARRAYS, a map like those that it is to hold. */
int rpa_map_create(enum rpa_map_kind kind, const char *name, uint32_t value_size, uint32_t max_entries,
		   int template);

/* 0 if the map is of this shape, 1 if it is another, or -errno. */
int rpa_map_differs(int map, enum rpa_map_kind kind, uint32_t value_size, uint32_t max_entries);

/* value: value_size bytes; for a per-CPU map rpa_possible_cpus() times that, each rounded up to 8. */
int rpa_map_lookup(int map, uint32_t index, void *value);
/* The values of 0 … count - 1, all that an array has, each stride bytes long as above; by
 * one call where the kernel has one. 0, or -errno of the first that can't be read. */
int rpa_map_lookup_all(int map, uint32_t count, size_t stride, void *values);
int rpa_map_update(int map, uint32_t index, const void *value);
int rpa_map_delete(int map, uint32_t index);

int rpa_session_lookup(int map, const struct rpa_session *session, struct rpa_session_start *start);
int rpa_session_update(int map, const struct rpa_session *session, const struct rpa_session_start *start);
/* How many there are, by one call: *sessions and *starts, which free(3) takes. Of those that
 * come or go meanwhile some may be missing. */
int rpa_session_all(int map, struct rpa_session **sessions, struct rpa_session_start **starts);
/* Unless it began after that (CLOCK_MONOTONIC, nanoseconds); before Linux 5.14 one that begins
 * in this very moment goes, too. -EEXIST: it began anew just now. */
int rpa_session_delete(int map, const struct rpa_session *session, uint64_t until);

/* The kernel's number of the map, by which a map of maps knows it. */
int rpa_map_id(int map, uint32_t *id);

/* Maps length bytes of a mmapable array, shared, for reading and writing. The
 * address in *memory stays valid until rpa_unmap, the map's fd may be closed. */
int rpa_map_memory(int map, size_t length, void **memory);
int rpa_unmap(void *memory, size_t length);
/* The same of a part, for reading; offset is a multiple of the page's size. */
int rpa_map_part(int map, size_t offset, size_t length, const void **memory);
/* Bytes of a page of memory. */
size_t rpa_page_size(void);

/* One aligned store or load: the program sees the old word or the new. */
static inline void rpa_store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* Puts in value if *word is still expected. */
static inline int rpa_replace(uint64_t *word, uint64_t expected, uint64_t value)
{
	return __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline uint64_t rpa_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* CPUs that a per-CPU value has a copy for. */
int rpa_possible_cpus(void);

/* A map that the program uses, and the one that it is to be. */
struct rpa_map_binding {
	const char *name;
	int fd; /* borrowed; -1: a new one, that lives as long as the program */
};

/*
 * Loads the program named program out of an ELF object in memory, with its maps
 * bound to existing ones and its constants set (the object's .rodata starts with
 * them). Returns a new fd. The verifier's log is left in log (NUL-terminated)
 * when the kernel refuses the program.
 */
int rpa_program_load(const void *elf, size_t elf_length, const char *program,
		     const struct rpa_map_binding *maps, size_t map_count, const void *constants,
		     size_t constants_length, char *log, size_t log_length);

/* bpffs. A pin's name must not contain a dot (EPERM). */
int rpa_pin(int fd, const char *path);
int rpa_open_pin(const char *path); /* new fd */

/* 1 if path lies in a bpffs, 0 if in another file system, or -errno. */
int rpa_is_bpffs(const char *path);
int rpa_mount_bpffs(const char *path);

/* Attaches the program to the reuseport group that the socket is a member of
 * (SO_ATTACH_REUSEPORT_EBPF): atomic, for present members and later ones. */
int rpa_attach_reuseport(int socket, int program);
int rpa_detach_reuseport(int socket);

/* Returns when every run that had begun before has ended (membarrier(2)). */
int rpa_wait_for_runs(void);

/* BPF_ENABLE_STATS: counted as long as the returned new fd is open. */
int rpa_enable_run_stats(void);
int rpa_run_stats(int program, uint64_t *nanoseconds, uint64_t *runs);

/* In instructions: those that the verifier processed on all paths together, and those of
 * the program as it was translated. */
struct rpa_program_size {
	uint32_t verified;
	uint32_t translated;
};

/* Of the loaded program with the kernel's number. -EPERM: it takes CAP_SYS_ADMIN. */
int rpa_program_size_of(uint32_t identifier, struct rpa_program_size *size);

#endif
