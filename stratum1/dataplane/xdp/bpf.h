/* What an eBPF program needs of the kernel's interface (linux/bpf.h, linux/if_ether.h, linux/ip.h, linux/ipv6.h, linux/udp.h), so that
 * clang alone builds it, without headers of the kernel or of libbpf. Little-endian machines only, as all that stratum1 runs on. */
#ifndef STRATUM1_BPF_H
#define STRATUM1_BPF_H

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the octets of replies are put together for little-endian machines"
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef long long s64;

#define INLINE static inline __attribute__((always_inline))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define SECTION(name) __attribute__((section(name), used))

/* enum xdp_action */
#define XDP_DROP 1
#define XDP_PASS 2
#define XDP_TX 3

/* enum bpf_map_type, flags of map creation */
#define MAP_ARRAY 2
#define MAP_LPM_TRIE 11
#define MAP_NO_PREALLOC (1U << 0)
#define MAP_MMAPABLE (1U << 10)

/* A map as stratum1/xdp/_object.py reads it from the section "maps" to make it. */
struct map {
	u32 type;
	u32 key_size;
	u32 value_size;
	u32 entries;
	u32 flags;
};
#define MAP(name, type, key, value, entries, flags) \
	SECTION("maps") const struct map name = { type, sizeof(key), sizeof(value), entries, flags }

/* The numbers of the helpers are fixed for good (enum bpf_func_id). */
static void *(*const map_lookup)(const struct map *map, const void *key) = (void *)1;
static u64 (*const ktime_get_ns)(void) = (void *)5;
static u32 (*const get_prandom_u32)(void) = (void *)7;
static u32 (*const get_smp_processor_id)(void) = (void *)8;

struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

struct ethernet {
	u16 destination[3];
	u16 source[3];
	u16 type;
};

/* The same addresses as two words: four accesses turn them round instead of twelve. */
struct stations {
	u64 first;
	u32 rest;
};

struct ipv4 {
	u8 version_length;
	u8 service;
	u16 length;
	u16 id;
	u16 fragment;
	u8 ttl;
	u8 protocol;
	u16 checksum;
	u32 source;
	u32 destination;
};

struct ipv6 {
	u32 version_class_label;
	u16 length;
	u8 next;
	u8 hops;
	u32 source[4];
	u32 destination[4];
};

struct udp {
	u16 source;
	u16 destination;
	u16 length;
	u16 checksum;
};

/* RFC 5905, figure 8; all in network order. */
struct ntp {
	u32 first; /* leap, version, mode; stratum; poll; precision */
	u32 root_delay;
	u32 root_dispersion;
	u32 refid;
	u64 reference;
	u64 origin;
	u64 receive;
	u64 transmit;
};

#define ntohs(value) __builtin_bswap16(value)
#define htons(value) __builtin_bswap16(value)
#define htonl(value) __builtin_bswap32(value)
#define htonll(value) __builtin_bswap64(value)

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_UDP 17

#endif
