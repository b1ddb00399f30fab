/* A host table on disk: the one definition of its format. /run/leasewatch/hosts.v1 has this host's
 * names, /run/leasewatch-dns/peers.v1 those of the site's other hosts.
 *
 * The NSS module and the service include it, and nss_pyvirt/_build_cffi.py parses it line by line.
 * So it has plain structs and integer #defines, and nothing else.
 *
 * A file is   header | slots | records   and never changes once it is published. Integers are in
 * the byte order of the host (`endian`). Fields are naturally aligned without padding, so 32- and
 * 64-bit programs read the same bytes. The `v1` in the path is a name, not the version.
 */
#ifndef PV_SNAPSHOT_FORMAT_H
#define PV_SNAPSHOT_FORMAT_H

#include <stdint.h>

#define PV_MAGIC "PVHOSTS\n"
#define PV_ENDIAN 0x01020304
#define PV_MAJOR 2 /* another major is another format: refuse it */
#define PV_MINOR 0

/* Limits, for writer and reader. */
#define PV_NAME_MAX 253 /* without the final NUL; RFC 1035 3.1 as text */
#define PV_LABEL_MAX 63
#define PV_ADDRESSES_MAX 32
#define PV_ADDRESS_KEY 17 /* bytes of an address's key */
#define PV_RECORD_MAX 2048
#define PV_BUCKETS_MAX 2097152
#define PV_FILE_MAX 67108864

/* A key is in one of the PV_PROBE slots that begin at its home bucket. */
#define PV_PROBE 16

/* pv_record.flags */
#define PV_PENDING 1 /* started, no address yet: see pending_until */
#define PV_EXPECT4 2 /* an IPv4 address is expected while pending */
#define PV_EXPECT6 4

struct pv_header {
    uint8_t magic[8];
    uint32_t endian;
    uint16_t major;
    uint16_t minor;
    uint32_t header_len;
    uint32_t flags; /* 0; none is defined yet, readers ignore them */
    uint64_t file_len;
    uint64_t generation;
    uint64_t published; /* Unix seconds */
    uint8_t seed[16];   /* of SipHash-2-4 */
    uint32_t buckets;
    uint32_t probe;        /* PV_PROBE */
    uint64_t slot_off;     /* of buckets + PV_PROBE slots, no wrap-around */
    uint64_t record_off;   /* records and holes follow each other from here to the file's end */
    uint32_t records;      /* without the holes */
    uint32_t pending_wait; /* milliseconds that a lookup of a pending host may take; 0: none */
    uint8_t reserved[4];
    uint32_t crc; /* CRC-32 (that of zlib) of the bytes before it */
};

/* A key is a folded name, or an address's family byte and 16 bytes. Its tag is the high half of its
 * hash, its home bucket tag * buckets / 2^32. Slots are in the order of their tags, so an empty
 * slot or a larger tag ends the search. Of an address in several records, the slot has the one with
 * the lowest rank, and of these the first. */
struct pv_slot {
    uint32_t tag;
    uint32_t record; /* see below; 0: empty slot */
};

/* The parts of pv_slot.record. */
#define PV_SLOT_OFF 9      /* from this bit on: the record's offset from record_off, / 8 */
#define PV_SLOT_SHARED 256 /* other records have, or had, this address; readers ignore it */
#define PV_SLOT_LEN 255    /* the record's length / 8 - 1 */

/* Followed by `addresses` structs pv_address, then `names` NUL-terminated names, the canonical
 * one first, then zero bytes up to a multiple of 8. With names == 0 it is a hole, all zeros but for
 * crc and len. */
struct pv_record {
    uint32_t crc; /* of the bytes after it */
    uint32_t len; /* whole record, a multiple of 8 */
    uint8_t flags;
    uint8_t names;
    uint8_t addresses;
    uint8_t rank; /* see pv_slot */
    uint8_t reserved[4];
    uint64_t pending_until; /* Unix seconds */
};

struct pv_address {
    uint32_t ifindex; /* link-local addresses only */
    uint8_t reserved[3];
    uint8_t family;    /* AF_INET or AF_INET6; with the bytes after it, the address's key */
    uint8_t bytes[16]; /* IPv4: the first four, then zeros */
    uint64_t expires;  /* Unix seconds; 0 is long ago, not never */
};

#endif
