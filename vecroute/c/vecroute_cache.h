/* vecroute_cache.h: read the shared cache of vecroute's daemon, without a system call per lookup.
 *
 *     static vrc_cache cache;                 // 12 kB of tables: not on a small stack
 *     uint8_t slot[VRC_SLOT_BYTES];
 *     if (vrc_open(&cache, path) == VRC_OK && vrc_get(&cache, VRC_PREDICTION, hash, slot) == VRC_HIT)
 *         ... vrc_candidate_at(slot, 0, &candidate) ...
 *     vrc_close(&cache);
 *
 * `hash` is the BLAKE2b-128 of the encoded image. On VRC_MISS ask the daemon. On VRC_GONE nobody keeps this file any
 * more: close it, open the path again (not more than once a second) and ask the daemon meanwhile.
 *
 * An open cache may be used by many threads; it goes on working after fork() and after all descriptors are closed.
 * docs/shared-cache.md explains the layout and why the order of loads is what it is. C11, Linux, little-endian.
 */
#ifndef VECROUTE_CACHE_H
#define VECROUTE_CACHE_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the shared cache is little-endian, and so must the host be"
#endif
#if ATOMIC_LLONG_LOCK_FREE != 2
#error "64-bit loads must be atomic without a lock: the map is read-only"
#endif
#if !defined(CLOCK_BOOTTIME) || !defined(O_NOFOLLOW) || !defined(O_CLOEXEC)
#error "define _GNU_SOURCE before the first include"
#endif

/* ---- The layout, as in vecroute/_layout.py; a test compares the two. Offsets are bytes. */
#define VRC_MAGIC "VRCACHE" /* and its NUL */
#define VRC_ABI_MAJOR 1
#define VRC_ENDIANNESS 0x01020304u
#define VRC_CHECKSUM_CRC32 1
#define VRC_WAYS 8
#define VRC_LINE 64
#define VRC_HEADER_BYTES 8192
#define VRC_LARGEST_ENTRIES 10000000u

#define VRC_MAGIC_OFFSET 0
#define VRC_ABI_MAJOR_OFFSET 8
#define VRC_ABI_MINOR_OFFSET 10
#define VRC_ENDIANNESS_OFFSET 12
#define VRC_HEADER_BYTES_OFFSET 16
#define VRC_SLOT_BYTES_OFFSET 20
#define VRC_SETS_OFFSET 24
#define VRC_WAYS_OFFSET 28
#define VRC_FILE_BYTES_OFFSET 32
#define VRC_TAGS_AT_OFFSET 40
#define VRC_SLOTS_AT_OFFSET 48
#define VRC_CHECKSUM_OFFSET 56
#define VRC_CONTEXTS_OFFSET 60
#define VRC_SEED_OFFSET 64
#define VRC_INSTANCE_OFFSET 72
#define VRC_BOOT_OFFSET 88
#define VRC_CREATED_OFFSET 104
#define VRC_WRITER_OFFSET 112
#define VRC_HEADER_CRC_OFFSET 116
#define VRC_GEOMETRY_BYTES 120

#define VRC_STATUS_OFFSET 192
#define VRC_FINGERPRINT_OFFSET 200
#define VRC_CONTEXT_OFFSET 208
#define VRC_HEARTBEAT_OFFSET 216
#define VRC_SYSTEM_LOAD_OFFSET 224
#define VRC_AVAILABILITY_OFFSET 232
#define VRC_LANE_OFFSET 240
#define VRC_EPOCH_OFFSET 248
#define VRC_SPEED_OFFSET 256
#define VRC_COUNTERS_OFFSET 4096

#define VRC_CONTEXTS 4
#define VRC_CONTEXTS_AT 8192
#define VRC_CONTEXT_BYTES 4096
#define VRC_CONTEXT_HEAD_BYTES 16
#define VRC_TAGS_AT 24576

#define VRC_SLOT_BYTES 704
#define VRC_SLOT_SEQUENCE 0
#define VRC_SLOT_FINGERPRINT 8
#define VRC_SLOT_KEY 16
#define VRC_SLOT_EXPIRY 32
#define VRC_SLOT_KIND 40
#define VRC_SLOT_LANE 41
#define VRC_SLOT_COUNT 42
#define VRC_SLOT_KNOWN 43
#define VRC_SLOT_SECONDS 44
#define VRC_SLOT_METHODS 48
#define VRC_SLOT_ESTIMATES 56
#define VRC_SLOT_PLANS 248
#define VRC_SLOT_BASE 440
#define VRC_SLOT_CRC 700
#define VRC_ESTIMATE_BYTES 24
#define VRC_PLAN_BYTES 24
#define VRC_HASH_BYTES 16
#define VRC_CANDIDATES 8
#define VRC_METHODS 4
#define VRC_CELLS 16

#define VRC_ALIVE 1
#define VRC_SUPERSEDED 2
#define VRC_LATE 0x80
#define VRC_RESIDUE 0x2144DF1Cu
#define VRC_STALE_NS 10000000000LL

enum vrc_kind { VRC_PREDICTION = 1, VRC_PLAN = 2 };

/* Tries on a slot that is being written. Four in a row mean a writer that died there: then it is a miss. */
#define VRC_TRIES 4

enum vrc_result {
    VRC_OK = 0,
    VRC_HIT = 0,
    VRC_MISS = 1,       /* ask the daemon */
    VRC_GONE = 2,       /* ask the daemon; nobody keeps this file: open the path again */
    VRC_ABSENT = -1,    /* no file: no daemon, or one without a shared cache */
    VRC_SYSTEM = -2,    /* see errno */
    VRC_UNTRUSTED = -3, /* no regular file, or its owner or its mode let others write to it */
    VRC_FORMAT = -4,    /* another kind, version, byte order or size; or a damaged header */
    VRC_BOOT = -5       /* made before the host was booted */
};

typedef struct vrc_cache {
    const uint8_t *map;
    uint64_t bytes, sets, seed, slots_at;
    uint8_t instance[16];
    uint32_t crc[8][256], skip[4][256];
} vrc_cache;

typedef struct vrc_plan {
    uint8_t upscale, matte, denoise, mode, hierarchical, colormode; /* names: see the vrc_..._NAMES */
    uint8_t color_precision, filter_speckle, layer_difference, corner_threshold, max_iterations, splice_threshold,
        path_precision;
    uint16_t palette;
    double length_threshold;
} vrc_plan;

typedef struct vrc_candidate {
    uint8_t method;
    float quality, quality_error, seconds, seconds_high, svg_bytes, svg_bytes_high;
    vrc_plan plan;
} vrc_candidate;

static const char *const VRC_METHOD_NAMES[] = {"performance", "feature_mapping", "regression", "ppo"};
static const char *const VRC_LANE_NAMES[] = {"base", "onnx", "torchscript"};
static const char *const VRC_MATTE_NAMES[] = {"none", "binary", "bands"};
static const char *const VRC_MODE_NAMES[] = {"polygon", "spline", "none", "smooth"};
static const char *const VRC_HIERARCHY_NAMES[] = {"stacked", "cutout"};
static const char *const VRC_COLORMODE_NAMES[] = {"color", "binary"};

/* ---- Private bytes: unaligned loads of what nobody changes. */
static inline uint16_t vrc_u16(const uint8_t *at) { uint16_t v; memcpy(&v, at, sizeof v); return v; }
static inline uint32_t vrc_u32(const uint8_t *at) { uint32_t v; memcpy(&v, at, sizeof v); return v; }
static inline uint64_t vrc_u64(const uint8_t *at) { uint64_t v; memcpy(&v, at, sizeof v); return v; }
static inline float vrc_f32(const uint8_t *at) { float v; memcpy(&v, at, sizeof v); return v; }
static inline double vrc_f64(const uint8_t *at) { double v; memcpy(&v, at, sizeof v); return v; }

/* ---- The map: every load is atomic, for the daemon may store at any time. */
static inline uint64_t vrc_load(const vrc_cache *cache, uint64_t at, memory_order order) {
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)(cache->map + at), order);
}

static inline double vrc_load_f64(const vrc_cache *cache, uint64_t at) {
    uint64_t word = vrc_load(cache, at, memory_order_relaxed);
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static inline void vrc_copy(const vrc_cache *cache, uint64_t at, uint8_t *to, size_t bytes) {
    for (size_t done = 0; done < bytes; done += 8) {
        uint64_t word = vrc_load(cache, at + done, memory_order_relaxed);
        memcpy(to + done, &word, sizeof word);
    }
}

static inline int64_t vrc_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now); /* in the vDSO: no system call */
    return (int64_t)now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* ---- CRC-32 (IEEE, as zlib's). A table step waits for the one before it, so a slot is summed as four quarters at
 * once, eight bytes a step, and their sums are joined: `skip` moves a sum over a quarter of zeros. */
#define VRC_QUARTER (VRC_SLOT_BYTES / 4)

static inline void vrc_crc_tables(vrc_cache *cache) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
        cache->crc[0][byte] = crc;
    }
    for (int row = 1; row < 8; row++)
        for (uint32_t byte = 0; byte < 256; byte++)
            cache->crc[row][byte] = cache->crc[row - 1][byte] >> 8 ^ cache->crc[0][cache->crc[row - 1][byte] & 255];
    for (int row = 0; row < 4; row++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t crc = byte << 8 * row;
            for (int zeros = 0; zeros < VRC_QUARTER; zeros++)
                crc = crc >> 8 ^ cache->crc[0][crc & 255];
            cache->skip[row][byte] = crc;
        }
}

static inline uint32_t vrc_crc_step(const vrc_cache *cache, uint32_t crc, const uint8_t *data) {
    uint64_t word = vrc_u64(data) ^ crc;
    return cache->crc[7][word & 255] ^ cache->crc[6][word >> 8 & 255] ^ cache->crc[5][word >> 16 & 255] ^
           cache->crc[4][word >> 24 & 255] ^ cache->crc[3][word >> 32 & 255] ^ cache->crc[2][word >> 40 & 255] ^
           cache->crc[1][word >> 48 & 255] ^ cache->crc[0][word >> 56];
}

static inline uint32_t vrc_crc32(const vrc_cache *cache, const uint8_t *data, size_t bytes) {
    uint32_t crc = 0xFFFFFFFFu;
    for (; bytes >= 8; data += 8, bytes -= 8)
        crc = vrc_crc_step(cache, crc, data);
    while (bytes--)
        crc = crc >> 8 ^ cache->crc[0][(crc ^ *data++) & 255];
    return ~crc;
}

static inline uint32_t vrc_crc_skip(const vrc_cache *cache, uint32_t crc) {
    return cache->skip[0][crc & 255] ^ cache->skip[1][crc >> 8 & 255] ^ cache->skip[2][crc >> 16 & 255] ^
           cache->skip[3][crc >> 24];
}

static inline uint32_t vrc_slot_crc(const vrc_cache *cache, const uint8_t slot[VRC_SLOT_BYTES]) {
    uint32_t a = 0xFFFFFFFFu, b = 0, c = 0, d = 0;
    for (const uint8_t *at = slot; at < slot + VRC_QUARTER; at += 8) {
        a = vrc_crc_step(cache, a, at);
        b = vrc_crc_step(cache, b, at + VRC_QUARTER);
        c = vrc_crc_step(cache, c, at + 2 * VRC_QUARTER);
        d = vrc_crc_step(cache, d, at + 3 * VRC_QUARTER);
    }
    return ~(vrc_crc_skip(cache, vrc_crc_skip(cache, vrc_crc_skip(cache, a) ^ b) ^ c) ^ d);
}

/* ---- Opening: who may own the file and what its header must say, before anything is mapped. */
static inline int vrc_this_boot(uint8_t boot[16]) {
    char text[36];
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return VRC_SYSTEM;
    ssize_t got = read(file, text, sizeof text);
    close(file);
    int digits = 0;
    memset(boot, 0, 16);
    for (ssize_t i = 0; i < got && digits < 32; i++) {
        int c = text[i], value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value >= 0) {
            boot[digits / 2] = (uint8_t)(boot[digits / 2] << 4 | value);
            digits++;
        }
    }
    errno = EINVAL;
    return digits == 32 ? VRC_OK : VRC_SYSTEM;
}

static inline int vrc_trusted(const char *path, const struct stat *file) {
    if (!S_ISREG(file->st_mode) || file->st_mode & (S_IWGRP | S_IWOTH))
        return 0;
    if (file->st_uid == 0 || file->st_uid == geteuid())
        return 1;
    char directory[4096] = ".";
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof directory)
        return 0;
    if (slash) {
        memcpy(directory, path, length ? length : 1);
        directory[length ? length : 1] = 0;
    }
    struct stat parent;
    return stat(directory, &parent) == 0 && parent.st_uid == file->st_uid;
}

static inline int vrc_read_header(vrc_cache *cache, const uint8_t header[VRC_GEOMETRY_BYTES], uint64_t bytes) {
    uint8_t boot[16];
    if (memcmp(header + VRC_MAGIC_OFFSET, VRC_MAGIC, 8) || vrc_u32(header + VRC_ENDIANNESS_OFFSET) != VRC_ENDIANNESS ||
        vrc_u16(header + VRC_ABI_MAJOR_OFFSET) != VRC_ABI_MAJOR ||
        vrc_crc32(cache, header, VRC_HEADER_CRC_OFFSET) != vrc_u32(header + VRC_HEADER_CRC_OFFSET))
        return VRC_FORMAT;
    cache->sets = vrc_u32(header + VRC_SETS_OFFSET);
    cache->seed = vrc_u64(header + VRC_SEED_OFFSET);
    cache->slots_at = VRC_TAGS_AT + cache->sets * VRC_LINE;
    cache->bytes = cache->slots_at + cache->sets * VRC_WAYS * VRC_SLOT_BYTES;
    memcpy(cache->instance, header + VRC_INSTANCE_OFFSET, sizeof cache->instance);
    if (!cache->sets || cache->sets > VRC_LARGEST_ENTRIES / VRC_WAYS || cache->bytes != bytes ||
        vrc_u64(header + VRC_FILE_BYTES_OFFSET) != bytes || vrc_u32(header + VRC_WAYS_OFFSET) != VRC_WAYS ||
        vrc_u32(header + VRC_HEADER_BYTES_OFFSET) != VRC_HEADER_BYTES ||
        vrc_u32(header + VRC_SLOT_BYTES_OFFSET) != VRC_SLOT_BYTES ||
        vrc_u64(header + VRC_TAGS_AT_OFFSET) != VRC_TAGS_AT ||
        vrc_u64(header + VRC_SLOTS_AT_OFFSET) != cache->slots_at ||
        vrc_u32(header + VRC_CHECKSUM_OFFSET) != VRC_CHECKSUM_CRC32 ||
        vrc_u32(header + VRC_CONTEXTS_OFFSET) != VRC_CONTEXTS)
        return VRC_FORMAT;
    if (vrc_this_boot(boot) != VRC_OK)
        return VRC_SYSTEM;
    return memcmp(boot, header + VRC_BOOT_OFFSET, sizeof boot) ? VRC_BOOT : VRC_OK;
}

static inline int vrc_map_file(vrc_cache *cache, const char *path, int file) {
    struct stat found;
    uint8_t header[VRC_GEOMETRY_BYTES];
    if (fstat(file, &found))
        return VRC_SYSTEM;
    if (!vrc_trusted(path, &found))
        return VRC_UNTRUSTED;
    if (pread(file, header, sizeof header, 0) != (ssize_t)sizeof header)
        return VRC_FORMAT;
    int result = vrc_read_header(cache, header, (uint64_t)found.st_size);
    if (result != VRC_OK)
        return result;
    void *map = mmap(NULL, cache->bytes, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return VRC_SYSTEM;
    cache->map = (const uint8_t *)map;
    return VRC_OK;
}

/* Map the cache at a path. Returns VRC_OK or one of the negative results; then nothing is open. */
static inline int vrc_open(vrc_cache *cache, const char *path) {
    memset(cache, 0, sizeof *cache);
    vrc_crc_tables(cache);
    /* O_NONBLOCK: a FIFO that somebody put there must not make us wait. */
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return errno == ENOENT ? VRC_ABSENT : errno == ELOOP || errno == ENXIO ? VRC_UNTRUSTED : VRC_SYSTEM;
    int result = vrc_map_file(cache, path, file);
    int reason = errno;
    close(file); /* at once: the application may close it too, and open something else under its number */
    errno = reason;
    return result;
}

/* Let the file go. No thread may be in `vrc_get` any more. */
static inline void vrc_close(vrc_cache *cache) {
    if (cache->map)
        munmap((void *)(uintptr_t)cache->map, cache->bytes);
    cache->map = NULL;
}

/* ---- Reading. */
static inline int vrc_is_kept(const vrc_cache *cache, int64_t now) {
    int64_t age = now - (int64_t)vrc_load(cache, VRC_HEARTBEAT_OFFSET, memory_order_relaxed);
    return vrc_load(cache, VRC_STATUS_OFFSET, memory_order_relaxed) == VRC_ALIVE && age <= VRC_STALE_NS &&
           age >= -VRC_STALE_NS;
}

static inline uint64_t vrc_set_of(const vrc_cache *cache, const uint8_t key[VRC_HASH_BYTES]) {
    uint64_t mixed = (vrc_u64(key) ^ cache->seed) * 0x9E3779B97F4A7C15u;
    return (mixed >> 32) * cache->sets >> 32;
}

static inline uint64_t vrc_tag_of(const uint8_t key[VRC_HASH_BYTES]) {
    uint64_t tag = vrc_u64(key + 8);
    return tag ? tag : 1;
}

/* Copy a slot. Returns 0 if it was being written: then the copy is random garbage, and not to be looked at. */
static inline int vrc_copy_slot(const vrc_cache *cache, uint64_t at, uint8_t slot[VRC_SLOT_BYTES]) {
    uint64_t before = vrc_load(cache, at + VRC_SLOT_SEQUENCE, memory_order_acquire);
    if (before & 1)
        return 0;
    vrc_copy(cache, at, slot, VRC_SLOT_BYTES);
    atomic_thread_fence(memory_order_acquire);
    uint64_t after = vrc_load(cache, at + VRC_SLOT_SEQUENCE, memory_order_relaxed);
    /* The writer is Python and emits no fence. Where the processor reorders stores, the checksum alone is the proof. */
    return before == after && vrc_slot_crc(cache, slot) == VRC_RESIDUE;
}

static inline int vrc_is_wanted(
    const uint8_t slot[VRC_SLOT_BYTES], uint64_t fingerprint, const uint8_t key[VRC_HASH_BYTES], int kind, int64_t now
) {
    return vrc_u64(slot + VRC_SLOT_FINGERPRINT) == fingerprint && !memcmp(slot + VRC_SLOT_KEY, key, VRC_HASH_BYTES) &&
           slot[VRC_SLOT_KIND] == kind && vrc_u64(slot + VRC_SLOT_EXPIRY) > (uint64_t)now &&
           slot[VRC_SLOT_COUNT] <= VRC_CANDIDATES;
}

/* Copy the entry of a key into `slot`. Returns VRC_HIT, VRC_MISS or VRC_GONE; only on VRC_HIT the copy means anything. */
static inline int vrc_get(
    const vrc_cache *cache, enum vrc_kind kind, const uint8_t key[VRC_HASH_BYTES], uint8_t slot[VRC_SLOT_BYTES]
) {
    int64_t now = vrc_now();
    uint64_t set = vrc_set_of(cache, key), tag = vrc_tag_of(key);
    for (int attempt = 0; attempt < VRC_TRIES; attempt++) {
        if (!vrc_is_kept(cache, now))
            return VRC_GONE;
        uint64_t fingerprint = vrc_load(cache, VRC_FINGERPRINT_OFFSET, memory_order_acquire);
        if (!fingerprint)
            return VRC_MISS;
        int torn = 0;
        for (uint64_t way = 0; way < VRC_WAYS; way++) {
            if (vrc_load(cache, VRC_TAGS_AT + set * VRC_LINE + way * 8, memory_order_acquire) != tag)
                continue;
            if (!vrc_copy_slot(cache, cache->slots_at + (set * VRC_WAYS + way) * VRC_SLOT_BYTES, slot))
                torn = 1;
            else if (vrc_is_wanted(slot, fingerprint, key, kind, now))
                return VRC_HIT;
        }
        if (!torn)
            return VRC_MISS;
        atomic_thread_fence(memory_order_acquire); /* before looking again */
    }
    return VRC_MISS;
}

/* Copy the JSON text about a fingerprint (export, policy, reason), NUL-terminated. Returns its length, 0 if unknown. */
static inline size_t vrc_context(const vrc_cache *cache, uint64_t fingerprint, char text[VRC_CONTEXT_BYTES]) {
    uint8_t block[VRC_CONTEXT_BYTES], checked[VRC_CONTEXT_BYTES];
    uint64_t generation = vrc_load(cache, VRC_CONTEXT_OFFSET, memory_order_acquire);
    for (uint64_t age = 0; age < VRC_CONTEXTS; age++) {
        uint64_t number = (generation - age) % VRC_CONTEXTS;
        vrc_copy(cache, VRC_CONTEXTS_AT + number * VRC_CONTEXT_BYTES, block, sizeof block);
        uint64_t length = vrc_u32(block + 8);
        if (vrc_u64(block) != fingerprint || length > sizeof block - VRC_CONTEXT_HEAD_BYTES)
            continue;
        memcpy(checked, block, 12);
        memcpy(checked + 12, block + VRC_CONTEXT_HEAD_BYTES, length);
        if (vrc_crc32(cache, checked, 12 + length) != vrc_u32(block + 12))
            continue;
        memcpy(text, block + VRC_CONTEXT_HEAD_BYTES, length);
        text[length] = 0;
        return length;
    }
    return 0;
}

/* ---- Decoding a copy that `vrc_get` returned. */
static inline int vrc_lane(const uint8_t slot[VRC_SLOT_BYTES]) { return slot[VRC_SLOT_LANE] & ~VRC_LATE; }
static inline int vrc_is_late(const uint8_t slot[VRC_SLOT_BYTES]) { return !!(slot[VRC_SLOT_LANE] & VRC_LATE); }
static inline int vrc_candidates(const uint8_t slot[VRC_SLOT_BYTES]) { return slot[VRC_SLOT_COUNT]; }
static inline int64_t vrc_expiry(const uint8_t slot[VRC_SLOT_BYTES]) { return (int64_t)vrc_u64(slot + VRC_SLOT_EXPIRY); }
static inline float vrc_seconds(const uint8_t slot[VRC_SLOT_BYTES]) { return vrc_f32(slot + VRC_SLOT_SECONDS); }

static inline void vrc_plan_at(const uint8_t slot[VRC_SLOT_BYTES], int index, vrc_plan *plan) {
    const uint8_t *at = slot + VRC_SLOT_PLANS + index * VRC_PLAN_BYTES;
    *plan = (vrc_plan){at[0], at[1], at[2],  at[3],  at[4],  at[5],           at[6],          at[7],
                       at[8], at[9], at[10], at[11], at[12], vrc_u16(at + 14), vrc_f64(at + 16)};
}

/* Read candidate `index`. Returns 0 if the entry has fewer. */
static inline int vrc_candidate_at(const uint8_t slot[VRC_SLOT_BYTES], int index, vrc_candidate *candidate) {
    if (index < 0 || index >= vrc_candidates(slot))
        return 0;
    const uint8_t *at = slot + VRC_SLOT_ESTIMATES + index * VRC_ESTIMATE_BYTES;
    candidate->method = slot[VRC_SLOT_METHODS + index];
    candidate->quality = vrc_f32(at);
    candidate->quality_error = vrc_f32(at + 4);
    candidate->seconds = vrc_f32(at + 8);
    candidate->seconds_high = vrc_f32(at + 12);
    candidate->svg_bytes = vrc_f32(at + 16);
    candidate->svg_bytes_high = vrc_f32(at + 20);
    vrc_plan_at(slot, index, &candidate->plan);
    return 1;
}

/* The forest's probability that a method is the best in a cell of the request grid; negative: the forest is silent. */
static inline float vrc_base_at(const uint8_t slot[VRC_SLOT_BYTES], int method, int cell) {
    if (method < 0 || method >= VRC_METHODS || cell < 0 || cell >= VRC_CELLS || !(slot[VRC_SLOT_KNOWN] >> method & 1))
        return -1.0f;
    return vrc_f32(slot + VRC_SLOT_BASE + (cell * VRC_METHODS + method) * 4);
}

/* How many times the predicted seconds a method takes on this host, as conversions were reported. */
static inline float vrc_speed(const vrc_cache *cache, int method) {
    if (method < 0 || method >= VRC_METHODS)
        return 1.0f;
    uint64_t word = vrc_load(cache, VRC_SPEED_OFFSET + (uint64_t)method / 2 * 8, memory_order_relaxed);
    float ratio = vrc_f32((const uint8_t *)&word + method % 2 * 4);
    return ratio >= 0.125f && ratio <= 8.0f ? ratio : 1.0f; /* else not told, or by no daemon */
}

/* A name out of one of the tables above, or "unknown". */
#define vrc_name(names, index) ((size_t)(index) < sizeof(names) / sizeof *(names) ? (names)[index] : "unknown")

#endif
