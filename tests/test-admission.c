/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "fixture.h"
#include "parent/admission.h"

/* As many as make a recursion for each of them run out of stack. */
#define MANY 300000

struct one {
	struct rmt_ticket ticket;
	unsigned turns, place; /* how many turns it had, and when the first was */
	struct one *leaves;    /* who leaves within its turn; NULL */
};

static struct rmt_admission admission;
static unsigned turns;

static void turn(struct rmt_ticket *ticket)
{
	struct one *one = RMT_CONTAINER(ticket, struct one, ticket);

	assert_true(ticket->open);
	assert_true(rmt_list_empty(&ticket->node));
	one->turns++;
	one->place = ++turns;
	if (one->leaves)
		rmt_admission_leave(&admission, &one->leaves->ticket);
}

static struct one *make(size_t count, bool crowded)
{
	struct one *all = calloc(count, sizeof(*all));

	assert_non_null(all);
	for (size_t i = 0; i < count; i++) {
		rmt_list_init(&all[i].ticket.node);
		all[i].ticket.turn = turn;
		all[i].ticket.crowded = crowded;
	}
	return all;
}

static void enter(struct one *all, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		rmt_admission_enter(&admission, &all[i].ticket);
}

static size_t count_turns(const struct one *all, size_t count)
{
	size_t had = 0;

	for (size_t i = 0; i < count; i++)
		had += all[i].turns;
	return had;
}

static int begin(void **state)
{
	turns = 0;
	rmt_admission_init(&admission);
	return fixture_begin(state);
}

static void limit_reached_others_wait_and_come_in_order(void **state)
{
	const size_t count = 2 * RMT_CONNECT_LIMIT;
	struct one *all = make(count, false);

	(void)state;
	enter(all, 0, count);
	assert_int_equal(count_turns(all, RMT_CONNECT_LIMIT), RMT_CONNECT_LIMIT);
	assert_int_equal(turns, RMT_CONNECT_LIMIT);
	/* In whatever order they leave. */
	for (size_t i = 0; i < RMT_CONNECT_LIMIT; i++) {
		rmt_admission_leave(&admission, &all[i ^ 1].ticket);
		assert_int_equal(all[RMT_CONNECT_LIMIT + i].place, RMT_CONNECT_LIMIT + i + 1);
		assert_int_equal(admission.open, RMT_CONNECT_LIMIT);
	}
	for (size_t i = 0; i < count; i++)
		rmt_admission_leave(&admission, &all[i].ticket);
	assert_int_equal(count_turns(all, count), count);
	assert_int_equal(admission.open, 0);
	assert_true(rmt_list_empty(&admission.waiting[0]));
	free(all);
}

static void crowded_limit_reached_others_overtake(void **state)
{
	struct one *crowded = make(RMT_CROWDED_FIRST + 2, true), *all = make(1, false);

	(void)state;
	enter(crowded, 0, RMT_CROWDED_FIRST + 2);
	assert_int_equal(turns, RMT_CROWDED_FIRST);
	enter(all, 0, 1);
	assert_int_equal(all[0].turns, 1);
	/* The limit is for those that may still be refused: one more may go, and one instead. */
	rmt_admission_passed(&admission, &crowded[0].ticket);
	assert_int_equal(admission.crowded_limit, RMT_CROWDED_FIRST + 1);
	assert_int_equal(turns, RMT_CROWDED_FIRST + 3);
	/* Once is enough. */
	rmt_admission_passed(&admission, &crowded[0].ticket);
	assert_int_equal(admission.crowded_limit, RMT_CROWDED_FIRST + 1);
	for (size_t i = 0; i < RMT_CROWDED_FIRST + 2; i++)
		rmt_admission_leave(&admission, &crowded[i].ticket);
	rmt_admission_leave(&admission, &all[0].ticket);
	assert_int_equal(admission.open, 0);
	assert_int_equal(admission.open_crowded, 0);
	free(crowded);
	free(all);
}

static void crowded_limit_grows_up_to_the_limit_of_all(void **state)
{
	struct one *all = make(1, true);

	(void)state;
	for (unsigned i = 0; i < 3 * RMT_CONNECT_LIMIT; i++) {
		all[0].ticket.crowded = true;
		enter(all, 0, 1);
		rmt_admission_passed(&admission, &all[0].ticket);
		rmt_admission_leave(&admission, &all[0].ticket);
	}
	assert_int_equal(admission.crowded_limit, RMT_CONNECT_LIMIT);
	free(all);
}

static void refused_limit_halves_and_time_doubles(void **state)
{
	struct one *all = make(1, true);
	int64_t least = 25000, away;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		away = rmt_admission_refused(&admission, &all[0].ticket);
		assert_true(away >= least && away < 3 * least);
		if (least < 800000)
			least *= 2;
		assert_true(admission.crowded_limit >= RMT_CROWDED_LEAST);
	}
	assert_int_equal(admission.crowded_limit, RMT_CROWDED_LEAST);
	assert_int_equal(all[0].ticket.refusals, 40);
	free(all);
}

static void leaving_twice_or_without_entering_changes_nothing(void **state)
{
	struct one *all = make(2, true);

	(void)state;
	rmt_admission_leave(&admission, &all[0].ticket);
	rmt_admission_passed(&admission, &all[0].ticket);
	assert_int_equal(admission.crowded_limit, RMT_CROWDED_FIRST);
	enter(all, 0, 1);
	rmt_admission_leave(&admission, &all[0].ticket);
	rmt_admission_leave(&admission, &all[0].ticket);
	assert_int_equal(admission.open, 0);
	assert_int_equal(admission.open_crowded, 0);
	free(all);
}

static void leaving_while_waiting_never_has_a_turn(void **state)
{
	const size_t count = RMT_CONNECT_LIMIT + 2;
	struct one *all = make(count, false);

	(void)state;
	enter(all, 0, count);
	rmt_admission_leave(&admission, &all[RMT_CONNECT_LIMIT].ticket);
	rmt_admission_leave(&admission, &all[0].ticket);
	assert_int_equal(all[RMT_CONNECT_LIMIT].turns, 0);
	assert_int_equal(all[RMT_CONNECT_LIMIT + 1].turns, 1);
	free(all);
}

/* Each fails at once, as with a tool that is not there. */
static void leaving_within_its_turn_all_have_one_on_a_small_stack(void **state)
{
	const size_t count = RMT_CONNECT_LIMIT + MANY;
	struct one *all = make(count, false);

	(void)state;
	enter(all, 0, count);
	for (size_t i = RMT_CONNECT_LIMIT; i < count; i++)
		all[i].leaves = &all[i];
	rmt_admission_leave(&admission, &all[0].ticket);
	assert_int_equal(turns, count);
	assert_int_equal(all[count - 1].place, count);
	assert_int_equal(admission.open, RMT_CONNECT_LIMIT - 1);
	free(all);
}

/* Of another one, which waits: the next one behind it, and the last. */
static void waiting_one_leaves_within_a_turn_is_passed_over(void **state)
{
	const size_t count = RMT_CONNECT_LIMIT + 4;
	struct one *all = make(count, false), *waiting = all + RMT_CONNECT_LIMIT;

	(void)state;
	enter(all, 0, count);
	waiting[0].leaves = &waiting[1];
	waiting[2].leaves = &waiting[3];
	for (size_t i = 0; i < 4; i++)
		rmt_admission_leave(&admission, &all[i].ticket);
	assert_int_equal(waiting[0].turns, 1);
	assert_int_equal(waiting[1].turns, 0);
	assert_int_equal(waiting[2].turns, 1);
	assert_int_equal(waiting[3].turns, 0);
	assert_true(rmt_list_empty(&admission.waiting[0]));
	free(all);
}

static void closed_nobody_has_a_turn(void **state)
{
	const size_t count = RMT_CONNECT_LIMIT + 1;
	struct one *all = make(count, false);

	(void)state;
	enter(all, 0, count);
	rmt_admission_close(&admission);
	for (size_t i = 0; i < RMT_CONNECT_LIMIT; i++)
		rmt_admission_leave(&admission, &all[i].ticket);
	assert_int_equal(all[RMT_CONNECT_LIMIT].turns, 0);
	assert_int_equal(admission.open, 0);
	free(all);
}

#define ADMISSION_TEST(name) cmocka_unit_test_setup_teardown(name, begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ADMISSION_TEST(limit_reached_others_wait_and_come_in_order),
		ADMISSION_TEST(crowded_limit_reached_others_overtake),
		ADMISSION_TEST(crowded_limit_grows_up_to_the_limit_of_all),
		ADMISSION_TEST(refused_limit_halves_and_time_doubles),
		ADMISSION_TEST(leaving_twice_or_without_entering_changes_nothing),
		ADMISSION_TEST(leaving_while_waiting_never_has_a_turn),
		ADMISSION_TEST(leaving_within_its_turn_all_have_one_on_a_small_stack),
		ADMISSION_TEST(waiting_one_leaves_within_a_turn_is_passed_over),
		ADMISSION_TEST(closed_nobody_has_a_turn),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
