/* What the daemon and the program share; stratum1/xdp/_layout.py says the same in Python, and a test compares the two.
 * The daemon writes STATE by a memory mapping and needs no privilege and no system call for that. */
#ifndef STRATUM1_MAPS_H
#define STRATUM1_MAPS_H

#include "bpf.h"

/* Raised with every change of what stands here, so that an old program under a new daemon is noticed and not misread. */
#define LAYOUT 2

/* The words of a state; their meaning and scale: stratum1/server/_xdp_words.py */
enum {
	WORD_HEADER,     /* octets 0, 1 and 3 of the header as they lie in memory; in octet 2 the random bits of a timestamp; flags above */
	WORD_REFID,      /* refid in the low half, root delay in the high half, both as they lie in memory */
	WORD_REFERENCE,  /* reference timestamp, NTP's 64 bits */
	WORD_SOURCE,     /* CLOCK_MONOTONIC, ns, at which the served time was WORD_BASE and the root dispersion WORD_BOUND */
	WORD_BASE,       /* NTP's 64 bits */
	WORD_MULTIPLIER, /* 2^-32 s of served time a ns of CLOCK_MONOTONIC, times 2^44 */
	WORD_BOUND,      /* 2^-44 s, signed */
	WORD_GROWTH,     /* low 34 bits: ns that the state holds from WORD_SOURCE on; above: the bound's growth, 2^-44 s a ns, times 2^25 */
	WORD_CHECK,      /* sum of all words above, each times its own odd number: half a state never fits */
	WORD_PORTS,      /* up to four ports in network order, 16 bits each, that any listener has; 0: none */
	WORD_INTERVAL,   /* rate limit: between tokens, 1024 ns; 0: no limit */
	WORD_BURST,      /* what a bucket may run ahead, 1024 ns */
	WORD_ODDS,       /* of 256: leak in the low 16 bits, leak + kiss in the next; slots - 1 in the high half */
	WORD_SEED,       /* of the hash of addresses */
	WORD_KISS_POLL,  /* the poll of a kiss RATE, signed */
	WORD_SECRET,     /* makes the random bits of timestamps */
	WORDS,
};
#define STATE_WORDS 16
#define CHECKED WORD_CHECK
#define FLAG_USABLE (1ULL << 63)
#define FLAG_SMEAR (1ULL << 62) /* listeners that smear are in a smear, which the sockets know how to show */
#define VALID_BITS 34

#define INTERFACES 16
struct state {
	u64 layout;
	u64 active; /* which slot holds: its lowest bit */
	u64 interfaces[INTERFACES]; /* for people: index in the low half, mode in the high half */
	u64 spare[14];
	u64 slots[2][STATE_WORDS];
};

/* An address and port that a listener has. Four of them share a bucket, two lines of a cache. */
struct listener {
	u64 place; /* index of the interface (0: any; says that a source is ourselves), port in network order << 32, family << 48 */
	u64 address[2];
	u64 value;
};
#define LISTENER_WAYS 4
#define LISTENER_BUCKETS 256
struct listener_bucket {
	struct listener slot[LISTENER_WAYS];
};
#define LISTENER_ID 0xffU
#define LISTENER_SMEAR (1U << 8)
#define LISTENER_RULES4 (1U << 9)
#define LISTENER_RULES6 (1U << 10)
#define LISTENERS 16

struct access4_key {
	u32 prefix; /* bits, those of the listener included */
	u32 listener;
	u32 address;
};
struct access6_key {
	u32 prefix;
	u32 listener;
	u32 address[4];
};
#define ACCESS_RULES 65536
#define ACCESS_ALLOW 0

/* For each listener and version of IP (6: the odd ones) a bit for every value of an address's first 16 bits: set where the rules allow all
 * addresses that begin so, which is then known without a walk through the trie. */
#define ALLOWED_WORDS 1024
struct allowed {
	u64 word[ALLOWED_WORDS];
};

/* The four places where an address may stand: 16 bits of its hash above, when its bucket is full below (limit.h); 0: empty. */
#define WAYS 4
struct limit_group {
	u64 slot[WAYS];
};
#define LIMIT_GROUPS 16384

/* What is counted, for each processor and listener. */
enum {
	COUNT_TIME3,
	COUNT_TIME4,
	COUNT_KISS3,
	COUNT_KISS4,
	COUNT_DROP3,
	COUNT_DROP4,
	COUNT_PASS_STATE, /* passed up: no usable state */
	COUNT_PASS_ACCESS,
	COUNT_PASS_KIND, /* passed up: not a plain request */
	COUNTS,
};
#define COUNT_WORDS 16
struct counts {
	u64 count[COUNT_WORDS];
};
#define COUNTED 1024 /* processors times LISTENERS: the loader sets the real number, and that of limits */

MAP(state_map, MAP_ARRAY, u32, struct state, 1, MAP_MMAPABLE);
MAP(counts_map, MAP_ARRAY, u32, struct counts, COUNTED, MAP_MMAPABLE);
MAP(limits_map, MAP_ARRAY, u32, struct limit_group, LIMIT_GROUPS, MAP_MMAPABLE); /* for its alignment: a group lies in one line of the cache */
MAP(listeners_map, MAP_ARRAY, u32, struct listener_bucket, LISTENER_BUCKETS, MAP_MMAPABLE);
MAP(allowed_map, MAP_ARRAY, u32, struct allowed, 2 * LISTENERS, MAP_MMAPABLE);
MAP(access4_map, MAP_LPM_TRIE, struct access4_key, u32, ACCESS_RULES, MAP_NO_PREALLOC);
MAP(access6_map, MAP_LPM_TRIE, struct access6_key, u32, ACCESS_RULES, MAP_NO_PREALLOC);

#endif
