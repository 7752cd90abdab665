/* The floor under every server on sockets: takes 64 datagrams with one call and sends 64 back with another. It looks at nothing, keeps
 * nothing and answers always the same, so that what it costs is the kernel's part (Linux, recvmmsg(2), sendmmsg(2)) and no server's.
 *
 * cc -O2 -o bare_loop bare_loop.c; ./bare_loop ADDRESS PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, ROOM = 2048 + 64, CONTROL = 192 };

static struct mmsghdr headers[BATCH];
static struct iovec vectors[BATCH];
static struct sockaddr_in names[BATCH];
static unsigned char octets[BATCH][ROOM];
static _Alignas(8) unsigned char control[BATCH][CONTROL];

static int listening(const char *address, int port)
{
	int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, whole = IP_PMTUDISC_DO;
	int opened = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (opened < 0 || inet_pton(AF_INET, address, &own.sin_addr) != 1 ||
	    setsockopt(opened, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) ||
	    setsockopt(opened, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof whole) || bind(opened, (void *)&own, sizeof own)) {
		perror(address);
		exit(1);
	}
	return opened;
}

/* A version 4 answer, with times that are nobody's. */
static void answer(unsigned char *packet)
{
	memcpy(packet + 24, packet + 40, 8);
	packet[0] = 0x24;
	packet[1] = 1;
	packet[32] = packet[40] = 0xee;
}

int main(int count, char **words)
{
	struct pollfd waiting = { .events = POLLIN };

	if (count != 3)
		return fprintf(stderr, "usage: bare_loop ADDRESS PORT\n"), 2;
	waiting.fd = listening(words[1], atoi(words[2]));
	for (;;) {
		int received, sent = 0, step;

		for (int i = 0; i < BATCH; i++) {
			vectors[i] = (struct iovec){ octets[i], ROOM };
			headers[i].msg_hdr = (struct msghdr){ &names[i], sizeof names[i], &vectors[i], 1, control[i], CONTROL, 0 };
		}
		received = recvmmsg(waiting.fd, headers, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < received; i++) {
			answer(octets[i]);
			vectors[i].iov_len = headers[i].msg_len;
			headers[i].msg_hdr.msg_control = NULL;
			headers[i].msg_hdr.msg_controllen = 0;
		}
		while (sent < received && (step = sendmmsg(waiting.fd, headers + sent, received - sent, MSG_DONTWAIT)) > 0)
			sent += step;
		if (received < BATCH)
			poll(&waiting, 1, -1);
	}
}
