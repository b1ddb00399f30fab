/* Waiting for the address of a host that has just been started. The module asks the service for
 * nothing else.
 *
 * Protocol (SOCK_SEQPACKET): one packet goes to the service. It holds the host's folded name and,
 * if only one family is wanted, a NUL and "4" or "6". The service answers "published" or "gave up"
 * once the snapshot has news of that. The answer is not read. Like the end of the connection, it
 * only ends the wait: the snapshot alone says what is true.
 */
#ifndef PV_PENDING_H
#define PV_PENDING_H

#include <stdint.h>

#include "lookup.h"

/* Waits until the service at `path` has news of the found and pending `host`. Returns whether it is
 * worth looking `key` up again. The wait ends at the host's pending_until, after the snapshot's
 * pending_wait or after 30 s, whichever comes first. It does not wait if the listener is missing,
 * is neither root nor the snapshot's owner, or is this process.
 *
 * `now` is the Unix time (ms) at which the host was still pending. The caller has disabled
 * cancellation; `cancel_state` is the state before that. The wait restores it, and a thread that is
 * cancelled meanwhile leaves nothing open. */
bool pv_wait(const char *path, const struct pv_key *key, int family, const struct pv_host *host,
             uint64_t now, int cancel_state);

#endif
