// The encoders for Python. encoding.py checks what comes from users; what is checked here is only that no call,
// however wrong, can read or write beyond an array.

#include "_native.hpp"
#include "assign.hpp"
#include "funnel.hpp"

namespace vicinal_native {

namespace {

constexpr std::size_t PART_ROWS = 4096;
constexpr std::size_t PART_ASSIGNED = 960;

template <class Value>
bool all_below(const Value* values, std::size_t count, std::size_t end) {
    bool held = true;
    for (std::size_t at = 0; at < count; ++at)  // no branch: a negative number is a large one
        held &= static_cast<std::size_t>(static_cast<std::int64_t>(values[at])) < end;
    return held;
}

void encode_codes(Array<std::uint8_t, 3> codes, Array<float, 1> factors, Array<const std::int64_t, 1> positions,
                  Array<const float, 2> vectors, Array<const float, 2> centers, nb::object cells, std::size_t threads,
                  const std::string& level) {
    const std::size_t count = vectors.shape(0), dim = vectors.shape(1), width = (dim + 7) / 8;
    require(codes.shape(1) == width && codes.shape(2) == vicinal::BLOCK, "the codes have not the shape of the vectors");
    require(positions.shape(0) == count, "the positions are not one for each vector");
    require(all_below(positions.data(), count, std::min(codes.shape(0) * vicinal::BLOCK, factors.shape(0))),
            "a position lies behind the codes or the factors");
    require(centers.shape(1) == dim && centers.shape(0) > 0, "the centers have not the length of the vectors");
    Array<const std::int32_t, 1> held_cells;
    vicinal::Coding job{vectors.data(), count, dim, width, centers.data(), nullptr, positions.data(), codes.data(),
                        factors.data()};
    if (!cells.is_none()) {
        held_cells = nb::cast<Array<const std::int32_t, 1>>(cells, false);
        require(held_cells.shape(0) == count && all_below(held_cells.data(), count, centers.shape(0)),
                "the cells are not one of the centers for each vector");
        job.cells = held_cells.data();
    }
    const auto encode = level_of(vicinal::funnel_levels(), level).encode;
    in_parts(dim ? count : 0, PART_ROWS, threads, [&](std::size_t, std::size_t first, std::size_t end) {
        std::vector<float> buffer(width * 8 + 16, 0.0f);
        std::vector<std::uint8_t> bytes(width);
        encode(job, first, end, buffer.data(), bytes.data());
    });
}

void encode_int8(Array<std::int8_t, 2> values, Array<float, 1> scales, Array<const float, 2> vectors,
                 Array<const float, 1> center, bool normalize, std::size_t threads, const std::string& level) {
    const std::size_t count = vectors.shape(0), dim = vectors.shape(1);
    require(values.shape(0) == count && values.shape(1) == dim && scales.shape(0) == count,
            "the answers have not the shape of the vectors");
    require(center.shape(0) == dim, "the center has not the length of the vectors");
    const vicinal::Int8Coding job{vectors.data(), count, dim, center.data(), normalize, values.data(), scales.data()};
    const auto encode = level_of(vicinal::funnel_levels(), level).encode_int8;
    in_parts(count, PART_ROWS, threads, [&](std::size_t, std::size_t first, std::size_t end) {
        std::vector<float> buffer(dim + 16, 0.0f);
        encode(job, first, end, buffer.data());
    });
}

void assign(Array<const float, 2> vectors, Array<const float, 2> centers, const std::string& metric,
            Array<std::int32_t, 1> cells, std::size_t threads, const std::string& level) {
    const std::size_t count = vectors.shape(0), dim = vectors.shape(1), known = centers.shape(0);
    require(cells.shape(0) == count, "the answers are not one for each vector");
    require(centers.shape(1) == dim && known > 0 && known < std::size_t{1} << 30, "the centers have another shape");
    const vicinal::Metric by = metric_of(metric);
    const vicinal::Panels panels(centers.data(), known, dim, by);
    const std::string name = level_of(vicinal::funnel_levels(), level).name;
    const vicinal::Scan scan = level_of(vicinal::levels(), level.empty() || name[3] == '5' ? "" : name == "neon" ? "portable" : name).scan;
    in_parts(count, PART_ASSIGNED, threads, [&](std::size_t, std::size_t first, std::size_t end) {
#if defined(VICINAL_X86)
        if (name == "avx512vnni" && dim <= vicinal::LARGEST_INT8)
            return vicinal::assign_vnni(panels, vectors.data() + first * dim, end - first, cells.data() + first);
#endif
        vicinal::assign_floats(panels, vectors.data() + first * dim, end - first, cells.data() + first, by, scan);
    });
}

void encode_bias(Array<const float, 2> vectors, Array<const float, 1> center, Array<float, 1> biases,
                 const std::string& level) {
    const std::size_t count = vectors.shape(0), dim = vectors.shape(1);
    require(center.shape(0) == dim && biases.shape(0) == count, "the answers have not the shape of the vectors");
    const auto scores = level_of(vicinal::funnel_levels(), level).floats;
    in_parts(count, PART_ROWS, 1, [&](std::size_t, std::size_t first, std::size_t end) {
        const float* rows[vicinal::ROWS_TOGETHER];
        for (; first < end; first += vicinal::ROWS_TOGETHER) {
            const std::size_t size = std::min(vicinal::ROWS_TOGETHER, end - first);
            for (std::size_t at = 0; at < size; ++at) rows[at] = vectors.data() + (first + at) * dim;
            scores(rows, size, center.data(), dim, vicinal::Metric::l2, 0, biases.data() + first);
        }
    });
}

void rotate(Array<float, 2> vectors, Array<const float, 2> signs) {
    const std::size_t dim = vectors.shape(1);
    require(signs.shape(0) == vicinal::ROUNDS && signs.shape(1) == dim && dim > 0, "the signs have another shape");
    const vicinal::Turn rotation{signs.data(), dim};
    in_parts(vectors.shape(0), PART_ROWS, 1, [&](std::size_t, std::size_t first, std::size_t end) {
        for (; first < end; ++first) vicinal::turn(vectors.data() + first * dim, rotation);
    });
}

std::vector<std::string> names() {
    std::vector<std::string> found;
    for (const auto& one : vicinal::funnel_levels()) found.push_back(one.name);
    return found;
}

// Large arrays of codes are read whole, again and again: large pages save the processor most look-ups of addresses.
void advise_large_pages(nb::ndarray<nb::c_contig, nb::device::cpu> array) {
#if defined(VICINAL_ADVICE) && defined(MADV_HUGEPAGE)
    constexpr std::uintptr_t LARGE = 1 << 21;
    const std::uintptr_t first = (reinterpret_cast<std::uintptr_t>(array.data()) + LARGE - 1) & ~(LARGE - 1);
    const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(array.data()) + array.nbytes()) & ~(LARGE - 1);
    if (end > first) madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
#else
    (void)array;
#endif
}

}  // namespace

void bind_codes(nb::module_& module) {
    module.def("funnel_levels", &names, "Return the instruction sets of the funnel's kernels, the widest first.");
    module.def("encode_codes", &encode_codes, "codes"_a.noconvert(), "factors"_a.noconvert(),
               "positions"_a.noconvert(), "vectors"_a.noconvert(), "centers"_a.noconvert(), "cells"_a.none(),
               "threads"_a, "level"_a = "",
               "Write the code and the factor of each vector to its position.");
    module.def("encode_int8", &encode_int8, "values"_a.noconvert(), "scales"_a.noconvert(), "vectors"_a.noconvert(),
               "center"_a.noconvert(), "normalize"_a, "threads"_a, "level"_a = "",
               "Fill values and scales with the vectors as whole numbers from -127 to 127 around a center.");
    module.def("assign", &assign, "vectors"_a.noconvert(), "centers"_a.noconvert(), "metric"_a, "cells"_a.noconvert(),
               "threads"_a, "level"_a = "", "Fill cells with the number of the nearest center of each vector.");
    module.def("encode_bias", &encode_bias, "vectors"_a.noconvert(), "center"_a.noconvert(), "biases"_a.noconvert(),
               "level"_a = "", "Fill biases with the negative squared distance of each vector from a center.");
    module.def("rotate", &rotate, "vectors"_a.noconvert(), "signs"_a.noconvert(), "Turn vectors in place.");
    module.def("advise_large_pages", &advise_large_pages, "array"_a.noconvert(),
               "Ask the system for large pages behind an array that is not yet written.");
}

}  // namespace vicinal_native
