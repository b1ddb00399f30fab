/* SipHash-2-4 (Aumasson, Bernstein 2012): a guest that picks its name cannot pick its bucket. */
#ifndef PV_SIPHASH_H
#define PV_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t pv_rotl(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* Reads in little-endian order whatever the host's, as the published test vectors do. */
static inline uint64_t pv_le64(const uint8_t *p, size_t n)
{
    uint64_t word = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (n == 8) {
        memcpy(&word, p, 8);
        return word;
    }
#endif
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

static inline void pv_sipround(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = pv_rotl(v[1], 13) ^ v[0], v[3] = pv_rotl(v[3], 16) ^ v[2];
    v[0] = pv_rotl(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = pv_rotl(v[1], 17) ^ v[2], v[3] = pv_rotl(v[3], 21) ^ v[0];
    v[2] = pv_rotl(v[2], 32);
}

static inline void pv_sipblock(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    pv_sipround(v);
    pv_sipround(v);
    v[0] ^= word;
}

static inline uint64_t pv_siphash(const uint8_t seed[16], const uint8_t *data, size_t len)
{
    const uint64_t k0 = pv_le64(seed, 8), k1 = pv_le64(seed + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
                     k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    size_t at = 0;

    for (; len - at >= 8; at += 8)
        pv_sipblock(v, pv_le64(data + at, 8));
    pv_sipblock(v, pv_le64(data + at, len - at) | (uint64_t)len << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        pv_sipround(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
