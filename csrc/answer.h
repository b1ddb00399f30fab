/* From a host whose answer is chosen to the structures that glibc wants, in the caller's buffer.
 *
 * Contract: on PV_FOUND everything, strings too, is inside the buffer; on PV_TOO_SMALL nothing
 * that belongs to the caller was written but the buffer. Aligns by itself: callers' buffers are
 * not aligned.
 */
#ifndef PV_ANSWER_H
#define PV_ANSWER_H

#include <netdb.h>
#include <nss.h>
#include <stddef.h>

#include "lookup.h"

/* What is left of the caller's buffer. */
struct pv_space {
    char *at;
    size_t left;
};

/* For gethostbyname4_r: the chosen addresses as a list of tuples. The first one goes to where
 * *tuples points when that is not NULL (nscd before 2.37 brings its own). */
enum pv_outcome pv_answer_tuples(const struct pv_host *host, struct pv_space space,
                                 struct gaih_addrtuple **tuples);

/* For the others: name, aliases and the chosen addresses, which are all of `family`; or, when
 * `asked` is not NULL, that address as the program gave it. */
enum pv_outcome pv_answer_hostent(const struct pv_host *host, int family, const void *asked,
                                  struct pv_space space, struct hostent *ret);

#endif
