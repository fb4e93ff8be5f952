/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF program and the agent share: the values of the maps and their
 * limits. bpf/sk_reuseport.c writes and reads them in the kernel, Swift sees
 * them through the module CBPFShim. Pinned maps outlive the agent that made them:
 * a change of anything here but rpa_constants is a new layout, and raises
 * RPA_LAYOUT_VERSION. The constants are a loaded program's own, and each agent
 * loads its programs anew.
 */
#ifndef SK_REUSEPORT_LAYOUT_H
#define SK_REUSEPORT_LAYOUT_H

#include <linux/bpf.h>
#include <linux/types.h>

#define RPA_LAYOUT_VERSION 6

/* Slots of a pool, and so entries of each REUSEPORT_SOCKARRAY. */
#define RPA_MAX_SLOTS 256

/* Bytes of a collector's name. */
#define RPA_MAX_NAME 63

/* Groups of a pool. */
#define RPA_MAX_GROUPS 32

/*
 * A row is one word: rank r is the 10 bits from bit 10 * r, and the bits from
 * RPA_SYN_SHIFT on count the row's SYNs (modulo 2^24; the carry falls off the top).
 *
 * The agent moves a row to another collector only while it has no session. A
 * SYN's run first adds to the count and then loads the ranks, the agent replaces
 * the word that it read before it looked for sessions by compare-and-exchange:
 * so no session can begin unseen under ranks that are on their way out.
 */
#define RPA_RANKS 4
#define RPA_RANK_BITS 10
#define RPA_NO_SLOT 0x3ffu
#define RPA_SYN_SHIFT 40

/*
 * Map "owners" of a generation: the slot that is first in each row, a second time, for
 * most runs ask for no more. Eight in a word, the first one lowest; RPA_ASK_ROW: the row
 * tells. True while the version of the settings is even: the agent makes it odd before it
 * writes rows, and even when their owners are written too.
 */
#define RPA_OWNERS_PER_WORD 8
#define RPA_OWNER_BITS 8
#define RPA_ASK_ROW 0xffu

/* Unit of the times below: nanoseconds of CLOCK_MONOTONIC, shifted right. */
#define RPA_TICK_SHIFT 16

/*
 * Map "slots", one entry a slot, shared by all groups of the pool.
 *
 * The slot is vacant if down_since != 0 and its low 16 bits are registration_number's. The
 * agent writes registration_number, once for each registration; the program writes down_since
 * when it finds a socket gone, the agent when nobody is to wait for it. A late
 * write that raced with a registration names the old registration_number and so means
 * nothing: no compare-and-exchange is needed, and neither side ever waits.
 */
#define RPA_LONG_AGO 1u /* since_ticks of a slot whose exporters don't wait */

struct rpa_slot {
	__u64 registration_number; /* counts registrations; 0: never had a collector */
	__u64 down_since; /* since_ticks << 16 | low 16 bits of the registration_number seen vacant; 0: none */
	__u64 groups;     /* bit n: its collector has, or had, a socket in group n of "group_sockets" */
	__u64 closed;     /* not 0: it stands in for nobody, whose ranks are all down */
};

/* Map "group_sockets" of the pool: the sockarray of each group, by its number. A
 * run looks with it whether the collector has lost a socket in another group. */

/* Map "traffic" of a group: per CPU, one entry a slot. Nobody ever sets it back: what
 * its present collector got is what came since rpa_base. */
struct rpa_traffic {
	__u64 selected;    /* runs delivered to the slot as a row's owner */
	__u64 failed_over; /* runs delivered to it in place of a better rank */
	__u64 bytes;       /* of both: UDP header and payload, or the SYN's TCP header */
	__u64 checked;     /* jiffies when a run last looked whether the collector is whole */
};

/*
 * Map "bases" of a group, one entry a slot: what "traffic" had counted for the slot,
 * over all CPUs, when its present name came to it. For the agent alone, to outlive it.
 */
struct rpa_base {
	__u64 selected;
	__u64 failed_over;
	__u64 bytes;
};

/*
 * Map "drops" of a group, one entry a slot: what its collector's sockets had no room
 * for, since its present name came to it. For the agent alone, to outlive it.
 */
#define RPA_DROP_READINGS 4

struct rpa_drop_reading {
	__u64 cookie; /* of a socket that the slot has, or had; 0: none */
	__u64 drops;  /* the socket's own count, modulo 2^32, as it is in the total */
};

struct rpa_drops {
	__u64 total;
	struct rpa_drop_reading readings[RPA_DROP_READINGS]; /* the last one first */
};

/* Map "losses" of a group: per CPU, one entry. Every one of these was dropped. */
struct rpa_losses {
	__u64 held;         /* the exporter's collector is away, within the hold time */
	__u64 no_collector; /* no usable slot in the whole pool */
	__u64 bad_packet;   /* no source address could be read */
	__u64 probes;       /* the agent's own: see "probe" of the settings. No outcome */
	__u64 bytes;        /* of held and no_collector; as in rpa_traffic */
};

/*
 * Map "sessions" of the pool, by least recent use: which collector a TCP peer's
 * SYN went to, and when. What it says of sessions that are no more means nothing.
 */
#define RPA_SESSIONS 65536

struct rpa_session {
	__u64 high, low; /* peer's address; IPv4 in its IPv4-mapped form */
	__u32 port;      /* peer's, host byte order */
	__u32 group;     /* number of the group */
};

struct rpa_session_start {
	__u64 time; /* nanoseconds of CLOCK_MONOTONIC */
	__u32 slot;
	__u32 unused;
};

/*
 * Map "places" of the pool: where to find an exporter, shared by all CPUs. A hash table
 * of words by open addressing: RPA_SIGHTING_PROBES near places from the low bits of the
 * exporter hash on, then as many far ones from its high bits on. A word of 0 is a free
 * place; else the lowest 32 bits are 1 + the index of its entry in "sightings" and in
 * each block of "tallies", the next 16 the lowest of the entry's epoch, the highest 16
 * those of the exporter hash. A place is never free again, so the search ends at the
 * first free one, until all entries are taken; another exporter may have it, and its
 * entry, one day.
 *
 * The near places are few, and first: they fit into a CPU's cache. The far ones are
 * RPA_SIGHTING_SPARE times as many as there are exporters, so that up to their limit
 * nearly every one finds room.
 */
#define RPA_SIGHTING_PROBES 8
#define RPA_SIGHTING_SPARE 4
#define RPA_EPOCH_SHIFT 32
#define RPA_FINGERPRINT_SHIFT 48

/* Unit of the times below: nanoseconds of CLOCK_MONOTONIC, shifted right; some 0.27 s. */
#define RPA_SIGHTING_TICK_SHIFT 28

/* The slot of an exporter whose first notification is still to come. */
#define RPA_NOT_NOTIFIED 0xfffeu

/* Map "sightings" of the pool: the exporters that were seen, the first ones first. */
struct rpa_sighting {
	__u64 high, low; /* source address; IPv4 in its IPv4-mapped form */
	__u32 epoch;     /* counts who has had the entry; 0: nobody yet */
	__u32 first_seen;
	__u32 last_seen;
	__u32 told;      /* time of the last notification to the agent */
	__u16 slot;      /* that got its last run, or RPA_NO_SLOT */
	__u16 told_slot; /* in the last notification, or RPA_NOT_NOTIFIED */
	__u32 unused;
};

/*
 * Map "tallies" of the pool: what each exporter sent, a block of entries for each CPU
 * up to RPA_TALLY_BLOCKS; on a machine with more, CPUs share one, and count
 * atomically. What an entry of another epoch than its sighting's has counted belongs
 * to nobody who is tracked any more.
 *
 * All that most runs look at is here, in a cache line that no other CPU writes.
 */
#define RPA_TALLY_BLOCKS 16

struct rpa_tally {
	__u64 runs[2];   /* UDP, TCP */
	__u64 bytes[2];  /* as in rpa_traffic, delivered or not */
	__u64 high, low; /* the sighting's, since this epoch */
	__u64 ranks;     /* its row's, and from RPA_SYN_SHIFT on the mark of what they were read under */
	__u32 epoch;
	__u16 jiffy; /* when this CPU last looked after the sighting: jiffies / 64, modulo 2^16 */
	__u16 slot;  /* that it told the sighting then; another CPU may have told it another one since */
};

/* Searches in vain of a CPU in 4 jiffies, at most. */
#define RPA_FRUITLESS_SEARCHES 64

/* Map "untracked" of the pool: per CPU, one entry. */
struct rpa_untracked {
	__u64 runs; /* of exporters that found no place, or had to give theirs up */
	__u64 bytes;
	__u64 events_lost; /* the agent wasn't told, for it was behind by all that "sighting_events" holds */
	__u64 searched;    /* jiffies / 4 when a run last sought a place in vain in a full table */
	__u64 fruitless;   /* how many did since then */
};

/* Map "admission" of the pool, one entry: who takes a place has its lock. */
struct rpa_admission {
	struct bpf_spin_lock lock;
	__u32 used;    /* entries of "sightings" that are taken */
	__u64 evicted; /* exporters that had to leave */
};

/* Map "forgotten_sightings" of the pool, one entry, for the agent alone: what tables of
 * another size had counted. */
struct rpa_forgotten_sightings {
	__u64 runs;
	__u64 bytes;
	__u64 evicted;
	__u64 events_lost;
	__u64 last_table; /* the kernel's number of the tallies that were added last */
};

/* Ring buffer "sighting_events" of the pool: at most one of each exporter in an interval. */
#define RPA_SIGHTING_EVENT_BYTES (1 << 17)

struct rpa_sighting_event {
	__u64 high, low;
	__u32 seen;        /* when */
	__u16 slot;        /* as above */
	__u16 former_slot; /* in the notification before, or RPA_NOT_NOTIFIED */
};

/*
 * Map "exporters" of a generation: the configured addresses and prefixes, a hash
 * table by open addressing from the low bits of their hash on.
 *
 * The lookup is Waldvogel's (SIGCOMM 1997): a binary search over the lengths
 * that occur. A marker tells that longer prefixes go on below it, and has the
 * row of the longest prefix that covers it.
 */
#define RPA_EXPORTER_PROBES 32
#define RPA_NO_ROW 0x7fffffffu

struct rpa_exporter {
	__u64 high, low;  /* address, bits beyond the length zero */
	__u32 row;        /* index in "rows", or RPA_NO_ROW: only a marker */
	__u32 length_tag; /* prefix length of the IPv6 form + 1; 0: a free entry */
};

/* IPv6's 0 ... 128 and IPv4's 96 ... 128. */
#define RPA_MAX_LENGTHS 162

/* How a program selects. */
enum rpa_selection {
	RPA_BY_EXPORTER, /* the row of the exporter's bucket, or its own */
	RPA_BY_TURN,     /* the rows one after the other, counted on each CPU */
	RPA_BY_FLOW,     /* the row of the kernel's 4-tuple hash */
};

/* Constants of a loaded program (its .rodata): what isn't used costs nothing. */
struct rpa_constants {
	__u64 hash_keys[6]; /* see ExporterHash.swift; the last is of prefix lengths */
	__u64 table_size;   /* rows that are chosen by hash or turn; more may follow, of one exporter each */
	__u32 selection;
	__u32 generation;      /* the one that the program was loaded for, modulo 2^32 */
	__u32 group;           /* number of its group */
	__u32 is_stream;       /* of TCP: each run is a SYN, or a connection that migrates */
	__u32 exporter_mask;   /* entries of "exporters" - 1; 0: none are configured */
	__u32 near_mask;       /* near ones of "places" - 1; 0: who sends isn't kept track of */
	__u32 far_mask;        /* far ones - 1 */
	__u32 sighting_limit;  /* entries of "sightings", and of a block of "tallies" */
	__u32 tally_mask;      /* blocks of "tallies" - 1 */
	__u32 shares_tallies;  /* CPUs have to */
	__u32 length_begin[3]; /* lengths of IPv6 are from [0] to [1], of IPv4 from [1] to [2], ascending */
	__u8 lengths[RPA_MAX_LENGTHS];
	__u32 zero; /* the key of maps that have one entry */
};

/*
 * A generation is a table with the programs that were loaded for it: rows,
 * exporters, one program for each group. A pool has room for two, and the lowest
 * bit of "generation" says which one is in force, for all groups at once.
 */
#define RPA_GENERATIONS 2

/* What a generation was made for. A change of it takes a new generation. */
struct rpa_shape {
	__u64 assignment; /* see Assignment.swift */
	__u64 table_size;
	__u64 seed_fingerprint; /* tells whether the keys are those of a configuration */
	__u64 exporter_digest;  /* tells whether the exporters are */
	__u64 row_count;        /* table_size, and the rows of one exporter each */
	__u64 sighting_limit;   /* exporters that are kept track of */
};

/* Map "settings", one entry. The program reads all but the shapes. */
struct rpa_settings {
	__u64 layout_version; /* written last when a pool is made: the pins are whole */
	__u64 generation;     /* counts; 0: there is none yet */
	__u64 hold_ticks;     /* how long a vacant slot keeps its exporters */
	__u64 version;        /* odd while rows of the generation in force are written, then even */
	__u64 probe;          /* a SYN or empty datagram with this source hash + source port shows
	                       * that the program is attached, and is dropped; 0: none is under way */
	__u64 sampling;       /* ticks of RPA_SIGHTING_TICK_SHIFT between an exporter's events << 32
	                       * | after which a silent one may lose its place; 0 between: each run is one */
	__u64 incarnation;    /* random, of this pool since it was made: its counters began at 0 then */
	struct rpa_shape shapes[RPA_GENERATIONS];
};

/* Map "tenants", one entry a slot: for the agent alone, to outlive it. */
struct rpa_tenant {
	char name[RPA_MAX_NAME + 1]; /* of the collector, NUL-padded; empty: a free slot */
	__u64 process_start;         /* clock ticks since boot, field 22 of /proc/PID/stat */
	__u32 pid;                   /* owner of the registered sockets; 0: not known */
	__u32 user;                  /* of the sockets (uid), if has_user */
	__u8 has_user;
	__u8 draining;  /* it is to get nothing new */
	__u8 departing; /* its name left the configuration: free it when it is empty */
	__u8 dismissed; /* it was unregistered, and nobody waits for it */
};

#endif
