/* Stands between the module and libc's file calls (ld --wrap), and makes one or all of them fail.
 *
 *   FAULT="CALL NUMBER ERRNO"   CALL open, fstat, pread, clock_gettime, socket, fcntl, connect,
 *                               getsockopt, send or poll; NUMBER which one (0: every one); ERRNO
 *                               what it says
 *
 * ERRNO 0 and -1 are no failures: pread reads one byte at most, or is at the end of the file;
 * getsockopt tells of uid 12345 or 0; poll prints its timeout and is over at once.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* In 32-bit programs with times of 64 bits these calls have other names. */
#ifdef __i386__
#define __real_fstat64 __real___fstat64_time64
#define __wrap_fstat64 __wrap___fstat64_time64
#define __real_clock_gettime __real___clock_gettime64
#define __wrap_clock_gettime __wrap___clock_gettime64
#define __real_fcntl64 __real___fcntl_time64
#define __wrap_fcntl64 __wrap___fcntl_time64
#define __real_getsockopt __real___getsockopt64
#define __wrap_getsockopt __wrap___getsockopt64
#endif

int __real_open64(const char *path, int flags, ...);
ssize_t __real_pread64(int fd, void *to, size_t len, off_t off);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __wrap_pread64(int fd, void *to, size_t len, off_t off);
int __real_fstat64(int fd, struct stat *ret);
int __wrap_fstat64(int fd, struct stat *ret);
int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_fcntl64(int fd, int command, int argument);
int __wrap_fcntl64(int fd, int command, int argument);
int __real_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __real_getsockopt(int fd, int level, int name, void *ret, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *ret, socklen_t *len);
ssize_t __real_send(int fd, const void *from, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *from, size_t len, int flags);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

#define NO_FAULT 1000000

/* The fault of this call, NO_FAULT when it is to work. */
static int fault(const char *call)
{
    static int calls; /* of the one that may fail */
    const char *text = getenv("FAULT");
    char which[16];
    int number, error;

    if (text == NULL || sscanf(text, "%15s %d %d", which, &number, &error) != 3)
        return NO_FAULT;
    if (strcmp(which, call) != 0 || (++calls != number && number != 0))
        return NO_FAULT;
    return error;
}

static int failing(int error)
{
    errno = error;
    return -1;
}

int __wrap_open64(const char *path, int flags, ...)
{
    const int error = fault("open");

    return error == NO_FAULT ? __real_open64(path, flags) : failing(error);
}

int __wrap_fstat64(int fd, struct stat *ret)
{
    const int error = fault("fstat");

    return error == NO_FAULT ? __real_fstat64(fd, ret) : failing(error);
}

ssize_t __wrap_pread64(int fd, void *to, size_t len, off_t off)
{
    const int error = fault("pread");

    if (error == NO_FAULT || error == 0)
        return __real_pread64(fd, to, error == 0 && len > 1 ? 1 : len, off);
    return error == -1 ? 0 : failing(error);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    const int error = fault("clock_gettime");

    return error == NO_FAULT ? __real_clock_gettime(clock, ret) : failing(error);
}

int __wrap_socket(int domain, int type, int protocol)
{
    const int error = fault("socket");

    return error == NO_FAULT ? __real_socket(domain, type, protocol) : failing(error);
}

int __wrap_fcntl64(int fd, int command, int argument)
{
    const int error = fault("fcntl");

    return error == NO_FAULT ? __real_fcntl64(fd, command, argument) : failing(error);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    const int error = fault("connect");

    return error == NO_FAULT ? __real_connect(fd, address, len) : failing(error);
}

int __wrap_getsockopt(int fd, int level, int name, void *ret, socklen_t *len)
{
    const int error = fault("getsockopt");
    const int result = __real_getsockopt(fd, level, name, ret, len);

    if (error > 0)
        return error == NO_FAULT ? result : failing(error);
    ((struct ucred *)ret)->uid = error == 0 ? 12345 : 0;
    return result;
}

ssize_t __wrap_send(int fd, const void *from, size_t len, int flags)
{
    const int error = fault("send");

    return error == NO_FAULT ? __real_send(fd, from, len, flags) : failing(error);
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    const int error = fault("poll");

    if (error == NO_FAULT)
        return __real_poll(fds, count, timeout);
    if (error != 0)
        return failing(error);
    printf("%d\n", timeout);
    fflush(stdout);
    return 0;
}
