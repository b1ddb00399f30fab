/* Asking the service about a pending host (pending.h). */
#include "pending.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "snapshot.h"

#define WAIT_MAX 30000 /* ms; the snapshot may ask for less, not for more */

/* A connection. During a long wait another thread may closefrom() and open a file of its own under
 * the same number. The inode shows whether the descriptor is still ours to close. */
struct connection {
    int fd;
    dev_t device;
    ino_t inode;
};

static void hang_up(void *argument)
{
    const struct connection *connection = argument;
    struct stat status;

    if (fstat(connection->fd, &status) == 0 && status.st_dev == connection->device &&
        status.st_ino == connection->inode)
        close(connection->fd);
}

/* Moves a descriptor away from 0, 1 and 2, which a program may have closed and then writes to. */
static int above_stdio(int fd)
{
    int moved;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return moved;
}

/* Whether the other side may write the snapshot and is not this process: the service would wait for
 * its own answer. */
static bool is_trusted(int fd, uid_t owner)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == owner || peer.uid == 0) && peer.pid != getpid();
}

static bool call_service(const char *path, uid_t owner, struct connection *ret)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;

    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    ret->fd = above_stdio(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (ret->fd < 0)
        return false;
    if (connect(ret->fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        is_trusted(ret->fd, owner) && fstat(ret->fd, &status) == 0) {
        ret->device = status.st_dev;
        ret->inode = status.st_ino;
        return true;
    }
    close(ret->fd);
    return false;
}

/* Waits for anything, until `deadline` (monotonic, ms). The thread can be cancelled only here. */
static void await_packet(int fd, uint64_t deadline, int cancel_state)
{
    struct pollfd packet = {.fd = fd, .events = POLLIN};
    uint64_t now;
    int ready = -1;

    while (ready < 0 && (now = pv_milliseconds(CLOCK_MONOTONIC)) < deadline) {
        pthread_setcancelstate(cancel_state, NULL);
        ready = poll(&packet, 1, (int)(deadline - now));
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        if (ready < 0 && errno != EINTR)
            return;
    }
}

/* How long to wait, in ms. */
static uint64_t patience(const struct pv_host *host, uint64_t now)
{
    const uint64_t until = host->record.pending_until;
    const uint64_t wait = host->pending_wait < WAIT_MAX ? host->pending_wait : WAIT_MAX;

    if (until > now / 1000 + WAIT_MAX / 1000 || until * 1000 - now > wait)
        return wait;
    return until * 1000 - now;
}

static ssize_t ask(int fd, const struct pv_key *key, int family)
{
    char question[PV_NAME_MAX + 2];
    size_t len = key->len;

    memcpy(question, key->bytes, len);
    if (family != AF_UNSPEC) {
        question[len++] = '\0';
        question[len++] = family == AF_INET ? '4' : '6';
    }
    return send(fd, question, len, MSG_NOSIGNAL);
}

bool pv_wait(const char *path, const struct pv_key *key, int family, const struct pv_host *host,
             uint64_t now, int cancel_state)
{
    const uint64_t deadline = pv_milliseconds(CLOCK_MONOTONIC) + patience(host, now);
    struct connection service;

    if (host->pending_wait == 0 || !call_service(path, host->owner, &service))
        return false;
    pthread_cleanup_push(hang_up, &service);
    if (ask(service.fd, key, family) >= 0)
        await_packet(service.fd, deadline, cancel_state);
    pthread_cleanup_pop(1);
    return true;
}
