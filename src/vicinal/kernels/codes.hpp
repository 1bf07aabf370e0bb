// Vectors to 1-bit codes and int8 rows. codes.py says the same in NumPy, to the last bit.

#pragma once

#include "levels.hpp"

namespace vicinal {

constexpr std::size_t ROUNDS = 4;
constexpr float INT8_TOP = 127.0f;
constexpr float ROUNDING = 12582912.0f;  // 1.5 * 2^23: adding and taking it away rounds to even, on every processor

// The signs of all rounds, (ROUNDS, dim), or null for none.
struct Turn {
    const float* signs;
    std::size_t dim;

    std::size_t window() const {
        std::size_t size = 1;
        while (size * 2 <= dim) size *= 2;
        return size;
    }
};

// Sums of squares and of sizes in the order of exact.hpp.
struct Norms {
    float squared, absolute;
};

VICINAL_INLINE float lanes_summed(float* lanes) {
    for (std::size_t half = LANES / 2; half; half /= 2)
        for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    return lanes[0];
}

VICINAL_INLINE Norms norms_of(const float* values, std::size_t dim) {
    float squares[LANES] = {}, sizes[LANES] = {};
    std::size_t d = 0;
    for (; d + LANES <= dim; d += LANES)
        for (std::size_t lane = 0; lane < LANES; ++lane) {
            const float value = values[d + lane];
            squares[lane] += value * value;
            sizes[lane] += std::fabs(value);
        }
    for (std::size_t lane = 0; d + lane < dim; ++lane) {
        squares[lane] += values[d + lane] * values[d + lane];
        sizes[lane] += std::fabs(values[d + lane]);
    }
    return {lanes_summed(squares), lanes_summed(sizes)};
}

VICINAL_INLINE void to_unit(float* values, std::size_t dim) {
    const float length = std::sqrt(norms_of(values, dim).squared);
    const bool usable = length > 0 && length <= std::numeric_limits<float>::max();
    for (std::size_t d = 0; d < dim; ++d) values[d] = usable ? values[d] / length : 0.0f;
}

VICINAL_INLINE void transform(float* values, std::size_t size) {
    for (std::size_t step = 1; step < size; step *= 2)
        for (std::size_t first = 0; first < size; first += 2 * step)
            for (std::size_t at = first; at < first + step; ++at) {
                const float left = values[at], right = values[at + step];
                values[at] = left + right;
                values[at + step] = left - right;
            }
}

VICINAL_INLINE void turn(float* values, const Turn& rotation) {
    if (!rotation.signs) return;
    const std::size_t dim = rotation.dim, window = rotation.window();
    const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(window)));
    for (std::size_t round = 0; round < ROUNDS; ++round) {
        const float* signs = rotation.signs + round * dim;
        for (std::size_t d = 0; d < dim; ++d) values[d] *= signs[d];
        float* part = values + (dim - window) * (round % 2);
        transform(part, window);
        for (std::size_t d = 0; d < window; ++d) part[d] *= scale;
    }
}

// What is coded, and where to. Row n has the code byte w at codes[position / 64][w][position % 64].
struct Coding {
    const float* vectors;
    std::size_t count, dim, width;
    const float* centers;
    const std::int32_t* cells;  // or null: centers is one center
    const std::int64_t* positions;
    std::uint8_t* codes;
    float* factors;
};

struct Int8Coding {
    const float* vectors;
    std::size_t count, dim;
    const float* center;
    bool normalize;
    std::int8_t* values;
    float* scales;
};

VICINAL_INLINE void residual(const float* vector, const float* center, bool normalize, std::size_t dim, float* out) {
    std::memcpy(out, vector, dim * sizeof(float));  // a mapped file may begin at any byte
    if (normalize) to_unit(out, dim);
    for (std::size_t d = 0; d < dim; ++d) out[d] = out[d] - center[d];
}

// Eight components to a byte.
VICINAL_INLINE std::uint8_t signs_of(const float* values, std::size_t count) {
    unsigned byte = 0;
    for (std::size_t j = 0; j < count; ++j) byte |= static_cast<unsigned>(values[j] > 0) << j;
    return static_cast<std::uint8_t>(byte);
}

// `buffer` has the dimension, rounded up to 16, as its size; what is beyond the dimension is 0.
VICINAL_INLINE void write_code(const Coding& job, std::size_t row, const float* buffer, const std::uint8_t* bytes) {
    const std::size_t position = static_cast<std::size_t>(job.positions[row]);
    std::uint8_t* out = job.codes + (position / 64) * job.width * 64 + position % 64;
    for (std::size_t w = 0; w < job.width; ++w) out[64 * w] = bytes[w];
    const Norms norms = norms_of(buffer, job.dim);
    const float factor = norms.squared / norms.absolute;
    job.factors[position] = std::fabs(factor) <= std::numeric_limits<float>::max() ? factor : 0.0f;
}

using Encode = void (*)(const Coding&, std::size_t first, std::size_t end, float* buffer, std::uint8_t* bytes);
using EncodeInt8 = void (*)(const Int8Coding&, std::size_t first, std::size_t end, float* buffer);

VICINAL_INLINE void prepare(const Coding& job, std::size_t row, float* buffer) {
    const float* center = job.cells ? job.centers + static_cast<std::size_t>(job.cells[row]) * job.dim : job.centers;
    residual(job.vectors + row * job.dim, center, false, job.dim, buffer);
}

inline void encode_portable(const Coding& job, std::size_t first, std::size_t end, float* buffer,
                            std::uint8_t* bytes) {
    for (std::size_t row = first; row < end; ++row) {
        prepare(job, row, buffer);
        for (std::size_t w = 0; w < job.width; ++w) bytes[w] = signs_of(buffer + 8 * w, 8);
        write_code(job, row, buffer, bytes);
    }
}

VICINAL_INLINE void encode_int8_row(const Int8Coding& job, std::size_t row, float* buffer) {
    residual(job.vectors + row * job.dim, job.center, job.normalize, job.dim, buffer);
    float lanes[LANES] = {};
    std::size_t d = 0;
    bool number = true;
    for (; d + LANES <= job.dim; d += LANES)
        for (std::size_t lane = 0; lane < LANES; ++lane) {
            const float size = std::fabs(buffer[d + lane]);
            lanes[lane] = lanes[lane] > size ? lanes[lane] : size;
            number &= size == size;
        }
    for (; d < job.dim; ++d) {
        const float size = std::fabs(buffer[d]);
        lanes[0] = lanes[0] > size ? lanes[0] : size;
        number &= size == size;
    }
    float most = 0;
    for (const float lane : lanes) most = most > lane ? most : lane;
    const float scale = most / INT8_TOP;
    const bool usable = number && scale >= std::numeric_limits<float>::min() && scale <= std::numeric_limits<float>::max();
    job.scales[row] = usable ? scale : 0.0f;
    std::int8_t* out = job.values + row * job.dim;
    if (!usable) {
        std::memset(out, 0, job.dim);
        return;
    }
    for (d = 0; d < job.dim; ++d)
        out[d] = static_cast<std::int8_t>(static_cast<std::int32_t>(buffer[d] / scale + ROUNDING - ROUNDING));
}

inline void encode_int8_portable(const Int8Coding& job, std::size_t first, std::size_t end, float* buffer) {
    for (std::size_t row = first; row < end; ++row) encode_int8_row(job, row, buffer);
}

#if defined(VICINAL_X86)
VICINAL_AVX2 inline void encode_avx2(const Coding& job, std::size_t first, std::size_t end, float* buffer,
                                     std::uint8_t* bytes) {
    const __m256 zero = _mm256_setzero_ps();
    for (std::size_t row = first; row < end; ++row) {
        prepare(job, row, buffer);
        for (std::size_t w = 0; w < job.width; ++w)
            bytes[w] = static_cast<std::uint8_t>(
                _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(buffer + 8 * w), zero, _CMP_GT_OQ)));
        write_code(job, row, buffer, bytes);
    }
}
VICINAL_AVX2 inline void encode_int8_avx2(const Int8Coding& job, std::size_t first, std::size_t end, float* buffer) {
    for (std::size_t row = first; row < end; ++row) encode_int8_row(job, row, buffer);
}
VICINAL_AVX512 inline void encode_avx512(const Coding& job, std::size_t first, std::size_t end, float* buffer,
                                         std::uint8_t* bytes) {
    const __m256 zero = _mm256_setzero_ps();
    for (std::size_t row = first; row < end; ++row) {
        prepare(job, row, buffer);
        for (std::size_t w = 0; w < job.width; ++w)
            bytes[w] = static_cast<std::uint8_t>(
                _mm256_cmp_ps_mask(_mm256_loadu_ps(buffer + 8 * w), zero, _CMP_GT_OQ));
        write_code(job, row, buffer, bytes);
    }
}
VICINAL_AVX512 inline void encode_int8_avx512(const Int8Coding& job, std::size_t first, std::size_t end,
                                              float* buffer) {
    for (std::size_t row = first; row < end; ++row) encode_int8_row(job, row, buffer);
}
#endif

}  // namespace vicinal
