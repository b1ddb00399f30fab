/* The NSS module: six entry points that glibc calls in every program that resolves a name.
 *
 * Each does the same: enter, find the host in the tables, choose its addresses, pack them into the
 * caller's buffer, leave. Nothing is kept between calls: no memory, descriptor, lock or thread-local
 * variable, so fork, threads, dlclose and closefrom() cannot surprise us. No call here may allocate,
 * log, abort or read the environment: we are a guest in setuid programs too.
 *
 * What glibc makes of status, *errnop and *h_errnop: nss/getXXbyYY_r.c and nss/getaddrinfo.c.
 */
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "answer.h"
#include "clock.h"
#include "lookup.h"
#include "pending.h"

#define EXPORT __attribute__((visibility("default")))

/* Fixed, because a setuid program must not take it from the user who starts it. */
#ifndef PYVIRT_TEST
#define OWN_TABLE "/run/leasewatch/hosts.v1"
#define PEERS_TABLE "/run/leasewatch-dns/peers.v1"
#define SERVICE "/run/leasewatch/pending.sock"
#else
#define OWN_TABLE getenv("PYVIRT_SNAPSHOT")
#define PEERS_TABLE getenv("PYVIRT_PEERS")
#define SERVICE getenv("PYVIRT_SERVICE")
#endif

/* What is put back when an entry point returns. */
struct call {
    int saved_errno;
    int cancel_state;
};

/* A thread that is cancelled between open and close would leak the descriptor. */
static void enter(struct call *call)
{
    call->saved_errno = errno;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancel_state);
}

/* What glibc gets for each outcome. An errno of 0 is not written: a hit and a plain "no" leave it as
 * it was. ERANGE with NETDB_INTERNAL means "again, with more room". Neither may stand for anything
 * else, or glibc would double the buffer for ever, or end the whole chain. */
static const struct {
    enum nss_status status;
    int h_error;
    int error;
} replies[] = {
    [PV_FOUND] = {NSS_STATUS_SUCCESS, NETDB_SUCCESS, 0},
    [PV_UNKNOWN] = {NSS_STATUS_NOTFOUND, HOST_NOT_FOUND, 0},
    [PV_NO_DATA] = {NSS_STATUS_NOTFOUND, NO_DATA, 0},
    [PV_NOT_YET] = {NSS_STATUS_TRYAGAIN, TRY_AGAIN, EAGAIN},
    [PV_TOO_SMALL] = {NSS_STATUS_TRYAGAIN, NETDB_INTERNAL, ERANGE},
    [PV_UNAVAILABLE] = {NSS_STATUS_UNAVAIL, NO_RECOVERY, EIO}, /* EIO: or what was the matter */
};

/* `errnop` usually is &errno, so it is written last. */
static enum nss_status leave(const struct call *call, enum pv_outcome outcome, int cause,
                             int *errnop, int *h_errnop)
{
    int error = replies[outcome].error;

    if (outcome == PV_UNAVAILABLE && cause != ERANGE)
        error = cause;
    pthread_setcancelstate(call->cancel_state, NULL);
    errno = call->saved_errno;
    *h_errnop = replies[outcome].h_error;
    if (error != 0)
        *errnop = error;
    return replies[outcome].status;
}

/* Finds a host and chooses what it answers as of `now`, in ms. */
static enum pv_outcome look_up(const struct pv_key *key, int family, bool with_scope, uint64_t now,
                               struct pv_host *ret, int *ret_error)
{
    const struct pv_tables tables = {OWN_TABLE, PEERS_TABLE};

    if (now == PV_NO_TIME) {
        *ret_error = errno;
        return PV_UNAVAILABLE;
    }
    return pv_look_up(&tables, key, family, with_scope, now / 1000, ret, ret_error);
}

/* Looks up a name as a program wrote it. If the host has just been started, it waits once for the
 * service. */
static enum pv_outcome resolve(const char *name, int family, bool with_scope,
                               const struct call *call, struct pv_host *ret, int *ret_error)
{
    struct pv_key key;
    uint64_t now = pv_milliseconds(CLOCK_REALTIME);
    enum pv_outcome outcome;

    if (!pv_name_key(&key, name))
        return PV_UNKNOWN;
    outcome = look_up(&key, family, with_scope, now, ret, ret_error);
    if (outcome != PV_NOT_YET || !pv_wait(SERVICE, &key, family, ret, now, call->cancel_state))
        return outcome;
    now = pv_milliseconds(CLOCK_REALTIME);
    return look_up(&key, family, with_scope, now, ret, ret_error);
}

static enum nss_status by_name(const char *name, int family, struct hostent *result, char *buffer,
                               size_t buflen, int *errnop, int *h_errnop)
{
    struct call call;
    struct pv_host host;
    enum pv_outcome outcome = PV_UNAVAILABLE;
    int error = EAFNOSUPPORT;

    enter(&call);
    if (family == AF_UNSPEC)
        family = AF_INET;
    if (family == AF_INET || family == AF_INET6)
        outcome = resolve(name, family, false, &call, &host, &error);
    if (outcome == PV_FOUND)
        outcome = pv_answer_hostent(&host, family, NULL, (struct pv_space){buffer, buflen}, result);
    return leave(&call, outcome, error, errnop, h_errnop);
}

static enum nss_status by_address(const void *address, socklen_t len, int family,
                                  struct hostent *result, char *buffer, size_t buflen, int *errnop,
                                  int *h_errnop)
{
    struct call call;
    struct pv_key key;
    struct pv_host host;
    enum pv_outcome outcome = PV_UNAVAILABLE;
    int error = family == AF_INET || family == AF_INET6 ? EINVAL : EAFNOSUPPORT;

    enter(&call);
    if ((family == AF_INET && len == 4) || (family == AF_INET6 && len == 16)) {
        pv_address_key(&key, family, address);
        outcome = look_up(&key, family, false, pv_milliseconds(CLOCK_REALTIME), &host, &error);
    }
    if (outcome == PV_FOUND)
        outcome =
            pv_answer_hostent(&host, family, address, (struct pv_space){buffer, buflen}, result);
    return leave(&call, outcome, error, errnop, h_errnop);
}

/* nscd may keep an answer for `ttl` seconds. It does not see a new snapshot, so the TTL is 0. */
static void set_ttl(enum nss_status status, int32_t *ttlp)
{
    if (status == NSS_STATUS_SUCCESS && ttlp != NULL)
        *ttlp = 0;
}

EXPORT enum nss_status _nss_pyvirt_gethostbyname_r(const char *name, struct hostent *result,
                                                   char *buffer, size_t buflen, int *errnop,
                                                   int *h_errnop)
{
    return by_name(name, AF_INET, result, buffer, buflen, errnop, h_errnop);
}

EXPORT enum nss_status _nss_pyvirt_gethostbyname2_r(const char *name, int family,
                                                    struct hostent *result, char *buffer,
                                                    size_t buflen, int *errnop, int *h_errnop)
{
    return by_name(name, family, result, buffer, buflen, errnop, h_errnop);
}

EXPORT enum nss_status _nss_pyvirt_gethostbyname3_r(const char *name, int family,
                                                    struct hostent *result, char *buffer,
                                                    size_t buflen, int *errnop, int *h_errnop,
                                                    int32_t *ttlp, char **canonp)
{
    const enum nss_status status =
        by_name(name, family, result, buffer, buflen, errnop, h_errnop);

    set_ttl(status, ttlp);
    if (status == NSS_STATUS_SUCCESS && canonp != NULL)
        *canonp = result->h_name;
    return status;
}

/* getaddrinfo() calls this one for both families. Only this one can return scope ids. */
EXPORT enum nss_status _nss_pyvirt_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat,
                                                    char *buffer, size_t buflen, int *errnop,
                                                    int *h_errnop, int32_t *ttlp)
{
    struct call call;
    struct pv_host host;
    enum pv_outcome outcome;
    enum nss_status status;
    int error = 0;

    enter(&call);
    outcome = resolve(name, AF_UNSPEC, true, &call, &host, &error);
    if (outcome == PV_FOUND)
        outcome = pv_answer_tuples(&host, (struct pv_space){buffer, buflen}, pat);
    status = leave(&call, outcome, error, errnop, h_errnop);
    set_ttl(status, ttlp);
    return status;
}

EXPORT enum nss_status _nss_pyvirt_gethostbyaddr_r(const void *address, socklen_t len, int family,
                                                   struct hostent *result, char *buffer,
                                                   size_t buflen, int *errnop, int *h_errnop)
{
    return by_address(address, len, family, result, buffer, buflen, errnop, h_errnop);
}

EXPORT enum nss_status _nss_pyvirt_gethostbyaddr2_r(const void *address, socklen_t len, int family,
                                                    struct hostent *result, char *buffer,
                                                    size_t buflen, int *errnop, int *h_errnop,
                                                    int32_t *ttlp)
{
    const enum nss_status status =
        by_address(address, len, family, result, buffer, buflen, errnop, h_errnop);

    set_ttl(status, ttlp);
    return status;
}
