/* The token bucket of an address: the rule, the hash and the groups of the sockets' rate limit (stratum1/server/_tables.py), but on
 * CLOCK_MONOTONIC in units of 1024 ns instead of served time. Processors may write a bucket at once; what that costs is a token more or
 * less. */
#ifndef STRATUM1_LIMIT_H
#define STRATUM1_LIMIT_H

#include "maps.h"

/* The clock of the buckets: 1024 ns. 48 bits of it are nine years, and leave 16 to tell the addresses of a group apart. */
#define LIMIT_SHIFT 10
#define LIMIT_STAMP ((1ULL << 48) - 1)
/* By which a stamp may lie further ahead than a bucket can run; beyond that nobody made it. */
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

/* All bits set where a condition holds, without a jump: the group comes from memory that is not in the cache, and a jump that was guessed
 * wrong would hold up everything that comes after it. The empty statement keeps the compiler from making a jump of it. */
INLINE u64 equal_mask(u64 one, u64 other)
{
	u64 difference = one ^ other;

	asm volatile("" : "+r"(difference));
	return ((difference | -difference) >> 63) - 1;
}

INLINE u64 below_mask(s64 one, s64 other)
{
	s64 difference = one - other;

	asm volatile("" : "+r"(difference));
	return (u64)(difference >> 63);
}

/* Takes a token of an address; interval and burst in units of the buckets' clock. Returns whether there was none. */
INLINE int over_limit(u64 hash, u64 monotonic, s64 interval, s64 burst, u64 mask)
{
	u32 index = (u32)((hash & mask) / WAYS);
	struct limit_group *group = map_lookup(&limits_map, &index);
	u64 tag = hash >> 48, found = 0, place = 0, full_at = 0, oldest = LIMIT_STAMP, victim = 0;
	s64 now = (s64)(monotonic >> LIMIT_SHIFT), ahead;

	if (!group)
		return 0;
#pragma unroll
	for (int i = 0; i < WAYS; i++) {
		u64 slot = group->slot[i], stamp = slot & LIMIT_STAMP;
		u64 ours = equal_mask(slot >> 48, tag) & ~found, older = below_mask((s64)stamp, (s64)oldest);

		found |= ours;
		place |= ours & i;
		full_at |= ours & stamp;
		oldest ^= (oldest ^ stamp) & older;
		victim ^= (victim ^ i) & older;
	}
	place |= victim & ~found;
	ahead = (s64)(full_at - (u64)now);
	ahead &= ~(ahead >> 63);
	if (UNLIKELY(ahead > burst)) {
		if (ahead <= burst + interval + LIMIT_SLACK)
			return 1;
		ahead = 0;
	}
	group->slot[place & (WAYS - 1)] = tag << 48 | ((u64)(now + ahead + interval) & LIMIT_STAMP);
	return 0;
}

#endif
