/* One open snapshot: open it, check it, read bounded pieces, close it. Keeps nothing afterwards.
 *
 * The first read brings more than the header: of a small table everything that a lookup needs, so
 * that it is the only one.
 *
 * Why pread and not mmap: a mapping of a truncated file is a SIGBUS in somebody else's process.
 * Errors are positive errno values and are returned, not set: ENOENT and the like from open(2),
 * EPERM for a file that is not to be trusted, EBADMSG for one that is damaged or foreign.
 */
#ifndef PV_SNAPSHOT_H
#define PV_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "snapshot_format.h"

struct pv_snapshot {
    int fd;
    uint32_t owner; /* uid of the file */
    uint64_t size;
    struct pv_header header; /* checked: every table lies within the file */
    const uint8_t *start;    /* the file's first bytes, which have been read */
    size_t start_len;        /* how many; 0 once the caller has another use for their memory */
};

/* Opens and checks the file and its header: 0, or an error with nothing left open. As much of the
 * file as there is room for, at least for a header, is read to `start`, which the caller leaves alone
 * or says so (start_len). */
int pv_open(struct pv_snapshot *ret, const char *path, void *start, size_t room);
void pv_close(const struct pv_snapshot *snapshot);

/* Fills `to` with the file's bytes [off, off + len): 0, or an error when they are not all there.
 * `to` may be `start`. */
int pv_read(const struct pv_snapshot *snapshot, void *to, uint64_t off, size_t len);

/* CRC-32 as zlib's crc32(0, data, len); `len` is a multiple of 8 and 4 more, as of every part of the
 * file that is summed without its sum. */
uint32_t pv_crc32(const void *data, size_t len);

#endif
