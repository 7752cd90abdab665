/* The checksum of the Internet (RFC 1071): sums of words as they lie in memory, folded to 16 bits at the end. */
#ifndef STRATUM1_SUM_H
#define STRATUM1_SUM_H

#include "bpf.h"

INLINE u64 words_sum(const u32 *words, int count, u64 sum)
{
#pragma unroll
	for (int i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

/* The lower 32 bits, by one instruction where the compiler finds two. */
INLINE u64 low_half(u64 value)
{
	u32 half = (u32)value;

	asm volatile("" : "+r"(half));
	return half;
}

INLINE u16 fold(u64 sum)
{
	sum = low_half(sum) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

INLINE u64 pair_sum(u64 value)
{
	return low_half(value) + (value >> 32);
}

#endif
