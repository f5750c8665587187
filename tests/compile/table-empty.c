/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that defines no function. */
#include <ramet.h>

int main(int argc, char **argv)
{
	return ramet_init(argc, argv);
}
