/*
 * Times host lookups of several NSS modules in alternating rounds: A B C A B C ...
 *
 *   nssbench ROUNDS <PLAN
 *
 * A line of the plan is a contestant, its fields parted by tabs:
 *
 *   LABEL CALL EXPECT CALLS THREADS LIBRARY PREFIX KEYS [SOURCE TARGET]...
 *
 *   CALL     name4, addr: _nss_PREFIX_gethostbyname4_r, gethostbyaddr2_r of LIBRARY;
 *            getaddrinfo: the whole call; bare: open, fstat, the preads that LIBRARY makes for
 *            that name, close, on the first TARGET
 *   EXPECT   hit or miss; any other answer ends the run, for its time would mean nothing
 *   CALLS    lookups per round, the keys in turn from round to round
 *   THREADS  that share the lookups of a round, or 0: each lookup is timed for itself
 *   KEYS     a file with a name (addr: an IPv4 address) a line
 *   SOURCE   is hard-linked over TARGET before each turn, so that one run compares many states of
 *            a file and every contestant finds it at its real path; both on one file system
 *
 * Prints LABEL and what a lookup took in each turn (ns), parted by a tab: the p50; with THREADS the
 * time from the first thread's start to the last one's end, divided by CALLS. It judges nothing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <nss.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONTESTANTS = 128, MAX_LINKS = 4, MAX_READS = 8, MAX_THREADS = 64, SCRATCH = 8192 };

typedef enum nss_status name4_fn(const char *, struct gaih_addrtuple **, char *, size_t, int *,
                                 int *, int32_t *);
typedef enum nss_status addr2_fn(const void *, socklen_t, int, struct hostent *, char *, size_t,
                                 int *, int *, int32_t *);

struct read_call {
    size_t size;
    off_t offset;
};

struct key {
    char *text;
    struct in_addr address;
    struct read_call reads[MAX_READS];
    int n_reads;
};

struct contestant;
typedef enum nss_status look_up_fn(const struct contestant *, const struct key *);

struct contestant {
    char *label;
    look_up_fn *look_up;
    enum nss_status expected;
    size_t calls, threads;
    union {
        void *symbol;
        name4_fn *name4;
        addr2_fn *addr2;
    };
    struct key *keys;
    size_t n_keys, next;
    char *source[MAX_LINKS], *target[MAX_LINKS];
    int n_links;
};

static _Thread_local char scratch[SCRATCH];
static struct key *recording; /* whose preads are being noted, or NULL */

/*
 * Stands before libc's pread64 for the modules too, so that `bare` repeats exactly their reads.
 * It costs the module and `bare` the same.
 */
ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
    static ssize_t (*libc_pread)(int, void *, size_t, off64_t);

    if (!libc_pread)
        *(void **)&libc_pread = dlsym(RTLD_NEXT, "pread64");
    if (recording && recording->n_reads < MAX_READS)
        recording->reads[recording->n_reads++] = (struct read_call){size, offset};
    return libc_pread(fd, buffer, size, offset);
}

static enum nss_status name4(const struct contestant *c, const struct key *key)
{
    struct gaih_addrtuple *tuples = NULL;
    int32_t ttl;
    int error, h_error;

    return c->name4(key->text, &tuples, scratch, sizeof scratch, &error, &h_error, &ttl);
}

static enum nss_status addr2(const struct contestant *c, const struct key *key)
{
    struct hostent host;
    int error, h_error;
    int32_t ttl;

    return c->addr2(&key->address, sizeof key->address, AF_INET, &host, scratch, sizeof scratch,
                    &error, &h_error, &ttl);
}

static enum nss_status whole_getaddrinfo(const struct contestant *c, const struct key *key)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;

    (void)c;
    switch (getaddrinfo(key->text, "22", &hints, &found)) {
    case 0:
        freeaddrinfo(found);
        return NSS_STATUS_SUCCESS;
    case EAI_NONAME:
        return NSS_STATUS_NOTFOUND;
    default:
        return NSS_STATUS_UNAVAIL;
    }
}

/* The cheapest way to fetch the bytes: SYS_fstat, for glibc's fstat is the slower fstatat. */
static enum nss_status bare(const struct contestant *c, const struct key *key)
{
    struct stat st;
    int fd = open(c->target[0], O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && syscall(SYS_fstat, fd, &st) == 0;

    for (int i = 0; good && i < key->n_reads; i++)
        good = pread64(fd, scratch, key->reads[i].size, key->reads[i].offset) >= 0;
    if (fd >= 0)
        close(fd);
    return good ? NSS_STATUS_SUCCESS : NSS_STATUS_UNAVAIL;
}

static char *field(char **rest)
{
    char *value = strsep(rest, "\t");

    if (!value || !*value)
        errx(1, "plan: a line has too few fields");
    return value;
}

static void read_keys(struct contestant *c, const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    if (!file)
        err(1, "%s", path);
    while ((length = getline(&line, &room, file)) > 0) {
        struct key key = {0};

        line[length - 1] = '\0';
        inet_pton(AF_INET, line, &key.address);
        if ((c->n_keys & (c->n_keys - 1)) == 0)
            c->keys = realloc(c->keys, (c->n_keys ? 2 * c->n_keys : 1) * sizeof *c->keys);
        key.text = strdup(line);
        if (!c->keys || !key.text)
            err(1, "keys");
        c->keys[c->n_keys++] = key;
    }
    free(line);
    fclose(file);
    if (c->n_keys == 0)
        errx(1, "%s: no keys", path);
}

/* dlopen as glibc does it; the handle stays, for it is in use to the end. */
static void *entry_point(const char *library, const char *prefix, const char *function)
{
    char symbol[128];
    void *handle = dlopen(library, RTLD_NOW);

    if (!handle)
        errx(1, "%s", dlerror());
    snprintf(symbol, sizeof symbol, "_nss_%s_%s", prefix, function);
    return dlsym(handle, symbol);
}

static void choose_call(struct contestant *c, const char *call, const char *library,
                        const char *prefix)
{
    if (strcmp(call, "getaddrinfo") == 0) {
        c->look_up = whole_getaddrinfo;
        return;
    }
    if (strcmp(call, "name4") == 0 || strcmp(call, "bare") == 0) {
        c->look_up = name4; /* bare: until its reads are noted */
        c->symbol = entry_point(library, prefix, "gethostbyname4_r");
    } else if (strcmp(call, "addr") == 0) {
        c->look_up = addr2;
        c->symbol = entry_point(library, prefix, "gethostbyaddr2_r");
    }
    if (!c->symbol)
        errx(1, "%s has no %s", library, call);
}

/* A rename between two links of one inode would do nothing, hence the unlink of the spare name. */
static void put_files(const struct contestant *c)
{
    for (int i = 0; i < c->n_links; i++) {
        char spare[4096];

        snprintf(spare, sizeof spare, "%s.spare", c->source[i]);
        if (link(c->source[i], spare) != 0 || rename(spare, c->target[i]) != 0)
            err(1, "%s to %s", c->source[i], c->target[i]);
        unlink(spare);
    }
}

static enum nss_status expect(const struct contestant *c, const struct key *key)
{
    enum nss_status status = c->look_up(c, key);

    if (status != c->expected)
        errx(1, "%s: %s answered %d instead of %d", c->label, key->text, status, c->expected);
    return status;
}

static void record_reads(struct contestant *c)
{
    put_files(c);
    for (size_t i = 0; i < c->n_keys; i++) {
        recording = &c->keys[i];
        expect(c, recording);
        if (recording->n_reads == 0)
            errx(1, "%s: the module made no pread for %s", c->label, recording->text);
    }
    recording = NULL;
    c->look_up = bare;
    c->expected = NSS_STATUS_SUCCESS;
}

static struct contestant contestant(char *line, size_t number)
{
    struct contestant c = {.label = field(&line)};
    const char *call = field(&line);
    const char *library, *prefix;

    c.expected = strcmp(field(&line), "hit") == 0 ? NSS_STATUS_SUCCESS : NSS_STATUS_NOTFOUND;
    c.calls = strtoul(field(&line), NULL, 10);
    c.threads = strtoul(field(&line), NULL, 10);
    if (c.threads > MAX_THREADS || c.calls < c.threads)
        errx(1, "plan: %zu lookups by %zu threads", c.calls, c.threads);
    library = field(&line);
    prefix = field(&line);
    read_keys(&c, field(&line));
    choose_call(&c, call, library, prefix);
    for (; line && c.n_links < MAX_LINKS; c.n_links++) {
        c.source[c.n_links] = field(&line);
        c.target[c.n_links] = field(&line);
    }
    if (strcmp(call, "bare") == 0)
        record_reads(&c);
    c.next = number * 7919 % c.n_keys; /* nobody looks up what the one before has just warmed */
    return c;
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void look_up_next(struct contestant *c, size_t calls)
{
    for (; calls > 0; calls--)
        expect(c, &c->keys[c->next++ % c->n_keys]);
}

/* The p50 of lookups that follow each other. */
static uint64_t time_each(struct contestant *c)
{
    uint64_t *took = calloc(c->calls, sizeof *took), p50;

    if (!took)
        err(1, "times");
    look_up_next(c, c->calls < 8 ? 1 : c->calls / 8); /* warm up */
    for (size_t i = 0; i < c->calls; i++) {
        uint64_t start = now();

        look_up_next(c, 1);
        took[i] = now() - start;
    }
    qsort(took, c->calls, sizeof *took, ascending);
    p50 = took[c->calls / 2];
    free(took);
    return p50;
}

struct worker {
    pthread_t thread;
    pthread_barrier_t *ready;
    struct contestant contestant; /* a copy, with this thread's share and its own next key */
    uint64_t start, end;
};

static void *work(void *argument)
{
    struct worker *worker = argument;

    look_up_next(&worker->contestant, 8); /* warm up */
    pthread_barrier_wait(worker->ready);
    worker->start = now();
    look_up_next(&worker->contestant, worker->contestant.calls);
    worker->end = now();
    return NULL;
}

/* The time of all threads together, by lookup. */
static uint64_t time_threads(const struct contestant *c)
{
    struct worker workers[MAX_THREADS];
    const size_t share = c->calls / c->threads;
    uint64_t start = UINT64_MAX, end = 0;
    pthread_barrier_t ready;

    pthread_barrier_init(&ready, NULL, (unsigned)c->threads);
    for (size_t i = 0; i < c->threads; i++) {
        workers[i] = (struct worker){.ready = &ready, .contestant = *c};
        workers[i].contestant.calls = share;
        workers[i].contestant.next = c->next + i * share;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            errx(1, "a thread cannot be started");
    }
    for (size_t i = 0; i < c->threads; i++) {
        pthread_join(workers[i].thread, NULL);
        start = workers[i].start < start ? workers[i].start : start;
        end = workers[i].end > end ? workers[i].end : end;
    }
    pthread_barrier_destroy(&ready);
    return (end - start) / (share * c->threads);
}

static void take_turn(struct contestant *c)
{
    put_files(c);
    printf("%s\t%lu\n", c->label, (unsigned long)(c->threads ? time_threads(c) : time_each(c)));
    c->next += c->threads ? c->calls : 0;
}

int main(int argc, char **argv)
{
    static struct contestant contestants[MAX_CONTESTANTS];
    size_t count = 0, room = 0;
    ssize_t length;
    unsigned long rounds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

    if (rounds == 0)
        errx(2, "usage: nssbench ROUNDS <PLAN");
    for (char *line = NULL; (length = getline(&line, &room, stdin)) > 0; line = NULL, room = 0) {
        if (count == MAX_CONTESTANTS)
            errx(1, "plan: more than %d contestants", MAX_CONTESTANTS);
        line[length - 1] = '\0';
        contestants[count] = contestant(line, count);
        count++;
    }
    for (; rounds > 0; rounds--)
        for (size_t i = 0; i < count; i++)
            take_turn(&contestants[i]);
    return 0;
}
