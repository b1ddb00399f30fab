/* Fuzz target: any bytes as one of the two tables, asked for the names and addresses that stand in
 * them. Bytes of an odd number of 8 are the peers' table.
 *
 * The mutator mends most of what it breaks (checksums, the header's constants, one key's slot), or
 * nothing would ever get past the first check. What is broken stays broken now and then.
 */
#include <string.h>

#include "harness.h"
#include "lookup.h"
#include "snapshot.h"

#define QUESTIONS 8 /* of one input */

/* A name or an address of a record, as its key. */
struct key {
    const uint8_t *bytes;
    size_t len;
    bool is_address;
    size_t record_off;
    uint32_t record_len;
};

/* The bytes with the header copied out, which they hold whole. */
struct table {
    uint8_t *bytes;
    size_t size;
    struct pv_header header;
};

static bool parse_table(struct table *ret, uint8_t *bytes, size_t size)
{
    *ret = (struct table){.bytes = bytes, .size = size};
    if (size < sizeof ret->header)
        return false;
    memcpy(&ret->header, bytes, sizeof ret->header);
    return true;
}

/* Where records begin, or the end. */
static size_t first_record(const struct table *table)
{
    return table->header.record_off < table->size ? (size_t)table->header.record_off : table->size;
}

/* The record at `*off`, as far as it is one; moves on to the next. */
static bool next_record(const struct table *table, size_t *off, struct pv_record *ret)
{
    if (table->size - *off < sizeof *ret)
        return false;
    memcpy(ret, table->bytes + *off, sizeof *ret);
    if (ret->len < sizeof *ret || ret->len > table->size - *off)
        return false;
    *off += ret->len;
    return true;
}

/* The first keys of a record, which need not be sound; returns how many. */
static size_t keys_of(const struct table *table, size_t off, const struct pv_record *record,
                      struct key keys[], size_t room)
{
    const uint8_t *at = table->bytes + off + sizeof *record;
    const uint8_t *end = table->bytes + off + record->len;
    size_t count = 0;

    for (unsigned i = 0; i < record->addresses; i++, at += sizeof(struct pv_address)) {
        if ((size_t)(end - at) < sizeof(struct pv_address))
            return count;
        if (i < 2 && count < room)
            keys[count++] = (struct key){at + offsetof(struct pv_address, family), PV_ADDRESS_KEY,
                                         true, off, record->len};
    }
    for (unsigned i = 0; i < record->names && count < room && at < end; i++) {
        const size_t len = strnlen((const char *)at, (size_t)(end - at));
        keys[count++] = (struct key){at, len, false, off, record->len};
        at += len + (len < (size_t)(end - at));
    }
    return count;
}

static size_t all_keys(const struct table *table, struct key keys[QUESTIONS])
{
    size_t off = first_record(table), count = 0;
    struct pv_record record;

    for (size_t at = off; count < QUESTIONS && next_record(table, &off, &record); at = off)
        count += keys_of(table, at, &record, keys + count, QUESTIONS - count);
    return count;
}

static void ask_key(const struct key *key, size_t turn, size_t len)
{
    static const int families[] = {AF_INET, AF_INET6, AF_UNSPEC};

    if (key->is_address) {
        const bool is_v4 = key->bytes[0] == AF_INET;
        ask_address(turn % 2 ? "gethostbyaddr_r" : "gethostbyaddr2_r",
                    is_v4 ? AF_INET : AF_INET6, key->bytes + 1, is_v4 ? 4 : 16, len);
        return;
    }
    ask_name("gethostbyname4_r", AF_UNSPEC, key->bytes, key->len, len);
    ask_name(turn % 4 == 0   ? "gethostbyname_r"
             : turn % 4 == 1 ? "gethostbyname3_r"
                             : "gethostbyname2_r",
             families[turn % 3], key->bytes, key->len, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key keys[QUESTIONS];
    struct table table;
    size_t count = 0;

    begin_input();
    write_either_table(data, size, size / 8 % 2 == 1);
    if (parse_table(&table, (uint8_t *)(uintptr_t)data, size))
        count = all_keys(&table, keys);
    for (size_t i = 0; i < count; i++)
        ask_key(keys + i, i, size * (i + 1) % 700);
    ask_name("gethostbyname4_r", AF_UNSPEC, (const uint8_t *)"web1", 4, 100);
    return 0;
}

/* ---- the mutator */

static void mend_header(struct table *table)
{
    struct pv_header *header = &table->header;

    memcpy(header->magic, PV_MAGIC, sizeof header->magic);
    header->endian = PV_ENDIAN;
    header->major = PV_MAJOR;
    header->header_len = sizeof *header;
    header->file_len = table->size;
    header->probe = PV_PROBE;
}

static void mend_records(const struct table *table)
{
    size_t off = first_record(table);
    struct pv_record record;

    for (size_t at = off; next_record(table, &off, &record); at = off) {
        uint8_t *start = table->bytes + at;
        if (record.len % 8 != 0)
            continue; /* refused before it is summed */
        record.crc = pv_crc32(start + sizeof record.crc, record.len - sizeof record.crc);
        memcpy(start, &record.crc, sizeof record.crc);
    }
}

/* Puts one key into one of its slots, whatever is there. */
static void mend_slot(const struct table *table, unsigned random)
{
    const struct pv_header *header = &table->header;
    struct key keys[QUESTIONS];
    const size_t count = all_keys(table, keys);
    const struct key *key = keys + (count > 0 ? random % count : 0);
    uint64_t off = header->slot_off;
    struct pv_slot slot;

    if (count == 0 || off > table->size)
        return;
    slot.tag = pv_tag(header->seed, key->bytes, key->len);
    slot.record = (uint32_t)((key->record_off - first_record(table)) / 8 << PV_SLOT_OFF |
                             ((key->record_len / 8 - 1) & PV_SLOT_LEN));
    off += (pv_home(slot.tag, header->buckets) + random / 16 % PV_PROBE) * sizeof slot;
    if (off > table->size || table->size - off < sizeof slot)
        return;
    memcpy(table->bytes + off, &slot, sizeof slot);
}

/* The start of one of the records; `ret` is its head. False when there is none. */
static bool pick_record(const struct table *table, unsigned random, size_t *ret_at,
                        struct pv_record *ret)
{
    size_t off = first_record(table);
    bool found = false;

    do {
        const size_t at = off;
        if (!next_record(table, &off, ret))
            break;
        *ret_at = at;
        found = true;
    } while (random-- % 4 != 0);
    if (found)
        memcpy(ret, table->bytes + *ret_at, sizeof *ret);
    return found;
}

/* Makes a record longer, by one more address or by bytes at its end: few inputs come to the limits
 * of a record by chance. Returns the new size. */
static size_t grow(struct table *table, size_t max_size, unsigned random)
{
    const bool by_address = random % 2 == 0;
    const size_t more = by_address ? sizeof(struct pv_address) : 8 * (1 + random / 2 % 256);
    struct pv_record record;
    size_t at, from;

    if (max_size - table->size < more || !pick_record(table, random / 512, &at, &record))
        return table->size;
    from = by_address ? at + sizeof record : at + record.len;
    memmove(table->bytes + from + more, table->bytes + from, table->size - from);
    record.len += (uint32_t)more;
    record.addresses = (uint8_t)(record.addresses + by_address);
    memcpy(table->bytes + at, &record, sizeof record);
    return table->size + more;
}

/* Which bytes to break: the header, slots, records, or all, in which case the size may change. */
static size_t mutate(struct table *table, size_t max_size, unsigned random)
{
    const size_t slots = sizeof table->header;
    const size_t records = first_record(table);
    const bool is_sane = records > slots && records < table->size;

    if (random % 8 == 7)
        return grow(table, max_size, random / 8);
    if (random % 4 == 0 || !is_sane)
        return LLVMFuzzerMutate(table->bytes, table->size, max_size);
    if (random % 4 == 1)
        LLVMFuzzerMutate(table->bytes, slots, slots);
    else if (random % 4 == 2)
        LLVMFuzzerMutate(table->bytes + slots, records - slots, records - slots);
    else
        LLVMFuzzerMutate(table->bytes + records, table->size - records, table->size - records);
    return table->size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    const unsigned random = seed * 2654435761U;
    struct table table;

    if (parse_table(&table, data, size))
        size = mutate(&table, max_size, random >> 12);
    else
        size = LLVMFuzzerMutate(data, size, max_size);
    if (!parse_table(&table, data, size))
        return size;
    if (random % 16 != 0)
        mend_header(&table);
    if (random / 16 % 2 != 0)
        mend_slot(&table, random / 32);
    if (random / 512 % 16 != 0)
        mend_records(&table);
    if (random / 8192 % 32 != 0)
        table.header.crc = pv_crc32(&table.header, offsetof(struct pv_header, crc));
    memcpy(data, &table.header, sizeof table.header);
    return size;
}
