// Sets of rows, one bit each. bits.py says the same in NumPy.

#pragma once

#include "levels.hpp"

namespace vicinal {

constexpr std::size_t WORD = 64;

// A byte for each of 64 rows, 0 or 1, to a word.
VICINAL_INLINE std::uint64_t packed(const std::uint8_t* flags) {
    std::uint64_t word = 0;
    for (std::size_t part = 0; part < 8; ++part) {
        std::uint64_t eight = 0;
        for (std::size_t j = 0; j < 8; ++j) eight |= std::uint64_t{flags[8 * part + j]} << (8 * j);
        word |= ((eight * 0x0102040810204080u) >> 56) << (8 * part);  // gathers the lowest bit of each byte
    }
    return word;
}

template <class Code>
VICINAL_INLINE void range_words(const Code* codes, std::size_t count, Code low, Code high, std::uint64_t* out) {
    const Code width = static_cast<Code>(high - low);
    std::uint8_t flags[WORD];
    for (std::size_t first = 0; first < count; first += WORD) {
        const std::size_t size = std::min(WORD, count - first);
        if (size < WORD) std::fill(flags, flags + WORD, std::uint8_t{0});
        if (size == WORD)
            for (std::size_t j = 0; j < WORD; ++j) flags[j] = static_cast<Code>(codes[first + j] - low) <= width;
        else
            for (std::size_t j = 0; j < size; ++j) flags[j] = static_cast<Code>(codes[first + j] - low) <= width;
        out[first / WORD] = packed(flags);
    }
}

template <class Code>
inline void table_words(const Code* codes, std::size_t count, const std::uint8_t* held, std::size_t values,
                        std::uint64_t* out) {
    for (std::size_t first = 0; first < count; first += WORD) {
        std::uint64_t word = 0;
        const std::size_t size = std::min(WORD, count - first);
        for (std::size_t j = 0; j < size; ++j) {
            const std::size_t code = codes[first + j];
            word |= static_cast<std::uint64_t>(code < values && held[code] != 0) << j;
        }
        out[first / WORD] = word;
    }
}

#if defined(VICINAL_X86)
VICINAL_AVX512 inline std::uint64_t range_word(const std::uint8_t* codes, std::uint8_t low, std::uint8_t width) {
    const __m512i moved = _mm512_sub_epi8(_mm512_loadu_si512(codes), _mm512_set1_epi8(static_cast<char>(low)));
    return _mm512_cmple_epu8_mask(moved, _mm512_set1_epi8(static_cast<char>(width)));
}
VICINAL_AVX512 inline std::uint64_t range_word(const std::uint16_t* codes, std::uint16_t low, std::uint16_t width) {
    std::uint64_t word = 0;
    for (std::size_t part = 0; part < 2; ++part) {
        const __m512i moved =
            _mm512_sub_epi16(_mm512_loadu_si512(codes + 32 * part), _mm512_set1_epi16(static_cast<short>(low)));
        const std::uint64_t bits = _mm512_cmple_epu16_mask(moved, _mm512_set1_epi16(static_cast<short>(width)));
        word |= bits << (32 * part);
    }
    return word;
}
VICINAL_AVX512 inline std::uint64_t range_word(const std::uint32_t* codes, std::uint32_t low, std::uint32_t width) {
    std::uint64_t word = 0;
    for (std::size_t part = 0; part < 4; ++part) {
        const __m512i moved =
            _mm512_sub_epi32(_mm512_loadu_si512(codes + 16 * part), _mm512_set1_epi32(static_cast<int>(low)));
        const std::uint64_t bits = _mm512_cmple_epu32_mask(moved, _mm512_set1_epi32(static_cast<int>(width)));
        word |= bits << (16 * part);
    }
    return word;
}
template <class Code>
VICINAL_AVX512 inline void range_avx512(const Code* codes, std::size_t count, Code low, Code high, std::uint64_t* out) {
    const std::size_t whole = count / WORD;
    for (std::size_t word = 0; word < whole; ++word)
        out[word] = range_word(codes + word * WORD, low, static_cast<Code>(high - low));
    range_words(codes + whole * WORD, count % WORD, low, high, out + whole);
}
template <class Code>
VICINAL_AVX2 inline void range_avx2(const Code* codes, std::size_t count, Code low, Code high, std::uint64_t* out) {
    range_words(codes, count, low, high, out);
}
#endif

// By the widest instruction set, or the level asked for: 2 AVX-512, 1 AVX2, 0 portable.
template <class Code>
inline void range_of_level(const Code* codes, std::size_t count, Code low, Code high, std::uint64_t* out, int level) {
#if defined(VICINAL_X86)
    if (level >= 2 && has_avx512()) return range_avx512(codes, count, low, high, out);
    if (level >= 1 && __builtin_cpu_supports("avx2")) return range_avx2(codes, count, low, high, out);
#endif
    (void)level;
    range_words(codes, count, low, high, out);
}

// The bits of 64 rows anywhere in a set; of a row below 0 or behind its end, 0.
using Gathered = std::uint64_t (*)(const std::int32_t* rows, const std::uint64_t* words, std::size_t count);

inline std::uint64_t gathered_portable(const std::int32_t* rows, const std::uint64_t* words, std::size_t count) {
    std::uint64_t found = 0;
    for (std::size_t at = 0; at < WORD; ++at) {
        const std::size_t row = static_cast<std::size_t>(static_cast<std::int64_t>(rows[at]));
        const std::size_t word = row / WORD;
        found |= (word < count ? words[word] >> (row % WORD) & 1 : std::uint64_t{0}) << at;
    }
    return found;
}

#if defined(VICINAL_X86)
VICINAL_AVX512 inline std::uint64_t gathered_avx512(const std::int32_t* rows, const std::uint64_t* words,
                                                    std::size_t count) {
    const __m512i halves = _mm512_set1_epi32(static_cast<int>(std::min<std::size_t>(2 * count, 1u << 27)));
    std::uint64_t found = 0;
    for (std::size_t part = 0; part < 4; ++part) {
        const __m512i row = _mm512_loadu_si512(rows + 16 * part);
        const __m512i half = _mm512_srli_epi32(row, 5);  // a row below 0 lies behind every end
        const __mmask16 there = _mm512_cmplt_epu32_mask(half, halves);
        const __m512i bits = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there, half, words, 4);
        const __m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(row, _mm512_set1_epi32(31)));
        found |= static_cast<std::uint64_t>(_mm512_test_epi32_mask(bits, bit)) << (16 * part);
    }
    return found;
}
#endif

inline std::size_t count_of_word(std::uint64_t word) {
#if defined(__GNUC__)
    return static_cast<std::size_t>(__builtin_popcountll(word));
#else
    std::size_t count = 0;
    for (; word; word &= word - 1) ++count;
    return count;
#endif
}

inline std::size_t lowest_bit(std::uint64_t word) {
#if defined(__GNUC__)
    return static_cast<std::size_t>(__builtin_ctzll(word));
#else
    std::size_t bit = 0;
    while (!(word >> bit & 1)) ++bit;
    return bit;
#endif
}

VICINAL_INLINE std::size_t counted(const std::uint64_t* words, std::size_t count) {
    std::size_t all = 0;
    for (std::size_t at = 0; at < count; ++at) all += count_of_word(words[at]);
    return all;
}

#if defined(VICINAL_X86)
__attribute__((target("popcnt"))) inline std::size_t counted_popcnt(const std::uint64_t* words, std::size_t count) {
    return counted(words, count);
}
#endif

inline std::size_t count_words(const std::uint64_t* words, std::size_t count) {
#if defined(VICINAL_X86)
    if (__builtin_cpu_supports("popcnt")) return counted_popcnt(words, count);
#endif
    return counted(words, count);
}

}  // namespace vicinal
