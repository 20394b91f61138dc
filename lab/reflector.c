// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* A bare reflector: the engine's place on the detour TAP, taken by the plainest loop there is. It reads a
 * packet, puts the tag where the detour header was, and writes it back: what is left of a figure is the
 * engine's own. Usage: reflector TAP ENGINE_STATE_PIN; ends with its parent. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../bpf/layout.h"

#define VNET 12 /* struct virtio_net_hdr_v1 */
#define BEAT_MS 10

static char packet[1 << 17];

static int open_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), header = VNET;

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) || ioctl(fd, TUNSETVNETHDRSZ, &header) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | 0x60 /* USO */))
		return -1;
	return fd;
}

static struct np_engine_state *open_state(const char *pin)
{
	union bpf_attr get = { .pathname = (uintptr_t)pin };
	int fd = syscall(SYS_bpf, BPF_OBJ_GET, &get, sizeof(get));
	void *state = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return state == MAP_FAILED ? 0 : state;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Offsets in the virtio-net header count what stands before the frame: 32 bytes of
 * detour header on the way in, 4 bytes of tag on the way out. */
static void move_offset(char *at)
{
	uint16_t offset;

	memcpy(&offset, at, 2);
	if (offset > sizeof(struct np_detour))
		offset -= sizeof(struct np_detour) - 4;
	memcpy(at, &offset, 2);
}

static void reflect(int tap, ssize_t length)
{
	struct np_detour detour;
	char *frame = packet + VNET + sizeof(detour), tag[4] = { (char)0x81, 0 };
	struct iovec out[4] = { { packet, VNET }, { frame, 12 }, { tag, 4 }, { frame + 12, length - VNET - 44 } };

	memcpy(&detour, packet + VNET, sizeof(detour));
	tag[2] = detour.direction << 4 | detour.attachment >> 8;
	tag[3] = detour.attachment;
	move_offset(packet + 2);
	if (packet[0])
		move_offset(packet + 6);
	if (writev(tap, out, 4) < 0)
		perror("reflector: write");
}

int main(int count, char **arguments)
{
	int tap = count == 3 ? open_tap(arguments[1]) : -1;
	struct np_engine_state *state = count == 3 ? open_state(arguments[2]) : 0;
	struct pollfd readable = { .fd = tap, .events = POLLIN };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (tap < 0 || !state) {
		perror("reflector: cannot open the TAP and the pinned engine_state");
		return 1;
	}
	for (;;) {
		ssize_t length;

		state->heartbeat_ns = now_ns();
		for (int i = 0; i < 256 && (length = read(tap, packet, sizeof(packet))) > 0; i++)
			reflect(tap, length);
		poll(&readable, 1, BEAT_MS);
	}
}
