/* Asking the module and holding it to the contract (asking.h). */
#include "asking.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct hostent hostent_t;
enum nss_status _nss_pyvirt_gethostbyname_r(const char *, hostent_t *, char *, size_t, int *, int *);
enum nss_status _nss_pyvirt_gethostbyname2_r(const char *, int, hostent_t *, char *, size_t, int *,
                                             int *);
enum nss_status _nss_pyvirt_gethostbyname3_r(const char *, int, hostent_t *, char *, size_t, int *,
                                             int *, int32_t *, char **);
enum nss_status _nss_pyvirt_gethostbyname4_r(const char *, struct gaih_addrtuple **, char *, size_t,
                                             int *, int *, int32_t *);
enum nss_status _nss_pyvirt_gethostbyaddr_r(const void *, socklen_t, int, hostent_t *, char *,
                                            size_t, int *, int *);
enum nss_status _nss_pyvirt_gethostbyaddr2_r(const void *, socklen_t, int, hostent_t *, char *,
                                             size_t, int *, int *, int32_t *);

_Noreturn void fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    exit(1);
}

struct outputs {
    enum nss_status status;
    int error, h_error;
    int32_t ttl;
    char *canon;
    struct hostent host;
    struct gaih_addrtuple *tuples;
    struct gaih_addrtuple own_tuple;
};

static bool is(const struct question *q, const char *function)
{
    return strcmp(q->function, function) == 0;
}

static void ask(const struct question *q, char *buffer, size_t len, struct outputs *out)
{
    int *e = &errno, *h = &out->h_error;
    int32_t *ttl = q->like_nscd ? NULL : &out->ttl;
    char **canon = q->like_nscd ? NULL : &out->canon;

    memset(out, POISON, sizeof *out);
    out->tuples = q->like_nscd ? &out->own_tuple : NULL;
    errno = OWN_ERRNO;
    if (is(q, "gethostbyname_r"))
        out->status = _nss_pyvirt_gethostbyname_r(q->name, &out->host, buffer, len, e, h);
    else if (is(q, "gethostbyname2_r"))
        out->status =
            _nss_pyvirt_gethostbyname2_r(q->name, q->family, &out->host, buffer, len, e, h);
    else if (is(q, "gethostbyname3_r"))
        out->status = _nss_pyvirt_gethostbyname3_r(q->name, q->family, &out->host, buffer, len, e,
                                                   h, ttl, canon);
    else if (is(q, "gethostbyname4_r"))
        out->status =
            _nss_pyvirt_gethostbyname4_r(q->name, &out->tuples, buffer, len, e, h, ttl);
    else if (is(q, "gethostbyaddr_r"))
        out->status = _nss_pyvirt_gethostbyaddr_r(q->address, q->address_len, q->family,
                                                  &out->host, buffer, len, e, h);
    else if (is(q, "gethostbyaddr2_r"))
        out->status = _nss_pyvirt_gethostbyaddr2_r(q->address, q->address_len, q->family,
                                                   &out->host, buffer, len, e, h, ttl);
    else
        fail(q->function, __FILE__, __LINE__);
    out->error = errno;
}

static void check_untouched(const struct question *q, const struct outputs *out)
{
    struct outputs poison;

    memset(&poison, POISON, sizeof poison);
    CHECK(memcmp(&out->host, &poison.host, sizeof out->host) == 0);
    CHECK(memcmp(&out->own_tuple, &poison.own_tuple, sizeof out->own_tuple) == 0);
    CHECK(out->tuples == (q->like_nscd ? &out->own_tuple : NULL));
    CHECK(out->ttl == poison.ttl);
    CHECK(memcmp(&out->canon, &poison.canon, sizeof out->canon) == 0);
}

/* The buffer: all that an answer may point to. */
struct extent {
    const char *start, *end;
};

static void check_inside(const struct extent *buffer, const void *at, size_t len, size_t align)
{
    const char *start = at;

    CHECK(start >= buffer->start && start <= buffer->end &&
          len <= (size_t)(buffer->end - start));
    CHECK((uintptr_t)start % align == 0);
}

static void check_string(const struct extent *buffer, const char *text)
{
    check_inside(buffer, text, 1, 1);
    check_inside(buffer, text, strnlen(text, (size_t)(buffer->end - text)) + 1, 1);
    CHECK(*text != '\0');
}

/* The length of a list that ends with NULL, all of it in the buffer. */
static int check_list(const struct extent *buffer, char *const *list)
{
    int count = 0;

    check_inside(buffer, list, sizeof(char *), _Alignof(char *));
    for (; list[count] != NULL; count++)
        check_inside(buffer, list, (size_t)(count + 2) * sizeof(char *), 1);
    return count;
}

static void put_address(FILE *to, int family, const void *address)
{
    char text[INET6_ADDRSTRLEN];

    CHECK(inet_ntop(family, address, text, sizeof text) != NULL);
    fprintf(to, " %s", text);
}

static void describe_host(const struct extent *buffer, const struct hostent *host, FILE *to)
{
    const int aliases = check_list(buffer, host->h_aliases);
    const int addresses = check_list(buffer, host->h_addr_list);

    CHECK(host->h_addrtype == AF_INET || host->h_addrtype == AF_INET6);
    CHECK(host->h_length == (host->h_addrtype == AF_INET ? 4 : 16));
    CHECK(addresses > 0 && addresses <= 32);
    check_string(buffer, host->h_name);
    fprintf(to, " %s", host->h_name);
    for (int i = 0; i < aliases; i++) {
        check_string(buffer, host->h_aliases[i]);
        fprintf(to, " %s", host->h_aliases[i]);
    }
    fprintf(to, " |");
    for (int i = 0; i < addresses; i++) {
        check_inside(buffer, host->h_addr_list[i], (size_t)host->h_length, 4);
        put_address(to, host->h_addrtype, host->h_addr_list[i]);
    }
}

static bool is_link_local(const struct gaih_addrtuple *tuple)
{
    const uint8_t *bytes = (const uint8_t *)tuple->addr;

    return tuple->family == AF_INET6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

static void describe_tuples(const struct extent *buffer, const struct question *q,
                            const struct outputs *out, FILE *to)
{
    const struct gaih_addrtuple *at = out->tuples;
    int count = 0;

    CHECK(at != NULL);
    if (q->like_nscd)
        CHECK(at == &out->own_tuple);
    for (; at != NULL; at = at->next) {
        CHECK(++count <= 32);
        if (at != &out->own_tuple)
            check_inside(buffer, at, sizeof *at, _Alignof(struct gaih_addrtuple));
        check_string(buffer, at->name);
        if (count == 1)
            fprintf(to, " %s |", at->name);
        CHECK(at->family == AF_INET || at->family == AF_INET6);
        put_address(to, at->family, at->addr);
        if (is_link_local(at))
            fprintf(to, "%%%u", (unsigned)at->scopeid);
        CHECK(is_link_local(at) == (at->scopeid != 0));
    }
}

/* What is true of every answer but a found one: one row of the matrix, as it stands. */
static void check_refusal(const struct question *q, const struct outputs *out)
{
    const bool unavailable = out->status == NSS_STATUS_UNAVAIL && out->h_error == NO_RECOVERY &&
                             out->error != OWN_ERRNO && out->error != ERANGE && out->error != 0;
    const bool unknown = out->status == NSS_STATUS_NOTFOUND && out->error == OWN_ERRNO &&
                         (out->h_error == HOST_NOT_FOUND || out->h_error == NO_DATA);
    const bool not_yet = out->status == NSS_STATUS_TRYAGAIN && out->error == EAGAIN &&
                         out->h_error == TRY_AGAIN;
    const bool too_small = out->status == NSS_STATUS_TRYAGAIN && out->error == ERANGE &&
                           out->h_error == NETDB_INTERNAL;

    CHECK(unavailable + unknown + not_yet + too_small == 1);
    check_untouched(q, out);
}

char *answer(const struct question *q, char *buffer, size_t len)
{
    const struct extent extent = {buffer, buffer + len};
    struct outputs out;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    int32_t poisoned_ttl;

    memset(&poisoned_ttl, POISON, sizeof poisoned_ttl);
    ask(q, buffer, len, &out);
    fprintf(to, "%d %d %d", (int)out.status, out.error, out.h_error);
    if (out.status != NSS_STATUS_SUCCESS) {
        check_refusal(q, &out);
    } else {
        CHECK(out.error == OWN_ERRNO && out.h_error == NETDB_SUCCESS);
        if (is(q, "gethostbyname4_r"))
            describe_tuples(&extent, q, &out, to);
        else
            describe_host(&extent, &out.host, to);
        if (is(q, "gethostbyname3_r") && !q->like_nscd)
            CHECK(out.canon == out.host.h_name);
        CHECK(out.ttl == 0 || out.ttl == poisoned_ttl);
    }
    fclose(to);
    return text;
}
