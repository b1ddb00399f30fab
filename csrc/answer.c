/* Packing answers (answer.h). */
#include "answer.h"

#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

/* Takes `count` objects of `size` from the space: NULL when they do not fit. */
static void *take(struct pv_space *space, size_t count, size_t size, size_t align)
{
    const size_t filling = -(uintptr_t)space->at & (align - 1);
    char *taken;

    if (space->left < filling || space->left - filling < count * size)
        return NULL;
    taken = space->at + filling;
    space->at = taken + count * size;
    space->left -= filling + count * size;
    return taken;
}

#define TAKE(space, type, count) ((type *)take(space, count, sizeof(type), alignof(type)))

/* Copies the record's first `count` names, with their NULs. */
static char *take_names(struct pv_space *space, const struct pv_record *record, unsigned count)
{
    const char *names = pv_names(record), *end = names;
    char *taken;

    while (count-- > 0)
        end += strlen(end) + 1;
    taken = TAKE(space, char, (size_t)(end - names));
    if (taken != NULL)
        memcpy(taken, names, (size_t)(end - names));
    return taken;
}

static size_t address_len(int family)
{
    return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static const struct pv_address *chosen(const struct pv_host *host, uint32_t i)
{
    return pv_addresses(&host->record) + host->chosen[i];
}

enum pv_outcome pv_answer_tuples(const struct pv_host *host, struct pv_space space,
                                 struct gaih_addrtuple **tuples)
{
    const uint32_t count = host->chosen_count;
    struct gaih_addrtuple *list = TAKE(&space, struct gaih_addrtuple, count);
    char *name = take_names(&space, &host->record, 1);

    if (list == NULL || name == NULL)
        return PV_TOO_SMALL;
    for (uint32_t i = 0; i < count; i++) {
        const struct pv_address *address = chosen(host, i);
        list[i] = (struct gaih_addrtuple){
            .next = i + 1 < count ? list + i + 1 : NULL,
            .name = name,
            .family = address->family,
            .scopeid = address->ifindex, /* of link-local addresses only */
        };
        memcpy(list[i].addr, address->bytes, address_len(address->family));
    }
    if (*tuples != NULL)
        **tuples = *list;
    else
        *tuples = list;
    return PV_FOUND;
}

enum pv_outcome pv_answer_hostent(const struct pv_host *host, int family, const void *asked,
                                  struct pv_space space, struct hostent *ret)
{
    const size_t len = address_len(family);
    const uint32_t count = host->chosen_count;
    const unsigned names = host->record.names;
    char **addresses = TAKE(&space, char *, count + 1);
    char **aliases = TAKE(&space, char *, names);
    char *bytes = take(&space, count, len, alignof(struct in6_addr));
    char *name = take_names(&space, &host->record, names);

    if (addresses == NULL || aliases == NULL || bytes == NULL || name == NULL)
        return PV_TOO_SMALL;
    for (uint32_t i = 0; i < count; i++) {
        addresses[i] = bytes + i * len;
        memcpy(addresses[i], asked != NULL ? asked : chosen(host, i)->bytes, len);
    }
    addresses[count] = NULL;
    ret->h_name = name;
    for (unsigned i = 0; i + 1 < names; i++) {
        name += strlen(name) + 1;
        aliases[i] = name;
    }
    aliases[names - 1] = NULL;
    ret->h_aliases = aliases;
    ret->h_addrtype = family;
    ret->h_length = (int)len;
    ret->h_addr_list = addresses;
    return PV_FOUND;
}
