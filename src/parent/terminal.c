/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"

/* Not in POSIX, and not everywhere. */
#ifndef IMAXBEL
#define IMAXBEL 0
#endif
#ifndef PENDIN
#define PENDIN 0
#endif

#define INPUT_OFF                                                                            \
	(IGNBRK | BRKINT | IGNPAR | PARMRK | INPCK | ISTRIP | INLCR | ICRNL | IXON | IXOFF | \
	 IMAXBEL)
#define LOCAL_OFF \
	(ECHO | ECHOE | ECHOK | ECHONL | ICANON | ISIG | IEXTEN | NOFLSH | TOSTOP | PENDIN)

static int make_raw(int fd)
{
	struct termios settings;

	if (tcgetattr(fd, &settings) < 0)
		return -errno;
	settings.c_iflag &= ~(tcflag_t)INPUT_OFF;
	settings.c_oflag &= ~(tcflag_t)OPOST;
	settings.c_lflag &= ~(tcflag_t)LOCAL_OFF;
	settings.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
	settings.c_cflag |= CS8 | CREAD;
	settings.c_cc[VMIN] = 1;
	settings.c_cc[VTIME] = 0;
	return tcsetattr(fd, TCSANOW, &settings) < 0 ? -errno : 0;
}

static int open_slave(int master)
{
	unsigned number;
	char name[32];
	int fd = -1;

	if (ioctl(master, TIOCSPTLCK, &(int){0}) < 0)
		return -errno;
#ifdef TIOCGPTPEER
	/* Also where /dev/pts is another one than that of /dev/ptmx, or not there at all. */
	fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
#endif
	if (fd < 0) {
		if (ioctl(master, TIOCGPTN, &number) < 0)
			return -errno;
		rmt_format(name, sizeof(name), "/dev/pts/%u", number);
		fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

static int open_pair(bool raw, int *ret_master, int *ret_slave)
{
	/* posix_openpt(3), unlockpt(3) and ptsname(3), which in musl bring stdio with them. */
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave, r;

	if (master < 0)
		return -errno;
	slave = open_slave(master);
	if (slave < 0) {
		close(master);
		return slave;
	}
	r = raw ? make_raw(slave) : 0;
	if (r == 0 && raw)
		r = make_raw(master);
	if (r < 0) {
		close(slave);
		close(master);
		return r;
	}
	*ret_master = master;
	*ret_slave = slave;
	return 0;
}

static int terminal_open(bool raw, int *ret_master, int *ret_slave, ramet_error *error)
{
	int r = open_pair(raw, ret_master, ret_slave);

	if (r < 0)
		return rmt_error_set(error, r, RAMET_OPENPTY_MSG, rmt_strerror(r));
	rmt_descriptor_own(*ret_master);
	rmt_descriptor_own(*ret_slave);
	return 0;
}

int rmt_terminal_open(int *ret_master, int *ret_slave, ramet_error *error)
{
	return terminal_open(true, ret_master, ret_slave, error);
}

int rmt_terminal_open_cooked(int *ret_master, int *ret_slave, ramet_error *error)
{
	return terminal_open(false, ret_master, ret_slave, error);
}
