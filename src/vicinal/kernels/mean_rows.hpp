// Means of chosen rows of a float32 table. exact.py says the same in NumPy, to the last bit.
//
// Each component is summed in float64, row after row as the ids come:
//
//     sum = 0;  sum += weight(j) * table[id(j)][d]  for j = 0, 1, 2 …;  out[d] = float32(sum / count)
//
// A product of two float32 numbers is exact in float64, nothing is fused (-ffp-contract=off), and no sum is reordered,
// so that every instruction set gives the same bits. A text without ids is zero.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "exact.hpp"

namespace vicinal {

constexpr std::size_t COLUMNS = 32;     // float64 sums that stay in registers: 4 of AVX-512, 8 of AVX2
constexpr std::size_t ROWS_AHEAD = 4;   // rows come from anywhere: asking for them early saves a fourth of the time
constexpr std::size_t LINE_FLOATS = 16; // of a cache line

// The rows of one text: count ids, and a weight for each unless weights is null.
struct Chosen {
    const float* table;
    std::size_t dim;
    const std::int32_t* ids;
    const float* weights;
    std::size_t count;
    float* out;
};

VICINAL_INLINE void ask_for(const Chosen& text, std::size_t j) {
#if defined(__GNUC__)
    const float* row = text.table + static_cast<std::size_t>(text.ids[j]) * text.dim;
    for (std::size_t at = 0; at < text.dim; at += LINE_FLOATS) __builtin_prefetch(row + at);
#else
    (void)text, (void)j;
#endif
}

VICINAL_INLINE void mean_columns(const Chosen& text, std::size_t first, std::size_t width) {
    double sums[COLUMNS] = {};
    for (std::size_t j = 0; j < text.count; ++j) {
        if (first == 0 && j + ROWS_AHEAD < text.count) ask_for(text, j + ROWS_AHEAD);
        const float* row = text.table + static_cast<std::size_t>(text.ids[j]) * text.dim + first;
        const double weight = text.weights ? text.weights[j] : 1.0;
        float values[COLUMNS];
        std::memcpy(values, row, width * sizeof(float));  // a mapped table may lie at any byte
        for (std::size_t c = 0; c < width; ++c) sums[c] += weight * static_cast<double>(values[c]);
    }
    const double count = static_cast<double>(text.count);
    for (std::size_t c = 0; c < width; ++c) text.out[first + c] = static_cast<float>(sums[c] / count);
}

VICINAL_INLINE void mean_text(const Chosen& text) {
    if (!text.count) {
        std::memset(text.out, 0, text.dim * sizeof(float));
        return;
    }
    std::size_t first = 0;
    for (; first + COLUMNS <= text.dim; first += COLUMNS) mean_columns(text, first, COLUMNS);
    if (first < text.dim) mean_columns(text, first, text.dim - first);
}

using Mean = void (*)(const Chosen&);

inline void mean_portable(const Chosen& text) { mean_text(text); }

#if defined(VICINAL_X86)
__attribute__((target("avx2"))) inline void mean_avx2(const Chosen& text) { mean_text(text); }
__attribute__((target("avx512f"))) inline void mean_avx512(const Chosen& text) { mean_text(text); }
#endif

struct MeanLevel {
    std::string name;
    Mean mean;
};

// The same instruction sets, under the same names, as those of levels().
inline std::vector<MeanLevel> mean_levels() {
    std::vector<MeanLevel> found;
#if defined(VICINAL_X86)
    if (__builtin_cpu_supports("avx512f")) found.push_back({"avx512f", mean_avx512});
    if (__builtin_cpu_supports("avx2")) found.push_back({"avx2", mean_avx2});
#endif
    found.push_back({"portable", mean_portable});
    return found;
}

}  // namespace vicinal
