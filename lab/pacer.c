// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Sends datagrams at a pace: pacer DESTINATION PORT PACKETS_PER_SECOND SECONDS. Frames of 64
 * bytes with their FCS. Sleeps between, so it sends what came due while it slept, one system call each
 * 32 datagrams. Prints how many it sent: fewer when the time was over before. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 32
#define PAYLOAD 18 /* 14 + 20 + 8 + 18 + 4 bytes of FCS */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static int open_socket(const char *destination, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, destination, &to.sin_addr);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

static uint64_t send_some(int fd, uint64_t count)
{
	static char payload[PAYLOAD];
	struct iovec part = { payload, sizeof(payload) };
	struct mmsghdr messages[BATCH] = {};
	int sent;

	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &part;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(fd, messages, count < BATCH ? count : BATCH, 0);
	return sent > 0 ? sent : 0;
}

int main(int count, char **arguments)
{
	int fd = count == 5 ? open_socket(arguments[1], atoi(arguments[2])) : -1;
	double rate = count == 5 ? atof(arguments[3]) : 0;
	double seconds = count == 5 ? atof(arguments[4]) : 0;
	uint64_t total = rate * seconds, sent = 0, start = now_ns(), end = start + seconds * 1.02e9;

	if (fd < 0) {
		fprintf(stderr, "usage: pacer DESTINATION PORT PACKETS_PER_SECOND SECONDS\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	while (sent < total && now_ns() < end) {
		uint64_t due = (now_ns() - start) * rate / 1e9 + 1;
		struct timespec gap = { .tv_nsec = 1e9 / rate };

		if (due > total)
			due = total;
		if (due <= sent)
			nanosleep(&gap, 0);
		else
			sent += send_some(fd, due - sent);
	}
	printf("%lu\n", sent);
}
