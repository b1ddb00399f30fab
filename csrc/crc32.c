/* CRC-32 as zlib computes it (polynomial 0xEDB88320), eight bytes at a time. */
#include "snapshot.h"

/* A table entry is the XOR of those of its index's bits, so eight constants describe a table and
 * the compiler fills it in: constant data, no work at load time. */
#define BIT(i, n, entry) (((i) >> (n) & 1U) * (entry))
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7) \
    BIT(i, 0, b0) ^ BIT(i, 1, b1) ^ BIT(i, 2, b2) ^ BIT(i, 3, b3) ^ BIT(i, 4, b4) ^ \
        BIT(i, 5, b5) ^ BIT(i, 6, b6) ^ BIT(i, 7, b7)
#define TIMES4(i, ...) \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1U, __VA_ARGS__), ENTRY((i) + 2U, __VA_ARGS__), \
        ENTRY((i) + 3U, __VA_ARGS__)
#define TIMES16(i, ...) \
    TIMES4(i, __VA_ARGS__), TIMES4((i) + 4U, __VA_ARGS__), TIMES4((i) + 8U, __VA_ARGS__), \
        TIMES4((i) + 12U, __VA_ARGS__)
#define TIMES64(i, ...) \
    TIMES16(i, __VA_ARGS__), TIMES16((i) + 16U, __VA_ARGS__), TIMES16((i) + 32U, __VA_ARGS__), \
        TIMES16((i) + 48U, __VA_ARGS__)
#define TABLE(...) \
    TIMES64(0U, __VA_ARGS__), TIMES64(64U, __VA_ARGS__), TIMES64(128U, __VA_ARGS__), \
        TIMES64(192U, __VA_ARGS__)

static const uint32_t table[8][256] = {
    {TABLE(0x77073096U, 0xee0e612cU, 0x076dc419U, 0x0edb8832U,
           0x1db71064U, 0x3b6e20c8U, 0x76dc4190U, 0xedb88320U)},
    {TABLE(0x191b3141U, 0x32366282U, 0x646cc504U, 0xc8d98a08U,
           0x4ac21251U, 0x958424a2U, 0xf0794f05U, 0x3b83984bU)},
    {TABLE(0x01c26a37U, 0x0384d46eU, 0x0709a8dcU, 0x0e1351b8U,
           0x1c26a370U, 0x384d46e0U, 0x709a8dc0U, 0xe1351b80U)},
    {TABLE(0xb8bc6765U, 0xaa09c88bU, 0x8f629757U, 0xc5b428efU,
           0x5019579fU, 0xa032af3eU, 0x9b14583dU, 0xed59b63bU)},
    {TABLE(0x3d6029b0U, 0x7ac05360U, 0xf580a6c0U, 0x30704bc1U,
           0x60e09782U, 0xc1c12f04U, 0x58f35849U, 0xb1e6b092U)},
    {TABLE(0xcb5cd3a5U, 0x4dc8a10bU, 0x9b914216U, 0xec53826dU,
           0x03d6029bU, 0x07ac0536U, 0x0f580a6cU, 0x1eb014d8U)},
    {TABLE(0xa6770bb4U, 0x979f1129U, 0xf44f2413U, 0x33ef4e67U,
           0x67de9cceU, 0xcfbd399cU, 0x440b7579U, 0x8816eaf2U)},
    {TABLE(0xccaa009eU, 0x4225077dU, 0x844a0efaU, 0xd3e51bb5U,
           0x7cbb312bU, 0xf9766256U, 0x299dc2edU, 0x533b85daU)},
};

static uint32_t word(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The part of a CRC that one word adds: with the first four tables as the last word, with the other
 * four as the one before it. */
static uint32_t part(uint32_t word, const uint32_t t[4][256])
{
    return t[3][word & 0xff] ^ t[2][word >> 8 & 0xff] ^ t[1][word >> 16 & 0xff] ^ t[0][word >> 24];
}

uint32_t pv_crc32(const void *data, size_t len)
{
    const uint8_t *at = data;
    uint32_t crc = 0xffffffffU;

    for (; len > 4; len -= 8, at += 8)
        crc = part(crc ^ word(at), table + 4) ^ part(word(at + 4), table);
    return ~part(crc ^ word(at), table);
}
