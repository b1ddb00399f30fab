/* Opening, checking and reading the snapshot file (snapshot.h). Knows no names and no addresses. */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The struct is the format, so a hole in it would be a bug in every program of the host. */
_Static_assert(sizeof(struct pv_header) == 104, "header");
_Static_assert(offsetof(struct pv_header, crc) == 100, "header");
_Static_assert(sizeof(struct pv_slot) == 8, "slot");
_Static_assert(sizeof(struct pv_record) == 24, "record");
_Static_assert(sizeof(struct pv_address) == 32, "address");
_Static_assert(offsetof(struct pv_address, bytes) == offsetof(struct pv_address, family) + 1, "key");

/* Interrupted calls are begun again, but not for ever: a file system that always says EINTR must
 * not hang the program. */
#define ATTEMPTS 100

/* Whether the slots lie between the header and the end of the file. */
static bool slots_fit(const struct pv_header *header, uint64_t size)
{
    const uint64_t len = (header->buckets + (uint64_t)PV_PROBE) * sizeof(struct pv_slot);

    return header->buckets > 0 && header->buckets <= PV_BUCKETS_MAX &&
           header->slot_off >= sizeof *header && header->slot_off % 8 == 0 &&
           header->slot_off <= size && len <= size - header->slot_off;
}

static bool header_is_sound(const struct pv_header *header, uint64_t size)
{
    return memcmp(header->magic, PV_MAGIC, sizeof header->magic) == 0 &&
           header->endian == PV_ENDIAN && header->major == PV_MAJOR &&
           header->crc == pv_crc32(header, offsetof(struct pv_header, crc)) &&
           header->header_len == sizeof *header && header->file_len == size &&
           header->probe == PV_PROBE && slots_fit(header, size) &&
           header->record_off >= sizeof *header && header->record_off % 8 == 0 &&
           header->record_off <= size;
}

int pv_read(const struct pv_snapshot *snapshot, void *to, uint64_t off, size_t len)
{
    size_t done = 0;

    if (off > snapshot->size || len > snapshot->size - off)
        return EBADMSG;
    if (off + len <= snapshot->start_len) {
        memmove(to, snapshot->start + off, len);
        return 0;
    }
    for (int attempt = 0; done < len; attempt++) {
        const ssize_t n =
            pread(snapshot->fd, (char *)to + done, len - done, (off_t)(off + done));
        if (n < 0 && (errno != EINTR || attempt >= ATTEMPTS))
            return errno;
        if (n == 0)
            return EBADMSG; /* truncated since fstat; no program of ours does that */
        if (n > 0)
            done += (size_t)n;
    }
    return 0;
}

static int open_file(const char *path)
{
    for (int attempt = 0;; attempt++) {
        /* O_NONBLOCK: a FIFO at the path must not hang the program. */
        const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0 || errno != EINTR || attempt == ATTEMPTS)
            return fd;
    }
}

/* Only root can create the path; that protects it, as it protects /etc/hosts. The owner is not
 * checked: in a user namespace root's files belong to the user nobody. */
static int check_file(struct pv_snapshot *snapshot)
{
    struct stat status;

    if (fstat(snapshot->fd, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return EPERM;
    if (status.st_size < (off_t)sizeof snapshot->header || status.st_size > PV_FILE_MAX)
        return EBADMSG;
    snapshot->size = (uint64_t)status.st_size;
    snapshot->owner = status.st_uid;
    return 0;
}

/* Reads the file's start and takes the header out of it. */
static int read_start(struct pv_snapshot *snapshot, void *start, size_t room)
{
    const size_t len = snapshot->size < room ? (size_t)snapshot->size : room;
    const int error = pv_read(snapshot, start, 0, len);

    if (error != 0)
        return error;
    memcpy(&snapshot->header, start, sizeof snapshot->header);
    snapshot->start_len = len;
    return header_is_sound(&snapshot->header, snapshot->size) ? 0 : EBADMSG;
}

int pv_open(struct pv_snapshot *ret, const char *path, void *start, size_t room)
{
    int error;

    ret->start = start;
    ret->start_len = 0;
    ret->fd = open_file(path);
    if (ret->fd < 0)
        return errno;
    error = check_file(ret);
    if (error == 0)
        error = read_start(ret, start, room);
    if (error != 0)
        pv_close(ret);
    return error;
}

void pv_close(const struct pv_snapshot *snapshot)
{
    close(snapshot->fd);
}
