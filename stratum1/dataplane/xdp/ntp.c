/* Answers plain NTP requests where the network driver hands them over (XDP), so that the kernel's way to a socket and back is saved.
 *
 * Plain is: version 3 or 4, mode 3, 48 octets, a zero origin timestamp, over IPv4 without options or IPv6 without extension headers,
 * whole, with right checksums, to a unicast address and a port where a listener without smear nearby answers, from an address that is
 * allowed. All else goes on to the kernel exactly as it came; so does everything while no valid state is published. Over its rate
 * limit, a plain request is answered, refused with a kiss or dropped by the odds that the sockets have too; every other request takes
 * a token and is left to the limit of the sockets. Replies equal those of stratum1/server/reply.py but for the random bits.
 */
#include "limit.h"
#include "sum.h"

#define ONE_SECOND htonl(0x00010000)
#define KISS_RATE 0x45544152U /* "RATE" as it lies in memory */
#define NTP5_DRAFT 0x544652443550544eULL /* "NTP5DRFT" as it lies in memory: asks whether we know version 5 */
#define MODE_CLIENT 3
#define MODE_SERVER 4
#define NOBODY (~0U)
#define NTP_OCTETS 48
#define UDP_OCTETS (8 + NTP_OCTETS)

/* A request on its way through the program. family: 4 or 6, known to the compiler wherever it matters, so that all is compiled twice
 * and asked at run time once. addresses: the sum over both addresses, which a reply has too. */
struct request {
	void *end;
	struct ethernet *ethernet;
	int family;
	struct ipv4 *ipv4;
	struct ipv6 *ipv6;
	struct udp *udp;
	struct ntp *ntp;
	u64 addresses;
	u32 interface;
};

INLINE u64 pseudo_header(const struct request *request)
{
	return request->addresses + htons(PROTOCOL_UDP) + htons(UDP_OCTETS);
}

/* One reading of a state; the compiler must not look at the map again. The words after the check may be those of another state for
 * the moment of a new configuration on a processor that sees writes out of order: a packet is then judged by the old limit. */
INLINE int read_state(const volatile u64 *slot, u64 *words)
{
	u64 check = 0;

#pragma unroll
	for (int i = 0; i < CHECKED; i++) {
		words[i] = slot[i];
		check += words[i] * (0x1e3779b1 + 2 * i);
	}
	return check == slot[WORD_CHECK] && words[WORD_HEADER] & FLAG_USABLE;
}

INLINE void count(u32 listener, u32 what)
{
	u32 index = get_smp_processor_id() * LISTENERS + (listener & LISTENER_ID);
	struct counts *counts = map_lookup(&counts_map, &index);

	if (counts)
		counts->count[what & (COUNT_WORDS - 1)]++;
}

INLINE int pass(u32 listener, u32 why)
{
	count(listener, why);
	return XDP_PASS;
}

/* Whether it has one of these four ports (as the frame has it). */
INLINE int among(u64 ports, u16 port)
{
	return port && (port == (u16)ports || port == (u16)(ports >> 16) || port == (u16)(ports >> 32) || port == (u16)(ports >> 48));
}

INLINE u64 two_words(const u32 *words)
{
	return words[0] | (u64)words[1] << 32;
}

/* The listener of the destination, or of the source (interface 0); NOBODY if there is none. */
INLINE u32 find_listener(const struct request *request, u32 interface, int destination)
{
	u16 port = destination ? request->udp->destination : request->udp->source;
	u64 place = interface | (u64)port << 32 | (u64)request->family << 48, low, high = 0;
	const struct listener_bucket *bucket;
	u32 index;

	if (request->family == 4) {
		low = destination ? request->ipv4->destination : request->ipv4->source;
	} else {
		const u32 *address = destination ? request->ipv6->destination : request->ipv6->source;

		low = two_words(address);
		high = two_words(address + 2);
	}
	index = (u32)((place ^ low ^ high) * 0x9e3779b97f4a7c15ULL >> 56);
	bucket = map_lookup(&listeners_map, &index);
	if (!bucket)
		return NOBODY;
#pragma unroll
	for (int i = 0; i < LISTENER_WAYS; i++) {
		const struct listener *slot = &bucket->slot[i];

		if (slot->place == place && slot->address[0] == low && (request->family == 4 || slot->address[1] == high))
			return (u32)slot->value;
	}
	return NOBODY;
}

/* Sources that can't be answered, or that the kernel refuses: 0/8, 127/8, 224/3; ::, ::1, ff00::/8; the destination itself. */
INLINE int odd_source(const struct request *request)
{
	if (request->family == 4) {
		u8 first = (u8)request->ipv4->source;

		return first == 0 || first == 127 || first >= 224 || request->ipv4->source == request->ipv4->destination;
	}
	const u32 *source = request->ipv6->source, *destination = request->ipv6->destination;

	return (u8)source[0] == 0xff || (!(source[0] | source[1] | source[2]) && !(source[3] & ~htonl(1))) ||
	       (source[0] == destination[0] && source[1] == destination[1] && source[2] == destination[2] && source[3] == destination[3]);
}

/* Whether all addresses that begin as the source does are allowed. */
INLINE int allowed_at_sight(const struct request *request, u32 listener)
{
	u32 index = (listener & LISTENER_ID & (LISTENERS - 1)) * 2 + (request->family == 6);
	u32 first = ntohs((u16)(request->family == 4 ? request->ipv4->source : request->ipv6->source[0]));
	const struct allowed *allowed = map_lookup(&allowed_map, &index);

	return allowed && allowed->word[first >> 6] >> (first & 63) & 1;
}

/* Whether the rules do not simply allow the source. */
INLINE int refused(const struct request *request, u32 listener)
{
	const u32 *action = 0;

	if (!(listener & (request->family == 4 ? LISTENER_RULES4 : LISTENER_RULES6)) || allowed_at_sight(request, listener))
		return 0;
	if (request->family == 4) {
		struct access4_key key = { 64, listener & LISTENER_ID, request->ipv4->source };

		action = map_lookup(&access4_map, &key);
	} else {
		const u32 *source = request->ipv6->source;
		struct access6_key key = { 160, listener & LISTENER_ID, { source[0], source[1], source[2], source[3] } };

		action = map_lookup(&access6_map, &key);
	}
	return action && *action != ACCESS_ALLOW;
}

/* Whether nothing about it is for the sockets; it has 48 octets of NTP at least. */
INLINE int is_plain(const struct request *request)
{
	const struct ntp *ntp = request->ntp;
	u32 version = ntp->first >> 3 & 7;
	u16 given = request->udp->checksum;
	u64 sum = pseudo_header(request), whole;

	if (version < 3 || version > 4 || ntp->origin || ntp->reference == NTP5_DRAFT)
		return 0;
	if (request->udp->length != htons(UDP_OCTETS) || (void *)(ntp + 1) != request->end)
		return 0;
	if (request->family == 4 ? request->ipv4->length != htons(20 + UDP_OCTETS) : request->ipv6->length != htons(UDP_OCTETS))
		return 0;
	if (request->ethernet->destination[0] & 1 || request->ethernet->source[0] & 1 || odd_source(request))
		return 0;
	if (!given)
		return request->family == 4;
	/* The origin timestamp is zero. A frame that never saw a wire may have the pseudo header's sum only (the kernel's CHECKSUM_PARTIAL). */
	whole = words_sum((const u32 *)request->udp, 8, sum) + words_sum((const u32 *)&ntp->receive, 4, 0);
	return fold(whole) == 0xffff || fold(sum) == given;
}

/* What a reply says besides what it takes from its request. */
struct answer {
	u32 first;
	u32 root_delay;
	u32 root_dispersion;
	u32 refid;
	u64 reference;
	u64 receive;
	u64 transmit;
};

/* The same moment as receive and as transmit time, each with its own random bits below the precision. They come from a secret, the clock
 * and the request: as good for this as get_prandom_u32 and 25 ns cheaper. */
INLINE void stamp(struct answer *answer, const u64 *words, u64 elapsed, u64 random)
{
	u64 scale = words[WORD_MULTIPLIER], mask = (1ULL << (words[WORD_HEADER] >> 16 & 31)) - 1;
	u64 now = words[WORD_BASE] + ((elapsed >> 16) * scale >> 28) + ((elapsed & 0xffff) * scale >> 44);

	u64 receive = ((now & ~mask) | (random >> 32 & mask)) | 1, transmit = ((now & ~mask) | (random & mask)) & ~1ULL;

	answer->receive = receive;
	answer->transmit = select(below_mask(transmit, receive), receive + 1, transmit); /* every second time: nobody could guess a jump */
}

INLINE void tell_time(struct answer *answer, const u64 *words, u64 elapsed, int smeared)
{
	s64 bound = (s64)(words[WORD_BOUND] + (elapsed * (words[WORD_GROWTH] >> VALID_BITS) >> 25));
	u64 dispersion = bound > 0 ? ((u64)bound + (1 << 28) - 1) >> 28 : 1;

	answer->first = (u32)words[WORD_HEADER] & (smeared ? 0xff00ff3fU : 0xff00ffffU);
	answer->root_delay = (u32)(words[WORD_REFID] >> 32);
	answer->root_dispersion = htonl((u32)dispersion);
	answer->refid = (u32)words[WORD_REFID];
	answer->reference = words[WORD_REFERENCE];
	if ((s64)(answer->reference - answer->transmit) > 0) /* clients refuse a reference from the future (RFC 5905, A.5.1.1) */
		answer->reference = answer->transmit;
}

INLINE void tell_rate(struct answer *answer, const u64 *words, s8 poll, s8 least)
{
	answer->first = 0xc0U | (u32)(u8)(poll > least ? poll : least) << 16 | ((u32)words[WORD_HEADER] & 0xff000000U);
	answer->root_delay = answer->root_dispersion = ONE_SECOND;
	answer->refid = KISS_RATE;
	answer->reference = 0;
}

INLINE void turn_round(const struct request *request)
{
	struct stations *stations = (void *)request->ethernet;
	struct udp *udp = request->udp;
	u64 first = stations->first;
	u32 rest = stations->rest;
	u16 port = udp->source;

	stations->first = first >> 48 | (u64)rest << 16 | first << 48;
	stations->rest = (u32)(first >> 16);
	udp->source = udp->destination;
	udp->destination = port;
	if (request->family == 4) {
		struct ipv4 *ip = request->ipv4;
		u32 source = ip->source;

		ip->service = 0;
		ip->id = 0;
		ip->fragment = htons(0x4000); /* not to be fragmented, as the kernel sends its own */
		ip->ttl = 64;
		ip->source = ip->destination;
		ip->destination = source;
		ip->checksum = (u16)~fold(request->addresses + 0x45 + htons(20 + UDP_OCTETS) + htons(0x4000) + htons(0x4011));
	} else {
		struct ipv6 *ip = request->ipv6;

		ip->version_class_label = htonl(0x60000000);
		ip->hops = 64;
#pragma unroll
		for (int i = 0; i < 4; i++) {
			u32 word = ip->source[i];

			ip->source[i] = ip->destination[i];
			ip->destination[i] = word;
		}
	}
}

INLINE int send_back(const struct request *request, const struct answer *answer)
{
	struct ntp *ntp = request->ntp;
	u32 asked = ntp->first;
	u32 first = (answer->first | (asked & 0x38) | MODE_SERVER) | (answer->refid == KISS_RATE ? 0 : asked & 0x00ff0000U);
	u64 receive = htonll(answer->receive), transmit = htonll(answer->transmit), reference = htonll(answer->reference);
	u64 origin = ntp->transmit, sum = pseudo_header(request) + request->udp->source + request->udp->destination + htons(UDP_OCTETS);
	u16 checksum;

	sum += (u64)first + answer->root_delay + answer->root_dispersion + answer->refid;
	sum += pair_sum(reference) + pair_sum(origin) + pair_sum(receive) + pair_sum(transmit);
	checksum = (u16)~fold(sum);
	turn_round(request);
	request->udp->checksum = checksum ? checksum : 0xffff;
	ntp->first = first;
	ntp->root_delay = answer->root_delay;
	ntp->root_dispersion = answer->root_dispersion;
	ntp->refid = answer->refid;
	ntp->reference = reference;
	ntp->origin = origin;
	ntp->receive = receive;
	ntp->transmit = transmit;
	return XDP_TX;
}

/* A request to one of our ports: the rest of the way. The limit's group is asked for first and looked at last: it is fetched from memory
 * while the clock is read and the request is judged. */
INLINE int serve(const struct request *request, const volatile u64 *slot)
{
	u64 words[CHECKED], now, elapsed, hash = 0, interval = slot[WORD_INTERVAL];
	struct limit_group *group = 0;
	u32 listener, version4, over;
	int plain;
	struct answer answer;

	if (interval) {
		u64 seed = slot[WORD_SEED];

		hash = request->family == 4 ? hash4(seed, request->ipv4->source) : hash6(seed, request->ipv6->source);
		group = find_group(hash, slot[WORD_ODDS] >> 32);
	}
	now = ktime_get_ns();
	listener = find_listener(request, request->interface, 1);
	if (UNLIKELY(listener == NOBODY))
		return XDP_PASS;
	if (UNLIKELY((request->ntp->first & 7) != MODE_CLIENT || !request->udp->source))
		return pass(listener, COUNT_PASS_KIND);
	if (UNLIKELY(!read_state(slot, words)))
		return pass(listener, COUNT_PASS_STATE);
	elapsed = now - words[WORD_SOURCE];
	if (UNLIKELY(elapsed >= (words[WORD_GROWTH] & ((1ULL << VALID_BITS) - 1)) ||
		     (listener & LISTENER_SMEAR && words[WORD_HEADER] & FLAG_SMEAR)))
		return pass(listener, COUNT_PASS_STATE);
	if (UNLIKELY(refused(request, listener)))
		return pass(listener, COUNT_PASS_ACCESS);
	plain = is_plain(request);
	if (UNLIKELY(plain && among(slot[WORD_PORTS], request->udp->source)) && find_listener(request, 0, 0) != NOBODY)
		plain = 0; /* sent in our own name */
	version4 = request->ntp->first >> 5 & 1;
	stamp(&answer, words, elapsed, mix64(slot[WORD_SECRET] ^ now ^ request->ntp->transmit));
	over = group && over_limit(group, hash, now, (s64)interval, (s64)slot[WORD_BURST]);
	if (UNLIKELY(!plain))
		return pass(listener, COUNT_PASS_KIND);
	if (UNLIKELY(over)) {
		u32 draw = get_prandom_u32() & 0xff, odds = (u32)slot[WORD_ODDS];

		if (draw >= odds >> 16) {
			count(listener, COUNT_DROP3 + version4);
			return XDP_DROP;
		}
		if (draw >= (odds & 0xffff)) {
			count(listener, COUNT_KISS3 + version4);
			tell_rate(&answer, words, (s8)(request->ntp->first >> 16), (s8)slot[WORD_KISS_POLL]);
			return send_back(request, &answer);
		}
	}
	count(listener, COUNT_TIME3 + version4);
	tell_time(&answer, words, elapsed, listener & LISTENER_SMEAR);
	return send_back(request, &answer);
}

/* The program's name carries LAYOUT: an object that does not fit the loader has no program of that name. */
SECTION("xdp") int stratum1_2(struct xdp_md *context)
{
	struct request request = {
		.end = (void *)(u64)context->data_end,
		.ethernet = (void *)(u64)context->data,
		.interface = context->ingress_ifindex,
	};
	u32 zero = 0;
	const struct state *state = map_lookup(&state_map, &zero);
	const volatile u64 *slot;

	if (!state || (void *)(request.ethernet + 1) > request.end)
		return XDP_PASS;
	slot = state->slots[*(const volatile u64 *)&state->active & 1];
	if (request.ethernet->type == htons(ETHERTYPE_IPV4)) {
		struct ipv4 *ip = (void *)(request.ethernet + 1);
		const u32 *head = (const u32 *)ip;

		request.udp = (void *)(ip + 1);
		request.ntp = (void *)(request.udp + 1);
		if ((void *)(request.ntp + 1) > request.end || ip->protocol != PROTOCOL_UDP || ip->version_length != 0x45 ||
		    ip->fragment & htons(0xbfff) || !among(slot[WORD_PORTS], request.udp->destination))
			return XDP_PASS;
		request.addresses = (u64)ip->source + ip->destination;
		if (fold(request.addresses + head[0] + head[1] + head[2]) != 0xffff)
			return XDP_PASS;
		request.ipv4 = ip;
		request.family = 4;
		return serve(&request, slot);
	}
	if (request.ethernet->type == htons(ETHERTYPE_IPV6)) {
		struct ipv6 *ip = (void *)(request.ethernet + 1);

		request.udp = (void *)(ip + 1);
		request.ntp = (void *)(request.udp + 1);
		if ((void *)(request.ntp + 1) > request.end || ip->next != PROTOCOL_UDP || (ip->version_class_label & 0xf0) != 0x60 ||
		    !among(slot[WORD_PORTS], request.udp->destination))
			return XDP_PASS;
		request.ipv6 = ip;
		request.family = 6;
		request.addresses = words_sum(ip->source, 8, 0);
		return serve(&request, slot);
	}
	return XDP_PASS;
}

/* None of the helpers called here asks for a GPL-compatible one (ktime_get_ns: since Linux 5.8). */
SECTION("license") const char program_license[] = "Apache-2.0";
