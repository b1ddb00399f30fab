/* Calls the NSS module's entry points (asking.h) and prints what they said.
 *
 *   probe ask FUNCTION NAME|ADDRESS FAMILY [LENGTH]   one call; prints what it said
 *   probe sweep FUNCTION NAME|ADDRESS FAMILY          every buffer length and offset
 *   probe corrupt NAME|ADDRESS...                     every bit flip, word and length of the file
 *
 * FUNCTION is gethostbyname4_r and the like, FAMILY a number. The file is $PYVIRT_SNAPSHOT. An
 * ADDRESS with +N behind it is said to be N bytes longer than it is.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asking.h"
#include "snapshot.h"

static struct question by_address(const char *function, const char *text, int family)
{
    static uint8_t bytes[16][16]; /* as many as are asked of one file */
    static unsigned used;
    uint8_t *to = bytes[used++ % 16];
    char address[64];
    char *extra;

    snprintf(address, sizeof address, "%s", text);
    extra = strchr(address, '+');
    if (extra != NULL)
        *extra++ = '\0';
    CHECK(inet_pton(strchr(address, ':') ? AF_INET6 : AF_INET, address, to) == 1);
    return (struct question){
        .function = function,
        .address = to,
        .address_len =
            (socklen_t)((strchr(address, ':') ? 16 : 4) + (extra != NULL ? atoi(extra) : 0)),
        .family = family,
    };
}

static struct question parse_question(const char *function, const char *text, int family)
{
    if (strncmp(function, "gethostbyaddr", strlen("gethostbyaddr")) == 0)
        return by_address(function, text, family);
    return (struct question){.function = function, .name = text, .family = family};
}

#define ROOM 16384 /* before the guard page */

static char *guarded(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(map != MAP_FAILED && ROOM % page == 0);
    CHECK(mprotect(map + ROOM, page, PROT_NONE) == 0);
    return map + ROOM;
}

/* At one alignment: too small, again and again, until it fits, and from then on the same answer.
 * The buffer ends `spare` bytes before the guard page; those bytes must stay as they are. */
static size_t sweep_offset(const struct question *q, const char *expected, char *guard,
                           size_t offset)
{
    size_t need = 0;

    for (size_t len = 0; need == 0 || len <= need + 8; len++) {
        const size_t spare = (16 - (len + offset) % 16) % 16;
        char *buffer = guard - spare - len;
        char *got;

        CHECK(((uintptr_t)buffer & 15) == offset && len < ROOM - 64);
        memset(buffer - 16, POISON, len + spare + 16);
        got = answer(q, buffer, len);
        for (int i = 1; i <= 16; i++)
            CHECK(buffer[-i] == POISON);
        for (size_t i = 0; i < spare; i++)
            CHECK(buffer[len + i] == POISON);
        if (need == 0 && strcmp(got, expected) == 0)
            need = len + 1; /* so that a need of 0 is not "not yet" */
        else if (need == 0)
            CHECK(strcmp(got, "-2 34 -1") == 0); /* TRYAGAIN, ERANGE, NETDB_INTERNAL */
        else
            CHECK(strcmp(got, expected) == 0);
        free(got);
    }
    return need - 1;
}

static void sweep(const struct question *q)
{
    char *guard = guarded();
    char *expected = answer(q, guard - ROOM, ROOM);

    for (size_t offset = 0; offset < 16; offset++) {
        const size_t need = sweep_offset(q, expected, guard, offset);
        CHECK(expected[0] != '1' || need > 8);
    }
    printf("%s\n", expected);
    free(expected);
}

/* ---- corruption */

/* The sound file, the file as it is now, and what the sound one answers. */
struct patient {
    int fd;
    size_t len, record_off;
    uint8_t *sound, *bytes;
    char **names;
    int count;
    char *answers[16];
};

static void put(const struct patient *file, size_t off, size_t len)
{
    CHECK(pwrite(file->fd, file->bytes + off, len, (off_t)off) == (ssize_t)len);
}

static char *ask_text(const char *text)
{
    static char buffer[4096];
    const bool v6 = strchr(text, ':') != NULL;
    struct question q = {.function = "gethostbyname4_r", .name = text};
    uint8_t address[4];

    if (v6 || inet_pton(AF_INET, text, address) == 1)
        q = by_address("gethostbyaddr2_r", text, v6 ? AF_INET6 : AF_INET);
    return answer(&q, buffer, sizeof buffer);
}

/* Asks everything; when `strict`, what is answered must be what the sound file answers. */
static void ask_all(const struct patient *file, bool strict)
{
    for (int i = 0; i < file->count; i++) {
        char *got = ask_text(file->names[i]);
        if (strict && got[0] == '1')
            CHECK(strcmp(got, file->answers[i]) == 0);
        free(got);
    }
}

static void fix_header(struct patient *file)
{
    const uint32_t crc = pv_crc32(file->bytes, offsetof(struct pv_header, crc));

    memcpy(file->bytes + offsetof(struct pv_header, crc), &crc, sizeof crc);
    put(file, 0, sizeof(struct pv_header));
}

static void fix_record(struct patient *file, size_t off)
{
    size_t at = file->record_off;
    uint32_t len, crc;

    for (;; at += len) {
        memcpy(&len, file->sound + at + offsetof(struct pv_record, len), sizeof len);
        if (off < at + len)
            break;
    }
    crc = pv_crc32(file->bytes + at + 4, len - 4);
    memcpy(file->bytes + at, &crc, sizeof crc);
    put(file, at, len);
}

/* Changes some bytes and asks; makes the checksum right again, so that the lie gets further, and
 * asks. Only where a record lies may an answer be another one. */
static void damage(struct patient *file, size_t off, const void *with, size_t len)
{
    memcpy(file->bytes + off, with, len);
    put(file, off, len);
    ask_all(file, true);
    if (off < sizeof(struct pv_header))
        fix_header(file);
    else if (off >= file->record_off)
        fix_record(file, off);
    ask_all(file, off < file->record_off);
    memcpy(file->bytes, file->sound, file->len);
    put(file, 0, file->len);
}

static void flip_every_bit(struct patient *file)
{
    for (size_t bit = 0; bit < file->len * 8; bit++) {
        const uint8_t flipped = (uint8_t)(file->sound[bit / 8] ^ 1U << bit % 8);
        damage(file, bit / 8, &flipped, 1);
    }
}

/* Offsets and counts that lead nowhere, out of the file, around it, or back to where they stand. */
static void overwrite_every_word(struct patient *file)
{
    for (size_t off = 0; off + 4 <= file->len; off += 4) {
        const uint64_t words[] = {0,
                                  1,
                                  off & ~(size_t)7,
                                  sizeof(struct pv_header),
                                  file->record_off,
                                  file->len - 8,
                                  file->len,
                                  PV_BUCKETS_MAX,
                                  PV_BUCKETS_MAX * 2,
                                  INT32_MAX,
                                  UINT32_MAX,
                                  UINT64_MAX - file->record_off + 1,
                                  UINT64_MAX - 7};
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            damage(file, off, words + i, 4);
            if (off % 8 == 0 && off + 8 <= file->len)
                damage(file, off, words + i, 8);
        }
    }
}

/* To every length, as it is and with a header that says so. */
static void truncate_to_every_length(struct patient *file)
{
    for (uint64_t len = file->len; len-- > 0;) {
        CHECK(ftruncate(file->fd, (off_t)len) == 0);
        ask_all(file, true);
        memcpy(file->bytes + offsetof(struct pv_header, file_len), &len, sizeof len);
        if (len >= sizeof(struct pv_header))
            fix_header(file);
        ask_all(file, true);
    }
}

static void load(struct patient *file)
{
    const char *path = getenv("PYVIRT_SNAPSHOT");
    uint64_t record_off;
    struct stat status;

    file->fd = open(path, O_RDWR);
    CHECK(file->fd >= 0 && fstat(file->fd, &status) == 0 && file->count <= 16);
    file->len = (size_t)status.st_size;
    file->sound = malloc(file->len);
    file->bytes = malloc(file->len);
    CHECK(pread(file->fd, file->sound, file->len, 0) == (ssize_t)file->len);
    memcpy(file->bytes, file->sound, file->len);
    memcpy(&record_off, file->sound + offsetof(struct pv_header, record_off), sizeof record_off);
    file->record_off = (size_t)record_off;
    for (int i = 0; i < file->count; i++) {
        file->answers[i] = ask_text(file->names[i]);
        CHECK(file->answers[i][0] == '1');
    }
}

static void corrupt(char *names[], int count)
{
    struct patient file = {.names = names, .count = count};

    load(&file);
    flip_every_bit(&file);
    overwrite_every_word(&file);
    ask_all(&file, true);
    truncate_to_every_length(&file);
    printf("%zu bits, %zu lengths\n", file.len * 8, file.len);
    for (int i = 0; i < count; i++)
        free(file.answers[i]);
    free(file.sound);
    free(file.bytes);
    close(file.fd);
}

int main(int argc, char **argv)
{
    struct question q;
    size_t len;
    char *buffer, *text;

    CHECK(argc >= 3);
    if (strcmp(argv[1], "corrupt") == 0) {
        corrupt(argv + 2, argc - 2);
        return 0;
    }
    CHECK(argc >= 5);
    q = parse_question(argv[2], argv[3], atoi(argv[4]));
    if (strcmp(argv[1], "sweep") == 0) {
        sweep(&q);
        q.like_nscd = true;
        sweep(&q);
        return 0;
    }
    len = argc > 5 ? (size_t)atoi(argv[5]) : 4096;
    buffer = malloc(len + 1);
    text = answer(&q, buffer, len);
    printf("%s\n", text);
    free(text);
    free(buffer);
    return 0;
}
