/* The masking of frames from client to server: payload byte i is XORed with
 * mask byte i mod 4 (RFC 6455 5.3).
 *
 * A mask is its four bytes in wire order, as memcpy(3) puts them into a
 * uint32_t; it is never byte-swapped, so the same code is right on every
 * machine. Masking is its own inverse. Nothing outside [data, data + len) is
 * read or written, and no alignment is asked for. */
#ifndef GUST_WEBSOCKET_MASK_INTERNAL_H
#define GUST_WEBSOCKET_MASK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The mask as it applies `offset` payload bytes further on. */
static inline uint32_t gust__ws_mask_rotate(uint32_t mask, size_t offset)
{
    unsigned char twice[8];
    uint32_t rotated;

    memcpy(twice, &mask, 4);
    memcpy(twice + 4, &mask, 4);
    memcpy(&rotated, twice + (offset & 3), 4);
    return rotated;
}

/* XOR `len` bytes in place. `offset` is the position of data[0] in the frame's
 * payload (only offset mod 4 counts). A zero mask costs nothing. */
void gust__ws_mask(char *data, size_t len, uint32_t mask, size_t offset);

/* The same, and look at the result: true where every byte is ASCII (below
 * 0x80) afterwards. Text needs both, and one pass is cheaper than two. */
bool gust__ws_mask_text(char *data, size_t len, uint32_t mask, size_t offset);

/* XOR while copying `len` bytes from `src` to `dst`, which don't overlap: a
 * client masks what it sends and must leave the caller's bytes alone. */
void gust__ws_mask_copy(char *dst, const char *src, size_t len, uint32_t mask, size_t offset);

#endif
