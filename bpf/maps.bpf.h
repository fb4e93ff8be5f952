// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The maps of sk_reuseport.c; their values are in sk_reuseport_layout.h. The agent
 * makes and pins them. */
#ifndef MAPS_BPF_H
#define MAPS_BPF_H

#include "sk_reuseport_layout.h"
#include "verifier.bpf.h"

const volatile struct rpa_constants constants = {};

/* The key of a map that has one entry: in read-only memory, where it costs no store. */
#define ONLY ((const void *)&constants.zero)

/* The bucket table, and the rows of single exporters after it. A row is one
 * aligned word, so that a run sees either the old row or the new. As many as the
 * agent makes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u64);
} rows SEC(".maps");

/* The owners of the rows: an eighth of their memory, so that it stays in a CPU's cache
 * where they don't. As many words as the agent makes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} owners SEC(".maps");

/* As many entries as constants.exporter_mask says. */
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

/* value_size 8, so that the agent can look up socket cookies. */
struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

/* The same of every group of the pool, this one's included. */
struct socket_array {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, RPA_MAX_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RPA_MAX_GROUPS);
	__type(key, __u32);
	__array(values, struct socket_array);
} group_sockets SEC(".maps");

/* Which slot a peer's connection went to, and when. */
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

/* Near ones, then far ones: as many as the masks of the constants say. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} places SEC(".maps");

/* constants.sighting_limit of them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_sighting);
} sightings SEC(".maps");

/* Blocks of constants.sighting_limit. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rpa_tally);
} tallies SEC(".maps");

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
	__type(value, struct rpa_admission);
} admission SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RPA_SIGHTING_EVENT_BYTES);
} sighting_events SEC(".maps");

/* The next row's index, of RPA_BY_TURN. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} turns SEC(".maps");

/* The program of each generation. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, RPA_GENERATIONS);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

#endif
