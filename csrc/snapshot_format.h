/* The host table on disk, /run/leasewatch/hosts.v1: the one definition of its format.
 *
 * Read by the NSS module, by the index builder and, line by line, by nss_pyvirt/_build_cffi.py,
 * so: plain structs, integer #defines, nothing else.
 *
 * A file is   header | name table | address table | records   and is never changed once published.
 * Integers are in the byte order of the host (`endian` tells); every field is naturally aligned
 * and there is no padding, so 32- and 64-bit programs read the same bytes.
 */
#ifndef PV_SNAPSHOT_FORMAT_H
#define PV_SNAPSHOT_FORMAT_H

#include <stdint.h>

#define PV_MAGIC "PVHOSTS\n"
#define PV_ENDIAN 0x01020304
#define PV_MAJOR 1 /* another major is another format: refuse it */
#define PV_MINOR 0

/* Limits, for writer and reader. */
#define PV_NAME_MAX 253 /* without the final NUL; RFC 1035 3.1 as text */
#define PV_LABEL_MAX 63
#define PV_ADDRESSES_MAX 32
#define PV_ADDRESS_KEY 17 /* bytes of an address's key */
#define PV_RECORD_MAX 2048
#define PV_BUCKETS_MIN 8
#define PV_BUCKETS_MAX 1048576
#define PV_FILE_MAX 67108864

/* A key is in one of the PV_PROBE slots that begin at its home bucket. */
#define PV_PROBE 8

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
    uint32_t name_buckets; /* powers of two */
    uint32_t addr_buckets;
    uint64_t name_off; /* of the tables: buckets + PV_PROBE slots each, no wrap-around */
    uint64_t addr_off;
    uint64_t record_off; /* records follow each other from here to the end of the file */
    uint16_t name_probe; /* PV_PROBE */
    uint16_t addr_probe;
    uint32_t records;
    uint32_t pending_wait; /* milliseconds that a lookup of a pending host may take; 0: none */
    uint8_t reserved[16];
    uint32_t crc; /* CRC-32 (that of zlib) of the bytes before it */
};

/* Home bucket = low bits of the key's hash. Slots are in the order of their home buckets, so an
 * empty one ends the search. Keys: a folded name's bytes; an address's family byte and 16 bytes. */
struct pv_slot {
    uint32_t tag; /* high half of the hash */
    uint32_t record_len;
    uint64_t record_off; /* from the file's start; 0 = empty slot */
};

/* Followed by `addresses` structs pv_address, then `names` NUL-terminated names, the canonical
 * one first, then zero bytes up to a multiple of 8. */
struct pv_record {
    uint32_t crc; /* of the bytes after it */
    uint32_t len; /* whole record, a multiple of 8 */
    uint8_t flags;
    uint8_t names; /* >= 1 */
    uint8_t addresses;
    uint8_t reserved[5];
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
