/* Waiting for a host that was started a moment ago: all for which the service itself is ever asked.
 *
 * Protocol: one packet goes to the service (SOCK_SEQPACKET): the host's folded name and, where
 * addresses of one family alone are of use, a NUL and "4" or "6". It answers "published" or "gave
 * up" when the snapshot has something new to say of that. Whatever arrives, be it the end of the
 * connection, only ends the wait and is not read: the snapshot alone says what is true.
 */
#ifndef PV_PENDING_H
#define PV_PENDING_H

#include <stdint.h>

#include "lookup.h"

/* Waits until the service at `path` has news of the found and pending `host`, and returns whether
 * it is worth while to look `key` up again. Waits no longer than until the host's pending_until,
 * than the snapshot's pending_wait, than 30 s; not at all where nobody listens, or somebody who
 * is neither the snapshot's owner nor root, or this very process.
 *
 * `now` is the Unix time (ms) at which the host was still pending. The caller has disabled
 * cancellation and says what it was before: in the wait itself it is as before, and a thread that
 * is cancelled there leaves nothing open. */
bool pv_wait(const char *path, const struct pv_key *key, int family, const struct pv_host *host,
             uint64_t now, int cancel_state);

#endif
