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

/* Creates a map; new fd. template: for RPA_MAP_OF_SOCKARRAYS, a map like its future values. */
int rpa_map_create(enum rpa_map_kind kind, const char *name, uint32_t value_size, uint32_t max_entries,
		   int template);

/* 0 if the map has this shape, 1 if not, or -errno. */
int rpa_map_differs(int map, enum rpa_map_kind kind, uint32_t value_size, uint32_t max_entries);

/* value: value_size bytes; for a per-CPU map rpa_possible_cpus() times that, each rounded up to 8. */
int rpa_map_lookup(int map, uint32_t index, void *value);
/* Reads the values 0 … count - 1, all of an array, each stride bytes long as above; in one
 * call if the kernel supports that. 0, or -errno of the first value that can't be read. */
int rpa_map_lookup_all(int map, uint32_t count, size_t stride, void *values);
int rpa_map_update(int map, uint32_t index, const void *value);
int rpa_map_delete(int map, uint32_t index);

int rpa_session_lookup(int map, const struct rpa_session *session, struct rpa_session_start *start);
int rpa_session_update(int map, const struct rpa_session *session, const struct rpa_session_start *start);
/* Reads all sessions in one call and returns their number; free(3) *sessions and *starts.
 * Sessions that begin or end during the call may be missing. */
int rpa_session_all(int map, struct rpa_session **sessions, struct rpa_session_start **starts);
/* Removes the session unless it began after that time (CLOCK_MONOTONIC, nanoseconds). Before
 * Linux 5.14, a session that begins during the call is removed, too. -EEXIST: it began again. */
int rpa_session_delete(int map, const struct rpa_session *session, uint64_t until);

/* The map's id, which is its value in a map of maps. */
int rpa_map_id(int map, uint32_t *id);

/* Maps length bytes of a mmapable array, shared, for reading and writing. The
 * address in *memory stays valid until rpa_unmap, the map's fd may be closed. */
int rpa_map_memory(int map, size_t length, void **memory);
int rpa_unmap(void *memory, size_t length);
/* Maps a part for reading; offset is a multiple of the page size. */
int rpa_map_part(int map, size_t offset, size_t length, const void **memory);

/* One aligned store or load: the program sees the old word or the new. */
static inline void rpa_store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* Stores value if *word still has the expected value. */
static inline int rpa_replace(uint64_t *word, uint64_t expected, uint64_t value)
{
	return __atomic_compare_exchange_n(word, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline uint64_t rpa_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* The number of CPUs for which a per-CPU value has a copy. */
int rpa_possible_cpus(void);

/* A map of the program's object, and the existing map to bind it to. */
struct rpa_map_binding {
	const char *name;
	int fd; /* borrowed; -1: a new map that lives as long as the program */
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

/* 1 if path is in a bpffs, 0 if it is in another file system, or -errno. */
int rpa_is_bpffs(const char *path);
/* The source is what mountinfo shows of the mount, and has no other meaning. */
int rpa_mount_bpffs(const char *source, const char *path);

/* Attaches the program to the socket's reuseport group (SO_ATTACH_REUSEPORT_EBPF):
 * atomic, for current and later members. */
int rpa_attach_reuseport(int socket, int program);
int rpa_detach_reuseport(int socket);

/* Returns when every program run that began before the call has ended (membarrier(2)). */
int rpa_wait_for_runs(void);

/* Enables BPF_ENABLE_STATS as long as the returned new fd is open. */
int rpa_enable_run_stats(void);
int rpa_run_stats(int program, uint64_t *nanoseconds, uint64_t *runs);

/* In instructions: those that the verifier processed on all paths together, and those of
 * the program as it was translated. */
struct rpa_program_size {
	uint32_t verified;
	uint32_t translated;
};

/* The statistics of the loaded program with this id. -EPERM: lacks CAP_SYS_ADMIN. */
int rpa_program_size_of(uint32_t identifier, struct rpa_program_size *size);

/* 1 if connections of a closing listener can be sent on (BPF_SK_REUSEPORT_SELECT_OR_MIGRATE),
 * 0 if not, or -errno: -EPERM without CAP_BPF. It loads a program, and throws it away. */
int rpa_probe_migration(void);

/* The ring buffer of notifications of exporters. */
struct rpa_ring;

/* Maps the ring buffer; the map's fd may be closed. *ring is NULL on failure, else
 * the caller's until rpa_ring_close. */
int rpa_ring_open(int map, struct rpa_ring **ring);
void rpa_ring_close(struct rpa_ring *ring); /* NULL is fine */

/* The ring's epoll fd, which the ring owns: readable when there are events. */
int rpa_ring_number(const struct rpa_ring *ring);

/* Takes up to capacity events without blocking. Returns their number. */
int rpa_ring_read(struct rpa_ring *ring, struct rpa_exporter_event *events, size_t capacity);

#endif
