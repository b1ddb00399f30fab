/* The time in milliseconds. */
#ifndef PV_CLOCK_H
#define PV_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The time if a sandbox forbids the call: later than all, so every address has expired. */
#define PV_NO_TIME UINT64_MAX

/* CLOCK_REALTIME: since 1970; CLOCK_MONOTONIC: since some moment. PV_NO_TIME, and errno says why. */
static inline uint64_t pv_milliseconds(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) != 0)
        return PV_NO_TIME;
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

#endif
