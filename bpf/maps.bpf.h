// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The maps of sk_reuseport.c. sk_reuseport_layout.h describes their values. The agent creates
 * and pins them, and some with more entries than are declared here. */
#ifndef MAPS_BPF_H
#define MAPS_BPF_H

#include "sk_reuseport_layout.h"
#include "verifier.bpf.h"

const volatile struct rpa_constants constants = {};

/* The key of a map with one entry: it is in read-only memory, and costs no store. */
#define ONLY ((const void *)&constants.zero)

/* The bucket table, followed by the rows of single exporters. A row is one aligned word: a run
 * sees the old row or the new one. The agent sets the number of entries. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u64);
} rows SEC(".maps");

/* The owners of the rows: an eighth of the rows' memory, which stays in a CPU's cache where the
 * rows don't. The agent sets the number of entries. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} owners SEC(".maps");

/* Configured exporters: constants.exporter_mask + 1 entries. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_exporter);
} exporters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct rpa_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_settings);
} settings SEC(".maps");

/* This group's sockets, by entry: see RPA_SOCKET_ENTRIES. Values of 8 bytes let the agent look up socket cookies. */
struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, RPA_SOCKET_ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

/* The sockets of every group of the pool, this one included. */
struct socket_array {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, RPA_SOCKET_ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RPA_MAX_GROUPS);
	__type(key, __u32);
	__array(values, struct socket_array);
} group_sockets SEC(".maps");

/* The slot that a peer's connection went to, and when. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, RPA_SESSIONS);
	__type(key, struct rpa_session);
	__type(value, struct rpa_session_start);
} sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct rpa_traffic);
} traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_losses);
} losses SEC(".maps");

/* Tracked exporters, in buckets: see rpa_tracked_exporter. The agent sets the number of entries. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_tracked_exporter);
} tracked SEC(".maps");

/* Per-CPU counters of tracked exporters: a block for each CPU, with the buckets of "tracked". */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_counter_bucket);
} cpu_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_untracked);
} untracked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_exporter_allocator);
} exporter_alloc SEC(".maps");

/* Notifications of exporters for the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RPA_EXPORTER_EVENT_BYTES);
} exporter_events SEC(".maps");

/* For RPA_BY_TURN: the index of the next row. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} turns SEC(".maps");

/* The selection program of each generation. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, RPA_GENERATIONS);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

#endif
