/* get: how long the C reader takes for a lookup: every key of a file of 16-byte keys, again and again.
 *
 *     get CACHE KEYS ROUNDS      prints the nanoseconds of the fastest round, a lookup
 */
#define _GNU_SOURCE
#include "vecroute_cache.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    static vrc_cache cache;
    static uint8_t keys[1 << 20], slot[VRC_SLOT_BYTES];
    FILE *file = count == 4 ? fopen(arguments[2], "rb") : NULL;
    if (!file || vrc_open(&cache, arguments[1]) != VRC_OK)
        return 2;
    size_t bytes = fread(keys, 1, sizeof keys, file), lookups = bytes / VRC_HASH_BYTES;
    double fastest = 1e18;
    for (long round = 0; round < atol(arguments[3]); round++) {
        int64_t start = vrc_now();
        for (size_t at = 0; at < bytes; at += VRC_HASH_BYTES)
            if (vrc_get(&cache, VRC_PREDICTION, keys + at, slot) != VRC_HIT)
                return 1;
        double took = (double)(vrc_now() - start) / (double)lookups;
        fastest = took < fastest ? took : fastest;
    }
    printf("%.1f\n", fastest);
    return 0;
}
