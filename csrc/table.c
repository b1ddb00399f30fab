/* Changing the host table in memory (table.h): linear probing, slots in the order of their tags. */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lookup.h"
#include "snapshot.h"

#define SEEDS 4              /* that are tried before there are more slots */
#define FEW ((size_t)16)     /* buckets of an empty table */
#define SMALL ((size_t)4096) /* bytes of holes that are never worth a new table */

/* One key of a record after the other: first the names, then the addresses. */
struct key {
    const struct pv_record *record;
    unsigned number; /* begins at 1 */
    bool is_address;
    const uint8_t *bytes;
    size_t len;
    uint32_t tag; /* as of find */
};

static struct pv_record *record_at(const struct pv_table *table, size_t off)
{
    return (struct pv_record *)(void *)(table->records + off);
}

static bool next_key(struct key *key)
{
    const struct pv_record *record = key->record;

    if (key->number < record->names) {
        key->bytes = key->number == 0 ? (const uint8_t *)pv_names(record) : key->bytes + key->len + 1;
        key->len = strlen((const char *)key->bytes);
    } else if (key->number < (unsigned)record->names + record->addresses) {
        key->bytes = pv_address_key_of(pv_addresses(record) + (key->number - record->names));
        key->len = PV_ADDRESS_KEY;
        key->is_address = true;
    } else {
        return false;
    }
    key->number++;
    return true;
}

static uint32_t home_of(const struct pv_table *table, uint32_t tag)
{
    return pv_home(tag, table->header.buckets);
}

static struct pv_record *record_of(const struct pv_table *table, const struct pv_slot *slot)
{
    return record_at(table, pv_slot_off(slot));
}

/* The slot of a key, or where it has to go: true when it is there. Fills in the key's tag. */
static bool find(const struct pv_table *table, struct key *key, struct pv_slot **ret)
{
    struct pv_slot *slot;

    key->tag = pv_tag(table->header.seed, key->bytes, key->len);
    slot = table->slots + home_of(table, key->tag);
    while (slot->record != 0 && slot->tag < key->tag)
        slot++;
    for (; slot->record != 0 && slot->tag == key->tag; slot++) {
        const struct pv_record *record = record_of(table, slot);
        if (key->is_address ? pv_record_has_address(record, key->bytes)
                            : pv_record_has_name(record, key->bytes, key->len))
            break;
    }
    *ret = slot;
    return slot->record != 0 && slot->tag == key->tag;
}

static struct pv_record *find_name(const struct pv_table *table, const char *name)
{
    struct key key = {.bytes = (const uint8_t *)name, .len = strlen(name)};
    struct pv_slot *slot;

    return find(table, &key, &slot) ? record_of(table, slot) : NULL;
}

/* The record with that first name and rank. */
static struct pv_record *find_first_name(const struct pv_table *table, const char *name,
                                         bool below)
{
    struct pv_record *record = find_name(table, name);

    if (record == NULL || (record->rank >= PV_RANK_BELOW) != below)
        return NULL;
    return strcmp(pv_names(record), name) == 0 ? record : NULL;
}

/* Makes room at a slot by moving those behind it: false when one would leave its window. */
static bool open_gap(const struct pv_table *table, struct pv_slot *gap)
{
    struct pv_slot *end = gap;

    for (; end->record != 0; end++) {
        if (end + 1 >= table->slots + home_of(table, end->tag) + PV_PROBE)
            return false;
    }
    memmove(gap + 1, gap, (size_t)((uint8_t *)end - (uint8_t *)gap));
    return true;
}

static void close_gap(const struct pv_table *table, struct pv_slot *gap)
{
    for (; gap[1].record != 0 && table->slots + home_of(table, gap[1].tag) <= gap; gap++)
        *gap = gap[1];
    *gap = (struct pv_slot){0};
}

/* Gives each key of the record at `off` a slot: false when one does not fit. An address that
 * another record has stays with the lower rank, and with the earlier one of two alike. */
static bool add_keys(struct pv_table *table, size_t off)
{
    struct key key = {.record = record_at(table, off)};
    const uint32_t len = key.record->len;
    const uint32_t mine = (uint32_t)(off / 8 << PV_SLOT_OFF) | (len / 8 - 1);
    struct pv_slot *slot;

    while (next_key(&key)) {
        if (find(table, &key, &slot)) {
            const struct pv_record *other = record_of(table, slot);
            if (other == key.record)
                continue;
            if (key.record->rank < other->rank)
                slot->record = mine;
            slot->record |= PV_SLOT_SHARED;
            continue;
        }
        if (slot >= table->slots + home_of(table, key.tag) + PV_PROBE || !open_gap(table, slot))
            return false;
        *slot = (struct pv_slot){key.tag, mine};
    }
    return true;
}

static void remove_keys(struct pv_table *table, const struct pv_record *record)
{
    struct key key = {.record = record};
    struct pv_slot *slot;

    while (next_key(&key)) {
        if (!find(table, &key, &slot) || record_of(table, slot) != record)
            continue;
        table->stale |= (slot->record & PV_SLOT_SHARED) != 0;
        close_gap(table, slot);
    }
}

/* Makes a hole of a record. */
static void remove_record(struct pv_table *table, struct pv_record *record)
{
    const uint32_t len = record->len;

    remove_keys(table, record);
    table->keys -= (size_t)record->names + record->addresses;
    table->header.records--;
    table->holes += len;
    memset(record, 0, len);
    record->len = len;
    record->crc = pv_crc32(&record->len, len - sizeof record->crc);
}

/* Whether two records differ in nothing that has a slot, or that its slot says. */
static bool same_keys(const struct pv_record *one, const struct pv_record *other)
{
    struct key a = {.record = one}, b = {.record = other};

    if (one->len != other->len || one->rank != other->rank || one->names != other->names ||
        one->addresses != other->addresses)
        return false;
    while (next_key(&a) && next_key(&b)) {
        if (a.len != b.len || memcmp(a.bytes, b.bytes, a.len) != 0)
            return false;
    }
    return true;
}

static size_t slots_len(size_t buckets)
{
    return (buckets + PV_PROBE) * sizeof(struct pv_slot);
}

/* Moves all slots to a table of another size, in their order: false, and nothing is changed, when
 * one does not fit. */
static bool resize(struct pv_table *table, size_t buckets)
{
    struct pv_table next = *table;
    struct pv_slot *to;

    next.slots = to = buckets > PV_BUCKETS_MAX ? NULL : calloc(1, slots_len(buckets));
    next.header.buckets = (uint32_t)buckets;
    if (to == NULL)
        return false;
    for (size_t i = 0; i < table->header.buckets + (size_t)PV_PROBE; i++) {
        const struct pv_slot *from = table->slots + i;
        struct pv_slot *home = next.slots + home_of(&next, from->tag);
        if (from->record == 0)
            continue;
        to = to > home ? to : home;
        if (to >= home + PV_PROBE) {
            free(next.slots);
            return false;
        }
        *to++ = *from;
    }
    free(table->slots);
    *table = next;
    return true;
}

static bool add_all_keys(struct pv_table *table)
{
    for (size_t off = 0; off < table->len; off += record_at(table, off)->len) {
        if (!add_keys(table, off))
            return false;
    }
    return true;
}

/* Fills new slots. While keys do not fit: with other seeds, then more slots. */
static enum pv_change make_slots(struct pv_table *table)
{
    size_t buckets = table->keys * 5 / 2 + FEW;

    for (int tries = 1; buckets <= PV_BUCKETS_MAX; tries++) {
        table->slots = calloc(1, slots_len(buckets));
        table->header.buckets = (uint32_t)buckets;
        if (table->slots == NULL)
            return PV_NO_MEMORY;
        if (add_all_keys(table))
            return PV_CHANGED;
        free(table->slots);
        getrandom(table->header.seed, sizeof table->header.seed, 0); /* unpredictable */
        if (tries % SEEDS == 0)
            buckets *= 2;
    }
    return PV_TOO_LARGE;
}

/* Rebuilds the table, without holes. If that fails, it stays as it is. */
static enum pv_change rebuild(struct pv_table *table)
{
    struct pv_table next = *table;
    enum pv_change made;

    next.room = (table->len - table->holes) * 9 / 8 + SMALL;
    next.len = next.holes = 0;
    next.stale = false;
    next.records = malloc(next.room);
    if (next.records == NULL)
        return PV_NO_MEMORY;
    for (size_t off = 0; off < table->len; off += record_at(table, off)->len) {
        const struct pv_record *record = record_at(table, off);
        if (record->names == 0)
            continue;
        memcpy(next.records + next.len, record, record->len);
        next.len += record->len;
    }
    made = make_slots(&next);
    if (made == PV_CHANGED) {
        pv_table_free(table);
        *table = next;
        return PV_CHANGED;
    }
    free(next.records);
    return made;
}

bool pv_table_init(struct pv_table *ret, const uint8_t seed[16])
{
    *ret = (struct pv_table){0};
    memcpy(ret->header.seed, seed, sizeof ret->header.seed);
    return rebuild(ret) == PV_CHANGED;
}

void pv_table_free(struct pv_table *table)
{
    free(table->slots);
    free(table->records);
}

/* Puts a record behind the others. */
static enum pv_change append(struct pv_table *table, const struct pv_record *record)
{
    const size_t off = table->len;
    enum pv_change made = PV_CHANGED;

    if (table->room - off < record->len) {
        uint8_t *more = realloc(table->records, table->room * 2);
        if (more == NULL)
            return PV_NO_MEMORY;
        table->records = more;
        table->room *= 2;
    }
    memcpy(table->records + off, record, record->len);
    table->len += record->len;
    table->keys += (size_t)record->names + record->addresses;
    table->header.records++;
    if ((table->keys > table->header.buckets / 2 && !resize(table, table->keys * 4 + FEW)) ||
        !add_keys(table, off))
        made = rebuild(table);
    if (made != PV_CHANGED) {
        remove_keys(table, record_at(table, off));
        table->len = off;
        table->keys -= (size_t)record->names + record->addresses;
        table->header.records--;
    }
    return made;
}

enum pv_change pv_put(struct pv_table *table, const uint8_t *bytes, size_t len)
{
    const struct pv_record *record = (const struct pv_record *)(const void *)bytes;
    struct key key = {.record = record};
    struct pv_record *former = NULL;

    if (len > PV_RECORD_MAX || len % 8 != 0 || !pv_record_is_sound(record, len))
        return PV_BAD_RECORD;
    if (record->rank < PV_RANK_BELOW)
        former = find_first_name(table, pv_names(record), false);
    if (former != NULL && former->len == len && memcmp(former, record, len) == 0)
        return PV_UNCHANGED;
    if (former != NULL && same_keys(former, record)) {
        memcpy(former, record, len);
        return PV_CHANGED;
    }
    while (next_key(&key) && !key.is_address) {
        const struct pv_record *other = find_name(table, (const char *)key.bytes);
        if (other != NULL && other != former) {
            memcpy(table->taken, key.bytes, key.len + 1);
            return PV_NAME_TAKEN;
        }
    }
    if (sizeof table->header + slots_len(table->header.buckets) + table->len + len > PV_FILE_MAX)
        return PV_TOO_LARGE;
    if (former != NULL)
        remove_record(table, former);
    return append(table, record);
}

enum pv_change pv_remove(struct pv_table *table, const char *name, bool below)
{
    struct pv_record *record = find_first_name(table, name, below);

    if (record != NULL)
        remove_record(table, record);
    return record != NULL ? PV_CHANGED : PV_UNCHANGED;
}

enum pv_change pv_finish(struct pv_table *table, const struct pv_header *of)
{
    struct pv_header *header = &table->header;

    if (table->stale || table->holes > table->len / 8 + SMALL ||
        (header->buckets > table->keys * 3 + FEW * 2 &&
         !resize(table, table->keys * 5 / 2 + FEW))) {
        const enum pv_change made = rebuild(table);
        if (made != PV_CHANGED)
            return made;
    }
    memcpy(header->magic, PV_MAGIC, sizeof header->magic);
    header->endian = PV_ENDIAN;
    header->major = PV_MAJOR;
    header->minor = PV_MINOR;
    header->header_len = sizeof *header;
    header->generation = of->generation;
    header->published = of->published;
    header->pending_wait = of->pending_wait;
    header->probe = PV_PROBE;
    header->slot_off = sizeof *header;
    header->record_off = header->slot_off + slots_len(header->buckets);
    header->file_len = header->record_off + table->len;
    header->crc = pv_crc32(header, offsetof(struct pv_header, crc));
    return header->file_len > PV_FILE_MAX ? PV_TOO_LARGE : PV_CHANGED;
}
