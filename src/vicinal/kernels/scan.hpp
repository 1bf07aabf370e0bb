// The scan of 1-bit codes: sums of table lookups, 64 rows at a time. funnel.py says what is computed.
//
// A block of 64 rows holds, for each byte of a code, that byte of all its rows:
//
//     block + 64 w + i      components 8w … 8w + 7 of row i, the lowest bit first
//
// Each half of a byte (four components) chooses one of 16 sums of the query's whole numbers, each at most 63:
//
//     table + 32 w + n         n = byte & 15: the sum over components 8w … 8w + 3
//     table + 32 w + 16 + n    n = byte >> 4: the sum over components 8w + 4 … 8w + 7
//
// so that one shuffle of AVX-512BW looks up 64 rows. Four lookups add up within a byte, then go to sums of 16 bits:
// those of odd rows by a shift, those of even rows by the rest. 4,096 components fit: 1,024 * 63 < 65,536.
// VPOPCNTDQ would need four bit planes of a query instead; a lookup does four components at once and needs only BW.
//
// All sums are whole numbers, so every instruction set gives the same.

#pragma once

#include <cmath>

#include "levels.hpp"

namespace vicinal {

constexpr std::size_t BLOCK = 64;      // rows of a block
constexpr std::size_t TOGETHER = 4;    // queries that share the halves of the bytes
constexpr float LOWEST = -std::numeric_limits<float>::max();

// One query while blocks are scanned. A row passes if its estimate is not below the threshold.
struct Scanned {
    const std::uint8_t* table;
    float total;      // of the query's whole numbers: T = 2 * sum - total
    float scale;
    float base;
    float threshold;
    std::uint16_t least;  // no row with a smaller sum can pass: most blocks end here
    std::uint64_t passed;
    alignas(64) float estimates[BLOCK];
};

struct CodeBlock {
    const std::uint8_t* codes;
    const float* factors;  // 64
    const float* bias;     // 64, or null
    const std::uint8_t* ahead;  // what is asked for meanwhile, or null
    std::size_t width;
};

inline float estimate(float factor, float total, const Scanned& query) {
    return (factor * total) * query.scale + query.base;
}

inline void estimate_portable(const CodeBlock& block, const std::uint16_t* sums, Scanned& query) {
    query.passed = 0;
    for (std::size_t row = 0; row < BLOCK; ++row) {
        if (sums[row] < query.least) continue;
        const float total = 2.0f * static_cast<float>(sums[row]) - query.total;
        float found = estimate(block.factors[row], total, query);
        if (block.bias) found = found + block.bias[row];
        query.estimates[row] = found;
        if (!(found < query.threshold)) query.passed |= std::uint64_t{1} << row;
    }
}

// Sums of all rows of a block for one query.
using Sums = void (*)(const std::uint8_t* codes, std::size_t width, const std::uint8_t* table, std::uint16_t* sums);
// Passed rows and their estimates, for 1 to 4 queries.
using ScanBlock = void (*)(const CodeBlock& block, Scanned* const* queries, std::size_t count);

// Writes the keys of the scores whose bits are set and which are not below a threshold; returns how many.
using Collect = std::size_t (*)(const float* scores, std::uint64_t bits, float threshold, std::uint32_t first,
                                std::uint64_t* keys);

// A number that is larger for the larger score and, of equal ones, for the lower number.
inline std::uint64_t key_of(float score, std::uint32_t number) {
    if (score != score) score = LOWEST;
    score += 0.0f;  // -0 is 0
    std::uint32_t bits;
    std::memcpy(&bits, &score, sizeof bits);
    bits ^= bits >> 31 ? 0xffffffffu : 0x80000000u;
    return (std::uint64_t{bits} << 32) | static_cast<std::uint32_t>(~number);
}

inline std::uint32_t number_of(std::uint64_t key) { return ~static_cast<std::uint32_t>(key); }

inline float score_of(std::uint64_t key) {
    std::uint32_t bits = static_cast<std::uint32_t>(key >> 32);
    bits ^= bits >> 31 ? 0x80000000u : 0xffffffffu;
    float score;
    std::memcpy(&score, &bits, sizeof score);
    return score;
}

inline std::size_t collect_portable(const float* scores, std::uint64_t bits, float threshold, std::uint32_t first,
                                    std::uint64_t* keys) {
    std::size_t count = 0;
    for (std::uint32_t row = 0; bits; bits >>= 1, ++row)
        if (bits & 1 && !(scores[row] < threshold)) keys[count++] = key_of(scores[row], first + row);
    return count;
}

// The largest of some numbers; -inf of none. In lanes, so that compilers take a register of them at once.
inline float largest_of(const float* values, std::size_t count) {
    constexpr std::size_t WIDTH = 64;
    float lanes[WIDTH];
    std::fill(lanes, lanes + WIDTH, -std::numeric_limits<float>::infinity());
    for (; count >= WIDTH; count -= WIDTH, values += WIDTH)
        for (std::size_t lane = 0; lane < WIDTH; ++lane)
            lanes[lane] = values[lane] > lanes[lane] ? values[lane] : lanes[lane];
    for (std::size_t lane = 0; lane < count; ++lane)
        lanes[lane] = values[lane] > lanes[lane] ? values[lane] : lanes[lane];
    for (std::size_t half = WIDTH / 2; half; half /= 2)
        for (std::size_t lane = 0; lane < half; ++lane)
            lanes[lane] = lanes[lane + half] > lanes[lane] ? lanes[lane + half] : lanes[lane];
    return lanes[0];
}

inline void sums_portable(const std::uint8_t* codes, std::size_t width, const std::uint8_t* table,
                          std::uint16_t* sums) {
    std::fill(sums, sums + BLOCK, std::uint16_t{0});
    for (std::size_t w = 0; w < width; ++w, codes += BLOCK, table += 32)
        for (std::size_t row = 0; row < BLOCK; ++row)
            sums[row] = static_cast<std::uint16_t>(sums[row] + table[codes[row] & 15] + table[16 + (codes[row] >> 4)]);
}

template <Sums sums_of>
inline void scan_each(const CodeBlock& block, Scanned* const* queries, std::size_t count) {
    alignas(64) std::uint16_t sums[BLOCK];
    if (block.ahead) prefetch_lines(block.ahead, block.width * BLOCK);
    for (std::size_t q = 0; q < count; ++q) {
        sums_of(block.codes, block.width, queries[q]->table, sums);
        estimate_portable(block, sums, *queries[q]);
    }
}

#if defined(VICINAL_X86)

// ---- AVX-512BW ----

// Room for eight keys behind the last is written over.
VICINAL_AVX512 inline std::size_t collect_avx512(const float* scores, std::uint64_t bits, float threshold,
                                                 std::uint32_t first, std::uint64_t* keys) {
    const __m512i eight = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), top = _mm512_set1_epi32(INT32_MIN);
    std::size_t count = 0;
    for (std::uint32_t at = 0; at < BLOCK; at += 16) {
        __mmask16 wanted = static_cast<__mmask16>(bits >> at);
        if (!wanted) continue;
        __m512 score = _mm512_loadu_ps(scores + at);
        wanted = _mm512_mask_cmp_ps_mask(wanted, score, _mm512_set1_ps(threshold), _CMP_NLT_UQ);
        score = _mm512_mask_mov_ps(score, _mm512_cmp_ps_mask(score, score, _CMP_UNORD_Q), _mm512_set1_ps(LOWEST));
        const __m512i plain = _mm512_castps_si512(_mm512_add_ps(score, _mm512_setzero_ps()));
        const __m512i ordered = _mm512_xor_si512(plain, _mm512_or_si512(_mm512_srai_epi32(plain, 31), top));
        for (std::uint32_t half = 0; half < 2; ++half, wanted = static_cast<__mmask16>(wanted >> 8)) {
            const __m512i high = _mm512_slli_epi64(
                _mm512_cvtepu32_epi64(half ? _mm512_extracti64x4_epi64(ordered, 1) : _mm512_castsi512_si256(ordered)), 32);
            const __m512i numbers = _mm512_add_epi64(eight, _mm512_set1_epi64(std::int64_t{first} + at + 8 * half));
            const __m512i low = _mm512_xor_si512(numbers, _mm512_set1_epi64(0xffffffff));
            const __mmask8 here = static_cast<__mmask8>(wanted);
            _mm512_storeu_si512(keys + count, _mm512_maskz_compress_epi64(here, _mm512_or_si512(high, low)));
            count += static_cast<std::size_t>(__builtin_popcount(here));
        }
    }
    return count;
}

VICINAL_AVX512 inline __m512i looked_up(const std::uint8_t* table, __m512i which) {
    const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(entries), which);
}

template <std::size_t Q>
VICINAL_AVX512 inline void sums_avx512(const CodeBlock& block, Scanned* const* queries, __m512i (&even)[Q],
                                       __m512i (&odd)[Q]) {
    const __m512i low = _mm512_set1_epi8(15);
    const std::uint8_t* codes = block.codes;
    const std::uint8_t* ahead = block.ahead;
    const std::uint8_t* table[Q];
    VICINAL_UNROLL
    for (std::size_t q = 0; q < Q; ++q) {
        table[q] = queries[q]->table;
        even[q] = odd[q] = _mm512_setzero_si512();
    }
    std::size_t offset = 0;
    for (std::size_t pairs = block.width / 2; pairs; --pairs, codes += 2 * BLOCK, offset += 64) {
        const __m512i first = _mm512_loadu_si512(codes), second = _mm512_loadu_si512(codes + BLOCK);
        if (ahead) {
            prefetch(ahead);
            prefetch(ahead + BLOCK);
            ahead += 2 * BLOCK;
        }
        const __m512i a = _mm512_and_si512(first, low), b = _mm512_and_si512(_mm512_srli_epi16(first, 4), low);
        const __m512i c = _mm512_and_si512(second, low), d = _mm512_and_si512(_mm512_srli_epi16(second, 4), low);
        VICINAL_UNROLL
        for (std::size_t q = 0; q < Q; ++q) {
            const std::uint8_t* entries = table[q] + offset;
            const __m512i left = _mm512_add_epi8(looked_up(entries, a), looked_up(entries + 16, b));
            const __m512i right = _mm512_add_epi8(looked_up(entries + 32, c), looked_up(entries + 48, d));
            const __m512i both = _mm512_add_epi8(left, right);
            even[q] = _mm512_add_epi16(even[q], both);
            odd[q] = _mm512_add_epi16(odd[q], _mm512_srli_epi16(both, 8));
        }
    }
    if (block.width % 2) {
        const __m512i last = _mm512_loadu_si512(codes);
        const __m512i a = _mm512_and_si512(last, low), b = _mm512_and_si512(_mm512_srli_epi16(last, 4), low);
        VICINAL_UNROLL
        for (std::size_t q = 0; q < Q; ++q) {
            const std::uint8_t* entries = table[q] + offset;
            const __m512i both = _mm512_add_epi8(looked_up(entries, a), looked_up(entries + 16, b));
            even[q] = _mm512_add_epi16(even[q], both);
            odd[q] = _mm512_add_epi16(odd[q], _mm512_srli_epi16(both, 8));
        }
    }
    VICINAL_UNROLL
    for (std::size_t q = 0; q < Q; ++q) even[q] = _mm512_sub_epi16(even[q], _mm512_slli_epi16(odd[q], 8));
}

// Sums of even and odd rows to estimates in the order of rows.
VICINAL_AVX512 inline void estimate_avx512(const CodeBlock& block, __m512i even, __m512i odd, Scanned& query) {
    const __m512i low = _mm512_unpacklo_epi16(even, odd), high = _mm512_unpackhi_epi16(even, odd);
    const __m512i front = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high);
    const __m512i back = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high);
    const __m256i parts[4] = {_mm512_castsi512_si256(front), _mm512_extracti64x4_epi64(front, 1),
                              _mm512_castsi512_si256(back), _mm512_extracti64x4_epi64(back, 1)};
    const __m512 total = _mm512_set1_ps(query.total), scale = _mm512_set1_ps(query.scale);
    const __m512 base = _mm512_set1_ps(query.base), threshold = _mm512_set1_ps(query.threshold);
    std::uint64_t passed = 0;
    VICINAL_UNROLL
    for (std::size_t part = 0; part < 4; ++part) {
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(parts[part]));
        const __m512 signed_sum = _mm512_sub_ps(_mm512_add_ps(sum, sum), total);
        __m512 found = _mm512_mul_ps(_mm512_loadu_ps(block.factors + 16 * part), signed_sum);
        found = _mm512_add_ps(_mm512_mul_ps(found, scale), base);
        if (block.bias) found = _mm512_add_ps(found, _mm512_loadu_ps(block.bias + 16 * part));
        _mm512_store_ps(query.estimates + 16 * part, found);
        const std::uint64_t bits = _mm512_cmp_ps_mask(found, threshold, _CMP_NLT_UQ);
        passed |= bits << (16 * part);
    }
    query.passed = passed;
}

template <std::size_t Q>
VICINAL_AVX512 inline void scan_some_avx512(const CodeBlock& block, Scanned* const* queries) {
    __m512i even[Q], odd[Q];
    sums_avx512<Q>(block, queries, even, odd);
    VICINAL_UNROLL
    for (std::size_t q = 0; q < Q; ++q) {
        const __m512i least = _mm512_set1_epi16(static_cast<short>(queries[q]->least));
        queries[q]->passed = 0;
        if (_mm512_cmpge_epu16_mask(_mm512_max_epu16(even[q], odd[q]), least))
            estimate_avx512(block, even[q], odd[q], *queries[q]);
    }
}

VICINAL_AVX512 inline void scan_avx512bw(const CodeBlock& block, Scanned* const* queries, std::size_t count) {
    switch (count) {
        case 1: return scan_some_avx512<1>(block, queries);
        case 2: return scan_some_avx512<2>(block, queries);
        case 3: return scan_some_avx512<3>(block, queries);
        default: return scan_some_avx512<4>(block, queries);
    }
}

// ---- AVX2 ----

VICINAL_AVX2 inline __m256i looked_up_avx2(const std::uint8_t* table, __m256i which) {
    const __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), which);
}

VICINAL_AVX2 inline void sums_avx2(const std::uint8_t* codes, std::size_t width, const std::uint8_t* table,
                                   std::uint16_t* sums) {
    const __m256i low = _mm256_set1_epi8(15);
    for (std::size_t half = 0; half < 2; ++half) {
        __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
        for (std::size_t w = 0; w < width; ++w) {
            const __m256i bytes =
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + BLOCK * w + 32 * half));
            const __m256i a = _mm256_and_si256(bytes, low), b = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low);
            const __m256i both = _mm256_add_epi8(looked_up_avx2(table + 32 * w, a), looked_up_avx2(table + 32 * w + 16, b));
            even = _mm256_add_epi16(even, both);
            odd = _mm256_add_epi16(odd, _mm256_srli_epi16(both, 8));
        }
        even = _mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8));
        const __m256i first = _mm256_unpacklo_epi16(even, odd), second = _mm256_unpackhi_epi16(even, odd);
        __m256i* out = reinterpret_cast<__m256i*>(sums + 32 * half);
        _mm256_storeu_si256(out, _mm256_permute2x128_si256(first, second, 0x20));
        _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(first, second, 0x31));
    }
}

VICINAL_AVX2 inline void estimate_avx2(const CodeBlock& block, const std::uint16_t* sums, Scanned& query) {
    query.passed = 0;
    const __m256i least = _mm256_set1_epi16(static_cast<short>(query.least));
    __m256i any = _mm256_setzero_si256();
    for (std::size_t at = 0; at < BLOCK; at += 16) {
        const __m256i some = _mm256_load_si256(reinterpret_cast<const __m256i*>(sums + at));
        any = _mm256_or_si256(any, _mm256_cmpeq_epi16(_mm256_max_epu16(some, least), some));
    }
    if (_mm256_testz_si256(any, any)) return;
    const __m256 total = _mm256_set1_ps(query.total), scale = _mm256_set1_ps(query.scale);
    const __m256 base = _mm256_set1_ps(query.base), threshold = _mm256_set1_ps(query.threshold);
    for (std::size_t at = 0; at < BLOCK; at += 8) {
        const __m128i some = _mm_load_si128(reinterpret_cast<const __m128i*>(sums + at));
        const __m256 sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(some));
        __m256 found = _mm256_sub_ps(_mm256_add_ps(sum, sum), total);
        found = _mm256_add_ps(_mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(block.factors + at), found), scale), base);
        if (block.bias) found = _mm256_add_ps(found, _mm256_loadu_ps(block.bias + at));
        _mm256_store_ps(query.estimates + at, found);
        const int bits = _mm256_movemask_ps(_mm256_cmp_ps(found, threshold, _CMP_NLT_UQ));
        query.passed |= static_cast<std::uint64_t>(static_cast<unsigned>(bits)) << at;
    }
}

VICINAL_AVX2 inline void scan_avx2_blocks(const CodeBlock& block, Scanned* const* queries, std::size_t count) {
    alignas(64) std::uint16_t sums[BLOCK];
    if (block.ahead) prefetch_lines(block.ahead, block.width * BLOCK);
    for (std::size_t q = 0; q < count; ++q) {
        sums_avx2(block.codes, block.width, queries[q]->table, sums);
        estimate_avx2(block, sums, *queries[q]);
    }
}

#endif  // VICINAL_X86

#if defined(VICINAL_NEON)

inline void sums_neon(const std::uint8_t* codes, std::size_t width, const std::uint8_t* table, std::uint16_t* sums) {
    const uint8x16_t low = vdupq_n_u8(15);
    for (std::size_t first = 0; first < BLOCK; first += 16) {
        uint16x8_t left = vdupq_n_u16(0), right = vdupq_n_u16(0);
        for (std::size_t w = 0; w < width; ++w) {
            const uint8x16_t bytes = vld1q_u8(codes + BLOCK * w + first);
            const uint8x16_t a = vqtbl1q_u8(vld1q_u8(table + 32 * w), vandq_u8(bytes, low));
            const uint8x16_t b = vqtbl1q_u8(vld1q_u8(table + 32 * w + 16), vshrq_n_u8(bytes, 4));
            const uint8x16_t both = vaddq_u8(a, b);
            left = vaddw_u8(left, vget_low_u8(both));
            right = vaddw_high_u8(right, both);
        }
        vst1q_u16(sums + first, left);
        vst1q_u16(sums + first + 8, right);
    }
}

#endif

}  // namespace vicinal
