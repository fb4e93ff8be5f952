/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The values of the maps that the BPF program and the agent share, and their limits.
 * bpf/sk_reuseport.c writes and reads them in the kernel; Swift uses them through the module
 * CBPFShim. Pinned maps outlive the agent that created them: a change of anything here but
 * rpa_constants is a new layout, and raises RPA_LAYOUT_VERSION. rpa_constants belongs to one
 * loaded program, and each agent loads its programs anew.
 */
#ifndef SK_REUSEPORT_LAYOUT_H
#define SK_REUSEPORT_LAYOUT_H

#include <linux/bpf.h>
#include <linux/types.h>

#define RPA_LAYOUT_VERSION 10

/* Slots of a pool. */
#define RPA_MAX_SLOTS 256

/* Sockets that a slot can have in each group: the workers of its collector. */
#define RPA_MAX_WORKERS 64

/*
 * Entries of each REUSEPORT_SOCKARRAY: RPA_MAX_WORKERS blocks with an entry for each slot, so that the
 * entry of a collector with one socket is its slot; and a last one that no row names. The agent puts
 * a socket there before it is registered, and asks the program by a probe whether it can select
 * the socket.
 */
#define RPA_PROOF_ENTRY (RPA_MAX_WORKERS * RPA_MAX_SLOTS)
#define RPA_SOCKET_ENTRIES (RPA_PROOF_ENTRY + 1)

/* Bytes of a collector's name, without the NUL. */
#define RPA_MAX_NAME 63

/* Groups of a pool. */
#define RPA_MAX_GROUPS 32

/*
 * A row is one word: rank r is the 10 bits from bit 10 * r, and the bits from RPA_SYN_SHIFT on
 * count the row's SYNs (modulo 2^24; the carry is lost at the top).
 *
 * The agent moves a row to another collector only while the row has no session. The run of a
 * SYN first adds to the count and then loads the ranks. The agent reads the word, looks for
 * sessions, and then replaces the word by compare-and-exchange. No session can therefore begin
 * unseen under ranks that are being replaced.
 */
#define RPA_RANKS 4
#define RPA_RANK_BITS 10
#define RPA_NO_SLOT 0x3ffu
#define RPA_SYN_SHIFT 40

/*
 * Map "owners" of a generation: a second copy of the first slot of each row, because most runs
 * need nothing else. A word has eight of them, the first one in its lowest bits; RPA_OWNER_IN_ROW
 * means that only the row has it. The owners are valid while the version of the settings is
 * even: the agent makes it odd before it writes rows, and even after it has written their
 * owners, too.
 */
#define RPA_OWNERS_PER_WORD 8
#define RPA_OWNER_BITS 8
#define RPA_OWNER_IN_ROW 0xffu

/* Unit of the times below: nanoseconds of CLOCK_MONOTONIC, shifted right. */
#define RPA_TICK_SHIFT 16

/*
 * Map "slots": one entry for each slot, shared by all groups of the pool.
 *
 * A slot is vacant if down_since != 0 and its low 16 bits equal those of registration_number.
 * The agent writes registration_number, once for each registration. The program writes
 * down_since when it finds a socket gone; the agent writes it when it learns of the loss first,
 * or when no exporter is to wait for the slot. A late write that raced with a registration names
 * the old registration number and therefore means nothing: no compare-and-exchange is needed,
 * and neither side ever waits.
 *
 * A slot that has more than one entry in a group has a bit and a span there. The span is the number
 * of entries, from worker 0 on, among which a run chooses. An entry whose socket was closed is
 * empty: the run takes the next one that isn't. Only when all of them are empty has the collector
 * lost its socket in the group.
 */
#define RPA_SPAN_BITS 8
#define RPA_SPANS_PER_WORD 8
#define RPA_SEVERAL_SHIFT 32

/* Which of its entries in a group gets a run of the slot. */
enum rpa_choice {
	RPA_CHOOSE_BY_EXPORTER, /* by the source address */
	RPA_CHOOSE_BY_FLOW,     /* by the kernel's 4-tuple hash */
	RPA_CHOOSE_IN_TURN,     /* one after the other, counted on each CPU */
	RPA_CHOOSE_BY_CPU,      /* by the CPU that runs the program */
};

#define RPA_IS_CLOSED 1u /* of "policy": the slot is no stand-in for rows whose ranks are all down */
#define RPA_CHOICE_SHIFT 8

#define RPA_LONG_AGO 1u /* since_ticks of a slot whose exporters fail over at once */

struct rpa_slot {
	__u64 registration_number; /* counts registrations; 0: never had a collector */
	__u64 down_since; /* since_ticks << 16 | low 16 bits of the vacant registration_number; 0: none */
	/* Bit n: its collector has, or had, a socket in group n of "group_sockets". Bit
	 * RPA_SEVERAL_SHIFT + n: its span in group n is more than 1. */
	__u64 groups;
	__u64 policy; /* RPA_IS_CLOSED, and an rpa_choice from RPA_CHOICE_SHIFT on */
	__u64 spans[RPA_MAX_GROUPS / RPA_SPANS_PER_WORD]; /* of each group; 0 and 1: one entry */
};

/* Map "group_sockets" of the pool: the sockarray of each group, by the group's number. A run
 * uses it to check whether the collector has lost a socket in another group. */

/* Map "traffic" of a group: per CPU, one entry for each slot. The counters are never set back:
 * those of the present collector are the difference to rpa_base. */
struct rpa_traffic {
	__u64 selected;    /* runs delivered to the slot as the owner of their row */
	__u64 failed_over; /* runs delivered to it instead of a better rank */
	__u64 bytes;       /* of both: UDP header and payload, or the SYN's TCP header */
	__u64 checked;     /* jiffies when a run last checked the other groups' sockets */
};

/*
 * Map "bases" of a group, one entry for each slot: the sum of the slot's "traffic" over all
 * CPUs when the slot got its present name. Only the agent uses it; the map outlives the agent.
 */
struct rpa_base {
	__u64 selected;
	__u64 failed_over;
	__u64 bytes;
};

/*
 * Map "drops" of a group, one entry for each slot: what the collector's sockets had no room
 * for since the slot got its present name. Only the agent uses it; the map outlives the agent.
 */
#define RPA_DROP_READINGS (2 * RPA_MAX_WORKERS)

struct rpa_drop_reading {
	__u64 cookie; /* of a socket that the slot has or had; 0: none */
	__u64 drops;  /* the socket's own counter, modulo 2^32, as far as the total contains it */
};

struct rpa_drops {
	__u64 total;
	struct rpa_drop_reading readings[RPA_DROP_READINGS]; /* the latest one first */
};

/* Map "losses" of a group: per CPU, one entry. Counts the runs that were dropped. */
struct rpa_losses {
	__u64 held;         /* the exporter's collector is down, within the hold time */
	__u64 no_collector; /* no usable slot in the whole pool */
	__u64 bad_packet;   /* no source address could be read */
	__u64 bytes;        /* of held and no_collector; as in rpa_traffic */
	__u64 probes;       /* the agent's own, see "probe" of rpa_settings: they are no outcome */
	/* Of the last probe: the low 32 bits of "probes" with it << 32 | the entry that it asked for << 16 |
	 * the errno of the attempt to select the entry's socket, 0: it was selected. Without the same
	 * number in "probes", the agent has copied the two words at different times. */
	__u64 probe_result;
};

/*
 * Map "sessions" of the pool, with eviction of the least recently used: the slot that a TCP
 * peer's SYN went to, and when. Entries outlive their sessions and mean nothing then.
 */
#define RPA_SESSIONS 65536

struct rpa_session {
	__u64 high, low; /* the peer's address; IPv4 in its IPv4-mapped form */
	__u32 port;      /* the peer's, host byte order */
	__u32 group;     /* number of the group */
};

struct rpa_session_start {
	__u64 time; /* nanoseconds of CLOCK_MONOTONIC */
	__u32 slot;
	__u32 unused;
};

/*
 * Tracked exporters have entries of two tables, with the same number in both: in "tracked", which all
 * CPUs share, and in the blocks of "cpu_counters", of which each CPU has one. Both consist of buckets
 * of RPA_BUCKET_ENTRIES entries. An exporter may be in one of RPA_BUCKET_CHOICES buckets, which its
 * hash names: a primary one, then others. It gets the first free entry, in that order; an entry
 * never becomes free again, but another exporter may replace a silent one.
 *
 * The primary buckets have room for a quarter of the limit. They get most of the first exporters, so
 * that a run of any of several thousand needs few pages of memory: where no other CPU writes, address
 * translation (TLB misses) costs the most.
 */
#define RPA_BUCKET_ENTRIES 4
#define RPA_BUCKET_CHOICES 4

/* Unit of the times below: nanoseconds of CLOCK_MONOTONIC, shifted right; about 0.27 s. */
#define RPA_TRACKING_TICK_SHIFT 28

/* The former slot in an exporter's first notification. */
#define RPA_NOT_NOTIFIED 0xfffeu

/* Map "tracked" of the pool. */
struct rpa_tracked_exporter {
	__u64 high, low;   /* source address; IPv4 in its IPv4-mapped form */
	__u64 stream_runs; /* of TCP: added up here, because few runs are SYNs */
	__u64 stream_bytes;
	__u32 epoch; /* counts the exporters that have had the entry; 0: none yet */
	__u32 first_seen;
	__u32 last_seen;     /* or up to an update's period earlier: see "update_mask" of rpa_settings */
	__u32 notified;      /* time of the last notification to the agent */
	__u16 slot;          /* that received its last run, or RPA_NO_SLOT */
	__u16 notified_slot; /* in the last notification, or RPA_NOT_NOTIFIED */
	__u32 state_time;    /* the time in the state of the CPU's counters that last wrote last_seen */
};

/*
 * Map "cpu_counters" of the pool: what each CPU has counted of the exporters' datagrams. On a machine
 * with more than RPA_COUNTER_BLOCKS CPUs, CPUs share blocks and count atomically. Counters whose epoch
 * differs from that of the exporter's entry belong to an exporter that is no longer tracked.
 *
 * Most runs need nothing else of the two tables, and find their exporter by its hash alone. Two addresses share
 * a hash with negligible probability, because its keys are secret; they would count as one exporter.
 */
#define RPA_COUNTER_BLOCKS 16

struct rpa_cpu_counters {
	__u64 identity; /* the exporter's hash with its lowest bit set; 0: none yet */
	__u64 runs;
	__u64 bytes; /* as in rpa_traffic, delivered or not */
	__u64 state; /* one word, because CPUs that share the counters may write at the same time */
};

struct rpa_counter_bucket {
	struct rpa_cpu_counters entries[RPA_BUCKET_ENTRIES];
};

/*
 * The state of an exporter's counters: from bit 0 on, the owner of its row; whether this CPU has noted in the
 * exporter's entry of "tracked" that the owner receives its runs, or that another slot does; from
 * RPA_STATE_TIME_SHIFT on, the time of its last run (if CPUs share the counters, of the last update of the
 * entry), in 64 jiffies, and with a part of its hash added; 16 bits of the epoch of its entry; and from
 * RPA_STATE_MARK_SHIFT on, the mark of the table that the owner was read from.
 */
#define RPA_STATE_OWNER 0xffull
#define RPA_STATE_NOTED (1ull << 8)
#define RPA_STATE_AWAY (1ull << 9)
#define RPA_STATE_TIME_SHIFT 10
#define RPA_STATE_TIME_BITS 14
#define RPA_STATE_EPOCH_SHIFT 24
#define RPA_STATE_MARK_SHIFT 40
#define RPA_STATE_JIFFIES_SHIFT 6

/* Limit of failed searches for a silent exporter, for each CPU in 4 jiffies. */
#define RPA_MAX_FAILED_SEARCHES 64

/* Map "untracked" of the pool: per CPU, one entry. */
struct rpa_untracked {
	__u64 runs; /* of exporters that got no entry, or had to give it up */
	__u64 bytes;
	__u64 events_lost;     /* notifications lost because "exporter_events" was full */
	__u64 search_time;     /* jiffies / 4 of the searches that are counted next */
	__u64 failed_searches; /* searches that failed in that time */
};

/* Map "exporter_alloc" of the pool, one entry: the allocator of entries for exporters. Its lock is
 * held while an entry gets another exporter. */
struct rpa_exporter_allocator {
	struct bpf_spin_lock lock;
	__u32 used;    /* entries of "tracked" that are in use */
	__u64 evicted; /* exporters whose entry went to another one */
};

/* Map "retired_counts" of the pool, one entry: the counts of tables of another size. Only
 * the agent uses it. */
struct rpa_retired_counts {
	__u64 runs;
	__u64 bytes;
	__u64 evicted;
	__u64 events_lost;
	__u64 last_table; /* the kernel's number of the map of counters that was added last */
};

/* Ring buffer "exporter_events" of the pool: notifications of exporters, at most one for each
 * exporter in an interval. */
#define RPA_EXPORTER_EVENT_BYTES (1 << 17)

struct rpa_exporter_event {
	__u64 high, low;
	__u32 seen;        /* time of the run */
	__u16 slot;        /* that received the run, or RPA_NO_SLOT */
	__u16 former_slot; /* in the previous notification, or RPA_NOT_NOTIFIED */
};

/*
 * Map "exporters" of a generation: the configured addresses and prefixes, in a hash table with
 * open addressing from the low bits of their hash on.
 *
 * The lookup is Waldvogel's (SIGCOMM 1997): a binary search over the lengths that occur. A
 * marker means that there are longer prefixes below it, and has the row of the longest prefix
 * that covers it.
 */
#define RPA_EXPORTER_PROBES 32
#define RPA_NO_ROW 0x7fffffffu

struct rpa_exporter {
	__u64 high, low;  /* address; the bits beyond the length are 0 */
	__u32 row;        /* index in "rows", or RPA_NO_ROW: only a marker */
	__u32 length_tag; /* prefix length of the IPv6 form + 1; 0: a free entry */
};

/* IPv6: 0 ... 128; IPv4: 96 ... 128. */
#define RPA_MAX_LENGTHS 162

/* How a program selects. */
enum rpa_selection {
	RPA_BY_EXPORTER, /* the row of the exporter's bucket, or the exporter's own row */
	RPA_BY_TURN,     /* one row after the other, counted on each CPU */
	RPA_BY_FLOW,     /* the row of the kernel's 4-tuple hash */
};

/* Constants of a loaded program (its .rodata): the verifier removes code that they rule out. */
struct rpa_constants {
	__u64 hash_keys[6]; /* see ExporterHash.swift; the last one is for prefix lengths */
	__u64 table_size;   /* rows that are chosen by hash or turn; rows of single exporters may follow */
	__u64 other_groups; /* the bits of "groups" in rpa_slot of all groups but the program's */
	__u64 several;      /* the bit there: the span in the program's group is more than 1 */
	__u32 selection;
	__u32 generation;         /* that the program was loaded for, modulo 2^32 */
	__u32 group;              /* number of its group */
	__u32 is_stream;          /* the group is TCP: each run is a SYN, or a connection that migrates */
	__u32 exporter_mask;      /* entries of "exporters" - 1; 0: none are configured */
	__u32 primary_buckets;    /* of tracked exporters; 0: exporters aren't tracked */
	__u32 other_buckets;      /* follow the primary ones */
	__u32 tracked_limit;      /* exporters that may have entries */
	__u32 counter_block_mask; /* blocks of "cpu_counters" - 1 */
	__u32 shares_counters;    /* CPUs share blocks of "cpu_counters" */
	__u32 length_begin[3]; /* IPv6 lengths are from [0] to [1], IPv4 lengths from [1] to [2], ascending */
	__u8 lengths[RPA_MAX_LENGTHS];
	__u32 zero; /* the key of maps with one entry */
};

/*
 * A generation is a table with the programs that were loaded for it: rows, exporters, and one
 * program for each group. A pool has room for two generations. The lowest bit of "generation"
 * says which one is in force, for all groups at once: one store switches the whole pool.
 */
#define RPA_GENERATIONS 2

/* The configuration that a generation was made for. A change of it needs a new generation. */
struct rpa_shape {
	__u64 assignment; /* see Assignment.swift */
	__u64 table_size;
	__u64 seed_fingerprint; /* shows whether the keys fit a configuration */
	__u64 exporter_digest;  /* shows whether the exporters fit it */
	__u64 row_count;        /* table_size, and the rows of single exporters */
	__u64 tracked_limit;    /* limit of tracked exporters */
};

#define RPA_UPDATE_ALWAYS (1u << RPA_STATE_TIME_BITS)

/* Map "settings", one entry. The program doesn't read the shapes. */
struct rpa_settings {
	__u64 layout_version; /* written last when a pool is made: if it is set, all pins exist */
	__u64 generation;     /* counts generations; 0: there is none yet */
	__u64 hold_ticks;     /* how long a vacant slot keeps its exporters */
	__u64 version;        /* odd while rows of the generation in force are written, else even */
	__u64 probe;          /* source hash + source port of the agent's SYN or empty datagram, which
	                       * shows that the program is attached, and is dropped; 0: none is sent */
	__u64 sampling;       /* in ticks of RPA_TRACKING_TICK_SHIFT: interval of an exporter's events << 32
	                       * | silence after which it may lose its entry; interval 0: each run is an event */
	__u64 incarnation;    /* random, drawn when the pool was made: its counters began at 0 then */
	__u64 probe_entry;    /* entry of "sockets" that a probe asks for */
	/* Bits of the time in the state of an exporter's counters. A run that changes one of them updates the
	 * exporter's entry in "tracked". RPA_UPDATE_ALWAYS: every run updates it. */
	__u64 update_mask;
	struct rpa_shape shapes[RPA_GENERATIONS];
};

/* Map "tenants", one entry for each slot: the collector that has it. Only the agent uses it; the
 * map outlives the agent. */
struct rpa_tenant {
	char name[RPA_MAX_NAME + 1]; /* of the collector, NUL-padded; empty: a free slot */
	__u64 process_start;         /* clock ticks since boot, field 22 of /proc/PID/stat */
	__u32 pid;                   /* owner of the registered sockets; 0: unknown */
	__u32 user;                  /* of the sockets (uid), if has_user */
	__u8 has_user;
	__u8 draining;  /* it gets no new exporters */
	__u8 departing; /* its name left the configuration: the slot becomes free when no row has it */
	__u8 dismissed; /* it was unregistered: its exporters don't wait for it */
	__u64 proven;   /* registration number for which the program has selected a socket in each group */
	__u64 keeper_start; /* as process_start */
	__u32 keeper_pid;   /* keeps the sockets open when the owner ends; 0: nobody is known to */
	__u32 padding;
	__u64 former_start; /* as process_start */
	__u32 former_pid;   /* the process that the owner has replaced; 0: none */
	__u8 set_aside; /* it reads nothing: its exporters are at others, and its sockets stay in the slot */
	__u8 unused[3];
};

#endif
