/* Builds what stands before the records in a snapshot: header and hash tables. For the publisher
 * only (it allocates); no part of the NSS module. */
#ifndef PV_INDEX_H
#define PV_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "snapshot_format.h"

enum pv_built {
    PV_BUILT,
    PV_BAD_RECORD,     /* at byte `at` of the records */
    PV_DUPLICATE_NAME, /* a name, at byte `at` of the records, that an earlier record has */
    PV_TOO_LARGE,      /* more names or addresses than PV_BUCKETS_MAX buckets can index */
    PV_NO_MEMORY,
};

struct pv_index {
    void *bytes; /* header, name table, address table; free with pv_index_free */
    size_t len;
    size_t at;
};

/* What a stretch of records holds. */
struct pv_counts {
    size_t names;
    size_t addresses;
    uint32_t records;
    size_t at; /* where counting ended: at the end, or at a bad record */
};

/* Checks `len` bytes of records, one after the other: PV_BUILT or PV_BAD_RECORD. */
enum pv_built pv_count(const uint8_t *records, size_t len, struct pv_counts *ret);

/* Indexes `len` bytes of records, one after the other. Of `header` the caller sets generation,
 * published, pending_wait and seed; when the keys do not fit their tables with that seed, others
 * derived from it are tried and then larger tables. An address that occurs twice belongs to the first record. */
enum pv_built pv_index_build(const uint8_t *records, size_t len, const struct pv_header *header,
                             struct pv_index *ret);
void pv_index_free(struct pv_index *index);

#endif
