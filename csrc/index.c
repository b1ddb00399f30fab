/* The index builder (index.h): keys sorted by home bucket are what Robin Hood hashing would place,
 * and the tables are filled from front to back rather than all over memory. */
#include "index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lookup.h"
#include "siphash.h"
#include "snapshot.h"

#define SEEDS 4  /* the given one and three more, before a table grows */
#define DENSE 32 /* keys of a small table */

#define LARGE ((size_t)4 << 20)

#define DIGIT 10 /* bits of a home bucket that one pass sorts by */

/* One key on its way to its slot. */
struct entry {
    uint32_t home;
    uint32_t tag;
    uint32_t record; /* where it begins, counted from the first record */
    uint16_t record_len;
    uint16_t key; /* where the key begins, counted from its record */
};

_Static_assert(PV_RECORD_MAX <= UINT16_MAX && PV_FILE_MAX <= UINT32_MAX, "entry");

struct table {
    bool is_address;
    uint32_t buckets;
    size_t count;
    struct entry *entries;
    struct pv_slot *slots;
};

/* The snapshot under construction. */
struct build {
    const uint8_t *records;
    size_t len;
    struct pv_header header;
    struct table names, addresses;
    struct entry *spare; /* room for as many entries as the larger table has */
    uint8_t *bytes;      /* what is returned: [0, record_off) of the file */
    size_t at;           /* a duplicate name, as an offset into the records */
};

enum placed { PLACED, SAME_KEY, NO_ROOM };

static const struct pv_record *record_at(const uint8_t *at)
{
    return (const struct pv_record *)(const void *)at;
}

static void add(const struct build *build, struct table *table, const struct pv_record *record,
                const void *key, size_t len)
{
    const uint64_t hash = pv_siphash(build->header.seed, key, len);

    table->entries[table->count++] = (struct entry){
        .home = (uint32_t)hash & (table->buckets - 1),
        .tag = (uint32_t)(hash >> 32),
        .record = (uint32_t)((const uint8_t *)record - build->records),
        .record_len = (uint16_t)record->len,
        .key = (uint16_t)((const uint8_t *)key - (const uint8_t *)record),
    };
}

/* Every key of every record, in the records' order. */
static void collect(struct build *build)
{
    const struct pv_record *record;

    build->names.count = build->addresses.count = 0;
    for (size_t at = 0; at < build->len; at += record->len) {
        const char *name;
        record = record_at(build->records + at);
        name = pv_names(record);
        for (unsigned i = 0; i < record->names; i++) {
            const size_t len = strlen(name);
            add(build, &build->names, record, name, len);
            name += len + 1;
        }
        for (unsigned i = 0; i < record->addresses; i++)
            add(build, &build->addresses, record, pv_address_key_of(pv_addresses(record) + i),
                PV_ADDRESS_KEY);
    }
}

/* Sorts a table's entries by home bucket (radix sort); those of one home keep their order. */
static void sort(struct build *build, struct table *table)
{
    for (unsigned shift = 0; table->buckets >> shift > 1; shift += DIGIT) {
        struct entry *const to = build->spare;
        size_t next[(1 << DIGIT) + 1] = {0};
        for (size_t i = 0; i < table->count; i++)
            next[(table->entries[i].home >> shift) % (1 << DIGIT) + 1]++;
        for (size_t digit = 0; digit < 1 << DIGIT; digit++)
            next[digit + 1] += next[digit];
        for (size_t i = 0; i < table->count; i++)
            to[next[(table->entries[i].home >> shift) % (1 << DIGIT)]++] = table->entries[i];
        build->spare = table->entries;
        table->entries = to;
    }
}

/* Whether one of the slots [at, end), all of the entry's home bucket, is for the same key. */
static bool is_there(const struct build *build, const struct table *table,
                     const struct entry *entry, const struct pv_slot *at,
                     const struct pv_slot *end)
{
    const uint8_t *key = build->records + entry->record + entry->key;

    for (; at < end; at++) {
        const struct pv_record *record =
            record_at(build->records + (at->record_off - build->header.record_off));
        if (at->tag == entry->tag &&
            (table->is_address ? pv_record_has_address(record, key)
                               : pv_record_has_name(record, key, strlen((const char *)key))))
            return true;
    }
    return false;
}

/* Fills the slots from sorted entries: each in its home bucket or right behind those before it. An
 * address that occurs again stays with its first record; a name must not. */
static enum placed place(struct build *build, const struct table *table)
{
    const struct pv_slot *first = table->slots; /* of the present home bucket */
    struct pv_slot *at = table->slots;

    for (const struct entry *e = table->entries; e < table->entries + table->count; e++) {
        struct pv_slot *const home = table->slots + e->home;
        if (e == table->entries || e->home != e[-1].home)
            first = at = at > home ? at : home;
        if (is_there(build, table, e, first, at)) {
            if (table->is_address)
                continue;
            build->at = (size_t)e->record + e->key;
            return SAME_KEY;
        }
        if (at >= home + PV_PROBE)
            return NO_ROOM;
        *at++ = (struct pv_slot){e->tag, e->record_len, build->header.record_off + e->record};
    }
    return PLACED;
}

enum pv_built pv_count(const uint8_t *records, size_t len, struct pv_counts *ret)
{
    *ret = (struct pv_counts){0};
    while (ret->at < len) {
        const struct pv_record *record = record_at(records + ret->at);
        if (len - ret->at < sizeof *record || record->len > len - ret->at ||
            record->len > PV_RECORD_MAX || !pv_record_is_sound(record, record->len))
            return PV_BAD_RECORD;
        ret->names += record->names;
        ret->addresses += record->addresses;
        ret->records++;
        ret->at += record->len;
    }
    return PV_BUILT;
}

/* The smallest table with a load of at most 1/4. Of a few hosts the whole file is read at once, so
 * that begins as small as it can. `keys` is below 2^26, as the file's length. */
static uint32_t buckets_for(size_t keys)
{
    const size_t wanted = keys <= DENSE ? keys : keys * 4;
    uint32_t buckets = PV_BUCKETS_MIN;

    while (buckets < wanted)
        buckets *= 2;
    return buckets;
}

static size_t slots_len(const struct table *table)
{
    return (table->buckets + (size_t)PV_PROBE) * sizeof(struct pv_slot);
}

/* New memory full of zeros, or NULL. What is LARGE goes back to the system when it is freed, where
 * free() would keep it until the next time; a wish for huge pages makes up for that. */
static void *take(size_t len)
{
    void *at;

    if (len < LARGE)
        return calloc(1, len);
    at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    madvise(at, len, MADV_HUGEPAGE);
    return at;
}

static void give_back(void *at, size_t len)
{
    if (len < LARGE)
        free(at);
    else if (at != NULL)
        munmap(at, len);
}

/* Lays the file out for the tables' present sizes, in new memory full of zeros. */
static bool lay_out(struct build *build)
{
    struct pv_header *header = &build->header;

    header->name_buckets = build->names.buckets;
    header->addr_buckets = build->addresses.buckets;
    header->name_off = sizeof *header;
    header->addr_off = header->name_off + slots_len(&build->names);
    header->record_off = header->addr_off + slots_len(&build->addresses);
    header->file_len = header->record_off + build->len;
    build->bytes = take((size_t)header->record_off);
    if (build->bytes == NULL)
        return false;
    build->names.slots = (void *)(build->bytes + header->name_off);
    build->addresses.slots = (void *)(build->bytes + header->addr_off);
    return true;
}

/* The seed after this one: any other will do, but the same each time, so that files compare. */
static void next_seed(uint8_t seed[16])
{
    for (uint8_t i = 0; i < 2; i++) {
        const uint64_t word = pv_siphash(seed, &i, 1);
        memcpy(seed + (size_t)8 * i, &word, 8);
    }
}

/* Fills both tables, with other seeds and then with larger tables while keys do not fit. */
static enum pv_built fill(struct build *build)
{
    for (;;) {
        struct table *full = NULL;
        for (int tries = 0; tries < SEEDS; tries++) {
            enum placed placed;
            if (!lay_out(build))
                return PV_NO_MEMORY;
            collect(build);
            sort(build, &build->names);
            sort(build, &build->addresses);
            placed = place(build, &build->names);
            if (placed == SAME_KEY)
                return PV_DUPLICATE_NAME;
            full = placed == NO_ROOM                             ? &build->names
                   : place(build, &build->addresses) == NO_ROOM ? &build->addresses
                                                                 : NULL;
            if (full == NULL)
                return PV_BUILT;
            give_back(build->bytes, (size_t)build->header.record_off);
            build->bytes = NULL;
            next_seed(build->header.seed);
        }
        full->buckets *= 2;
        if (full->buckets > PV_BUCKETS_MAX)
            return PV_TOO_LARGE;
    }
}

static void finish_header(struct build *build)
{
    struct pv_header *header = &build->header;

    memcpy(header->magic, PV_MAGIC, sizeof header->magic);
    header->endian = PV_ENDIAN;
    header->major = PV_MAJOR;
    header->minor = PV_MINOR;
    header->header_len = sizeof *header;
    header->name_probe = header->addr_probe = PV_PROBE;
    header->crc = pv_crc32(header, offsetof(struct pv_header, crc));
    memcpy(build->bytes, header, sizeof *header);
}

/* `fill` with room for the entries of both tables and for those of one that is being sorted. */
static enum pv_built fill_with_room(struct build *build, const struct pv_counts *counts)
{
    const size_t keys = counts->names > counts->addresses ? counts->names : counts->addresses;
    const size_t len = (3 * keys + 1) * sizeof(struct entry);
    struct entry *const entries = take(len);
    enum pv_built built;

    if (entries == NULL)
        return PV_NO_MEMORY;
    build->names.entries = entries;
    build->addresses.entries = entries + keys;
    build->spare = entries + 2 * keys;
    built = fill(build);
    give_back(entries, len);
    return built;
}

enum pv_built pv_index_build(const uint8_t *records, size_t len, const struct pv_header *header,
                             struct pv_index *ret)
{
    struct build build = {.records = records, .len = len, .addresses.is_address = true};
    struct pv_counts counts;
    enum pv_built built;

    *ret = (struct pv_index){0};
    if (len > PV_FILE_MAX)
        return PV_TOO_LARGE;
    built = pv_count(records, len, &counts);
    ret->at = counts.at;
    if (built != PV_BUILT)
        return built;
    build.header.generation = header->generation;
    build.header.published = header->published;
    build.header.pending_wait = header->pending_wait;
    memcpy(build.header.seed, header->seed, sizeof header->seed);
    build.header.records = counts.records;
    build.names.buckets = buckets_for(counts.names);
    build.addresses.buckets = buckets_for(counts.addresses);
    if (build.names.buckets > PV_BUCKETS_MAX || build.addresses.buckets > PV_BUCKETS_MAX)
        return PV_TOO_LARGE;
    built = fill_with_room(&build, &counts);
    ret->at = build.at;
    if (built != PV_BUILT) {
        give_back(build.bytes, (size_t)build.header.record_off);
        return built;
    }
    finish_header(&build);
    ret->bytes = build.bytes;
    ret->len = (size_t)build.header.record_off;
    return PV_BUILT;
}

void pv_index_free(struct pv_index *index)
{
    give_back(index->bytes, index->len);
    index->bytes = NULL;
}
