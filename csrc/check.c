/* Checking a whole file of the host table (table.h). */
#include <errno.h>
#include <string.h>

#include "lookup.h"
#include "snapshot.h"
#include "table.h"

#define STRETCH ((size_t)1 << 16) /* bytes that are read at once */

size_t pv_check_records(const uint8_t *bytes, size_t len, uint32_t *records)
{
    size_t off = 0;

    while (len - off >= sizeof(struct pv_record)) {
        const struct pv_record *record = (const struct pv_record *)(const void *)(bytes + off);
        const uint32_t whole = record->len;
        if (whole < sizeof *record || whole > len - off || whole > PV_RECORD_MAX || whole % 8 != 0)
            return off;
        if (pv_record_is_sound(record, whole))
            (*records)++;
        else if (record->names > 0 || record->crc != pv_crc32(&record->len, whole - 4))
            return off;
        off += record->len;
    }
    return off;
}

/* Whether the file's bytes at `off` are those in memory: 0, or an error. */
static int compare(const struct pv_snapshot *snapshot, const void *bytes, uint64_t off, size_t len)
{
    uint8_t stretch[STRETCH];
    int error = 0;

    for (size_t at = 0; at < len && error == 0; at += STRETCH) {
        const size_t part = len - at < STRETCH ? len - at : STRETCH;
        error = pv_read(snapshot, stretch, off + at, part);
        if (error == 0 && memcmp(stretch, (const uint8_t *)bytes + at, part) != 0)
            error = EBADMSG;
    }
    return error;
}

int pv_read_back(const struct pv_table *table, const char *path)
{
    const struct pv_header *header = &table->header;
    struct pv_header start;
    struct pv_snapshot snapshot;
    int error = pv_open(&snapshot, path, &start, sizeof start);

    if (error != 0)
        return error;
    error = compare(&snapshot, header, 0, sizeof *header);
    if (error == 0)
        error = compare(&snapshot, table->slots, header->slot_off,
                        (size_t)(header->record_off - header->slot_off));
    if (error == 0)
        error = compare(&snapshot, table->records, header->record_off, table->len);
    pv_close(&snapshot);
    return error;
}
