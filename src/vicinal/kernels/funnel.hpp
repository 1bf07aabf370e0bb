// A whole query: cells, codes, int8, floats. funnel.py says the same in NumPy, to the last bit.
//
// Codes are read a chunk of 16 blocks at a time (48 KB at D = 384), and each chunk is scanned for all queries of a
// group, four together. For each chunk and query the largest factor tells how small a sum of lookups can be that
// still passes the threshold: whole numbers are compared, and nearly all blocks end there.

#pragma once

#include <atomic>
#include <memory>

#include "bits.hpp"
#include "codes.hpp"
#include "rows.hpp"
#include "scan.hpp"
#include "threads.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define VICINAL_ADVICE 1
#endif

namespace vicinal {

constexpr std::size_t CHUNK = 16;        // blocks
constexpr std::size_t GROUP_QUERIES = 64;  // queries that share one pass over the codes, at most
constexpr std::size_t GROUP_BYTES = std::size_t{32} << 20;  // of candidates that a group keeps; one query may need more
constexpr std::size_t CACHED_BYTES = std::size_t{12} << 20;  // fewer bytes of codes stay in a cache between queries
constexpr std::size_t AHEAD = 4;         // blocks that are asked for before they are scanned
constexpr double SMALL_STEPS = 61.0, LARGE_STEPS = 255.0;
constexpr double ROUNDING_DOUBLE = 6755399441055744.0;  // 1.5 * 2^52
constexpr std::size_t FOREMOST = 20;     // cells that are scanned in any case, before the others
constexpr std::size_t LEADING = 64, LEADING_SHARE = 16;  // cells behind whose mean others lag: a share, and the most
constexpr std::size_t SURE_TIMES = 4, SURE_MORE = 64;  // candidates that go to int8 whatever the doubt, by those to floats
constexpr float LARGEST_FACTOR = 1e30f;  // beyond it a product with a sum may be infinite

// One instruction set.
struct FunnelLevel {
    std::string name;
    Sums sums;
    ScanBlock scan;
    Collect collect;
    Gathered gathered;
    Int8Row int8_row;
    FloatRows floats;
    Encode encode;
    EncodeInt8 encode_int8;
};

inline std::vector<FunnelLevel> funnel_levels() {
    std::vector<FunnelLevel> found;
#if defined(VICINAL_X86)
    if (has_vnni())
        found.push_back({"avx512vnni", sums_avx2, scan_avx512bw, collect_avx512, gathered_avx512, int8_vnni, floats_avx512, encode_avx512, encode_int8_avx512});
    if (has_avx512())
        found.push_back({"avx512bw", sums_avx2, scan_avx512bw, collect_avx512, gathered_avx512, int8_avx512, floats_avx512, encode_avx512, encode_int8_avx512});
    if (__builtin_cpu_supports("avx2"))
        found.push_back({"avx2", sums_avx2, scan_avx2_blocks, collect_portable, gathered_portable, int8_avx2, floats_avx2, encode_avx2, encode_int8_avx2});
#endif
#if defined(VICINAL_NEON)
    found.push_back({"neon", sums_neon, scan_each<sums_neon>, collect_portable, gathered_portable, int8_neon, floats_portable, encode_portable, encode_int8_portable});
#endif
    found.push_back({"portable", sums_portable, scan_each<sums_portable>, collect_portable, gathered_portable, int8_portable, floats_portable, encode_portable, encode_int8_portable});
    return found;
}

// The largest of what was pushed, by a score and, of equal ones, the lowest number: a buffer that is cut when full.
class Best {
  public:
    static std::size_t capacity(std::size_t count) { return 2 * count + 1024; }

    void keep(std::size_t count) {
        keep_ = count;
        full_ = capacity(count);
        size_ = 0;
        keys_.resize(full_ + ROOM);
        threshold_ = -std::numeric_limits<float>::infinity();
    }

    VICINAL_INLINE void push(float score, std::uint32_t number) { push_key(key_of(score, number)); }

    void push_key(std::uint64_t one) {
        keys_[size_++] = one;
        if (size_ >= full_) thin();
    }

    // Pushes those of 64 scores, numbered from `first` on, whose bits are set.
    VICINAL_INLINE void push_block(Collect collect, const float* scores, std::uint64_t bits, std::uint32_t first) {
        size_ += collect(scores, bits, threshold_, first, keys_.data() + size_);
        if (size_ >= full_) thin();
    }

    // The numbers of the best, ascending.
    void numbers(std::vector<std::uint32_t>& out) {
        std::vector<std::uint64_t> none;
        numbers(keep_, out, none);
    }

    // The numbers of the first of the best, ascending, and the keys of the others.
    void numbers(std::size_t first, std::vector<std::uint32_t>& out, std::vector<std::uint64_t>& others) {
        cut();
        const std::size_t count = std::min(first, size_);
        if (count < size_)
            std::nth_element(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(count),
                             keys_.begin() + static_cast<std::ptrdiff_t>(size_), std::greater<std::uint64_t>());
        others.assign(keys_.begin() + static_cast<std::ptrdiff_t>(count), keys_.begin() + static_cast<std::ptrdiff_t>(size_));
        out.resize(count);
        for (std::size_t at = 0; at < count; ++at) out[at] = number_of(keys_[at]);
        std::sort(out.begin(), out.end());
    }

    void take(const Best& other) {
        for (std::size_t at = 0; at < other.size_; ++at) push_key(other.keys_[at]);
    }

    // Nothing below it can be among the best.
    float threshold() const { return threshold_; }

    std::size_t size() const { return size_; }

  private:
    static constexpr std::size_t BINS = 512;
    static constexpr std::size_t ROOM = 64 + 8;  // behind the last, for a block and what is written beyond

    // Drops most of what cannot be among the best: keys are counted in bins, which takes no branch, and what is below
    // the bin that holds the last of the best goes.
    void thin() {
        std::uint64_t low = keys_.front(), high = low;
        for (std::size_t at = 0; at < size_; ++at) {
            low = keys_[at] < low ? keys_[at] : low;
            high = keys_[at] > high ? keys_[at] : high;
        }
        unsigned shift = 0;
        while ((high - low) >> shift >= BINS) ++shift;
        std::uint32_t bins[BINS] = {};
        for (std::size_t at = 0; at < size_; ++at) ++bins[(keys_[at] - low) >> shift];
        std::size_t bin = BINS, above = 0;
        while (above < keep_) above += bins[--bin];
        const std::uint64_t bar = low + (static_cast<std::uint64_t>(bin) << shift);
        std::size_t kept = 0;
        for (std::size_t at = 0; at < size_; ++at) {
            const std::uint64_t one = keys_[at];
            keys_[kept] = one;
            kept += one >= bar;
        }
        size_ = kept;
        if (kept > keep_ + keep_ / 2) return cut();
        raise(bar);
    }

    // No key below the bar is wanted any more; a score of the bar itself may be.
    void raise(std::uint64_t bar) {
        threshold_ = score_of(bar);
        if (threshold_ != threshold_) threshold_ = -std::numeric_limits<float>::infinity();
    }

    void cut() {
        if (size_ <= keep_) return;
        std::nth_element(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(keep_ - 1),
                         keys_.begin() + static_cast<std::ptrdiff_t>(size_), std::greater<std::uint64_t>());
        size_ = keep_;
        raise(keys_[keep_ - 1]);
    }

    std::size_t keep_ = 1, full_ = 1, size_ = 0;
    float threshold_ = 0;
    std::vector<std::uint64_t> keys_;
};

struct RunView {
    const std::uint8_t* codes;
    const float* factors;
    const float* bias;
    const std::int32_t* rows32;
    const std::int64_t* rows64;
    std::size_t count;
    std::int64_t first_row;
    std::size_t first_position;  // of all runs
    const std::int64_t* cell_offsets;
    const float* centers;
    const float* cell_terms;  // or null
    std::size_t cells;
    // Known once for all queries: the largest factor and bias of each block, where the rows of each cell end, and
    // whether there are positions without a row before that.
    std::vector<float> largest, largest_bias;
    std::vector<std::size_t> cell_ends;
    bool holes;

    bool in_order() const { return !rows32 && !rows64; }

    void know() {
        for (std::size_t at = 0; at < count; at += BLOCK) {
            const std::size_t end = std::min(count, at + BLOCK);
            largest.push_back(std::max(0.0f, largest_of(factors + at, end - at)));
            if (bias) largest_bias.push_back(largest_of(bias + at, end - at));
        }
        std::size_t living = 0;
        for (std::size_t cell = 0; cell < cells; ++cell) {
            std::size_t end = static_cast<std::size_t>(cell_offsets[cell + 1]);
            while (end > static_cast<std::size_t>(cell_offsets[cell]) && row(end - 1) < 0) --end;
            cell_ends.push_back(end);
            living += end - static_cast<std::size_t>(cell_offsets[cell]);
        }
        holes = false;
        if (in_order()) return;
        std::size_t rows_there = 0;
        for (std::size_t at = 0; at < count; ++at) rows_there += row(at) >= 0;
        holes = rows_there != (cells ? living : count);
    }
    std::int64_t row(std::size_t position) const {
        if (rows32) return rows32[position];
        return rows64 ? rows64[position] : first_row + static_cast<std::int64_t>(position);
    }
};

struct Int8View {
    std::int64_t first_row;
    const std::int8_t* values;
    const float* scales;
    std::size_t count;
};

struct FloatView {
    std::int64_t first_row;
    const float* vectors;
    std::size_t count;
};

struct Knobs {
    std::size_t k, candidates, rescored, probes, wanted, threads;
    const std::uint64_t* mask;  // or null
    std::size_t mask_words;
    bool late;  // the mask is looked at for rows that pass, and not for all that are scanned
    bool cold;
    double lag;   // not positive: as many cells as `probes`
    float doubt;  // not positive: all candidates go to int8
};

struct Answer {
    std::int64_t* rows;
    float* scores;
    std::int64_t* count;
    std::int64_t* work;
};

// One query, on its way.
struct Asked {
    const float* exact;
    float length;        // for cosine
    float center_term;   // <center, q>
    float squared;       // of what is asked: q, for cosine of unit length, for l2 less the center
    std::vector<float> turned;   // as int8 is asked: unit, or less the center
    std::vector<float> coded;    // the same in the space of the codes
    std::vector<std::int8_t> int8;
    float int8_step;
    std::vector<std::uint8_t> tables;  // one, or the high one and the low one
    float total, step;
    float margin;       // times the factor of a row: how much nearer than estimated it may be
    float bar;          // what a row must be able to reach
    Best best;
    std::int64_t work;
    Scanned scanned;
};

inline bool held(const Knobs& knobs, std::int64_t row) {
    if (row < 0) return false;
    if (!knobs.mask) return true;
    const std::size_t word = static_cast<std::size_t>(row) / 64;
    return word < knobs.mask_words && (knobs.mask[word] >> (static_cast<std::size_t>(row) % 64) & 1);
}

// The bits of 64 rows from any first one.
inline std::uint64_t word_at(const Knobs& knobs, std::uint64_t first) {
    const std::size_t word = static_cast<std::size_t>(first / 64), shift = static_cast<std::size_t>(first % 64);
    std::uint64_t bits = word < knobs.mask_words ? knobs.mask[word] >> shift : 0;
    if (shift && word + 1 < knobs.mask_words) bits |= knobs.mask[word + 1] << (64 - shift);
    return bits;
}

// Asks for the pages of some rows before any is read: a fault each is several times slower.
inline void ask_for_pages(const void* first, std::size_t bytes) {
#if defined(VICINAL_ADVICE)
    static const std::uintptr_t page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const std::uintptr_t start = reinterpret_cast<std::uintptr_t>(first) & ~(page - 1);
    const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(first) + bytes;
    madvise(reinterpret_cast<void*>(start), end - start, MADV_WILLNEED);
#else
    (void)first, (void)bytes;
#endif
}

template <class View>
inline const View* part_of(const std::vector<View>& parts, std::int64_t row) {
    auto after = std::upper_bound(parts.begin(), parts.end(), row,
                                  [](std::int64_t one, const View& part) { return one < part.first_row; });
    if (after == parts.begin()) return nullptr;
    --after;
    return static_cast<std::size_t>(row - after->first_row) < after->count ? &*after : nullptr;
}

class Funnel {
  public:
    std::size_t dim, code_dim, width;  // of vectors, of codes, bytes of a code
    Metric metric;
    bool fine;  // queries of 8 bits
    const float* center;
    double center_squared;
    Turn rotation;
    const float* projection;  // (code_dim, dim), or null
    std::vector<RunView> runs;
    std::vector<Int8View> int8_parts;
    std::vector<FloatView> float_parts;
    FunnelLevel level;
    // Asked now and then, by the thread that called: true stops the search.
    using Stop = bool (*)();

    // False if it was stopped.
    bool search(const float* queries, std::size_t count, const Knobs& knobs, const Answer& out, Stop stop) const {
        std::atomic<bool> stopped{false};
        const std::size_t threads = std::max<std::size_t>(1, knobs.threads);
        if (count >= threads) {
            const std::size_t size = group_size(knobs, 1);
            in_threads(threads, [&](std::size_t number) {
                const std::size_t first = count * number / threads, end = count * (number + 1) / threads;
                for (std::size_t at = first; at < end && !stopped; at += size)
                    group(queries, at, std::min(end, at + size), 1, knobs, out, number ? nullptr : stop, stopped);
            });
        } else {
            const std::size_t size = group_size(knobs, threads);
            for (std::size_t at = 0; at < count && !stopped; at += size)
                group(queries, at, std::min(count, at + size), threads, knobs, out, stop, stopped);
        }
        return !stopped;
    }

    bool search_rows(const float* queries, std::size_t count, const std::int64_t* rows, std::size_t row_count,
                     const Knobs& knobs, const Answer& out, Stop stop) const {
        std::vector<std::int64_t> known;
        for (std::size_t at = 0; at < row_count; ++at)
            if (part_of(float_parts, rows[at])) known.push_back(rows[at]);
        for (std::size_t q = 0; q < count; ++q) {
            Asked asked;
            prepare_query(queries + q * dim, asked, 1);
            finish(asked, known, {}, knobs, q, out);
            if (stop && stop()) return false;
        }
        return true;
    }

  private:
    // ---- the query ----

    void prepare_query(const float* query, Asked& asked, std::size_t keep, float doubt = 0) const {
        asked.exact = query;
        asked.work = 0;
        asked.turned.resize((dim + 15) / 16 * 16 + 16);
        std::fill(asked.turned.begin(), asked.turned.end(), 0.0f);
        std::memcpy(asked.turned.data(), query, dim * sizeof(float));
        asked.length = std::sqrt(norms_of(asked.turned.data(), dim).squared);
        if (metric == Metric::cosine) to_unit(asked.turned.data(), dim);
        if (metric == Metric::l2)
            for (std::size_t d = 0; d < dim; ++d) asked.turned[d] = asked.turned[d] - center[d];
        const float* turned = asked.turned.data();
        level.floats(&center, 1, turned, dim, Metric::dot, 0, &asked.center_term);
        asked.squared = norms_of(turned, dim).squared;
        int8_query(asked);
        into_code_space(asked);
        quantise(asked.coded, asked);
        asked.margin = (doubt * std::sqrt(norms_of(asked.coded.data(), code_dim).squared)) * (metric == Metric::l2 ? 2.0f : 1.0f);
        asked.bar = -std::numeric_limits<float>::infinity();
        asked.best.keep(keep);
    }

    void into_code_space(Asked& asked) const {
        asked.coded.assign((std::max(dim, code_dim) + 15) / 16 * 16 + 16, 0.0f);
        if (projection) {
            products(projection, code_dim, dim, asked.turned.data(), asked.coded.data());
        } else {
            std::copy_n(asked.turned.data(), dim, asked.coded.data());
            turn(asked.coded.data(), rotation);
        }
    }

    // The dot products of all rows of a matrix with a query.
    void products(const float* matrix, std::size_t count, std::size_t length, const float* query, float* out) const {
        const float* rows[BATCH_ROWS];
        for (std::size_t first = 0; first < count; first += BATCH_ROWS) {
            const std::size_t size = std::min(BATCH_ROWS, count - first);
            for (std::size_t at = 0; at < size; ++at) rows[at] = matrix + (first + at) * length;
            level.floats(rows, size, query, length, Metric::dot, 0, out + first);
        }
    }

    void int8_query(Asked& asked) const {
        asked.int8.assign((dim + 63) / 64 * 64, 0);
        std::vector<float> buffer(dim + 16), nothing(dim, 0.0f);
        const Int8Coding job{asked.turned.data(), 1, dim, nothing.data(), false, asked.int8.data(), &asked.int8_step};
        level.encode_int8(job, 0, 1, buffer.data());
    }

    // The tables of lookups: for each four components 16 sums of the sizes whose sign the code bit has.
    void quantise(const std::vector<float>& values, Asked& asked) const {
        double most = 0;
        for (std::size_t d = 0; d < width * 8; d += 4) {
            const auto size = [&](std::size_t at) { return std::fabs(static_cast<double>(values[at])); };
            const double sum = fine ? std::max(std::max(size(d), size(d + 1)), std::max(size(d + 2), size(d + 3)))
                                    : ((size(d) + size(d + 1)) + size(d + 2)) + size(d + 3);
            if (!(sum <= most)) most = sum;
            if (sum != sum) break;
        }
        const double step = most / (fine ? LARGE_STEPS : SMALL_STEPS);
        const bool usable = step > 0 && step <= std::numeric_limits<double>::max();
        asked.step = usable ? static_cast<float>(step) : 0.0f;
        asked.total = 0;
        asked.tables.assign((fine ? 2 : 1) * width * 32, 0);
        for (std::size_t d = 0; usable && d < width * 8; d += 4) {
            unsigned sizes[4];
            for (std::size_t j = 0; j < 4; ++j) {
                const double size = std::fabs(static_cast<double>(values[d + j])) / step;
                sizes[j] = static_cast<unsigned>(size + ROUNDING_DOUBLE - ROUNDING_DOUBLE);
                asked.total += static_cast<float>(sizes[j]);
            }
            std::uint8_t* table = asked.tables.data() + d / 4 * 16;
            fill_table(values.data() + d, sizes, fine ? 16 : 1, table);
            for (unsigned& size : sizes) size %= 16;
            if (fine) fill_table(values.data() + d, sizes, 1, table + width * 32);
        }
        asked.scanned.table = asked.tables.data();
        asked.scanned.total = asked.total;
        asked.scanned.scale = asked.step * (metric == Metric::l2 ? 2.0f : 1.0f);
    }

    // The 16 sums of four sizes: a size counts where the code bit says what the component's sign says.
    static void fill_table(const float* values, const unsigned* sizes, unsigned divisor, std::uint8_t* table) {
        unsigned start = 0;
        for (std::size_t j = 0; j < 4; ++j) start += values[j] > 0 ? 0 : sizes[j] / divisor;
        table[0] = static_cast<std::uint8_t>(start);
        for (std::size_t j = 0; j < 4; ++j)
            for (std::size_t bits = 0; bits < std::size_t{1} << j; ++bits) {
                const unsigned size = sizes[j] / divisor;
                table[bits + (std::size_t{1} << j)] =
                    static_cast<std::uint8_t>(values[j] > 0 ? table[bits] + size : table[bits] - size);
            }
    }

    // ---- codes ----

    std::size_t positions() const {
        std::size_t all = 0;
        for (const RunView& run : runs) all += run.count;
        return all;
    }

    // How many candidates a query keeps.
    std::size_t kept(const Knobs& knobs) const { return std::max<std::size_t>(1, std::min(knobs.candidates, positions())); }

    // How many candidates go to int8 whatever the doubt.
    static std::size_t sure(const Knobs& knobs) { return SURE_TIMES * knobs.rescored + SURE_MORE; }

    // How many queries share a pass, each keeping its candidates once a slice.
    std::size_t group_size(const Knobs& knobs, std::size_t slices) const {
        const std::size_t each = Best::capacity(kept(knobs)) * sizeof(std::uint64_t) * slices;
        return std::max<std::size_t>(1, std::min(GROUP_QUERIES, GROUP_BYTES / each));
    }

    void group(const float* queries, std::size_t first, std::size_t end, std::size_t slices, const Knobs& knobs,
               const Answer& out, Stop stop, std::atomic<bool>& stopped) const {
        const std::size_t size = end - first, keep = kept(knobs);
        std::vector<std::vector<Asked>> asked(slices);
        const auto prepare = [&](std::vector<Asked>& some) {
            some = std::vector<Asked>(size);
            for (std::size_t q = 0; q < size; ++q) prepare_query(queries + (first + q) * dim, some[q], keep, knobs.doubt);
        };
        prepare(asked[0]);
        std::vector<Course> courses;
        for (const RunView& run : runs) {
            courses.push_back(run.centers ? charted(run, asked[0], knobs) : Course{});
            scan_visits(run, asked[0], courses.back(), courses.back().foremost, 0, 1, knobs, stop, stopped);
        }
        for (Asked& one : asked[0])
            if (knobs.doubt > 0 && one.best.size()) one.bar = bar_of_the_best(one, knobs);
        in_threads(slices, [&](std::size_t slice) {
            if (slice) {
                prepare(asked[slice]);
                for (std::size_t q = 0; q < size; ++q) asked[slice][q].bar = asked[0][q].bar;
            }
            for (std::size_t run = 0; run < runs.size() && !stopped; ++run) {
                Stop here = slice ? nullptr : stop;
                if (runs[run].centers)
                    scan_visits(runs[run], asked[slice], courses[run], courses[run].others, slice, slices, knobs, here, stopped);
                else
                    scan_all(runs[run], asked[slice], slice, slices, knobs, here, stopped);
            }
        });
        std::vector<std::uint32_t> found;
        std::vector<std::uint64_t> others;
        std::vector<std::int64_t> rows;
        for (std::size_t q = 0; q < size && !stopped; ++q) {
            Asked& one = asked[0][q];
            for (std::size_t slice = 1; slice < slices; ++slice) {
                one.best.take(asked[slice][q].best);
                one.work += asked[slice][q].work;
            }
            one.best.numbers(knobs.doubt > 0 ? sure(knobs) : keep, found, others);
            rows.clear();
            add_rows(found, rows);
            finish(one, rows, others, knobs, first + q, out);
        }
    }

    // The rows of some positions, as far as their vectors are there.
    void add_rows(const std::vector<std::uint32_t>& positions_found, std::vector<std::int64_t>& rows) const {
        for (const std::uint32_t position : positions_found) {
            const std::int64_t row = row_at(position);
            if (part_of(float_parts, row)) rows.push_back(row);
        }
    }

    const RunView& run_at(std::size_t position) const {
        std::size_t run = runs.size() - 1;
        while (runs[run].first_position > position) --run;
        return runs[run];
    }

    std::int64_t row_at(std::size_t position) const {
        const RunView& run = run_at(position);
        return run.row(position - run.first_position);
    }

    float factor_at(std::size_t position) const {
        const RunView& run = run_at(position);
        return run.factors[position - run.first_position];
    }

    void scan_all(const RunView& run, std::vector<Asked>& asked, std::size_t slice, std::size_t slices,
                  const Knobs& knobs, Stop stop, std::atomic<bool>& stopped) const {
        std::vector<Asked*> all;
        for (Asked& one : asked) {
            one.scanned.base = metric == Metric::l2 ? 0.0f : one.center_term;
            all.push_back(&one);
        }
        const std::size_t chunks = (run.count + CHUNK * BLOCK - 1) / (CHUNK * BLOCK);
        const std::size_t first = chunks * slice / slices * CHUNK * BLOCK;
        const std::size_t end = std::min(run.count, chunks * (slice + 1) / slices * CHUNK * BLOCK);
        scan_range(run, first, end, nullptr, all, knobs, stop, stopped);
    }

    // Which cells each query looks into: first the nearest, which tell how near a row must be to count, then the others.
    struct Course {
        using Visits = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // cell, query
        std::vector<float> bases;
        Visits foremost, others;
    };

    Course charted(const RunView& run, const std::vector<Asked>& asked, const Knobs& knobs) const {
        Course course;
        course.bases.resize(asked.size() * run.cells);
        std::vector<std::int64_t> held_rows(knobs.mask && knobs.wanted ? run.cells : 0, -1);
        for (std::size_t q = 0; q < asked.size(); ++q) {
            std::size_t before = 0;
            probe(run, asked[q], knobs, held_rows, course.bases.data() + q * run.cells, [&](std::uint32_t cell) {
                const bool foremost = knobs.doubt > 0 && before++ < FOREMOST;
                (foremost ? course.foremost : course.others).push_back({cell, static_cast<std::uint32_t>(q)});
            });
        }
        if (asked.size() > 1) {
            std::sort(course.foremost.begin(), course.foremost.end());
            std::sort(course.others.begin(), course.others.end());
        }
        return course;
    }

    void scan_visits(const RunView& run, std::vector<Asked>& asked, const Course& course, const Course::Visits& visits,
                     std::size_t slice, std::size_t slices, const Knobs& knobs, Stop stop, std::atomic<bool>& stopped) const {
        std::vector<Asked*> here;
        std::size_t number = 0;
        for (std::size_t at = 0; at < visits.size() && !stopped;) {
            const std::uint32_t cell = visits[at].first;
            here.clear();
            for (; at < visits.size() && visits[at].first == cell; ++at) {
                Asked& one = asked[visits[at].second];
                one.scanned.base = course.bases[visits[at].second * run.cells + cell];
                here.push_back(&one);
            }
            if (number++ % slices != slice) continue;
            const bool last = slices > 1 || at == visits.size();
            scan_range(run, static_cast<std::size_t>(run.cell_offsets[cell]), run.cell_ends[cell],
                       last ? nullptr : run.codes + static_cast<std::size_t>(run.cell_offsets[visits[at].first]) * width,
                       here, knobs, stop, stopped);
        }
    }

    // Fills the terms of the centers, and names the cells to be looked into, the nearest first.
    template <class Visit>
    void probe(const RunView& run, const Asked& asked, const Knobs& knobs, std::vector<std::int64_t>& held_rows,
               float* bases, const Visit& visit) const {
        if (!run.cells) return;
        std::vector<float> nearness(run.cells);
        products(run.centers, run.cells, code_dim, asked.coded.data(), bases);
        for (std::size_t cell = 0; cell < run.cells; ++cell) {
            bases[cell] = metric == Metric::l2 ? bases[cell] * 2.0f : bases[cell] + asked.center_term;
            nearness[cell] = bases[cell];
        }
        std::vector<std::uint32_t> order(run.cells);
        for (std::uint32_t cell = 0; cell < run.cells; ++cell) {
            order[cell] = cell;
            if (run.cell_terms) nearness[cell] = nearness[cell] + run.cell_terms[cell];
            if (nearness[cell] != nearness[cell]) nearness[cell] = LOWEST;
        }
        const auto nearer_cell = [&](std::uint32_t a, std::uint32_t b) {
            return nearness[a] > nearness[b] || (nearness[a] == nearness[b] && a < b);
        };
        std::size_t first = run.cells;
        if (knobs.probes && knobs.lag > 0) {
            bring_forward(order, leading(run), nearer_cell);
            const double bar = cell_bar(run, asked, order, nearness, knobs.lag);
            const auto behind = std::partition(order.begin(), order.end(), [&](std::uint32_t cell) { return !(nearness[cell] < bar); });
            first = std::max(std::min(FOREMOST, run.cells), static_cast<std::size_t>(behind - order.begin()));
        } else if (knobs.probes) {
            first = std::min(knobs.probes, run.cells);
        }
        const std::size_t sorted = held_rows.empty() ? first : run.cells;
        bring_forward(order, sorted, nearer_cell);
        // Where the mask lets fewer rows through than elsewhere, its nearest are farther: as many times more are wanted.
        std::size_t reached = 0, wanted = std::min(knobs.wanted, std::size_t{1} << 31);
        for (std::size_t at = 0; at < sorted; ++at) {
            if (at == first && reached < wanted) wanted = wanted * wanted / std::max<std::size_t>(1, reached);
            if (at >= first && reached >= wanted) return;
            visit(order[at]);
            if (first < run.cells && !held_rows.empty()) reached += rows_let_through(run, order[at], knobs, held_rows);
        }
    }

    // Sorts the first of the cells to the front.
    template <class Nearer>
    static void bring_forward(std::vector<std::uint32_t>& order, std::size_t first, const Nearer& nearer_cell) {
        const auto end = order.begin() + static_cast<std::ptrdiff_t>(first);
        if (first && first < order.size()) std::nth_element(order.begin(), end - 1, order.end(), nearer_cell);
        std::sort(order.begin(), end, nearer_cell);
    }

    static std::size_t leading(const RunView& run) { return std::max<std::size_t>(1, std::min(LEADING, run.cells / LEADING_SHARE)); }

    // The nearness below which a cell lags too far behind the mean of those that lead. The unit is the squared distance of
    // that mean; where cells are not probed by distance, it is the length of the query.
    double cell_bar(const RunView& run, const Asked& asked, const std::vector<std::uint32_t>& order,
                    const std::vector<float>& nearness, double lag) const {
        const std::size_t count = leading(run);
        double sum = 0;
        for (std::size_t at = 0; at < count; ++at) sum += nearness[order[at]];
        const double squared = asked.squared, lead = sum / static_cast<double>(count);
        double unit = std::sqrt(squared);
        if (run.cell_terms) unit = metric == Metric::l2 ? squared - lead : squared + center_squared - 2 * lead;
        return lead - lag * std::max(unit, 0.0);
    }

    // How many rows of a cell the mask lets through; counted once.
    std::size_t rows_let_through(const RunView& run, std::size_t cell, const Knobs& knobs,
                                 std::vector<std::int64_t>& counted) const {
        if (counted[cell] < 0) {
            counted[cell] = 0;
            for (std::size_t at = static_cast<std::size_t>(run.cell_offsets[cell]); at < run.cell_ends[cell]; at += BLOCK)
                counted[cell] += static_cast<std::int64_t>(count_of_word(let_through(run, at, run.cell_ends[cell] - at, knobs)));
        }
        return static_cast<std::size_t>(counted[cell]);
    }

    static std::uint64_t rows_there(std::size_t left) {
        return left >= BLOCK ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
    }

    // The rows of a block that the mask lets through, of at most `left` that there are.
    std::uint64_t let_through(const RunView& run, std::size_t position, std::size_t left, const Knobs& knobs) const {
        const std::uint64_t bits = rows_there(left);
        if (!knobs.mask) return bits;
        if (run.in_order()) return bits & word_at(knobs, static_cast<std::uint64_t>(run.first_row) + position);
        if (run.rows32 && left >= BLOCK) return level.gathered(run.rows32 + position, knobs.mask, knobs.mask_words);
        std::uint64_t found = 0;
        for (std::size_t row = 0; row < std::min(left, BLOCK); ++row)
            found |= static_cast<std::uint64_t>(held(knobs, run.row(position + row))) << row;
        return found;
    }

    // `next` is what will be scanned afterwards, or null: it is asked for while the last blocks are scanned.
    void scan_range(const RunView& run, std::size_t first, std::size_t end, const std::uint8_t* next,
                    const std::vector<Asked*>& asked, const Knobs& knobs, Stop stop, std::atomic<bool>& stopped) const {
        std::size_t looked = 0;
        for (std::size_t at = first; at < end && !stopped; at += CHUNK * BLOCK) {
            scan_chunk(run, at, std::min(end, at + CHUNK * BLOCK), end, next, asked, knobs);
            looked += CHUNK * BLOCK * asked.size() * dim;
            if (looked > std::size_t{1} << 32) {
                looked = 0;
                if (stop && stop()) stopped = true;
            }
        }
    }

    void scan_chunk(const RunView& run, std::size_t first, std::size_t end, std::size_t range_end,
                    const std::uint8_t* next, const std::vector<Asked*>& asked, const Knobs& knobs) const {
        std::uint64_t allowed[CHUNK];
        const std::size_t blocks = (end - first + BLOCK - 1) / BLOCK;
        std::int64_t compared = 0;
        for (std::size_t b = 0; b < blocks; ++b) {
            const std::size_t position = first + b * BLOCK, left = end - position;
            allowed[b] = knobs.late ? rows_there(left) : let_through(run, position, left, knobs);
            if (allowed[b]) compared += static_cast<std::int64_t>(std::min(left, BLOCK));
        }
        if (!compared) return;
        alignas(64) float tail_factors[BLOCK] = {}, tail_bias[BLOCK] = {};
        const std::size_t whole = (end - first) / BLOCK;
        if (whole < blocks) {
            const std::size_t rest = end - first - whole * BLOCK;
            std::copy_n(run.factors + first + whole * BLOCK, rest, tail_factors);
            if (run.bias) std::copy_n(run.bias + first + whole * BLOCK, rest, tail_bias);
        }
        const float* largest = run.largest.data() + first / BLOCK;
        const float most = *std::max_element(largest, largest + blocks);
        float most_bias = 0;
        if (run.bias) {
            largest = run.largest_bias.data() + first / BLOCK;
            most_bias = *std::max_element(largest, largest + blocks);
        }
        for (Asked* one : asked) {
            one->work += compared;
            limit(one->scanned, std::max(one->best.threshold(), least_estimate(*one, most)), most, most_bias);
        }
        const bool far = run.count * width > CACHED_BYTES;
        Scanned* tile[TOGETHER];
        for (std::size_t q = 0; q < asked.size(); q += TOGETHER) {
            const std::size_t size = std::min(TOGETHER, asked.size() - q);
            for (std::size_t j = 0; j < size; ++j) tile[j] = &asked[q + j]->scanned;
            for (std::size_t b = 0; b < blocks; ++b) {
                if (!allowed[b]) continue;
                const std::size_t position = first + b * BLOCK;
                CodeBlock block{run.codes + position * width, run.factors + position,
                                run.bias ? run.bias + position : nullptr, nullptr, width};
                if (b == whole) {
                    block.factors = tail_factors;
                    if (run.bias) block.bias = tail_bias;
                }
                if (q == 0 && far) {
                    const std::size_t ahead = position + AHEAD * BLOCK;
                    if (ahead < range_end)
                        block.ahead = run.codes + ahead * width;
                    else if (next)
                        block.ahead = next + (ahead - range_end) / BLOCK * BLOCK * width;
                }
                if (fine)
                    scan_fine(block, tile, size);
                else
                    level.scan(block, tile, size);
                for (std::size_t j = 0; j < size; ++j)
                    if (tile[j]->passed & allowed[b]) take(run, position, allowed[b], *asked[q + j], knobs);
            }
        }
    }

    // The estimate below which no row of these factors can reach the bar.
    static float least_estimate(const Asked& asked, float most) {
        const double added = static_cast<double>(asked.margin) * most, bar = asked.bar;
        return static_cast<float>(bar - added - 1e-5 * (std::fabs(bar) + added));
    }

    // The smallest sum of lookups with which a row of these factors can pass, rounded down.
    static void limit(Scanned& query, float threshold, float most, float most_bias) {
        query.threshold = threshold;
        query.least = 0;
        const double bias = most_bias, base = query.base, bar = threshold;
        const double slack = 1e-6 * (std::fabs(bar) + std::fabs(base) + std::fabs(bias));
        const double missing = bar - base - bias - slack;
        if (!(missing > 0) || !(most < LARGEST_FACTOR)) return;
        const double total = missing / (static_cast<double>(query.scale) * most) * (1 - 1e-6);
        const double sum = (total + query.total) / 2 - 1;
        query.least = sum > 65535 ? 65535 : static_cast<std::uint16_t>(std::max(0.0, sum));
    }

    void scan_fine(const CodeBlock& block, Scanned* const* queries, std::size_t count) const {
        alignas(64) std::uint16_t high[BLOCK], low[BLOCK];
        for (std::size_t q = 0; q < count; ++q) {
            Scanned& query = *queries[q];
            level.sums(block.codes, width, query.table, high);
            level.sums(block.codes, width, query.table + width * 32, low);
            query.passed = 0;
            for (std::size_t row = 0; row < BLOCK; ++row) {
                const float sum = static_cast<float>(high[row] * 16u + low[row]);
                float found = estimate(block.factors[row], 2.0f * sum - query.total, query);
                if (block.bias) found = found + block.bias[row];
                query.estimates[row] = found;
                if (!(found < query.threshold)) query.passed |= std::uint64_t{1} << row;
            }
        }
    }

    void take(const RunView& run, std::size_t position, std::uint64_t allowed, Asked& asked, const Knobs& knobs) const {
        std::uint64_t bits = asked.scanned.passed & allowed;
        if (knobs.late || (run.holes && !knobs.mask))
            for (std::uint64_t left = bits; left; left &= left - 1)
                if (!held(knobs, run.row(position + lowest_bit(left)))) bits &= ~(left & (0 - left));
        if (asked.bar > -std::numeric_limits<float>::infinity())
            for (std::uint64_t left = bits; left; left &= left - 1) {
                const std::size_t row = lowest_bit(left);
                const float found = asked.scanned.estimates[row], known = found == found ? found : LOWEST;
                if (known + asked.margin * run.factors[position + row] < asked.bar) bits &= ~(left & (0 - left));
            }
        asked.best.push_block(level.collect, asked.scanned.estimates, bits,
                              static_cast<std::uint32_t>(run.first_position + position));
        asked.scanned.threshold = std::max(asked.scanned.threshold, asked.best.threshold());
    }

    // ---- int8 and floats ----

    // Adds to the rows those of the others that may be as near as the k-th of the rows, and gives the best k of all.
    void finish(Asked& asked, std::vector<std::int64_t>& rows, const std::vector<std::uint64_t>& others,
                const Knobs& knobs, std::size_t query, const Answer& out) const {
        std::vector<float> coarse;
        if (!others.empty()) add_hopeful(asked, rows, others, knobs, coarse);
        asked.work += static_cast<std::int64_t>(rows.size());
        std::vector<std::int64_t> near;
        const bool many = rows.size() > knobs.rescored && !int8_parts.empty();
        const std::vector<std::int64_t>& chosen = many ? rescore(asked, rows, knobs, coarse, near) : rows;
        asked.work += static_cast<std::int64_t>(chosen.size());
        std::vector<const float*> vectors(chosen.size());
        for (std::size_t at = 0; at < chosen.size(); ++at) {
            vectors[at] = float_row(chosen[at]);
            if (knobs.cold) ask_for_pages(vectors[at], dim * sizeof(float));
        }
        if (!knobs.cold && chosen.size() <= 512)
            for (const float* vector : vectors) prefetch_lines(vector, dim * sizeof(float));
        std::vector<float> scores(chosen.size());
        level.floats(vectors.data(), vectors.size(), asked.exact, dim, metric, asked.length, scores.data());
        std::vector<Candidate> found(chosen.size());
        for (std::size_t at = 0; at < chosen.size(); ++at) found[at] = {scores[at], chosen[at]};
        const std::size_t count = std::min(knobs.k, found.size());
        std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count), found.end(), nearer);
        for (std::size_t place = 0; place < count; ++place) {
            out.rows[query * knobs.k + place] = found[place].row;
            out.scores[query * knobs.k + place] = found[place].score;
        }
        out.count[query] = static_cast<std::int64_t>(count);
        out.work[query] = asked.work;
    }

    const float* float_row(std::int64_t row) const {
        const FloatView* part = part_of(float_parts, row);
        return part->vectors + static_cast<std::size_t>(row - part->first_row) * dim;
    }

    // The k-th score by int8 of some rows, which other rows must be able to reach.
    float bar_of_rows(const Asked& asked, const std::vector<std::int64_t>& rows, const Knobs& knobs,
                      std::vector<float>& coarse) const {
        if (int8_parts.empty() || rows.size() < knobs.k) return -std::numeric_limits<float>::infinity();
        int8_scores(asked, rows, knobs, coarse);
        std::vector<float> ordered(coarse);
        const auto last = ordered.begin() + static_cast<std::ptrdiff_t>(knobs.k - 1);
        std::nth_element(ordered.begin(), last, ordered.end(), std::greater<float>());
        return *last;
    }

    float bar_of_the_best(Asked& asked, const Knobs& knobs) const {
        std::vector<std::uint32_t> found;
        std::vector<std::uint64_t> others;
        std::vector<std::int64_t> rows;
        std::vector<float> coarse;
        asked.best.numbers(sure(knobs), found, others);
        add_rows(found, rows);
        return bar_of_rows(asked, rows, knobs, coarse);
    }

    void add_hopeful(const Asked& asked, std::vector<std::int64_t>& rows, const std::vector<std::uint64_t>& others,
                     const Knobs& knobs, std::vector<float>& coarse) const {
        const float bar = bar_of_rows(asked, rows, knobs, coarse);
        std::vector<std::uint32_t> hopeful;
        for (const std::uint64_t key : others)
            if (!(score_of(key) + asked.margin * factor_at(number_of(key)) < bar)) hopeful.push_back(number_of(key));
        std::sort(hopeful.begin(), hopeful.end());
        add_rows(hopeful, rows);
    }

    // The rows of the best scores by int8, in the order that they came in; of the first rows the scores may be known.
    const std::vector<std::int64_t>& rescore(const Asked& asked, const std::vector<std::int64_t>& rows, const Knobs& knobs,
                                             std::vector<float>& coarse, std::vector<std::int64_t>& near) const {
        int8_scores(asked, rows, knobs, coarse);
        Best best;
        best.keep(knobs.rescored);
        for (std::size_t at = 0; at < rows.size(); ++at) best.push(coarse[at], static_cast<std::uint32_t>(at));
        std::vector<std::uint32_t> kept;
        best.numbers(kept);
        for (const std::uint32_t at : kept) near.push_back(rows[at]);
        return near;
    }

    // The scores by int8 of the rows behind those that have one.
    void int8_scores(const Asked& asked, const std::vector<std::int64_t>& rows, const Knobs& knobs,
                     std::vector<float>& scores) const {
        constexpr std::size_t SOON = 64;  // rows that are asked for ahead
        struct Place {
            const std::int8_t* values;
            const float* scale;
        };
        const std::size_t first = scores.size();
        std::vector<Place> places(rows.size() - first);
        for (std::size_t at = 0; at < places.size(); ++at) {
            const std::int64_t row = rows[first + at];
            const Int8View* part = part_of(int8_parts, row);
            if (!part) continue;
            const std::size_t place = static_cast<std::size_t>(row - part->first_row);
            places[at] = {part->values + place * dim, part->scales + place};
            if (knobs.cold) ask_for_pages(places[at].values, dim);
        }
        const auto ask = [&](std::size_t at) {
            if (at >= places.size() || !places[at].values) return;
            prefetch_lines(places[at].values, dim);
            prefetch(places[at].scale);
        };
        for (std::size_t at = 0; at < SOON; ++at) ask(at);
        for (std::size_t at = 0; at < places.size(); ++at) {
            ask(at + SOON);
            const float score = places[at].values ? int8_score(asked, places[at].values, *places[at].scale)
                                                  : float_score(asked, rows[first + at]);
            scores.push_back(score == score ? score : LOWEST);
        }
    }

    float int8_score(const Asked& asked, const std::int8_t* values, float scale) const {
        const Int8Sums sums = level.int8_row(values, asked.int8.data(), dim);
        const float product = (scale * static_cast<float>(sums.product)) * asked.int8_step;
        if (metric != Metric::l2) return product + asked.center_term;
        const float square = (scale * scale) * static_cast<float>(sums.square);
        return (product * 2.0f - square) - asked.squared;
    }

    float float_score(const Asked& asked, std::int64_t row) const {
        const float* vector = float_row(row);
        float score;
        level.floats(&vector, 1, asked.exact, dim, metric, asked.length, &score);
        return score;
    }
};

}  // namespace vicinal
