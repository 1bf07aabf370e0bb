// The nearest of many centers to each vector: by int8 first, then by float32 among those that int8 cannot tell apart.
//
// Centers go into panels of 16, four components of each together, as VNNI multiplies them:
//
//     panel p, four k:   c[16p][4k … 4k+3]  c[16p+1][4k … 4k+3]  …  c[16p+15][4k … 4k+3]     64 bytes, plus 128 each
//
// Four panels (64 centers) stay in the first cache while rows pass, six at a time: 24 sums of 16 in registers.
// Each of the 16 lanes of a row keeps its best center. The lanes whose best is within what rounding can change are
// compared again by float32.

#pragma once

#include <memory>

#include "codes.hpp"
#include "rows.hpp"

namespace vicinal {

constexpr std::size_t LARGEST_INT8 = 16384;  // components whose sums of int8 products fit 32 bits
constexpr std::size_t PANEL = 16;
constexpr std::size_t PANELS_TOGETHER = 4;
constexpr std::size_t ROWS_OF_TILE = 6;
constexpr std::size_t ROWS_OF_BATCH = 96;
constexpr float DOUBT = 4.0f;  // times the standard deviation of what rounding changes

// The centers in panels. For cosine they are of unit length.
struct Panels {
    std::size_t dim, fours, count, panels;
    std::vector<float> centers;
    std::vector<float> halves;         // ||c||^2 / 2, for l2; else 0
    std::vector<std::uint8_t> values;  // [panel][four][16][4]
    std::vector<float> bias;           // [panel][16]: -half / scale; far below all for what is no center
    float scale = 0;
    float roughness = 0;  // the largest sum of squares of a center's whole numbers

    Panels(const float* given, std::size_t cells, std::size_t length, Metric metric)
        : dim(length), fours((length + 3) / 4), count(cells),
          panels((cells + PANEL * PANELS_TOGETHER - 1) / (PANEL * PANELS_TOGETHER) * PANELS_TOGETHER),
          centers(given, given + cells * length), halves(cells), values(panels * fours * 64, 128),
          bias(panels * PANEL, -std::numeric_limits<float>::infinity()) {
        float most = 0;
        for (std::size_t cell = 0; cell < cells; ++cell) {
            float* center = centers.data() + cell * dim;
            if (metric == Metric::cosine) to_unit(center, dim);
            if (metric == Metric::l2) halves[cell] = norms_of(center, dim).squared / 2;
            for (std::size_t d = 0; d < dim; ++d) most = std::fabs(center[d]) > most ? std::fabs(center[d]) : most;
        }
        scale = most / INT8_TOP;
        if (!(scale >= std::numeric_limits<float>::min() && scale <= std::numeric_limits<float>::max())) scale = 0;
        for (std::size_t cell = 0; cell < cells; ++cell) place(cell);
    }

  private:
    void place(std::size_t cell) {
        float squares = 0;
        std::uint8_t* panel = values.data() + cell / PANEL * fours * 64;
        for (std::size_t d = 0; d < dim && scale > 0; ++d) {
            const float value = centers[cell * dim + d] / scale + ROUNDING - ROUNDING;
            squares += value * value;
            panel[d / 4 * 64 + cell % PANEL * 4 + d % 4] = static_cast<std::uint8_t>(static_cast<int>(value) + 128);
        }
        roughness = std::max(roughness, squares);
        bias[cell] = scale > 0 ? -halves[cell] / scale : 0.0f;
    }
};

#if defined(VICINAL_X86)

// The best center of each lane of some rows.
struct Lanes {
    alignas(64) float score[ROWS_OF_BATCH][PANEL];
    alignas(64) std::int32_t panel[ROWS_OF_BATCH][PANEL];
};

struct Int8Rows {
    const std::int8_t* values;  // [row][4 * fours], zeros behind the dimension
    const float* scales;
    const std::int32_t* sums;
};

template <std::size_t R>
VICINAL_VNNI inline void assign_tile(const Panels& panels, std::size_t first_panel, const Int8Rows& rows,
                                     std::size_t first_row, Lanes& best) {
    __m512i sums[R][PANELS_TOGETHER];
    VICINAL_UNROLL
    for (std::size_t r = 0; r < R; ++r)
        VICINAL_UNROLL
        for (std::size_t p = 0; p < PANELS_TOGETHER; ++p)
            sums[r][p] = _mm512_set1_epi32(-128 * rows.sums[first_row + r]);
    const std::uint8_t* centers = panels.values.data() + first_panel * panels.fours * 64;
    const std::int8_t* values = rows.values + first_row * panels.fours * 4;
    const std::size_t stride = panels.fours * 4;
    for (std::size_t four = 0; four < panels.fours; ++four) {
        __m512i held[PANELS_TOGETHER];
        VICINAL_UNROLL
        for (std::size_t p = 0; p < PANELS_TOGETHER; ++p)
            held[p] = _mm512_loadu_si512(centers + (p * panels.fours + four) * 64);
        VICINAL_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
            std::int32_t bytes;
            std::memcpy(&bytes, values + r * stride + four * 4, sizeof bytes);
            const __m512i row = _mm512_set1_epi32(bytes);
            VICINAL_UNROLL
            for (std::size_t p = 0; p < PANELS_TOGETHER; ++p) sums[r][p] = _mm512_dpbusd_epi32(sums[r][p], held[p], row);
        }
    }
    VICINAL_UNROLL
    for (std::size_t r = 0; r < R; ++r) {
        const __m512 scale = _mm512_set1_ps(rows.scales[first_row + r]);
        __m512 score = _mm512_load_ps(best.score[first_row + r]);
        __m512i panel = _mm512_load_si512(best.panel[first_row + r]);
        VICINAL_UNROLL
        for (std::size_t p = 0; p < PANELS_TOGETHER; ++p) {
            const __m512 bias = _mm512_loadu_ps(panels.bias.data() + (first_panel + p) * PANEL);
            const __m512 found = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[r][p]), scale), bias);
            const __mmask16 better = _mm512_cmp_ps_mask(found, score, _CMP_GT_OQ);
            score = _mm512_mask_mov_ps(score, better, found);
            panel = _mm512_mask_mov_epi32(panel, better, _mm512_set1_epi32(static_cast<int>(first_panel + p)));
        }
        _mm512_store_ps(best.score[first_row + r], score);
        _mm512_store_si512(best.panel[first_row + r], panel);
    }
}

// Compares the lanes that may be the best again, by float32.
inline std::int32_t decided(const Panels& panels, const float* vector, const Lanes& best, std::size_t row,
                            float doubt, FloatRows floats) {
    const float* score = best.score[row];
    const float bar = *std::max_element(score, score + PANEL) - doubt;
    std::int32_t found = -1;
    float most = 0;
    for (std::size_t lane = 0; lane < PANEL; ++lane) {
        if (!(score[lane] >= bar) || best.panel[row][lane] < 0) continue;
        const std::int32_t cell = best.panel[row][lane] * static_cast<std::int32_t>(PANEL) + static_cast<std::int32_t>(lane);
        const float* center = panels.centers.data() + static_cast<std::size_t>(cell) * panels.dim;
        float exact;
        floats(&center, 1, vector, panels.dim, Metric::dot, 0, &exact);
        exact = exact - panels.halves[static_cast<std::size_t>(cell)];
        if (found < 0 || exact > most || (exact == most && cell < found)) {
            most = exact;
            found = cell;
        }
    }
    return found < 0 ? 0 : found;
}

VICINAL_VNNI inline void assign_vnni(const Panels& panels, const float* vectors, std::size_t count,
                                     std::int32_t* cells) {
    const std::size_t dim = panels.dim, stride = panels.fours * 4;
    std::vector<std::int8_t> values(ROWS_OF_BATCH * stride), packed(dim);
    std::vector<float> buffer(dim + 16), nothing(dim, 0.0f);
    float scales[ROWS_OF_BATCH];
    std::int32_t sums[ROWS_OF_BATCH];
    float doubts[ROWS_OF_BATCH];
    auto best = std::make_unique<Lanes>();
    for (std::size_t first = 0; first < count; first += ROWS_OF_BATCH) {
        const std::size_t size = std::min(ROWS_OF_BATCH, count - first);
        for (std::size_t r = 0; r < size; ++r) {
            const Int8Coding job{vectors + (first + r) * dim, 1, dim, nothing.data(), false, packed.data(), scales + r};
            encode_int8_avx512(job, 0, 1, buffer.data());
            std::copy(packed.begin(), packed.end(), values.begin() + static_cast<std::ptrdiff_t>(r * stride));
            std::int32_t sum = 0, squares = 0;
            for (std::size_t d = 0; d < dim; ++d) {
                sum += packed[d];
                squares += static_cast<std::int32_t>(packed[d]) * packed[d];
            }
            sums[r] = sum;
            const float spread = std::sqrt((static_cast<float>(squares) + panels.roughness) / 6.0f);
            doubts[r] = DOUBT * scales[r] * spread;
            std::fill(best->score[r], best->score[r] + PANEL, -std::numeric_limits<float>::infinity());
            std::fill(best->panel[r], best->panel[r] + PANEL, -1);
        }
        const Int8Rows rows{values.data(), scales, sums};
        for (std::size_t panel = 0; panel < panels.panels; panel += PANELS_TOGETHER) {
            std::size_t r = 0;
            for (; r + ROWS_OF_TILE <= size; r += ROWS_OF_TILE) assign_tile<ROWS_OF_TILE>(panels, panel, rows, r, *best);
            for (; r < size; ++r) assign_tile<1>(panels, panel, rows, r, *best);
        }
        for (std::size_t r = 0; r < size; ++r)
            cells[first + r] = decided(panels, vectors + (first + r) * dim, *best, r, doubts[r], floats_avx512);
    }
}

#endif  // VICINAL_X86

// By float32 alone, for processors without VNNI: the exact search for one neighbour among the centers.
inline void assign_floats(const Panels& panels, const float* vectors, std::size_t count, std::int32_t* cells,
                          Metric metric, Scan scan) {
    for (std::size_t first = 0; first < count; first += TILE_QUERIES) {
        Tile tile;
        const std::size_t size = std::min(TILE_QUERIES, count - first);
        tile.dim = panels.dim;
        tile.metric = metric == Metric::l2 ? Metric::l2 : Metric::dot;
        tile.nearest.assign(size, Nearest(1));
        for (std::size_t q = 0; q < size; ++q) tile.queries[q] = vectors + (first + q) * panels.dim;
        Rows rows(panels.centers.data(), panels.count, panels.dim, nullptr);
        Batch batch;
        while (rows.next(batch)) scan(batch, tile);
        for (std::size_t q = 0; q < size; ++q)
            cells[first + q] = static_cast<std::int32_t>(tile.nearest[q].sorted().front().row);
    }
}

}  // namespace vicinal
