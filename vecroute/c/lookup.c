/* lookup: what the shared cache says of one image, or of itself, as JSON.
 *
 *     cc -std=c11 -O2 -o lookup lookup.c
 *     ./lookup CACHE                  the cache's state
 *     ./lookup CACHE HASH             the prediction of the image with that BLAKE2b-128 (32 hex digits: b2sum -l 128)
 *     ./lookup CACHE HASH REPEATS     the same, with the nanoseconds that a lookup takes
 *
 * Exits with 0, or 1 if the image is not there, 2 if the cache cannot be used, 64 if it was called wrongly.
 */
#define _GNU_SOURCE
#include "vecroute_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static vrc_cache cache;

static const char *reason_of(int result) {
    switch (result) {
    case VRC_MISS: return "not in the cache";
    case VRC_GONE: return "nobody keeps this cache any more";
    case VRC_ABSENT: return "there is no such file";
    case VRC_SYSTEM: return strerror(errno);
    case VRC_UNTRUSTED: return "others may write to it, or it is no regular file";
    case VRC_FORMAT: return "no shared cache of this version";
    default: return "made before the host was booted";
    }
}

static int fail(int result, int code) {
    printf("{\"error\": \"%s\"}\n", reason_of(result));
    return code;
}

static int parse_hash(const char *text, uint8_t key[VRC_HASH_BYTES]) {
    if (strlen(text) != 2 * VRC_HASH_BYTES || strspn(text, "0123456789abcdef") != 2 * VRC_HASH_BYTES)
        return 0;
    for (int i = 0; i < VRC_HASH_BYTES; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        key[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return 1;
}

static void print_plan(const vrc_plan *plan) {
    printf(
        "{\"upscale\": %u, \"matte\": \"%s\", \"palette\": %u, \"denoise\": %u, \"mode\": \"%s\", "
        "\"hierarchical\": \"%s\", \"colormode\": \"%s\", \"color_precision\": %u, \"filter_speckle\": %u, "
        "\"layer_difference\": %u, \"corner_threshold\": %u, \"length_threshold\": %.17g, \"max_iterations\": %u, "
        "\"splice_threshold\": %u, \"path_precision\": %u}",
        plan->upscale, vrc_name(VRC_MATTE_NAMES, plan->matte), plan->palette, plan->denoise,
        vrc_name(VRC_MODE_NAMES, plan->mode), vrc_name(VRC_HIERARCHY_NAMES, plan->hierarchical),
        vrc_name(VRC_COLORMODE_NAMES, plan->colormode), plan->color_precision, plan->filter_speckle,
        plan->layer_difference, plan->corner_threshold, plan->length_threshold, plan->max_iterations,
        plan->splice_threshold, plan->path_precision
    );
}

static void print_entry(const uint8_t slot[VRC_SLOT_BYTES]) {
    char context[VRC_CONTEXT_BYTES];
    vrc_candidate one;
    printf(
        "{\"lane\": \"%s\", \"late\": %s, \"prediction_seconds\": %.9g, \"candidates\": [",
        vrc_name(VRC_LANE_NAMES, vrc_lane(slot)), vrc_is_late(slot) ? "true" : "false", vrc_seconds(slot)
    );
    for (int i = 0; vrc_candidate_at(slot, i, &one); i++) {
        printf(
            "%s{\"method\": \"%s\", \"quality\": %.9g, \"quality_error\": %.9g, \"seconds\": %.9g, "
            "\"seconds_high\": %.9g, \"svg_bytes\": %.9g, \"svg_bytes_high\": %.9g, \"plan\": ",
            i ? ", " : "", vrc_name(VRC_METHOD_NAMES, one.method), one.quality, one.quality_error, one.seconds,
            one.seconds_high, one.svg_bytes, one.svg_bytes_high
        );
        print_plan(&one.plan);
        printf("}");
    }
    printf("], \"base\": {");
    for (int method = 0, known = 0; method < VRC_METHODS; method++) {
        if (vrc_base_at(slot, method, 0) < 0)
            continue;
        printf("%s\"%s\": [", known++ ? ", " : "", VRC_METHOD_NAMES[method]);
        for (int cell = 0; cell < VRC_CELLS; cell++)
            printf("%s%.9g", cell ? ", " : "", vrc_base_at(slot, method, cell));
        printf("]");
    }
    size_t known = vrc_context(&cache, vrc_u64(slot + VRC_SLOT_FINGERPRINT), context);
    printf("}, \"context\": %s", known ? context : "null");
}

static void print_statistics(void) {
    int64_t now = vrc_now();
    uint64_t status = vrc_load(&cache, VRC_STATUS_OFFSET, memory_order_relaxed);
    uint64_t fingerprint = vrc_load(&cache, VRC_FINGERPRINT_OFFSET, memory_order_relaxed);
    const char *state = status == VRC_SUPERSEDED ? "superseded" : !vrc_is_kept(&cache, now) ? "stale" : "alive";
    printf("{\"state\": \"%s\", \"entries\": %" PRIu64, fingerprint ? state : "empty", cache.sets * VRC_WAYS);
    printf(", \"file_bytes\": %" PRIu64 ", \"fingerprint\": \"%016" PRIx64 "\"", cache.bytes, fingerprint);
    printf(", \"epoch\": %" PRIu64, vrc_load(&cache, VRC_EPOCH_OFFSET, memory_order_relaxed));
    printf(
        ", \"system_load\": %.17g, \"resource_availability\": %.17g, \"lane\": \"%s\", \"speed\": {",
        vrc_load_f64(&cache, VRC_SYSTEM_LOAD_OFFSET), vrc_load_f64(&cache, VRC_AVAILABILITY_OFFSET),
        vrc_name(VRC_LANE_NAMES, vrc_load(&cache, VRC_LANE_OFFSET, memory_order_relaxed))
    );
    for (int method = 0; method < VRC_METHODS; method++)
        printf("%s\"%s\": %.9g", method ? ", " : "", VRC_METHOD_NAMES[method], vrc_speed(&cache, method));
    printf("}}\n");
}

static double nanoseconds(const uint8_t key[VRC_HASH_BYTES], long repeats, uint8_t slot[VRC_SLOT_BYTES]) {
    int64_t start = vrc_now();
    for (long i = 0; i < repeats; i++)
        if (vrc_get(&cache, VRC_PREDICTION, key, slot) != VRC_HIT)
            return -1.0;
    return (double)(vrc_now() - start) / (double)repeats;
}

static int look_up(const char *hash, long repeats) {
    uint8_t key[VRC_HASH_BYTES], slot[VRC_SLOT_BYTES];
    if (!parse_hash(hash, key)) {
        fprintf(stderr, "lookup: give the hash as 32 lowercase hex digits\n");
        return 64;
    }
    int result = vrc_get(&cache, VRC_PREDICTION, key, slot);
    if (result != VRC_HIT)
        return fail(result, 1);
    print_entry(slot);
    if (repeats > 0)
        printf(", \"nanoseconds\": %.1f", nanoseconds(key, repeats, slot));
    printf("}\n");
    return 0;
}

int main(int count, char **arguments) {
    if (count < 2 || count > 4) {
        fprintf(stderr, "usage: lookup CACHE [HASH [REPEATS]]\n");
        return 64;
    }
    int result = vrc_open(&cache, arguments[1]);
    if (result != VRC_OK)
        return fail(result, 2);
    int code = 0;
    if (count == 2)
        print_statistics();
    else
        code = look_up(arguments[2], count > 3 ? strtol(arguments[3], NULL, 10) : 0);
    vrc_close(&cache);
    return code;
}
