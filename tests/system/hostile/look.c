/* look.h, and the program: `hostile TRIAL [ARGUMENT]`, `hostile ask NAME FAMILY FLAGS`. */
#include "look.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE 300 /* seconds; a trial that hangs is ended by SIGALRM */
#define DESCRIPTORS 256

static const uint8_t web1_v4[4] = {10, 77, 0, 5};
static const uint8_t web1_v6[16] = {0xfd, 0x12, [15] = 5};

_Noreturn void fail(const char *what, const char *file, int line)
{
    dprintf(STDERR_FILENO, "%s:%d: not so: %s (errno %d)\n", file, line, what, errno);
    _exit(1);
}

static bool is_ours(const struct addrinfo *found)
{
    const struct sockaddr_in *v4 = (const void *)found->ai_addr;
    const struct sockaddr_in6 *v6 = (const void *)found->ai_addr;
    const uint8_t *bytes = (const uint8_t *)&v4->sin_addr;

    if (found->ai_family == AF_INET6)
        return memcmp(&v6->sin6_addr, web1_v6, sizeof web1_v6) == 0;
    return memcmp(bytes, web1_v4, sizeof web1_v4) == 0 || (bytes[0] == 10 && bytes[1] == 9);
}

int look(const char *name, int family)
{
    const struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    const int error = getaddrinfo(name, NULL, &hints, &list);
    int count = 0;

    if (error != 0)
        return error;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next, count++)
        CHECK(is_ours(at));
    freeaddrinfo(list);
    return count;
}

bool finds_web1(void)
{
    char buffer[512];
    struct hostent host, *found = NULL;
    int h_error;

    if (gethostbyname2_r("web1", AF_INET, &host, buffer, sizeof buffer, &found, &h_error) != 0)
        return false;
    return found == &host && memcmp(host.h_addr_list[0], web1_v4, sizeof web1_v4) == 0;
}

static void look_for_addresses(void)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char name[NI_MAXHOST];

    memcpy(&v4.sin_addr, web1_v4, sizeof web1_v4);
    memcpy(&v6.sin6_addr, web1_v6, sizeof web1_v6);
    CHECK(getnameinfo((void *)&v4, sizeof v4, name, sizeof name, NULL, 0, NI_NAMEREQD) == 0);
    CHECK(strcmp(name, "web1") == 0);
    CHECK(getnameinfo((void *)&v6, sizeof v6, name, sizeof name, NULL, 0, NI_NAMEREQD) == 0);
    CHECK(strcmp(name, "web1") == 0);
}

void look_for_everything(void)
{
    CHECK(look("web1", AF_UNSPEC) == 2);
    CHECK(look("web1", AF_INET) == 1);
    CHECK(look("web1", AF_INET6) == 1);
    CHECK(look("many", AF_UNSPEC) == 32);
    CHECK(look("nosuch", AF_UNSPEC) == EAI_NONAME);
    CHECK(finds_web1());
    look_for_addresses();
}

static enum nss_status (*entry)(const char *, int, struct hostent *, char *, size_t,
                                         int *, int *);

void load_module(void)
{
    void *module = dlopen("libnss_pyvirt.so.2", RTLD_NOW);

    CHECK(module != NULL);
    *(void **)&entry = dlsym(module, "_nss_pyvirt_gethostbyname2_r");
    CHECK(entry != NULL);
}

enum nss_status ask_module(int *error, int *h_error)
{
    char buffer[512];
    struct hostent host;
    enum nss_status status;

    errno = 0;
    status = entry("web1", AF_INET, &host, buffer, sizeof buffer, &errno, h_error);
    *error = errno;
    if (status == NSS_STATUS_SUCCESS)
        CHECK(memcmp(host.h_addr_list[0], web1_v4, sizeof web1_v4) == 0);
    return status;
}

bool module_finds_web1(void)
{
    int error, h_error;

    return ask_module(&error, &h_error) == NSS_STATUS_SUCCESS && error == 0;
}

/* ---- descriptors: asked one by one, because reading /proc/self/fd takes one itself */

struct descriptors {
    struct {
        int fd_flags, status_flags;
        dev_t device;
        ino_t inode;
        mode_t mode;
        off_t offset;
    } row[DESCRIPTORS];
};

bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

const struct descriptors *descriptors(void)
{
    struct descriptors *table = calloc(1, sizeof *table);

    CHECK(table != NULL);
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        struct stat status = {0};
        table->row[fd].fd_flags = fcntl(fd, F_GETFD);
        if (table->row[fd].fd_flags < 0)
            continue;
        CHECK(fstat(fd, &status) == 0);
        table->row[fd].status_flags = fcntl(fd, F_GETFL);
        table->row[fd].device = status.st_dev;
        table->row[fd].inode = status.st_ino;
        table->row[fd].mode = status.st_mode;
        table->row[fd].offset = S_ISREG(status.st_mode) ? lseek(fd, 0, SEEK_CUR) : 0;
    }
    return table;
}

void check_descriptors(const struct descriptors *before)
{
    const struct descriptors *after = descriptors();

    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if (memcmp(before->row + fd, after->row + fd, sizeof *after->row) != 0)
            dprintf(STDERR_FILENO, "descriptor %d is not what it was\n", fd);
    }
    CHECK(memcmp(before, after, sizeof *after) == 0);
    free((void *)before);
    free((void *)after);
}

void close_sockets(void)
{
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        struct stat status;
        if (fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode))
            close(fd);
    }
}

/* ---- the program */

static void print_addresses(const struct addrinfo *at)
{
    char host[NI_MAXHOST];

    for (; at != NULL; at = at->ai_next) {
        CHECK(getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, NULL, 0,
                          NI_NUMERICHOST) == 0);
        printf("%s ", host);
    }
}

/* Prints "ADDRESS... | CANONICAL-NAME", "EAI_" and what getaddrinfo() said, or the same of errno. */
static int ask(char **argv)
{
    const struct addrinfo hints = {
        .ai_family = atoi(argv[1]), .ai_flags = atoi(argv[2]), .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    const int error = getaddrinfo(argv[0], NULL, &hints, &list);

    if (getauxval(AT_SECURE) != 0)
        printf("secure: ");
    if (error != 0) {
        printf("%s\n", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
        return 0;
    }
    print_addresses(list);
    printf("|%s%s\n", list->ai_canonname ? " " : "", list->ai_canonname ? list->ai_canonname : "");
    freeaddrinfo(list);
    return 0;
}

static bool run(const struct trial *trial, const char *name, const char *argument)
{
    for (; trial->name != NULL; trial++) {
        if (strcmp(trial->name, name) == 0) {
            trial->run(argument);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    alarm(DEADLINE);
    CHECK(argc >= 2);
    if (strcmp(argv[1], "ask") == 0 && argc == 5)
        return ask(argv + 2);
    CHECK(run(thread_trials, argv[1], argv[2]) || run(limit_trials, argv[1], argv[2]));
    return 0;
}
