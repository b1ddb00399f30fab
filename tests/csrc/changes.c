/* Changes a host table in memory at random, and holds that its file answers for every record.
 *
 *   changes SECONDS SEED
 *
 * What each change has to come to is in tests/nss_pyvirt/test_table.py; this is for sanitizers. The
 * file is $PYVIRT_SNAPSHOT. Prints the number of changes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "asking.h"
#include "lookup.h"
#include "snapshot.h"
#include "table.h"

#define CHANGES 1500 /* of one table, at most */

/* asking.c's needs the whole module. */
void fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    exit(1);
}

static uint64_t state;

/* A number below `end` (xorshift). */
static unsigned random_below(unsigned end)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 20) % end;
}

/* A name of one of a few lengths. */
static int put_name(char *to, unsigned number)
{
    return sprintf(to, "host%u%.*s", number, (int)(number % 5 * 8), "--------------------------------");
}

static size_t make_record(uint8_t *to, unsigned hosts, unsigned addresses)
{
    struct pv_record record = {.names = (uint8_t)(1 + random_below(3)),
                               .addresses = (uint8_t)random_below(4),
                               .rank = (uint8_t)random_below(4)};
    uint8_t *at = to + sizeof record;
    const unsigned first = random_below(hosts);

    memset(to, 0, PV_RECORD_MAX);
    for (unsigned i = 0; i < record.addresses; i++, at += sizeof(struct pv_address)) {
        struct pv_address address = {.family = AF_INET, .expires = random_below(100)};
        address.bytes[0] = (uint8_t)random_below(addresses);
        memcpy(at, &address, sizeof address);
    }
    for (unsigned i = 0; i < record.names; i++)
        at += put_name((char *)at, first + i * hosts / 3) + 1;
    record.len = (uint32_t)(at - to + 7) & ~7U;
    memcpy(to, &record, sizeof record);
    record.crc = pv_crc32(to + sizeof record.crc, record.len - sizeof record.crc);
    memcpy(to, &record.crc, sizeof record.crc);
    return record.len;
}

static void write_file(const char *path, struct pv_table *table)
{
    const struct pv_header of = {.generation = 1};
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t slots;

    CHECK(fd >= 0 && pv_finish(table, &of) == PV_CHANGED);
    slots = (size_t)(table->header.record_off - table->header.slot_off);
    CHECK(write(fd, &table->header, sizeof table->header) == sizeof table->header &&
          write(fd, table->slots, slots) == (ssize_t)slots &&
          write(fd, table->records, table->len) == (ssize_t)table->len && close(fd) == 0);
}

/* Each name finds its own record, and each address one that has it and no higher rank. */
static void look_up_all(const char *path, const struct pv_record *record)
{
    const char *name = pv_names(record);
    struct pv_host found;
    struct pv_key key;
    int error;

    for (unsigned i = 0; i < record->names; i++, name += strlen(name) + 1) {
        CHECK(pv_name_key(&key, name) && pv_find(path, &key, &found, &error) == PV_FOUND);
        CHECK(found.record.len == record->len && memcmp(&found, record, record->len) == 0);
    }
    for (unsigned i = 0; i < record->addresses; i++) {
        const struct pv_address *address = pv_addresses(record) + i;
        pv_address_key(&key, address->family, address->bytes);
        CHECK(pv_find(path, &key, &found, &error) == PV_FOUND && found.record.rank <= record->rank);
    }
}

static void hold(const char *path, struct pv_table *table)
{
    const struct pv_record *record;
    uint32_t records = 0;

    write_file(path, table);
    CHECK(pv_check_records(table->records, table->len, &records) == table->len);
    CHECK(records == table->header.records);
    for (size_t off = 0; off < table->len; off += record->len) {
        record = (const struct pv_record *)(const void *)(table->records + off);
        if (record->names > 0)
            look_up_all(path, record);
    }
}

static unsigned change_table(const char *path)
{
    const unsigned hosts = 3 + random_below(random_below(2) ? 20 : 400), addresses = 1 + hosts / 8;
    const unsigned changes = random_below(CHANGES), puts = 50 + random_below(50);
    uint8_t seed[16] = {(uint8_t)random_below(256)};
    _Alignas(8) uint8_t record[PV_RECORD_MAX];
    struct pv_table table;
    char name[64];

    CHECK(pv_table_init(&table, seed));
    for (unsigned i = 0; i < changes; i++) {
        put_name(name, random_below(hosts));
        if (random_below(100) < puts)
            CHECK(pv_put(&table, record, make_record(record, hosts, addresses)) <= PV_NAME_TAKEN);
        else
            CHECK(pv_remove(&table, name, random_below(2)) <= PV_CHANGED);
        if (random_below(200) == 0)
            hold(path, &table);
    }
    hold(path, &table);
    pv_table_free(&table);
    return changes;
}

int main(int argc, char **argv)
{
    unsigned long changes = 0;
    time_t end;

    CHECK(argc == 3);
    end = time(NULL) + atoi(argv[1]);
    for (state = strtoull(argv[2], NULL, 10) | 1; changes == 0 || time(NULL) < end;)
        changes += change_table(getenv("PYVIRT_SNAPSHOT"));
    printf("%lu\n", changes);
    return 0;
}
