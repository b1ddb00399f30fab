/* Replaces the host table under readers, and holds that every answer is of one generation.
 *
 *   replacement rename|overwrite GENERATIONS THREADS PROCESSES
 *
 * Every address of web1, and its alias, say in which generation they were written. `rename` puts
 * each table into place as the publisher does: every lookup finds web1, and no reader ever goes
 * back to an earlier generation. `overwrite` writes into the file that is read, in pieces, and
 * truncates it now and then: lookups may fail then, but what is answered is still of one
 * generation. Prints the number of answers and of those that found web1. The file is
 * $PYVIRT_SNAPSHOT.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asking.h"
#include "snapshot.h"
#include "table.h"

#define READERS_MAX 64
#define ADDRESSES 8  /* of web1 */
#define LEAST 100    /* answers that each reader has to have */
#define DEADLINE 600 /* seconds for all */

/* Seen by all processes. */
static struct shared {
    atomic_bool done;
    struct {
        atomic_ulong answers, found;
    } readers[READERS_MAX];
} *shared;

static bool in_place;

/* ---- the writer */

static size_t make_record(uint8_t *to, unsigned generation)
{
    struct pv_record record = {.names = 2, .addresses = ADDRESSES};
    char names[32] = "web1";
    const int names_len = 5 + sprintf(names + 5, "g%u", generation) + 1;
    uint8_t *at = to + sizeof record;

    for (unsigned i = 0; i < ADDRESSES; i++, at += sizeof(struct pv_address)) {
        struct pv_address address = {.family = i % 2 ? AF_INET6 : AF_INET, .expires = UINT64_MAX};
        const uint8_t bytes[] = {(uint8_t)(10 + i), (uint8_t)(generation >> 16),
                                 (uint8_t)(generation >> 8), (uint8_t)generation};
        memcpy(address.bytes, bytes, sizeof bytes);
        memcpy(at, &address, sizeof address);
    }
    memcpy(at, names, sizeof names);
    record.len = (uint32_t)(at - to + names_len + 7) & ~7U;
    memcpy(to, &record, sizeof record);
    record.crc = pv_crc32(to + sizeof record.crc, record.len - sizeof record.crc);
    memcpy(to, &record.crc, sizeof record.crc);
    return record.len;
}

static size_t make_table(uint8_t *to, size_t room, unsigned generation)
{
    _Alignas(8) uint8_t record[PV_RECORD_MAX];
    const struct pv_header header = {.generation = generation, .seed = {(uint8_t)generation}};
    const size_t len = make_record(record, generation);
    struct pv_table table;
    size_t file_len;

    CHECK(pv_table_init(&table, header.seed) && pv_put(&table, record, len) == PV_CHANGED &&
          pv_finish(&table, &header) == PV_CHANGED);
    file_len = (size_t)table.header.file_len;
    CHECK(file_len <= room);
    memcpy(to, &table.header, sizeof table.header);
    memcpy(to + table.header.slot_off, table.slots, file_len - len - sizeof table.header);
    memcpy(to + table.header.record_off, table.records, len);
    pv_table_free(&table);
    return file_len;
}

static void rename_into_place(const char *path, const uint8_t *bytes, size_t len)
{
    char new[512];
    int fd;

    snprintf(new, sizeof new, "%s.new", path);
    fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && fchmod(fd, 0644) == 0 && write(fd, bytes, len) == (ssize_t)len);
    CHECK(close(fd) == 0 && rename(new, path) == 0);
}

static void overwrite(const char *path, const uint8_t *bytes, size_t len, unsigned generation)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const size_t piece = 1 + generation % 300;

    CHECK(fd >= 0);
    if (generation % 3 == 0)
        CHECK(ftruncate(fd, (off_t)(generation % len)) == 0);
    for (size_t at = 0; at < len; at += piece) {
        const size_t n = piece < len - at ? piece : len - at;
        CHECK(pwrite(fd, bytes + at, n, (off_t)at) == (ssize_t)n);
    }
    CHECK(ftruncate(fd, (off_t)len) == 0 && close(fd) == 0);
}

static void publish(unsigned generation)
{
    const char *path = getenv("PYVIRT_SNAPSHOT");
    uint8_t bytes[4096];
    const size_t len = make_table(bytes, sizeof bytes, generation);

    if (in_place && generation > 1)
        overwrite(path, bytes, len, generation);
    else
        rename_into_place(path, bytes, len);
}

/* ---- readers */

/* The generation that an answer's addresses say, all the same one. */
static unsigned generation_of(const char *text, unsigned count)
{
    const char *at = strchr(text, '|') + 1;
    unsigned generation = 0;
    char word[64];

    for (int used; sscanf(at, " %63s%n", word, &used) == 1; at += used, count--) {
        uint8_t bytes[16];
        const unsigned before = generation;
        CHECK(inet_pton(strchr(word, ':') ? AF_INET6 : AF_INET, word, bytes) == 1);
        generation = (unsigned)bytes[1] << 16 | (unsigned)bytes[2] << 8 | bytes[3];
        CHECK(before == 0 || before == generation);
    }
    CHECK(count == 0);
    return generation;
}

/* One lookup, of any kind. Returns the generation of what was found; 0: nothing. */
static unsigned look_up(unsigned turn, unsigned seen)
{
    const uint8_t address[] = {10, (uint8_t)(seen >> 16), (uint8_t)(seen >> 8), (uint8_t)seen};
    const struct question questions[] = {
        {.function = "gethostbyname4_r", .name = "web1"},
        {.function = "gethostbyname2_r", .name = "web1", .family = AF_INET},
        {.function = "gethostbyname3_r", .name = "web1", .family = AF_INET6},
        {.function = "gethostbyaddr2_r", .address = address, .address_len = 4, .family = AF_INET},
    };
    const unsigned counts[] = {ADDRESSES, ADDRESSES / 2, ADDRESSES / 2, 1}, which = turn % 4;
    unsigned generation = 0, alias;
    char buffer[2048];
    char *text = answer(questions + which, buffer, sizeof buffer);

    if (text[0] == '1') {
        generation = generation_of(text, counts[which]);
        CHECK(which == 0 || (sscanf(text, "1 77 0 web1 g%u |", &alias) == 1 && alias == generation));
        CHECK(which != 3 || generation == seen);
    } else {
        CHECK(in_place || which == 3);
        CHECK(in_place || strcmp(text, "0 77 1") == 0);
    }
    free(text);
    return generation;
}

static void *read_on(void *argument)
{
    const unsigned reader = *(const unsigned *)argument;
    unsigned seen = 1;

    for (unsigned turn = reader; !shared->done; turn++) {
        const unsigned generation = look_up(turn, seen);
        shared->readers[reader].answers++;
        if (generation == 0)
            continue;
        CHECK(in_place || generation >= seen);
        seen = generation;
        shared->readers[reader].found++;
    }
    return NULL;
}

static pid_t start_process(unsigned *reader)
{
    const pid_t pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    read_on(reader);
    exit(0);
}

/* Until each reader has so many answers; the alarm ends what takes too long. */
static void await_readers(unsigned readers, unsigned long answers)
{
    for (unsigned i = 0; i < readers; i++) {
        while (shared->readers[i].answers < answers) {
            CHECK(waitpid(-1, NULL, WNOHANG) <= 0); /* no reader ends by itself */
            usleep(1000);
        }
    }
}

static void report(unsigned readers)
{
    unsigned long answers = 0, found = 0;

    for (unsigned i = 0; i < readers; i++) {
        answers += shared->readers[i].answers;
        found += shared->readers[i].found;
    }
    printf("%lu %lu\n", answers, found);
}

int main(int argc, char **argv)
{
    unsigned numbers[READERS_MAX], generations, threads, readers;
    pthread_t ids[READERS_MAX];

    CHECK(argc == 5);
    in_place = strcmp(argv[1], "overwrite") == 0;
    generations = (unsigned)atoi(argv[2]);
    threads = (unsigned)atoi(argv[3]);
    readers = threads + (unsigned)atoi(argv[4]);
    CHECK(generations < 1U << 24 && readers <= READERS_MAX);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    publish(1);
    for (unsigned i = 0; i < readers; i++)
        numbers[i] = i;
    for (unsigned i = threads; i < readers; i++)
        CHECK(start_process(numbers + i) > 0);
    for (unsigned i = 0; i < threads; i++)
        CHECK(pthread_create(ids + i, NULL, read_on, numbers + i) == 0);
    alarm(DEADLINE);
    await_readers(readers, 1);
    for (unsigned i = 2; i <= generations; i++)
        publish(i);
    await_readers(readers, LEAST);
    shared->done = true;
    for (unsigned i = 0; i < threads; i++)
        CHECK(pthread_join(ids[i], NULL) == 0);
    for (int status; wait(&status) > 0;)
        CHECK(status == 0);
    report(readers);
    return 0;
}
