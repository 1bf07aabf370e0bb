// Scores of chosen rows: int8 dot products, whose sums are whole numbers, and float scores in the order of exact.hpp.

#pragma once

#include "levels.hpp"

namespace vicinal {

constexpr std::size_t ROWS_TOGETHER = 8;  // float rows whose sums hide one another's latency

// The dot product of a row and the query, and that of the row and itself.
struct Int8Sums {
    std::int32_t product, square;
};

using Int8Row = Int8Sums (*)(const std::int8_t* row, const std::int8_t* query, std::size_t dim);
// Scores of rows for a query, larger when nearer; length is the query's, for cosine.
using FloatRows = void (*)(const float* const* rows, std::size_t count, const float* query, std::size_t dim,
                           Metric metric, float length, float* scores);

VICINAL_INLINE Int8Sums int8_sums(const std::int8_t* row, const std::int8_t* query, std::size_t dim) {
    std::int32_t product = 0, square = 0;
    for (std::size_t d = 0; d < dim; ++d) {
        product += static_cast<std::int32_t>(row[d]) * query[d];
        square += static_cast<std::int32_t>(row[d]) * row[d];
    }
    return {product, square};
}

template <class Wide>
VICINAL_INLINE void float_scores(const float* const* rows, std::size_t count, const float* query, std::size_t dim,
                                 Metric metric, float length, float* scores) {
    std::size_t at = 0;
    for (; at + ROWS_TOGETHER <= count; at += ROWS_TOGETHER) {
        float found[ROWS_TOGETHER][1];
        if (metric == Metric::l2)
            multiply<Wide, ROWS_TOGETHER, 1, Term::squared_difference>(rows + at, &query, dim, found);
        else
            multiply<Wide, ROWS_TOGETHER, 1>(rows + at, &query, dim, found);
        for (std::size_t r = 0; r < ROWS_TOGETHER; ++r) scores[at + r] = found[r][0];
    }
    for (; at < count; ++at) {
        float found[1][1];
        if (metric == Metric::l2)
            multiply<Wide, 1, 1, Term::squared_difference>(rows + at, &query, dim, found);
        else
            multiply<Wide, 1, 1>(rows + at, &query, dim, found);
        scores[at] = found[0][0];
    }
    for (std::size_t r = 0; r < count; ++r) {
        if (metric == Metric::l2) scores[r] = -scores[r];
        if (metric == Metric::cosine)
            scores[r] = cosine_of(scores[r], std::sqrt(squared_length<Wide>(rows[r], dim)), length);
        if (scores[r] != scores[r]) scores[r] = -std::numeric_limits<float>::infinity();
    }
}

inline Int8Sums int8_portable(const std::int8_t* row, const std::int8_t* query, std::size_t dim) {
    return int8_sums(row, query, dim);
}
inline void floats_portable(const float* const* rows, std::size_t count, const float* query, std::size_t dim,
                            Metric metric, float length, float* scores) {
    float_scores<Wide4>(rows, count, query, dim, metric, length, scores);
}

#if defined(VICINAL_X86)

VICINAL_AVX2 inline Int8Sums int8_avx2(const std::int8_t* row, const std::int8_t* query, std::size_t dim) {
    __m256i products = _mm256_setzero_si256(), squares = _mm256_setzero_si256();
    std::size_t d = 0;
    for (; d + 16 <= dim; d += 16) {
        const __m256i left = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + d)));
        const __m256i right = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query + d)));
        products = _mm256_add_epi32(products, _mm256_madd_epi16(left, right));
        squares = _mm256_add_epi32(squares, _mm256_madd_epi16(left, left));
    }
    alignas(32) std::int32_t lanes[2][8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes[0]), products);
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes[1]), squares);
    Int8Sums found = int8_sums(row + d, query + d, dim - d);
    for (std::size_t lane = 0; lane < 8; ++lane) {
        found.product += lanes[0][lane];
        found.square += lanes[1][lane];
    }
    return found;
}

VICINAL_AVX2 inline void floats_avx2(const float* const* rows, std::size_t count, const float* query, std::size_t dim,
                                     Metric metric, float length, float* scores) {
    float_scores<Wide8>(rows, count, query, dim, metric, length, scores);
}

VICINAL_AVX512 inline Int8Sums int8_avx512(const std::int8_t* row, const std::int8_t* query, std::size_t dim) {
    __m512i products = _mm512_setzero_si512(), squares = _mm512_setzero_si512();
    for (std::size_t d = 0; d < dim; d += 32) {
        const __mmask32 there = dim - d >= 32 ? ~__mmask32{0} : (__mmask32{1} << (dim - d)) - 1;
        const __m512i left = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(there, row + d));
        const __m512i right = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(there, query + d));
        products = _mm512_add_epi32(products, _mm512_madd_epi16(left, right));
        squares = _mm512_add_epi32(squares, _mm512_madd_epi16(left, left));
    }
    return {_mm512_reduce_add_epi32(products), _mm512_reduce_add_epi32(squares)};
}

// dpbusd multiplies bytes without a sign with bytes that have one: the row goes up by 128, and 128 times the query's
// sum is taken away. |row| fits both sides, but for -128, which no encoder writes: then the square goes the long way.
VICINAL_VNNI inline Int8Sums int8_vnni(const std::int8_t* row, const std::int8_t* query, std::size_t dim) {
    const __m512i top = _mm512_set1_epi8(-128);
    __m512i products = _mm512_setzero_si512(), squares = _mm512_setzero_si512(), sums = _mm512_setzero_si512();
    for (std::size_t d = 0; d < dim; d += 64) {
        const __mmask64 there = dim - d >= 64 ? ~__mmask64{0} : (__mmask64{1} << (dim - d)) - 1;
        const __m512i left = _mm512_maskz_loadu_epi8(there, row + d);
        const __m512i right = _mm512_maskz_loadu_epi8(there, query + d);
        products = _mm512_dpbusd_epi32(products, _mm512_xor_si512(left, top), right);
        sums = _mm512_dpbusd_epi32(sums, top, right);
        const __m512i size = _mm512_abs_epi8(left);
        if (_mm512_movepi8_mask(size)) return int8_avx512(row, query, dim);
        squares = _mm512_dpbusd_epi32(squares, size, size);
    }
    return {_mm512_reduce_add_epi32(_mm512_sub_epi32(products, sums)), _mm512_reduce_add_epi32(squares)};
}

VICINAL_AVX512 inline void floats_avx512(const float* const* rows, std::size_t count, const float* query,
                                         std::size_t dim, Metric metric, float length, float* scores) {
    float_scores<Wide16>(rows, count, query, dim, metric, length, scores);
}

#endif

#if defined(VICINAL_NEON)

inline Int8Sums int8_neon(const std::int8_t* row, const std::int8_t* query, std::size_t dim) {
    int32x4_t products = vdupq_n_s32(0), squares = vdupq_n_s32(0);
    std::size_t d = 0;
    for (; d + 8 <= dim; d += 8) {
        const int8x8_t left = vld1_s8(row + d), right = vld1_s8(query + d);
        products = vpadalq_s16(products, vmull_s8(left, right));
        squares = vpadalq_s16(squares, vmull_s8(left, left));
    }
    Int8Sums found = int8_sums(row + d, query + d, dim - d);
    found.product += vaddvq_s32(products);
    found.square += vaddvq_s32(squares);
    return found;
}

#endif

}  // namespace vicinal
