/* Fuzz target: whatever listens where the service should, while a lookup of a pending host waits.
 *
 * Input: where the module connects to, then what the peer does: pairs of a deed and its argument.
 * The peer is a process of its own, as the module does not talk to itself. $TABLES is a folder with
 * the host tables pending, found and gone, all about web1.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"

#define DEEDS 16 /* of one input */
#define SHORT 4  /* ms: how long anybody waits here */

struct table {
    uint8_t bytes[8192];
    size_t len;
};

static struct table pending, found, gone;

/* What the two processes share. */
static struct script {
    uint8_t deeds[2 * DEEDS];
    size_t len;
} *script;

static int to_peer; /* a byte each way says "begin" and "done" */

static struct table load(const char *name)
{
    struct table table;
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", getenv("TABLES"), name);
    CHECK((file = fopen(path, "rbe")) != NULL);
    table.len = fread(table.bytes, 1, sizeof table.bytes, file);
    CHECK(table.len < sizeof table.bytes);
    fclose(file);
    return table;
}

/* ---- the peer */

static void publish(unsigned which)
{
    static const uint8_t junk[200];

    switch (which % 4) {
    case 0:
        write_table(found.bytes, found.len);
        break;
    case 1:
        write_table(gone.bytes, gone.len);
        break;
    case 2:
        write_table(pending.bytes, pending.len);
        break;
    default:
        write_table(junk, sizeof junk);
    }
}

static void send_descriptor(int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec data = {"x", 1};
    const struct msghdr message = {.msg_iov = &data,
                                   .msg_iovlen = 1,
                                   .msg_control = &control,
                                   .msg_controllen = sizeof control};

    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void flood(int fd)
{
    static const char packet[4096];

    for (int i = 0; i < 64 && send(fd, packet, sizeof packet, MSG_NOSIGNAL | MSG_DONTWAIT) > 0; i++)
        continue;
}

static void do_deed(int fd, unsigned deed, unsigned argument, int *held)
{
    char bytes[256] = "published";
    struct pollfd packet = {.fd = fd, .events = POLLIN};

    switch (deed % 9) {
    case 0:
        poll(&packet, 1, SHORT);
        break;
    case 1:
        recv(fd, bytes, argument, MSG_DONTWAIT);
        break;
    case 2:
        send(fd, bytes, argument, MSG_NOSIGNAL | MSG_DONTWAIT);
        break;
    case 3:
        poll(NULL, 0, (int)(argument % SHORT));
        break;
    case 4:
        shutdown(fd, (int)(argument % 3));
        break;
    case 5:
        publish(argument);
        break;
    case 6:
        send_descriptor(fd);
        break;
    case 7:
        flood(fd);
        break;
    default:
        close(*held);
        *held = dup(fd); /* the connection outlives the script */
    }
}

static void serve_one(int listener)
{
    static int held = -1;
    struct pollfd call = {.fd = listener, .events = POLLIN};
    int fd = -1;

    close(held);
    held = -1;
    if (poll(&call, 1, 1000) == 1)
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i + 1 < script->len; i += 2)
        do_deed(fd, script->deeds[i], script->deeds[i + 1], &held);
    close(fd);
}

static int listen_at(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    CHECK(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    unlink(path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(fd, 4) == 0);
    return fd;
}

/* Who listens is who is believed to answer, hence not before the fork. */
static _Noreturn void be_the_peer(int control, const char *seqpacket, const char *stream)
{
    const int listener = listen_at(seqpacket, SOCK_SEQPACKET);
    char byte = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    listen_at(stream, SOCK_STREAM);
    while (write(control, &byte, 1) == 1 && read(control, &byte, 1) == 1)
        serve_one(listener);
    _exit(0);
}

/* ---- the program that looks up */

static char places[6][256]; /* what the module takes for the service's socket; the first one is */

static void make_places(void)
{
    const char *service = getenv("PYVIRT_SERVICE");

    snprintf(places[0], sizeof places[0], "%s", service);
    snprintf(places[1], sizeof places[1], "%s.none", service);
    snprintf(places[2], sizeof places[2], "%s.stream", service);
    snprintf(places[3], sizeof places[3], "%s", getenv("PYVIRT_SNAPSHOT"));
    memset(places[4], 'x', sizeof places[4] - 1);
}

/* Waits until the peer has nothing to do. */
static void await_peer(void)
{
    char byte;

    CHECK(TEMP_FAILURE_RETRY(read(to_peer, &byte, 1)) == 1);
}

static void start_peer(void)
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    if (fork() == 0) {
        close(pair[0]);
        be_the_peer(pair[1], places[0], places[2]);
    }
    close(pair[1]);
    to_peer = pair[0];
    await_peer();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    pending = load("pending");
    found = load("found");
    gone = load("gone");
    write_table(pending.bytes, pending.len);
    script = mmap(NULL, sizeof *script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(script != MAP_FAILED);
    make_places();
    start_peer();
    return 0;
}

static int lowest_free_descriptor(void)
{
    const int fd = dup(0);

    close(fd);
    return fd;
}

static bool publishes(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size && i < 2 * DEEDS; i += 2) {
        if (data[i] % 9 == 5 && data[i + 1] % 4 != 2)
            return true;
    }
    return false;
}

static void check_answer(const char *got, bool may_be_news)
{
    CHECK(strcmp(got, "-2 11 2") == 0 || may_be_news);
    CHECK(got[0] != '1' || strcmp(got, "1 77 0 web1 | 10.77.0.5") == 0);
}

static void look_up(unsigned place, bool may_be_news)
{
    char buffer[1024];
    const struct question q = {.function = "gethostbyname4_r", .name = "web1"};
    const int lowest = lowest_free_descriptor();
    char *got;

    setenv("PYVIRT_SERVICE", places[place], 1);
    got = answer(&q, buffer, sizeof buffer);
    check_answer(got, may_be_news && place == 0);
    CHECK(lowest_free_descriptor() == lowest);
    free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned place = size > 0 ? data[0] % 6 : 0;
    char byte = 0;

    data += size > 0, size -= size > 0;
    script->len = size < sizeof script->deeds ? size : sizeof script->deeds;
    memcpy(script->deeds, data, script->len);
    write_table(pending.bytes, pending.len);
    if (place == 0)
        CHECK(TEMP_FAILURE_RETRY(write(to_peer, &byte, 1)) == 1);
    look_up(place, publishes(data, size));
    if (place == 0)
        await_peer();
    return 0;
}
