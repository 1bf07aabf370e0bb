// Rows stored in 16 bits, brought to float32 a batch at a time; every 16-bit number is one of float32, so nothing is lost.
//
//     float16    1 sign, 5 exponent, 10 fraction bits      F16C converts 8 at once; else by shifts
//     bfloat16   the upper half of a float32               a shift

#pragma once

#include "levels.hpp"

namespace vicinal {

enum class Stored { float32, float16, bfloat16 };

VICINAL_INLINE float of_bits(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline float of_float16(std::uint16_t half) {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16, size = half & 0x7fffu;
    if (size >= 0x7c00u) return of_bits(sign | 0x7f800000u | (size & 0x3ffu) << 13);
    if (size >= 0x0400u) return of_bits(sign | (size + (112u << 10)) << 13);
    const float small = static_cast<float>(size) * 5.9604644775390625e-8f;  // 2^-24
    return sign ? -small : small;
}

VICINAL_INLINE void widen_bfloat16(const std::uint16_t* from, std::size_t count, float* to) {
    for (std::size_t at = 0; at < count; ++at) to[at] = of_bits(static_cast<std::uint32_t>(from[at]) << 16);
}

#if defined(VICINAL_X86)
__attribute__((target("avx2,f16c"))) inline void widen_f16c(const std::uint16_t* from, std::size_t count, float* to) {
    std::size_t at = 0;
    for (; at + 8 <= count; at += 8)
        _mm256_storeu_ps(to + at, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at))));
    for (; at < count; ++at) to[at] = of_float16(from[at]);
}
VICINAL_AVX2 inline void widen_bfloat16_avx2(const std::uint16_t* from, std::size_t count, float* to) {
    widen_bfloat16(from, count, to);
}
#endif

// `level` is the name of one of levels(); the portable one uses no instruction of its own.
inline void widen(const std::uint16_t* from, std::size_t count, float* to, Stored kind, bool portable) {
#if defined(VICINAL_X86)
    if (!portable && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c"))
        return kind == Stored::float16 ? widen_f16c(from, count, to) : widen_bfloat16_avx2(from, count, to);
#endif
    (void)portable;
    if (kind == Stored::bfloat16) return widen_bfloat16(from, count, to);
    for (std::size_t at = 0; at < count; ++at) to[at] = of_float16(from[at]);
}

}  // namespace vicinal
