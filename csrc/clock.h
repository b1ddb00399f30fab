/* The time in milliseconds, in 32-bit programs too: there glibc's 64-bit time_t is newer than what
 * we ask, so the kernel is called instead. */
#ifndef PV_CLOCK_H
#define PV_CLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Where a sandbox forbids to ask: later than anything, so that nothing seems valid any more. */
#define PV_NO_TIME UINT64_MAX

/* CLOCK_REALTIME: since 1970; CLOCK_MONOTONIC: since some moment. PV_NO_TIME, and errno says why. */
static inline uint64_t pv_milliseconds(clockid_t clock)
{
    struct timespec time;
#ifdef SYS_clock_gettime64
    struct {
        int64_t seconds, nanoseconds;
    } wide;
    if (syscall(SYS_clock_gettime64, clock, &wide) == 0)
        return (uint64_t)wide.seconds * 1000 + (uint64_t)wide.nanoseconds / 1000000;
#endif
    if (clock_gettime(clock, &time) != 0)
        return PV_NO_TIME;
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

#endif
