/* SPDX-License-Identifier: BSD-3-Clause */
/* Promise under test: used <= limit at every moment, whoever charges and whoever changes the limit;
 * a charge that fits is never refused; peak is never below the true one nor above the limit. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "src/spi/quota.h"
#include "tests/support/control.h"
#include "tests/support/suite.h"

static struct mmb_quota quota;

static void expect(size_t limit, size_t used, size_t peak)
{
    size_t room = limit == SIZE_MAX ? SIZE_MAX : limit - used;
    SUITE_CHECK(mmb_quota_limit(&quota) == limit && mmb_quota_used(&quota) == used &&
                    mmb_quota_peak(&quota) == peak && mmb_quota_room(&quota) == room,
                "limit %zu used %zu peak %zu room %zu, expected %zu %zu %zu %zu",
                mmb_quota_limit(&quota), mmb_quota_used(&quota), mmb_quota_peak(&quota),
                mmb_quota_room(&quota), limit, used, peak, room);
}

static void test_quota_serves_the_limit_to_the_byte(void)
{
    mmb_quota_init(&quota, 8000);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 8001), MMB_OUT_OF_MEMORY);
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "allocate 8001 B: limit 8000, used 0");
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 8000), MMB_OK);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 1), MMB_OUT_OF_MEMORY);
    CU_ASSERT_STRING_EQUAL(mmb_error_detail(), "allocate 1 B: limit 8000, used 8000");
    expect(8000, 8000, 8000);
    mmb_quota_uncharge(&quota, 8000);
    expect(8000, 0, 8000);
}

static void test_quota_counts_parts(void)
{
    mmb_quota_init(&quota, 100);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 60), MMB_OK);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 41), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 40), MMB_OK);
    mmb_quota_uncharge(&quota, 60);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 10), MMB_OK);
    expect(100, 50, 100);
}

/* No address space holds 2^60 B, and what nobody can have is refused without a limit too. */
static void test_quota_without_limit_counts_too(void)
{
    mmb_quota_init(&quota, SIZE_MAX);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, (size_t)1 << 60), MMB_OK);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, SIZE_MAX), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, SIZE_MAX - 1), MMB_OUT_OF_MEMORY);
    expect(SIZE_MAX, (size_t)1 << 60, (size_t)1 << 60);
    mmb_quota_uncharge(&quota, (size_t)1 << 60);
    expect(SIZE_MAX, 0, (size_t)1 << 60);
}

static void test_quota_limit_cannot_go_below_use(void)
{
    mmb_quota_init(&quota, 1000);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 500), MMB_OK);
    CU_ASSERT_EQUAL(mmb_quota_set_limit(&quota, 499), MMB_BUSY);
    expect(1000, 500, 500);
    CU_ASSERT_EQUAL(mmb_quota_set_limit(&quota, 500), MMB_OK);
    expect(500, 500, 500);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 1), MMB_OUT_OF_MEMORY);
    CU_ASSERT_EQUAL(mmb_quota_set_limit(&quota, SIZE_MAX), MMB_OK);
    CU_ASSERT_EQUAL(mmb_quota_charge(&quota, 1000), MMB_OK);
    expect(SIZE_MAX, 1500, 1500);
    CU_ASSERT_EQUAL(mmb_quota_set_limit(&quota, 1500), MMB_OK);
    expect(1500, 1500, 1500);
}

/* ---- threads ---- */

#define CHARGERS     3
#define LOW          20000u
#define HIGH         60000u
#define CHARGES      60000
#define LIMIT_ROUNDS 2000

static atomic_bool stop;
static atomic_size_t n_over;

/* Sizes up to 12,000 B, up to 4 at a time: three threads want 144,000 B of the 60,000 at most. */
static void *charge_and_uncharge(void *argument)
{
    unsigned int seed = *(const unsigned int *)argument;
    size_t held[4] = {0};
    for (int i = 0; i < CHARGES && !atomic_load(&stop); i++) {
        size_t *slot = &held[i % 4];
        seed = seed * 1664525u + 1013904223u;
        mmb_quota_uncharge(&quota, *slot);
        *slot = 1 + (seed >> 8) % 12000;
        if (mmb_quota_charge(&quota, *slot) != MMB_OK)
            *slot = 0;
    }
    for (int i = 0; i < 4; i++)
        mmb_quota_uncharge(&quota, held[i]);
    return NULL;
}

/* Only this thread changes the limit: between a low limit that was accepted and the next high one
 * nothing above it may ever be seen. */
static void *change_limit(void *argument)
{
    (void)argument;
    for (int i = 0; i < LIMIT_ROUNDS; i++) {
        if (mmb_quota_set_limit(&quota, LOW) != MMB_OK)
            continue;
        for (int look = 0; look < 100; look++)
            if (mmb_quota_used(&quota) > LOW)
                atomic_fetch_add(&n_over, 1);
        if (mmb_quota_set_limit(&quota, HIGH) != MMB_OK)
            atomic_fetch_add(&n_over, 1);
    }
    return NULL;
}

static void test_quota_is_exact_against_a_changing_limit(void)
{
    pthread_t chargers[CHARGERS];
    pthread_t changer;
    unsigned int seeds[CHARGERS] = {1, 2, 3};
    mmb_quota_init(&quota, HIGH);
    atomic_store(&stop, false);
    for (int i = 0; i < CHARGERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&chargers[i], NULL, charge_and_uncharge, &seeds[i]),
                              0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&changer, NULL, change_limit, NULL), 0);
    pthread_join(changer, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < CHARGERS; i++)
        pthread_join(chargers[i], NULL);
    CU_ASSERT_EQUAL(atomic_load(&n_over), 0);
    CU_ASSERT_EQUAL(mmb_quota_used(&quota), 0);
    CU_ASSERT_EQUAL(mmb_quota_room(&quota), mmb_quota_limit(&quota));
    CU_ASSERT_TRUE(mmb_quota_peak(&quota) <= HIGH);
}

/* Two threads that need one byte more than half each: never both, and never refused alone. */
static void *take_turns(void *argument)
{
    size_t *n_served = argument;
    for (int i = 0; i < CHARGES; i++) {
        if (mmb_quota_charge(&quota, 51) != MMB_OK)
            continue;
        (*n_served)++;
        if (mmb_quota_used(&quota) != 51)
            atomic_fetch_add(&n_over, 1);
        mmb_quota_uncharge(&quota, 51);
    }
    return NULL;
}

static void test_quota_excludes_what_does_not_fit_together(void)
{
    pthread_t threads[2];
    size_t n_served[2] = {0, 0};
    mmb_quota_init(&quota, 100);
    atomic_store(&n_over, 0);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, take_turns, &n_served[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_TRUE(n_served[0] + n_served[1] >= CHARGES);
    CU_ASSERT_TRUE(mmb_quota_peak(&quota) >= 51 && mmb_quota_peak(&quota) <= 100);
    CU_ASSERT_EQUAL(mmb_quota_used(&quota), 0);
    CU_ASSERT_EQUAL(atomic_load(&n_over), 0);
}

/* ---- accounts that a lock guards ---- */

static unsigned n_suspended;

static void suspend(struct mmb_account *account)
{
    n_suspended++;
    account->suspended = true;
}

static void resume(struct mmb_account *account)
{
    account->suspended = false;
}

/* What is owed is paid late: meanwhile another thread may have resumed the account, and a third one
 * takes credit under the lock. So the credit is not touched but while the account is suspended. */
static void test_quota_suspends_an_account_that_is_paid(void)
{
    static const struct mmb_account_ops ops = {.suspend = suspend, .resume = resume};
    struct mmb_account account = {
        .ops = &ops, .is_shared = true, .thread = __builtin_thread_pointer()};
    mmb_quota_init(&quota, 8000);
    mmb_account_attach(&quota, &account);
    CU_ASSERT_EQUAL(mmb_account_charge(&quota, &account, 1000), MMB_OK);
    CU_ASSERT_FALSE(account.suspended);
    unsigned before = n_suspended;
    mmb_account_uncharge(&quota, &account, 400);
    CU_ASSERT_EQUAL(n_suspended, before + 1);
    CU_ASSERT_FALSE(account.suspended);
    expect(8000, 600, 1000);
    mmb_account_uncharge(&quota, &account, 600);
    mmb_account_detach(&quota, &account, NULL);
    expect(8000, 0, 1000);
}

MMB_SUITE("core/quota", T(test_quota_serves_the_limit_to_the_byte), T(test_quota_counts_parts),
          T(test_quota_without_limit_counts_too), T(test_quota_limit_cannot_go_below_use),
          T(test_quota_is_exact_against_a_changing_limit),
          T(test_quota_excludes_what_does_not_fit_together),
          T(test_quota_suspends_an_account_that_is_paid))
