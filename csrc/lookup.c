/* Keys, hash tables and records (lookup.h). */
#include "lookup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "snapshot.h"

/* One character of a name in lower case, or 0 where names have none such. ASCII in any locale. */
static uint8_t fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
        return (uint8_t)c;
    return 0;
}

bool pv_name_key(struct pv_key *ret, const char *name)
{
    size_t len = 0, label = 0;

    for (; *name != '\0' && len <= PV_NAME_MAX; name++) {
        if (*name == '.') {
            if (label == 0)
                return false;
            label = 0;
            ret->bytes[len++] = '.';
            continue;
        }
        ret->bytes[len] = fold(*name);
        if (ret->bytes[len++] == 0 || ++label > PV_LABEL_MAX)
            return false;
    }
    if (len > 0 && label == 0)
        len--; /* one final dot */
    ret->is_address = false;
    ret->len = len;
    return *name == '\0' && len > 0 && len <= PV_NAME_MAX;
}

void pv_address_key(struct pv_key *ret, int family, const void *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *bytes = address;

    if (family == AF_INET6 && memcmp(bytes, mapped, sizeof mapped) == 0) {
        family = AF_INET;
        bytes += sizeof mapped;
    }
    memset(ret->bytes, 0, PV_ADDRESS_KEY);
    ret->bytes[0] = (uint8_t)family;
    memcpy(ret->bytes + 1, bytes, family == AF_INET ? 4 : 16);
    ret->is_address = true;
    ret->len = PV_ADDRESS_KEY;
}

static bool is_link_local(const struct pv_address *address)
{
    return address->family == AF_INET6 && address->bytes[0] == 0xfe &&
           (address->bytes[1] & 0xc0) == 0x80;
}

/* Whether the names' bytes [at, end) hold exactly `count` names and less than 8 bytes of filling. */
static bool names_are_sound(const char *at, const char *end, unsigned count)
{
    while (count-- > 0) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        if (nul == NULL || nul == at || nul - at > PV_NAME_MAX)
            return false;
        at = nul + 1;
    }
    return end - at < 8;
}

bool pv_record_is_sound(const struct pv_record *record, size_t len)
{
    const struct pv_address *addresses = pv_addresses(record);

    if (len <= sizeof *record || record->len != len ||
        record->crc != pv_crc32(&record->len, len - sizeof record->crc) || record->names == 0 ||
        record->addresses > PV_ADDRESSES_MAX ||
        sizeof *record + record->addresses * sizeof *addresses >= len)
        return false;
    for (unsigned i = 0; i < record->addresses; i++) {
        if (addresses[i].family != AF_INET && addresses[i].family != AF_INET6)
            return false;
        if (addresses[i].ifindex != 0 && !is_link_local(addresses + i))
            return false;
    }
    return names_are_sound(pv_names(record), (const char *)record + len, record->names);
}

static bool is_address(const struct pv_address *address, const uint8_t *key)
{
    return memcmp(pv_address_key_of(address), key, PV_ADDRESS_KEY) == 0;
}

bool pv_record_has_address(const struct pv_record *record, const uint8_t *key)
{
    const struct pv_address *address = pv_addresses(record);

    for (unsigned i = 0; i < record->addresses; i++, address++) {
        if (is_address(address, key))
            return true;
    }
    return false;
}

bool pv_record_has_name(const struct pv_record *record, const uint8_t *name, size_t len)
{
    const char *at = pv_names(record);

    for (unsigned i = 0; i < record->names; i++) {
        const size_t at_len = strlen(at);
        if (at_len == len && memcmp(at, name, len) == 0)
            return true;
        at += at_len + 1;
    }
    return false;
}

static bool has_key(const struct pv_record *record, const struct pv_key *key)
{
    return key->is_address ? pv_record_has_address(record, key->bytes)
                           : pv_record_has_name(record, key->bytes, key->len);
}

/* Reads and checks the record of a slot; it takes the place of the file's start. */
static int read_record(struct pv_snapshot *snapshot, const struct pv_slot *slot,
                       struct pv_host *ret)
{
    const uint32_t len = pv_slot_len(slot);
    int error = pv_read(snapshot, ret->bytes, snapshot->header.record_off + pv_slot_off(slot), len);

    snapshot->start_len = 0;
    ret->chosen_count = 0;
    if (error == 0 && !pv_record_is_sound(&ret->record, len))
        error = EBADMSG;
    return error;
}

/* pv_find on an open snapshot. A tag may match by chance, so the record's own key decides. */
static enum pv_outcome find(struct pv_snapshot *snapshot, const struct pv_key *key,
                            struct pv_host *ret, int *ret_error)
{
    const struct pv_header *header = &snapshot->header;
    const uint32_t tag = pv_tag(header->seed, key->bytes, key->len);
    const uint64_t home = pv_home(tag, header->buckets);
    struct pv_slot slots[PV_PROBE], *slot = slots;

    *ret_error = pv_read(snapshot, slots, header->slot_off + home * sizeof *slots, sizeof slots);
    for (; *ret_error == 0 && slot < slots + PV_PROBE && slot->record != 0 && slot->tag <= tag;
         slot++) {
        if (slot->tag != tag)
            continue;
        *ret_error = read_record(snapshot, slot, ret);
        if (*ret_error == 0 && has_key(&ret->record, key)) {
            ret->owner = snapshot->owner;
            ret->pending_wait = header->pending_wait;
            return PV_FOUND;
        }
    }
    return *ret_error == 0 ? PV_UNKNOWN : PV_UNAVAILABLE;
}

enum pv_outcome pv_find(const char *path, const struct pv_key *key, struct pv_host *ret,
                        int *ret_error)
{
    struct pv_snapshot snapshot;
    enum pv_outcome outcome;

    *ret_error = pv_open(&snapshot, path, ret->bytes, sizeof ret->bytes);
    if (*ret_error != 0)
        return PV_UNAVAILABLE;
    outcome = find(&snapshot, key, ret, ret_error);
    pv_close(&snapshot);
    return outcome;
}

/* Whether an address of that family is still to come at `now`. */
static bool is_awaited(const struct pv_record *record, int family, uint64_t now)
{
    const unsigned expected = family == AF_INET    ? PV_EXPECT4
                              : family == AF_INET6 ? PV_EXPECT6
                                                   : PV_EXPECT4 | PV_EXPECT6;

    return (record->flags & PV_PENDING) != 0 && (record->flags & expected) != 0 &&
           now < record->pending_until;
}

enum pv_outcome pv_choose(struct pv_host *host, int family, bool with_scope, uint64_t now)
{
    const struct pv_address *address = pv_addresses(&host->record);
    bool any = false, beyond_link = false;

    host->chosen_count = 0;
    for (unsigned i = 0; i < host->record.addresses; i++, address++) {
        if (address->expires <= now)
            continue;
        any = true;
        if (family != AF_UNSPEC && family != address->family)
            continue;
        if (!is_link_local(address))
            beyond_link = true;
        else if (beyond_link || !with_scope || address->ifindex == 0)
            continue;
        host->chosen[host->chosen_count++] = (uint8_t)i;
    }
    if (host->chosen_count > 0)
        return PV_FOUND;
    if (is_awaited(&host->record, family, now))
        return PV_NOT_YET;
    return any ? PV_NO_DATA : PV_UNKNOWN;
}

enum pv_outcome pv_choose_address(struct pv_host *host, const struct pv_key *key, uint64_t now)
{
    const struct pv_address *address = pv_addresses(&host->record);

    host->chosen_count = 0;
    for (unsigned i = 0; i < host->record.addresses; i++, address++) {
        if (address->expires > now && is_address(address, key->bytes)) {
            host->chosen[host->chosen_count++] = (uint8_t)i;
            return PV_FOUND;
        }
    }
    return PV_UNKNOWN;
}

/* pv_look_up in one table. */
static enum pv_outcome look_up_in(const char *path, const struct pv_key *key, int family,
                                  bool with_scope, uint64_t now, struct pv_host *ret,
                                  int *ret_error)
{
    const enum pv_outcome outcome = pv_find(path, key, ret, ret_error);

    if (outcome != PV_FOUND)
        return outcome;
    return key->is_address ? pv_choose_address(ret, key, now)
                           : pv_choose(ret, family, with_scope, now);
}

enum pv_outcome pv_look_up(const struct pv_tables *tables, const struct pv_key *key, int family,
                           bool with_scope, uint64_t now, struct pv_host *ret, int *ret_error)
{
    const enum pv_outcome own =
        look_up_in(tables->own, key, family, with_scope, now, ret, ret_error);
    enum pv_outcome peers;
    int error;

    if (tables->peers == NULL || (own != PV_UNKNOWN && own != PV_UNAVAILABLE))
        return own;
    peers = look_up_in(tables->peers, key, family, with_scope, now, ret, &error);
    return peers == PV_UNKNOWN || peers == PV_UNAVAILABLE ? own : peers;
}
