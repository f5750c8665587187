/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/notice.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/descriptor.h"

int rmt_notice_fd(struct rmt_notice **notice, ramet_router *router, bool watched,
		  bool (*ready)(void *argument), void *argument)
{
	struct rmt_notice *made;

	if (*notice)
		return (*notice)->fd;
	made = malloc(sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = (struct rmt_notice){
		.fd = rmt_descriptor_own(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
		.ready = ready,
		.argument = argument,
	};
	if (made->fd < 0) {
		int r = -errno;

		free(made);
		return r;
	}
	rmt_list_append(watched ? &router->watched : &router->notices, &made->node);
	rmt_notice_look(made, router);
	*notice = made;
	return made->fd;
}

void rmt_notice_free(struct rmt_notice *notice)
{
	if (!notice)
		return;
	rmt_list_remove(&notice->node);
	rmt_descriptor_close(notice->fd);
	free(notice);
}

void rmt_notice_look(struct rmt_notice *notice, const ramet_router *router)
{
	bool ready = router->state == RMT_ROUTER_ENDED || notice->ready(notice->argument);
	uint64_t count = 1;
	ssize_t n;

	if (ready == notice->raised)
		return;
	notice->raised = ready;
	/* Neither can block, and nobody else reads or writes it. */
	do
		n = ready ? write(notice->fd, &count, sizeof(count))
			  : read(notice->fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
}

void rmt_notices_look(struct rmt_list *notices, const ramet_router *router)
{
	for (struct rmt_list *node = notices->next; node != notices; node = node->next)
		rmt_notice_look(RMT_CONTAINER(node, struct rmt_notice, node), router);
}
