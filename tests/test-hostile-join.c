/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trees that meet, when one side lies: a context that says that others are behind it or have left, and a guest who claims
 * what is not his. What is another's stays another's, and what is held for the liar is bounded.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fixture.h"
#include "hostile.h"

#include "base/limits.h"
#include "core/account.h"
#include "core/function.h"
#include "core/ids.h"
#include "core/route.h"
#include "core/stream.h"
#include "parent/meeting.h"
#include "wire/cbor.h"
#include "wire/frame.h"
#include "wire/handle.h"

/* --- functions ----------------------------------------------------------------------------------------------------- */

RAMET_FUNCTION(i64, square, (i64, number))
{
	return number * number;
}

/* What children that are started from here on do. */
RAMET_FUNCTION(none, order, (str, attack), (i64, victim))
{
	hostile_order(*attack ? attack : NULL, (uint32_t)victim, 0);
}

RAMET_FUNCTION(none, listen_there, (str, name))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_router_listen(ramet_call_router(call), name, NULL, &error) < 0)
		ramet_fail_error(call, &error);
}

/* --- the scene ----------------------------------------------------------------------------------------------------- */

static char scratch[] = "/tmp/test-hostile-join-XXXXXX";
static ramet_router *router;
static ramet_context *good, *bad;
static struct {
	pthread_mutex_t lock;
	char over[64];
	bool believed;
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void listen_to(const ramet_log_record *record, void *data)
{
	(void)data;
	pthread_mutex_lock(&heard.lock);
	if (strstr(record->text, "is over"))
		snprintf(heard.over, sizeof(heard.over), "%s", record->text);
	heard.believed |= strstr(record->text, "it was believed") != NULL;
	pthread_mutex_unlock(&heard.lock);
}

static bool is_over(const char *text)
{
	bool over;

	pthread_mutex_lock(&heard.lock);
	over = strncmp(heard.over, text, strlen(text)) == 0;
	pthread_mutex_unlock(&heard.lock);
	return over;
}

static void open_scene(ramet_router_options options)
{
	options.log = listen_to;
	options.log_level = RAMET_LOG_INFO;
	options.shutdown_timeout = SOON;
	heard.over[0] = '\0';
	heard.believed = false;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	good = fixture_connect(router, "local?name=good");
}

static void check(ramet_context *context)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	if (square_call(context, 7, &result, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(result, 49);
}

static void attack(const char *name)
{
	const char *reason = NULL;
	char text[64];

	hostile_order(name, ramet_context_id(good), 0);
	bad = fixture_connect(router, "local?name=bad");
	hostile_order(NULL, 0, 0);
	snprintf(text, sizeof(text), "%s is over", name);
	while (!is_over(text)) {
		check(good);
		if (ramet_context_wait(bad, 0, &reason) > 0)
			fail_msg("it was lost: %s", reason);
	}
}

/* Whoever comes now has a way to it. */
static void check_newcomers(void)
{
	for (int i = 0; i < 3; i++) {
		char path[64];
		ramet_context *context;

		snprintf(path, sizeof(path), "local?name=new%d/local", i);
		context = fixture_connect(router, path);
		check(context);
		ramet_context_unref(context);
	}
}

static struct rmt_account account_of_bad(void)
{
	struct rmt_account account;

	rmt_lock(router);
	account = *rmt_account_of(router, ramet_context_id(bad));
	rmt_unlock(router);
	return account;
}

static void close_scene(void)
{
	check(good);
	check_newcomers();
	assert_false(heard.believed);
	ramet_context_unref(bad);
	ramet_context_unref(good);
	bad = good = NULL;
	ramet_router_unref(router);
}

static const ramet_router_options plain = RAMET_ROUTER_OPTIONS_INIT;

/* --- a hostile child ----------------------------------------------------------------------------------------------- */

static void ids_of_this_tree_are_not_adopted(void **state)
{
	(void)state;
	open_scene(plain);
	attack("adopt");
	assert_int_equal(account_of_bad().adopted, 0);
	assert_int_equal(account_of_bad().adopting, 0);
	close_scene();
}

static void adopted_ids_are_charged_until_they_are_gone(void **state)
{
	ramet_router_options options = plain;
	size_t routes;

	(void)state;
	options.quota_contexts = 1 << 20;
	open_scene(options);
	attack("all");
	assert_true(is_over("all is over, refused"));
	assert_true(account_of_bad().adopted > 0);
	assert_true(account_of_bad().adopted <= 1 << 20);
	rmt_lock(router);
	routes = router->route_count;
	rmt_unlock(router);
	assert_true(routes <= (1 << 20) / RMT_ADOPTED_LEAST + 10);
	close_scene();
}

/* Below another context, which calls the victim all the while. */
static void who_asks_further_up_believes_nothing_meanwhile(void **state)
{
	ramet_context *relay, *below, *victim;

	(void)state;
	open_scene(plain);
	relay = fixture_connect(router, "local?name=relay");
	below = fixture_connect(router, "local?name=relay/local?name=below");
	victim = fixture_connect(router, "local?name=other/local");
	assert_int_equal(order_call(relay, "victim", ramet_context_id(victim), NULL), 0);
	bad = fixture_connect(router, "local?name=relay/local#1?name=bad");
	assert_int_equal(order_call(relay, "", 0, NULL), 0);
	while (!is_over("victim is over, refused")) {
		check(victim);
		check(below);
		check(relay);
		assert_true(ramet_context_alive(bad));
	}
	assert_int_equal(account_of_bad().adopted, 0);
	ramet_context_unref(victim);
	ramet_context_unref(below);
	ramet_context_unref(relay);
	close_scene();
}

static void who_says_that_others_have_left_is_not_believed(void **state)
{
	(void)state;
	open_scene(plain);
	attack("detach");
	assert_true(ramet_context_alive(bad));
	assert_true(account_of_bad().detached <= RMT_DETACHED_MAX);
	rmt_lock(router);
	assert_true(router->dropped >= 6);
	assert_true(rmt_ids_known(router, router->ids.next, router->ids.end - 1));
	assert_true(router->ids.block_count <= RMT_DETACHED_MAX + 2);
	rmt_unlock(router);
	close_scene();
}

/* --- a hostile guest ----------------------------------------------------------------------------------------------- */

static struct {
	int fd;
	uint32_t tree; /* the context that listens */
	struct rmt_frame frame;
	unsigned char payload[RMT_FRAME_PAYLOAD_MAX];
} guest;

static void guest_sends(uint32_t source, uint32_t authority, uint32_t destination,
			const struct rmt_buffer *out)
{
	unsigned char header[RMT_FRAME_HEADER_SIZE];
	struct rmt_frame frame = {
		.destination = destination,
		.source = source,
		.authority = authority,
		.handle = RMT_HANDLE_CONTROL,
		.length = (uint32_t)out->size,
		.total = (uint32_t)out->size,
	};

	rmt_frame_encode(&frame, header);
	assert_int_equal(send(guest.fd, header, sizeof(header), MSG_NOSIGNAL), sizeof(header));
	assert_int_equal(send(guest.fd, out->data, out->size, MSG_NOSIGNAL), out->size);
}

static bool get(void *data, size_t size)
{
	return recv(guest.fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

/* False: the stream has ended. */
static bool guest_hears(void)
{
	unsigned char header[RMT_FRAME_HEADER_SIZE];

	return get(header, sizeof(header)) && rmt_frame_decode(header, &guest.frame) == 0 &&
	       get(guest.payload, guest.frame.length);
}

static void guest_comes(uint32_t self)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rmt_welcome welcome = {.program = rmt_program_identity(),
				      .id = self + 1,
				      .parents = {self},
				      .parent_count = 1,
				      .path = {"bad", 3},
				      .message_size_max = 1 << 20,
				      .connect_timeout = 1000,
				      .setup = {.umask = -1},
				      .log_rate = 1,
				      .quota_bytes = 1 << 20,
				      .quota_unread = 1 << 20,
				      .quota_flows = 1000,
				      .quota_contexts = 1000};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_tree_hello tree;

	guest.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/ramet/test", scratch);
	assert_int_equal(connect(guest.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	rmt_welcome_encode(&welcome, &out);
	guest_sends(self, self, self + 1, &out);
	rmt_buffer_done(&out);
	assert_true(guest_hears());
	assert_int_equal(rmt_tree_hello_decode(guest.payload, guest.frame.length, &tree), 0);
	guest.tree = tree.id;
	rmt_region_done(&tree.region);
}

/* 0: it has joined; or why not. 1: the stream has ended. */
static int guest_joins(uint32_t self, uint32_t commander, uint32_t first, uint32_t last)
{
	uint32_t range[1][2] = {{first, last}};
	struct rmt_join join = {.chain = {commander, self}, .chain_count = 2, .region = {range, 1}};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_hello hello;
	struct rmt_text text;
	int code = 0;

	rmt_join_encode(&join, &out);
	guest_sends(self, self, guest.tree, &out);
	rmt_buffer_done(&out);
	if (!guest_hears())
		return 1;
	if (rmt_joined_decode(guest.payload, guest.frame.length))
		return 0;
	assert_int_equal(rmt_hello_decode(guest.payload, guest.frame.length, &hello, &code, &text),
			 0);
	return -code;
}

static void open_house(const ramet_listen_options *options)
{
	ramet_error error = RAMET_ERROR_INIT;

	open_scene(plain);
	if (ramet_router_listen(router, "test", options, &error) < 0)
		fail_msg("%s", error.message);
}

/* A region that this tree does not have, nor has nobody. */
static uint32_t foreign(void)
{
	uint32_t id = ramet_context_id(ramet_router_self(router));

	return id < 0x80000000 ? 0x80000000 : RMT_REGION_IDS;
}

static void guest_with_ids_of_the_tree_is_refused(void **state)
{
	uint32_t self, root, child;
	unsigned i = 0;

	(void)state;
	open_house(NULL);
	self = foreign();
	root = ramet_context_id(ramet_router_self(router));
	child = ramet_context_id(good);
	const uint32_t claims[][2] = {{child, child}, {root, root}, {root + 1000, root + 1001}};

	guest_comes(self);
	for (; i < 3; i++)
		assert_int_equal(
			guest_joins(claims[i][0], claims[i][0], claims[i][0], claims[i][1]),
			-EEXIST);
	/* More than the quota. */
	assert_int_equal(guest_joins(self, self, root < self ? root + RMT_REGION_IDS : 1,
				     root < self ? UINT32_MAX : root - 1),
			 -EDQUOT);
	/* A commander who is none of its own. */
	assert_int_equal(guest_joins(self, child, self, self + 10), 1);
	close(guest.fd);
	guest_comes(self);
	assert_int_equal(guest_joins(self, self, self, self + 10), 0);
	close(guest.fd);
	close_scene();
}

/* Where the root does not ask: what it has given to others is not known there. */
static void guest_of_a_child_is_none_of_its_siblings(void **state)
{
	ramet_context *child;
	uint32_t id;

	(void)state;
	open_scene(plain);
	child = fixture_connect(router, "local?name=open");
	assert_int_equal(listen_there_call(child, "test", NULL), 0);
	id = ramet_context_id(good);
	guest_comes(foreign());
	assert_int_equal(guest_joins(id, id, id, id), -EEXIST);
	assert_int_equal(guest_joins(foreign(), foreign(), foreign(), foreign() + 1), 0);
	close(guest.fd);
	check(child);
	ramet_context_unref(child);
	close_scene();
}

static void guest_without_authority_has_none_by_lying(void **state)
{
	ramet_listen_options options = RAMET_LISTEN_OPTIONS_INIT;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	uint32_t self, claims[4];

	(void)state;
	options.authority = RAMET_JOIN_OWN;
	open_house(&options);
	self = foreign();
	guest_comes(self);
	assert_int_equal(guest_joins(self, self, self, self + 10), 0);
	claims[0] = self;
	claims[1] = guest.tree;
	claims[2] = ramet_context_id(good);
	claims[3] = 0;
	for (unsigned i = 0; i < 4 * 64; i++) {
		unsigned operation = i / 4;

		/* DETACHED is how it may leave. */
		if (operation == RMT_OP_DETACHED)
			continue;
		for (unsigned to = 1; to < 4; to++) {
			rmt_buffer_reset(&out);
			rmt_cbor_put_array(&out, 3);
			rmt_cbor_put_uint(&out, operation);
			rmt_cbor_put_uint(&out, claims[2]);
			rmt_cbor_put_uint(&out, claims[2]);
			guest_sends(claims[i % 4], claims[i % 4], claims[to], &out);
			guest_sends(self, claims[i % 4], claims[to], &out);
		}
	}
	rmt_buffer_reset(&out);
	rmt_cbor_put_array(&out, 2);
	rmt_cbor_put_uint(&out, RMT_OP_DETACHED);
	rmt_cbor_put_str(&out, "");
	guest_sends(self, self, guest.tree, &out);
	rmt_buffer_done(&out);
	while (guest_hears())
		;
	close(guest.fd);
	rmt_lock(router);
	assert_true(router->dropped >= 1000);
	rmt_unlock(router);
	close_scene();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(ids_of_this_tree_are_not_adopted),
		FIXTURE_TEST(adopted_ids_are_charged_until_they_are_gone),
		FIXTURE_TEST(who_asks_further_up_believes_nothing_meanwhile),
		FIXTURE_TEST(who_says_that_others_have_left_is_not_believed),
		FIXTURE_TEST(guest_with_ids_of_the_tree_is_refused),
		FIXTURE_TEST(guest_of_a_child_is_none_of_its_siblings),
		FIXTURE_TEST(guest_without_authority_has_none_by_lying),
	};
	char path[64];
	int r;

	hostile_child(argc, argv);
	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	if (!mkdtemp(scratch) || setenv("XDG_RUNTIME_DIR", scratch, 1) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof(path), "%s/ramet", scratch);
	rmdir(path);
	if (rmdir(scratch) < 0)
		print_error("# there are files left in %s\n", scratch);
	return r;
}
