/* Looks one pending name up, in one of the ways that programs live, and says what that came to:
 *
 *   waiter HOW NAME    prints "STATUS ERRNO H_ERRNO [ADDRESS]", milliseconds, and whether the
 *                      descriptors are those from before
 *
 * HOW plain      as it is
 *     alarms     SIGVTALRM every 10 ms
 *     cancel     in a thread that is cancelled while it waits; milliseconds from then
 *     uncancel   the same with cancellation disabled
 *     self       the service is this very process
 *     bare       0, 1 and 2 are closed
 *     full       the same, and no descriptor above 2 is allowed
 *     closed     another thread closes every descriptor meanwhile
 *     file       …and puts /dev/null where the connection was
 *     socket     …or a socket
 *
 * $PYVIRT_SNAPSHOT and $PYVIRT_SERVICE say where.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <nss.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

/* Not the call that faults.c makes fail. */
#define fstat(fd, ret) fstatat(fd, "", ret, AT_EMPTY_PATH)

enum nss_status _nss_pyvirt_gethostbyname4_r(const char *, struct gaih_addrtuple **, char *, size_t,
                                             int *, int *, int32_t *);
enum nss_status _nss_pyvirt_gethostbyname2_r(const char *, int, struct hostent *, char *, size_t,
                                             int *, int *);

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))
#define DESCRIPTORS 64

static int report = STDERR_FILENO; /* stays when 0, 1 and 2 are closed */

static _Noreturn void fail(const char *what, int line)
{
    dprintf(report, "waiter.c:%d: not so: %s\n", line, what);
    _exit(1);
}

static uint64_t milliseconds(void)
{
    return pv_milliseconds(CLOCK_MONOTONIC);
}

/* What each descriptor is open on. */
struct table {
    ino_t inodes[DESCRIPTORS];
};

static void look(struct table *ret)
{
    struct stat status;

    memset(ret, 0, sizeof *ret);
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        ret->inodes[fd] = fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static void ask(const char *name, char *text, size_t len)
{
    char buffer[1024], address[INET6_ADDRSTRLEN] = "";
    struct gaih_addrtuple *found = NULL;
    int h_error = 0;
    enum nss_status status;

    errno = 0;
    status = _nss_pyvirt_gethostbyname4_r(name, &found, buffer, sizeof buffer, &errno, &h_error,
                                          NULL);
    if (found != NULL)
        inet_ntop(found->family, found->addr, address, sizeof address);
    snprintf(text, len, "%d %d %d %s", (int)status, errno, h_error, address);
}

static void ask_for(int family, const char *name, char *text, size_t len)
{
    char buffer[1024], address[INET6_ADDRSTRLEN] = "";
    struct hostent found = {.h_name = NULL};
    int h_error = 0;
    enum nss_status status;

    errno = 0;
    status = _nss_pyvirt_gethostbyname2_r(name, family, &found, buffer, sizeof buffer, &errno,
                                          &h_error);
    if (found.h_name != NULL)
        inet_ntop(family, found.h_addr_list[0], address, sizeof address);
    snprintf(text, len, "%d %d %d %s", (int)status, errno, h_error, address);
}

static void ignore(int number)
{
    (void)number;
}

/* Interrupts whatever the process does, as the run time of Haskell once did. */
static void set_alarms(void)
{
    const struct itimerspec often = {{0, 10000000}, {0, 10000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
    struct sigaction action = {.sa_handler = ignore};
    timer_t timer;

    CHECK(sigaction(SIGVTALRM, &action, NULL) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
}

static void listen_ourselves(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", getenv("PYVIRT_SERVICE"));
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(fd, 8) == 0);
}

static void close_stdio(void)
{
    report = fcntl(STDOUT_FILENO, F_DUPFD, DESCRIPTORS);
    CHECK(report >= 0);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
}

static void allow_descriptors(rlim_t count)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = count;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* ---- another thread meanwhile */

struct look_up {
    const char *name;
    bool cancellable;
    bool handled; /* the thread's own cleanup handler has run */
    char text[128];
    int state_after;
};

static void handle(void *argument)
{
    ((struct look_up *)argument)->handled = true;
}

static void *look_up_thread(void *argument)
{
    struct look_up *look_up = argument;

    if (!look_up->cancellable)
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_cleanup_push(handle, look_up);
    ask(look_up->name, look_up->text, sizeof look_up->text);
    pthread_cleanup_pop(0);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &look_up->state_after);
    return NULL;
}

/* The connection's descriptor, once there is one. */
static int connection(const struct table *before)
{
    struct table now;
    const uint64_t end = milliseconds() + 5000;

    while (milliseconds() < end) {
        look(&now);
        for (int fd = 0; fd < DESCRIPTORS; fd++) {
            struct stat status;
            if (now.inodes[fd] != before->inodes[fd] && fstat(fd, &status) == 0 &&
                S_ISSOCK(status.st_mode)) {
                poll(NULL, 0, 50); /* it is being waited on by then */
                return fd;
            }
        }
    }
    fail("it connects", __LINE__);
}

/* Returns when it was cancelled. */
static uint64_t cancel(const char *name, bool cancellable, char *text, size_t len)
{
    struct look_up look_up = {.name = name, .cancellable = cancellable};
    struct table before;
    pthread_t thread;
    void *result;
    uint64_t start;

    look(&before);
    CHECK(pthread_create(&thread, NULL, look_up_thread, &look_up) == 0);
    connection(&before);
    start = milliseconds();
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK((result == PTHREAD_CANCELED) == look_up.handled);
    if (result == PTHREAD_CANCELED)
        snprintf(text, len, "cancelled");
    else
        snprintf(text, len, "%s", look_up.text);
    if (!cancellable)
        CHECK(look_up.state_after == PTHREAD_CANCEL_DISABLE);
    return start;
}

/* Does to the connection what closefrom() and open() in another thread do. */
static void rob(const char *how, const char *name, char *text, size_t len)
{
    struct look_up look_up = {.name = name};
    struct table before;
    struct stat wanted, status;
    pthread_t thread;
    int fd, other = -1;

    look(&before);
    CHECK(pthread_create(&thread, NULL, look_up_thread, &look_up) == 0);
    fd = connection(&before);
    if (strcmp(how, "file") == 0)
        other = open("/dev/null", O_RDONLY);
    if (strcmp(how, "socket") == 0)
        other = socket(AF_UNIX, SOCK_STREAM, 0);
    if (other >= 0)
        CHECK(fstat(other, &wanted) == 0 && dup2(other, fd) == fd && close(other) == 0);
    else
        close(fd);
    CHECK(pthread_join(thread, NULL) == 0);
    if (other >= 0)
        CHECK(fstat(fd, &status) == 0 && status.st_ino == wanted.st_ino && close(fd) == 0);
    snprintf(text, len, "%s", look_up.text);
}

int main(int argc, char **argv)
{
    const char *how = argv[1], *name = argv[2];
    char text[128];
    struct table before, after;
    uint64_t start;

    CHECK(argc == 3);
    report = STDOUT_FILENO;
    if (strcmp(how, "alarms") == 0)
        set_alarms();
    if (strcmp(how, "self") == 0)
        listen_ourselves();
    if (strcmp(how, "bare") == 0 || strcmp(how, "full") == 0)
        close_stdio();
    if (strcmp(how, "full") == 0)
        allow_descriptors(3);
    look(&before);
    start = milliseconds();
    if (strcmp(how, "cancel") == 0 || strcmp(how, "uncancel") == 0) {
        start = cancel(name, strcmp(how, "cancel") == 0, text, sizeof text);
    } else if (strcmp(how, "closed") == 0 || strcmp(how, "file") == 0 ||
               strcmp(how, "socket") == 0) {
        rob(how, name, text, sizeof text);
    } else if (strncmp(how, "ipv", 3) == 0) {
        ask_for(strcmp(how, "ipv4") == 0 ? AF_INET : AF_INET6, name, text, sizeof text);
    } else {
        ask(name, text, sizeof text);
    }
    look(&after);
    allow_descriptors(256); /* sanitizers open files at the end */
    dprintf(report, "%s\n%u\n%s\n", text, (unsigned)(milliseconds() - start),
            memcmp(&before, &after, sizeof before) == 0 ? "same" : "others");
    return 0;
}
