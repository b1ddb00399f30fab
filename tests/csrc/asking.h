/* Calling the NSS module's entry points as glibc does, every answer held to the contract: outputs
 * untouched unless the answer is theirs, every pointer into the buffer, strings ended in it, sane
 * families and lengths. What is not so ends the process with status 1 and a line that says it.
 */
#ifndef PV_ASKING_H
#define PV_ASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition, __FILE__, __LINE__))
_Noreturn void fail(const char *what, const char *file, int line);

/* A byte that no call may write behind its back, and errno as it was before the call. */
#define POISON 0x5a
#define OWN_ERRNO 77

struct question {
    const char *function; /* gethostbyname4_r and the like */
    const char *name;     /* for the gethostbyname functions */
    const uint8_t *address;
    socklen_t address_len;
    int family;
    bool like_nscd; /* brings the first tuple of 4_r, and NULL for outputs that may be missing */
};

/* Asks with that buffer, checks, and describes: "STATUS ERRNO H_ERRNO NAME ALIAS... | ADDRESS...".
 * The text is to be freed. */
char *answer(const struct question *q, char *buffer, size_t len);

#endif
