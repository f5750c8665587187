/* SPDX-License-Identifier: BSD-3-Clause */
/* The least that a new process can do: it says hello and ends. */
#include <unistd.h>

int main(void)
{
	return write(STDOUT_FILENO, "h", 1) != 1;
}
