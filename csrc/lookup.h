/* From a name or an address to the one host record that holds it, and to what that record answers.
 *
 * Folding and checking names, the hash tables, records; no clock (the time is an argument), and
 * nothing of NSS. The same code answers the NSS module and Python.
 */
#ifndef PV_LOOKUP_H
#define PV_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "siphash.h"
#include "snapshot_format.h"

/* What to look up: a folded name, or a family byte and 16 address bytes (not NUL-terminated). */
struct pv_key {
    bool is_address;
    size_t len;
    uint8_t bytes[PV_NAME_MAX + 1];
};

/* Paths of the two host tables: this host's own names, and those of the site's other hosts. NULL: no
 * such table. */
struct pv_tables {
    const char *own;
    const char *peers;
};

/* One checked record. All offsets and counts in it can be relied upon. */
struct pv_host {
    union {
        struct pv_record record;
        uint8_t bytes[PV_RECORD_MAX];
    };
    uint32_t owner;        /* uid of the snapshot's file */
    uint32_t pending_wait; /* as the snapshot's header has it */
    uint32_t chosen_count;
    uint8_t chosen[PV_ADDRESSES_MAX]; /* pv_choose: numbers of the addresses to answer, in order */
};

/* Says what a lookup came to. */
enum pv_outcome {
    PV_FOUND,
    PV_UNKNOWN,     /* no such host, or nothing of it is valid any more */
    PV_NO_DATA,     /* a host, but not with this family */
    PV_NOT_YET,     /* a host that was started and awaits its address */
    PV_TOO_SMALL,   /* the caller's buffer */
    PV_UNAVAILABLE, /* no usable snapshot, or a question that makes no sense */
};

/* Makes the key of a name as a program wrote it: any case, perhaps one final dot. False when no
 * host can have that name. */
bool pv_name_key(struct pv_key *ret, const char *name);

/* Makes the key of an address: 4 bytes for AF_INET, 16 for AF_INET6; a mapped address
 * (::ffff:192.0.2.1) is that of its IPv4 address. */
void pv_address_key(struct pv_key *ret, int family, const void *address);

/* Finds the record with that key: PV_FOUND with `ret` filled (nothing chosen yet), PV_UNKNOWN, or
 * PV_UNAVAILABLE with the reason in `ret_error`, a positive errno value. */
enum pv_outcome pv_find(const char *path, const struct pv_key *key, struct pv_host *ret,
                        int *ret_error);

/* Chooses what a found host answers at `now` (Unix seconds) to a question for `family` (AF_UNSPEC:
 * both). Link-local addresses are for hosts that have nothing better: getaddrinfo() would put them
 * first (RFC 6724, rule 8), before programs that lose the scope. So they are left out after any
 * other, and without `with_scope`, where the answer cannot say which link it means. PV_FOUND (at
 * least one chosen), PV_NOT_YET, PV_NO_DATA or PV_UNKNOWN. */
enum pv_outcome pv_choose(struct pv_host *host, int family, bool with_scope, uint64_t now);

/* The same for a host that was found by the address `key`: PV_FOUND with that one address chosen,
 * or PV_UNKNOWN. */
enum pv_outcome pv_choose_address(struct pv_host *host, const struct pv_key *key, uint64_t now);

/* Looks the key up in this host's own table and chooses what the host answers at `now`. The peers'
 * table is asked if the own one does not know the key or is unusable, and only what it has counts:
 * PV_FOUND, PV_NO_DATA or PV_NOT_YET. Otherwise the outcome, and the reason in `ret_error`, are those
 * of the own table. `family` and `with_scope` are not for addresses. */
enum pv_outcome pv_look_up(const struct pv_tables *tables, const struct pv_key *key, int family,
                           bool with_scope, uint64_t now, struct pv_host *ret, int *ret_error);

/* Whether the `len` bytes at `record`, a multiple of 8, are one whole record with nothing pointing
 * out of it. */
bool pv_record_is_sound(const struct pv_record *record, size_t len);

/* Whether a sound record holds the key: a folded name, or an address's PV_ADDRESS_KEY bytes. */
bool pv_record_has_name(const struct pv_record *record, const uint8_t *name, size_t len);
bool pv_record_has_address(const struct pv_record *record, const uint8_t *key);

/* Where a slot's record is, in bytes after record_off, and its length. */
static inline uint32_t pv_slot_off(const struct pv_slot *slot)
{
    return (slot->record >> PV_SLOT_OFF) * 8;
}

static inline uint32_t pv_slot_len(const struct pv_slot *slot)
{
    return ((slot->record & PV_SLOT_LEN) + 1) * 8;
}

static inline uint32_t pv_tag(const uint8_t seed[16], const uint8_t *key, size_t len)
{
    return (uint32_t)(pv_siphash(seed, key, len) >> 32);
}

static inline uint32_t pv_home(uint32_t tag, uint32_t buckets)
{
    return (uint32_t)((uint64_t)tag * buckets >> 32);
}

static inline const struct pv_address *pv_addresses(const struct pv_record *record)
{
    return (const struct pv_address *)(record + 1);
}

static inline const uint8_t *pv_address_key_of(const struct pv_address *address)
{
    return (const uint8_t *)address + offsetof(struct pv_address, family);
}

/* The canonical name; the others follow, each after the NUL of the one before. */
static inline const char *pv_names(const struct pv_record *record)
{
    return (const char *)(pv_addresses(record) + record->addresses);
}

#endif
