/* What the fuzz targets share (harness.h). */
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENOUGH 8192 /* 32 tuples and the longest record's names fit */
#define TOO_SMALL "-2 34 -1"

static FILE *answers(void)
{
    static FILE *file;

    if (file == NULL && getenv("ANSWERS") != NULL)
        CHECK((file = fopen(getenv("ANSWERS"), "ae")) != NULL);
    return file;
}

void begin_input(void)
{
    if (answers() != NULL)
        fprintf(answers(), "input\n");
}

void write_table(const uint8_t *bytes, size_t len)
{
    static int fd = -1;

    if (fd < 0) {
        fd = open(getenv("PYVIRT_SNAPSHOT"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        CHECK(fd >= 0 && fchmod(fd, 0644) == 0);
    }
    CHECK(ftruncate(fd, (off_t)len) == 0);
    CHECK(pwrite(fd, bytes, len, 0) == (ssize_t)len);
}

void write_either_table(const uint8_t *bytes, size_t len, bool as_peers)
{
    static char written[512], hosts[512], gone[512];

    if (written[0] == '\0') {
        snprintf(written, sizeof written, "%s", getenv("PYVIRT_SNAPSHOT"));
        snprintf(hosts, sizeof hosts, "%s/hosts", getenv("TABLES"));
        snprintf(gone, sizeof gone, "%s/gone", getenv("TABLES"));
    }
    write_table(bytes, len);
    setenv("PYVIRT_SNAPSHOT", as_peers ? gone : written, 1);
    setenv("PYVIRT_PEERS", as_peers ? written : hosts, 1);
}

static void put_hex(const void *bytes, size_t len)
{
    fprintf(answers(), " x");
    for (size_t i = 0; i < len; i++)
        fprintf(answers(), "%02x", ((const uint8_t *)bytes)[i]);
}

/* The length says the buffer's alignment, too. */
static char *ask_once(const struct question *q, size_t len)
{
    const size_t shift = len / 8 % 16;
    char *memory = malloc(shift + len), *text;

    memset(memory, POISON, shift + len);
    text = answer(q, memory + shift, len);
    for (size_t i = 0; i < shift; i++)
        CHECK(memory[i] == POISON);
    free(memory);
    return text;
}

static void ask_question(const struct question *q, const void *what, size_t what_len, size_t len)
{
    char *text = ask_once(q, len);

    if (strcmp(text, TOO_SMALL) == 0) {
        free(text);
        text = ask_once(q, ENOUGH);
        CHECK(strcmp(text, TOO_SMALL) != 0);
    }
    if (answers() != NULL) {
        fprintf(answers(), "%s %d", q->function, q->family);
        put_hex(what, what_len);
        put_hex(text, strlen(text));
        fprintf(answers(), "\n");
    }
    free(text);
}

void ask_name(const char *function, int family, const uint8_t *name, size_t name_len, size_t len)
{
    char *copy = strndup((const char *)name, name_len);
    const struct question q = {
        .function = function, .name = copy, .family = family, .like_nscd = len % 2 == 1};

    ask_question(&q, copy, strlen(copy), len);
    free(copy);
}

void ask_address(const char *function, int family, const uint8_t *address, size_t address_len,
                 size_t len)
{
    uint8_t *copy = malloc(address_len);
    const struct question q = {.function = function,
                               .address = copy,
                               .address_len = (socklen_t)address_len,
                               .family = family,
                               .like_nscd = len % 2 == 1};

    memcpy(copy, address, address_len);
    ask_question(&q, copy, address_len, len);
    free(copy);
}
