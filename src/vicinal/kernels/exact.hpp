// Exact top-k of dot products over float32 rows. exact.py says the same in NumPy, to the last bit.
//
// The order of every sum is fixed, so that no answer depends on the processor. A row and a query of D components:
//
//     component   0  1  2 … 15 | 16 17 18 … 31 | 32 …
//     lane        0  1  2 … 15 |  0  1  2 … 15 |  0 …      each lane adds its products from left to right,
//     then        lane l += lane l + 8, for l < 8; + 4, for l < 4; + 2; + 1; lane 0 is the score.
//
// No product is fused with its sum (-ffp-contract=off). A score that is no number (inf - inf) counts as -inf.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#if defined(__GNUC__)
#define VICINAL_INLINE inline __attribute__((always_inline))
#define VICINAL_UNROLL _Pragma("GCC unroll 16")
#else
#define VICINAL_INLINE inline
#define VICINAL_UNROLL
#endif

#if defined(__GNUC__) && defined(__x86_64__)
#define VICINAL_X86 1
#endif

namespace vicinal {

constexpr std::size_t LANES = 16;
constexpr std::size_t BATCH_ROWS = 256;   // rows whose numbers are gathered at once
constexpr std::size_t TILE_QUERIES = 64;  // queries that share one pass over the rows; 96 KB at D = 384

struct Candidate {
    float score;
    std::int64_t row;
};

inline bool nearer(const Candidate& one, const Candidate& other) {
    return one.score > other.score || (one.score == other.score && one.row < other.row);
}

// The k nearest of what was offered, rows in ascending order: a heap with the farthest in front.
class Nearest {
  public:
    explicit Nearest(std::size_t k) : k_(k) {}

    VICINAL_INLINE void offer(float score, std::int64_t row) {
        if (score > bar_ || heap_.size() < k_) take(score, row);
    }

    const std::vector<Candidate>& sorted() {
        std::sort_heap(heap_.begin(), heap_.end(), nearer);
        return heap_;
    }

  private:
    void take(float score, std::int64_t row) {
        if (score != score) score = -std::numeric_limits<float>::infinity();
        if (heap_.size() == k_) {
            std::pop_heap(heap_.begin(), heap_.end(), nearer);
            heap_.back() = {score, row};
        } else {
            heap_.push_back({score, row});
        }
        std::push_heap(heap_.begin(), heap_.end(), nearer);
        if (heap_.size() == k_) bar_ = heap_.front().score;
    }

    std::size_t k_;
    float bar_ = std::numeric_limits<float>::infinity();  // of no use until the heap is full
    std::vector<Candidate> heap_;
};

// What one instruction set holds in a register, and how many rows and queries are multiplied at once.
#if defined(__GNUC__)
struct Wide4 {
    typedef float type __attribute__((vector_size(16)));
    static constexpr std::size_t width = 4, rows = 2, queries = 1;
};
struct Wide8 {
    typedef float type __attribute__((vector_size(32)));
    static constexpr std::size_t width = 8, rows = 4, queries = 1;
};
struct Wide16 {
    typedef float type __attribute__((vector_size(64)));
    static constexpr std::size_t width = 16, rows = 4, queries = 4;
};
#else
struct Wide4 {
    typedef float type;
    static constexpr std::size_t width = 1, rows = 1, queries = 1;
};
#endif

template <class Wide>
VICINAL_INLINE float summed(typename Wide::type (&parts)[LANES / Wide::width]) {
    VICINAL_UNROLL
    for (std::size_t half = LANES / Wide::width / 2; half; half /= 2)
        for (std::size_t part = 0; part < half; ++part) parts[part] += parts[part + half];
    float lanes[Wide::width];
    std::memcpy(lanes, &parts[0], sizeof lanes);
    VICINAL_UNROLL
    for (std::size_t half = Wide::width / 2; half; half /= 2)
        for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    return lanes[0];
}

enum class Term { product, squared_difference };

template <class Wide, std::size_t R, std::size_t Q, Term term>
VICINAL_INLINE void add_terms(typename Wide::type (&sums)[R][Q][LANES / Wide::width],
                                 const float* const (&rows)[R], const float* const (&queries)[Q]) {
    VICINAL_UNROLL
    for (std::size_t part = 0; part < LANES / Wide::width; ++part) {
        typename Wide::type left[R], right[Q];
        VICINAL_UNROLL
        for (std::size_t q = 0; q < Q; ++q) std::memcpy(&right[q], queries[q] + part * Wide::width, sizeof right[q]);
        VICINAL_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
            std::memcpy(&left[r], rows[r] + part * Wide::width, sizeof left[r]);
            VICINAL_UNROLL
            for (std::size_t q = 0; q < Q; ++q) {
                if constexpr (term == Term::product) {
                    sums[r][q][part] += left[r] * right[q];
                } else {
                    const typename Wide::type difference = left[r] - right[q];
                    sums[r][q][part] += difference * difference;
                }
            }
        }
    }
}

// The dot products (or squared distances) of R rows and Q queries. Components beyond the last full 16 are padded with zeros,
// which adds +0 to a lane that is never -0 and so changes nothing.
template <class Wide, std::size_t R, std::size_t Q, Term term = Term::product>
VICINAL_INLINE void multiply(const float* const* rows, const float* const* queries, std::size_t dim,
                             float (&scores)[R][Q]) {
    typename Wide::type sums[R][Q][LANES / Wide::width] = {};
    const float* left[R];
    const float* right[Q];
    std::copy(rows, rows + R, left);
    std::copy(queries, queries + Q, right);
    const std::size_t rest = dim % LANES;
    for (std::size_t blocks = dim / LANES; blocks; --blocks) {
        add_terms<Wide, R, Q, term>(sums, left, right);
        VICINAL_UNROLL
        for (std::size_t r = 0; r < R; ++r) left[r] += LANES;
        VICINAL_UNROLL
        for (std::size_t q = 0; q < Q; ++q) right[q] += LANES;
    }
    if (rest) {
        float padded_rows[R][LANES] = {}, padded_queries[Q][LANES] = {};
        for (std::size_t r = 0; r < R; ++r) left[r] = std::copy(left[r], left[r] + rest, padded_rows[r]) - rest;
        for (std::size_t q = 0; q < Q; ++q) right[q] = std::copy(right[q], right[q] + rest, padded_queries[q]) - rest;
        add_terms<Wide, R, Q, term>(sums, left, right);
    }
    VICINAL_UNROLL
    for (std::size_t r = 0; r < R; ++r)
        for (std::size_t q = 0; q < Q; ++q) scores[r][q] = summed<Wide>(sums[r][q]);
}

struct Batch {
    const float* rows[BATCH_ROWS];
    float lengths[BATCH_ROWS];  // for cosine
    std::int64_t numbers[BATCH_ROWS];
    std::size_t count;
};

enum class Metric { dot, cosine, l2 };

struct Tile {
    const float* queries[TILE_QUERIES];
    float lengths[TILE_QUERIES];  // of the queries; for cosine
    std::vector<Nearest> nearest;
    std::size_t dim;
    Metric metric = Metric::dot;
};

// The cosine of two vectors from their dot product and lengths; 0 where a length is.
inline float cosine_of(float product, float length, float other) {
    const float both = length * other;
    return both == 0.0f ? 0.0f : product / both;
}

template <class Wide>
VICINAL_INLINE float squared_length(const float* row, std::size_t dim) {
    float found[1][1];
    multiply<Wide, 1, 1>(&row, &row, dim, found);
    return found[0][0];
}

template <std::size_t R, std::size_t Q>
inline void convert(const Batch& batch, const Tile& tile, std::size_t row, std::size_t query, float (&scores)[R][Q]) {
    for (std::size_t r = 0; r < R; ++r)
        for (std::size_t q = 0; q < Q; ++q)
            scores[r][q] = tile.metric == Metric::l2
                               ? -scores[r][q]
                               : cosine_of(scores[r][q], batch.lengths[row + r], tile.lengths[query + q]);
}

template <class Wide, std::size_t R, std::size_t Q>
VICINAL_INLINE void offer(const Batch& batch, Tile& tile, std::size_t row, std::size_t query) {
    float scores[R][Q];
    if (tile.metric == Metric::l2)
        multiply<Wide, R, Q, Term::squared_difference>(batch.rows + row, tile.queries + query, tile.dim, scores);
    else
        multiply<Wide, R, Q>(batch.rows + row, tile.queries + query, tile.dim, scores);
    if (tile.metric != Metric::dot) convert<R, Q>(batch, tile, row, query, scores);
    for (std::size_t q = 0; q < Q; ++q)
        for (std::size_t r = 0; r < R; ++r) tile.nearest[query + q].offer(scores[r][q], batch.numbers[row + r]);
}

template <class Wide, std::size_t R>
VICINAL_INLINE void offer_rows(const Batch& batch, Tile& tile, std::size_t row) {
    std::size_t query = 0;
    for (; query + Wide::queries <= tile.nearest.size(); query += Wide::queries)
        offer<Wide, R, Wide::queries>(batch, tile, row, query);
    for (; query < tile.nearest.size(); ++query) offer<Wide, R, 1>(batch, tile, row, query);
}

template <class Wide>
VICINAL_INLINE void offer_batch(Batch& batch, Tile& tile) {
    if (tile.metric == Metric::cosine)
        for (std::size_t r = 0; r < batch.count; ++r)
            batch.lengths[r] = std::sqrt(squared_length<Wide>(batch.rows[r], tile.dim));
    // One query has no second use of a row: more rows at once hide the latency of the sums instead.
    constexpr std::size_t alone = Wide::rows * Wide::queries;
    std::size_t row = 0;
    if (tile.nearest.size() == 1)
        for (; row + alone <= batch.count; row += alone) offer<Wide, alone, 1>(batch, tile, row, 0);
    for (; row + Wide::rows <= batch.count; row += Wide::rows) offer_rows<Wide, Wide::rows>(batch, tile, row);
    for (; row < batch.count; ++row) offer_rows<Wide, 1>(batch, tile, row);
}

using Scan = void (*)(Batch&, Tile&);

inline void scan_portable(Batch& batch, Tile& tile) { offer_batch<Wide4>(batch, tile); }

#if defined(VICINAL_X86)
__attribute__((target("avx2"))) inline void scan_avx2(Batch& batch, Tile& tile) {
    offer_batch<Wide8>(batch, tile);
}
__attribute__((target("avx512f"))) inline void scan_avx512(Batch& batch, Tile& tile) {
    offer_batch<Wide16>(batch, tile);
}
#endif

struct Level {
    std::string name;
    Scan scan;
};

// The instruction sets that this processor has, the widest first.
inline std::vector<Level> levels() {
    std::vector<Level> found;
#if defined(VICINAL_X86)
    if (__builtin_cpu_supports("avx512f")) found.push_back({"avx512f", scan_avx512});
    if (__builtin_cpu_supports("avx2")) found.push_back({"avx2", scan_avx2});
#endif
    found.push_back({"portable", scan_portable});
    return found;
}

// All rows, or those that a mask lets through, a batch at a time.
class Rows {
  public:
    // `first` may be null: then only the numbers of rows are given.
    Rows(const float* first, std::size_t count, std::size_t dim, const std::uint8_t* mask)
        : first_(first), count_(count), dim_(dim), mask_(mask) {}

    // Fills the batch with the next rows; false when there are none.
    bool next(Batch& batch) {
        batch.count = 0;
        while (at_ < count_ && batch.count + STEP <= BATCH_ROWS) step(batch);
        for (std::size_t i = 0; first_ && i < batch.count; ++i)
            batch.rows[i] = first_ + static_cast<std::size_t>(batch.numbers[i]) * dim_;
        return batch.count != 0;
    }

    void rewind() { at_ = 0; }

  private:
    static constexpr std::size_t STEP = 8;

    void step(Batch& batch) {
        const std::size_t end = std::min(at_ + STEP, count_);
        std::uint64_t any = 1;
        if (mask_ && end - at_ == STEP) std::memcpy(&any, mask_ + at_, STEP);
        if (!any) at_ = end;
        for (; at_ < end; ++at_) {
            batch.numbers[batch.count] = static_cast<std::int64_t>(at_);
            batch.count += !mask_ || mask_[at_];  // no branch: a mask is as good as random
        }
    }

    const float* first_;
    std::size_t count_, dim_;
    const std::uint8_t* mask_;
    std::size_t at_ = 0;
};

}  // namespace vicinal
