/* The host table in memory, as its file will hold it, and one change at a time.
 *
 * For the service only (it allocates); no part of the NSS module. A change costs the record and its
 * slots, however large the table is. A removed record leaves a hole, and the slots get fuller. So
 * the table is rebuilt when about a quarter of it has changed.
 */
#ifndef PV_TABLE_H
#define PV_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot_format.h"

/* Records of this rank are not found as the record of their first name: pv_put never replaces one,
 * because several may have been meant to have that name. */
#define PV_RANK_BELOW 2

/* What a change came to. */
enum pv_change {
    PV_UNCHANGED,
    PV_CHANGED,
    PV_BAD_RECORD,
    PV_NAME_TAKEN, /* another record has one of the names; see `taken` */
    PV_TOO_LARGE,  /* more than PV_FILE_MAX bytes or PV_BUCKETS_MAX buckets */
    PV_NO_MEMORY,
};

struct pv_table {
    struct pv_header header; /* as of pv_finish */
    struct pv_slot *slots;   /* header.buckets + PV_PROBE; the last one is empty */
    uint8_t *records;
    size_t len; /* bytes of records and holes */
    size_t room;
    size_t holes; /* bytes of them */
    size_t keys;  /* names and addresses of all records */
    bool stale;   /* an address that several records have may have no slot */
    char taken[PV_NAME_MAX + 1];
};

/* Makes an empty table with that seed: false without memory. Free it with pv_table_free. */
bool pv_table_init(struct pv_table *ret, const uint8_t seed[16]);
void pv_table_free(struct pv_table *table);

/* Puts in a packed record, for the one of a rank below PV_RANK_BELOW with the same first name if
 * there is one. Without success the table is unchanged, except that the former record is gone after
 * PV_TOO_LARGE and PV_NO_MEMORY. */
enum pv_change pv_put(struct pv_table *table, const uint8_t *record, size_t len);

/* Removes the record with that first name, and of that rank or, for `below`, of any lower one:
 * PV_CHANGED, or PV_UNCHANGED when there is none. */
enum pv_change pv_remove(struct pv_table *table, const char *name, bool below);

/* Makes the table ready to be written: header, slots, then `len` bytes of records. The header gets
 * what is in `of`: generation, published and pending_wait. PV_CHANGED, PV_TOO_LARGE or
 * PV_NO_MEMORY. */
enum pv_change pv_finish(struct pv_table *table, const struct pv_header *of);

/* Reads a file as the module does and compares it with the table as of pv_finish: 0, or an error,
 * EBADMSG when a byte differs. pv_put has checked each record, so equal bytes prove as much as
 * another check of them. */
int pv_read_back(const struct pv_table *table, const char *path);

/* Checks `len` bytes of records and holes, one after the other. Returns how many bytes are sound
 * and adds the number of records to `*records`. */
size_t pv_check_records(const uint8_t *bytes, size_t len, uint32_t *records);

#endif
