/* race: look up random ones of the given keys so many times beside a writer, and check every answer.
 *
 * Every number of an entry is (key + 64 version) / 65536, the same all over the entry: see tests/vecroute/race.py.
 * Prints "hits misses wrong".
 */
#define _GNU_SOURCE
#include "vecroute_cache.h"

#include <stdio.h>
#include <stdlib.h>

static vrc_cache cache;
static uint8_t keys[64][VRC_HASH_BYTES];

static int is_right(const uint8_t slot[VRC_SLOT_BYTES], unsigned long key) {
    float number = vrc_seconds(slot);
    vrc_candidate one;
    int count = 0;
    for (; vrc_candidate_at(slot, count, &one); count++)
        if (one.quality != number || one.quality_error != number || one.seconds != number ||
            one.seconds_high != number || one.svg_bytes != number || one.svg_bytes_high != number)
            return 0;
    for (int method = 0; method < VRC_METHODS; method++)
        for (int cell = 0; cell < VRC_CELLS; cell++)
            if (vrc_base_at(slot, method, cell) != number)
                return 0;
    return count == VRC_CANDIDATES && (unsigned long)(number * 65536.0f) % 64 == key;
}

int main(int count, char **arguments) {
    if (count != 4 || vrc_open(&cache, arguments[1]) != VRC_OK)
        return 2;
    FILE *file = fopen(arguments[2], "rb");
    unsigned long known = file ? (unsigned long)fread(keys, VRC_HASH_BYTES, 64, file) : 0;
    unsigned long wanted = strtoul(arguments[3], NULL, 10), hits = 0, misses = 0, wrong = 0;
    uint64_t state = (uint64_t)getpid();
    uint8_t slot[VRC_SLOT_BYTES];
    if (!known)
        return 2;
    while (hits < wanted && misses < 1000 * wanted) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        unsigned long key = (unsigned long)(state >> 33) % known;
        if (vrc_get(&cache, VRC_PREDICTION, keys[key], slot) != VRC_HIT)
            misses++;
        else if (is_right(slot, key))
            hits++;
        else
            wrong++, hits++;
    }
    printf("%lu %lu %lu\n", hits, misses, wrong);
    return 0;
}
