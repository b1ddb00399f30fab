/*
 * Times how long after the write of a lease its name is found.
 *
 *   leaselag LEASE_FILE CHANGES LIBRARY PREFIX     through the module's gethostbyname4_r
 *   leaselag LEASE_FILE CHANGES getent             through `getent hosts NAME`, a whole process
 *
 * Each change puts a new lease first and rewrites the file as dnsmasq does: lseek 0, ftruncate 0,
 * writes of 4,096 bytes, fsync, on one descriptor. The clock starts before the lseek. Changes are
 * 20 to 60 ms apart. Prints the nanoseconds of each; a name not found within 60 s ends the run.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <nss.h>
#include <netdb.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const uint64_t MICROSECOND = 1000, MILLISECOND = 1000000, DEADLINE = 60000 * 1000000ULL;
static const size_t BLOCK = 4096;

typedef enum nss_status name4_fn(const char *, struct gaih_addrtuple **, char *, size_t, int *,
                                 int *, int32_t *);

static name4_fn *name4; /* NULL: ask getent */

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void pause_for(uint64_t nanoseconds)
{
    const struct timespec t = {.tv_nsec = (long)nanoseconds};

    nanosleep(&t, NULL);
}

static bool getent_finds(char *name)
{
    char *const argv[] = {"getent", "hosts", name, NULL};
    posix_spawn_file_actions_t quiet;
    int status;
    pid_t pid;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ) != 0)
        errx(1, "getent cannot be started");
    posix_spawn_file_actions_destroy(&quiet);
    if (waitpid(pid, &status, 0) != pid)
        err(1, "waitpid");
    return status == 0;
}

static bool found(char *name)
{
    struct gaih_addrtuple *tuples = NULL;
    char buffer[1024];
    int error, h_error;
    int32_t ttl;

    if (!name4)
        return getent_finds(name);
    return name4(name, &tuples, buffer, sizeof buffer, &error, &h_error, &ttl) ==
           NSS_STATUS_SUCCESS;
}

static void rewrite(int fd, const char *text, size_t length)
{
    if (lseek(fd, 0, SEEK_SET) != 0 || ftruncate(fd, 0) != 0)
        err(1, "truncate the lease file");
    while (length > 0) {
        ssize_t written = write(fd, text, length < BLOCK ? length : BLOCK);

        if (written < 0)
            err(1, "write the lease file");
        text += written;
        length -= (size_t)written;
    }
    if (fsync(fd) != 0)
        err(1, "fsync the lease file");
}

/* The file's text at the end of an allocation that has `room` before it; new leases go there. */
static char *read_leases(int fd, size_t room, size_t *length)
{
    struct stat st;
    char *memory;

    if (fstat(fd, &st) != 0)
        err(1, "lease file");
    *length = (size_t)st.st_size;
    memory = malloc(room + *length);
    if (!memory || pread(fd, memory + room, *length, 0) != st.st_size)
        err(1, "read the lease file");
    return memory + room;
}

static uint64_t time_change(int fd, const char *text, size_t length, char *name)
{
    uint64_t start = now();

    rewrite(fd, text, length);
    while (!found(name)) {
        if (now() - start > DEADLINE)
            errx(1, "%s was not found within 60 s of its lease", name);
        if (name4)
            pause_for(30 * MICROSECOND);
    }
    return now() - start;
}

static void change_leases(int fd, unsigned changes)
{
    enum { LINE = 128 };
    const long expires = (long)time(NULL) + 7 * 86400;
    const unsigned pid = (unsigned)getpid(); /* a later run has other addresses */
    size_t length;
    char *text = read_leases(fd, (size_t)changes * LINE, &length);

    srand(pid);
    for (unsigned i = 0; i < changes; i++) {
        char line[LINE], name[32];
        const unsigned high = i >> 8 & 255, low = i & 255;
        size_t added;

        snprintf(name, sizeof name, "lag%u-%u", pid, i);
        added = (size_t)snprintf(line, sizeof line,
                                 "%ld 52:54:01:%02x:%02x:%02x 10.%u.%u.%u %s *\n", expires,
                                 pid & 255, high, low, 128 + (pid & 127), high, low, name);
        text -= added;
        length += added;
        memcpy(text, line, added);
        printf("%llu\n", (unsigned long long)time_change(fd, text, length, name));
        pause_for((20 + (uint64_t)rand() % 40) * MILLISECOND);
    }
}

int main(int argc, char **argv)
{
    const bool getent = argc == 4 && strcmp(argv[3], "getent") == 0;
    int fd;

    if (argc != 5 && !getent)
        errx(2, "usage: leaselag LEASE_FILE CHANGES getent | LIBRARY PREFIX");
    if (!getent) {
        char symbol[128];
        void *handle = dlopen(argv[3], RTLD_NOW);

        snprintf(symbol, sizeof symbol, "_nss_%s_gethostbyname4_r", argv[4]);
        if (!handle || !(*(void **)&name4 = dlsym(handle, symbol)))
            errx(1, "%s", dlerror());
    }
    fd = open(argv[1], O_RDWR | O_CLOEXEC);
    if (fd < 0)
        err(1, "%s", argv[1]);
    prctl(PR_SET_TIMERSLACK, 1);
    change_leases(fd, (unsigned)strtoul(argv[2], NULL, 10));
    return 0;
}
