/* The token bucket of an address: the rule, the hash and the groups of the sockets' rate limit (stratum1/server/_tables.py), but on
 * CLOCK_MONOTONIC in units of 1024 ns instead of served time. Processors may write a bucket at once; what that costs is a token more or
 * less. */
#ifndef STRATUM1_LIMIT_H
#define STRATUM1_LIMIT_H

#include "maps.h"

/* The clock of the buckets: 1024 ns. 40 bits of it go round in 13 days: what lies further ahead than a bucket can run, with some slack, is
 * a stamp of long ago. 16 bits above tell the addresses of a group apart; the 8 below are written for the sake of the writing alone. */
#define LIMIT_SHIFT 10
#define STAMP_SHIFT 8
#define STAMP_BITS 40
#define LIMIT_STAMP (((1ULL << STAMP_BITS) - 1) << STAMP_SHIFT)
#define TAG_SHIFT (STAMP_SHIFT + STAMP_BITS)
#define LIMIT_SLACK (1LL << 20)

INLINE u64 mix64(u64 x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

INLINE u64 hash4(u64 seed, u32 address)
{
	return mix64(seed ^ htonl(address));
}

/* An IPv6 client is its /64. */
INLINE u64 hash6(u64 seed, const u32 *address)
{
	u64 high = (u64)htonl(address[0]) << 32 | htonl(address[1]);

	return mix64(mix64(seed ^ high) ^ 1);
}

/* All bits set where one is below the other, without a jump: the group comes from memory that is not in the cache, and a jump that was
 * guessed wrong would hold up everything that comes after it. The empty statements keep the compiler from making a jump of it. Less than
 * 2^63 lies between the two. */
INLINE u64 below_mask(u64 one, u64 other)
{
	u64 mask = one - other;

	asm volatile("" : "+r"(mask));
	mask = (u64)((s64)mask >> 63);
	asm volatile("" : "+r"(mask));
	return mask;
}

INLINE u64 select(u64 mask, u64 chosen, u64 otherwise)
{
	return otherwise ^ ((otherwise ^ chosen) & mask);
}

/* How long ago a bucket was full, as seen from a moment that lies ahead of all that are not. */
INLINE u64 age(u64 slot, u64 ahead_of_all)
{
	return (ahead_of_all - slot) << (64 - TAG_SHIFT) >> (64 - STAMP_BITS);
}

/* The place of the bucket that has been full for longest. */
INLINE u64 oldest(const u64 *slots, u64 ahead_of_all)
{
	u64 age0 = age(slots[0], ahead_of_all), age1 = age(slots[1], ahead_of_all);
	u64 age2 = age(slots[2], ahead_of_all), age3 = age(slots[3], ahead_of_all);
	u64 second = below_mask(age0, age1), fourth = below_mask(age2, age3);
	u64 latter = below_mask(select(second, age1, age0), select(fourth, age3, age2));

	return select(latter, 2 | (fourth & 1), second & 1);
}

/* The group of an address, to be fetched into the cache from now on: unlike reading, writing waits for nothing, and nothing waits for it,
 * the next reading of the clock neither. */
INLINE struct limit_group *find_group(u64 hash, u64 mask)
{
	u32 index = (u32)((hash & mask) / WAYS);
	struct limit_group *group = map_lookup(&limits_map, &index);

	if (group)
		*(volatile u8 *)group = 0;
	return group;
}

/* Takes a token of an address; interval and burst in units of the buckets' clock. Returns whether there was none. */
INLINE int over_limit(struct limit_group *group, u64 hash, u64 monotonic, s64 interval, s64 burst)
{
	u64 slots[WAYS], tag = hash >> TAG_SHIFT << TAG_SHIFT, now = monotonic >> LIMIT_SHIFT, place = 0, found = 0;
	s64 most = burst + interval + LIMIT_SLACK, ahead;

#pragma unroll
	for (int i = 0; i < WAYS; i++) {
		u64 ours;

		slots[i] = group->slot[i];
		ours = below_mask((slots[i] ^ tag) >> TAG_SHIFT, 1);
		place = select(ours, i, place);
		found |= ours;
	}
	place = select(found, place, oldest(slots, (now + (u64)most) << STAMP_SHIFT)) & (WAYS - 1);
	ahead = (s64)((group->slot[place] - (now << STAMP_SHIFT)) << (64 - TAG_SHIFT)) >> (64 - STAMP_BITS);
	ahead &= (s64)(found & ~below_mask((u64)ahead, 0));
	if (UNLIKELY(ahead > burst)) {
		if (ahead <= most)
			return 1;
		ahead = 0;
	}
	group->slot[place] = tag | ((now + (u64)(ahead + interval)) << STAMP_SHIFT & LIMIT_STAMP);
	return 0;
}

#endif
