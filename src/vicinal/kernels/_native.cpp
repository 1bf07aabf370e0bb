// The Python module of the native kernels. kernels/__init__.py checks what comes from users; what is checked here
// is only that no call, however wrong, can read or write beyond an array.

#include "_native.hpp"
#include "exact.hpp"
#include "halves.hpp"
#include "mean_rows.hpp"

using vicinal_native::metric_of;
using vicinal_native::require;

namespace {

using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Mask = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using RowsOut = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using ScoresOut = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using CountsOut = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Weights = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// Products between two looks at whether the user has interrupted: a fraction of a second.
constexpr double PRODUCTS_PER_LOOK = 1u << 30;

// Rows of 16 bits; none if `first` is null.
struct Halves {
    const std::uint16_t* first = nullptr;
    vicinal::Stored kind = vicinal::Stored::float32;
    bool portable = false;
};

void widen_batch(const Halves& halves, vicinal::Batch& batch, std::size_t dim, std::vector<float>& to) {
    for (std::size_t at = 0; at < batch.count; ++at) {
        float* row = to.data() + at * dim;
        vicinal::widen(halves.first + static_cast<std::size_t>(batch.numbers[at]) * dim, dim, row, halves.kind, halves.portable);
        batch.rows[at] = row;
    }
}

// Offers every row to every query of the tile, and lets the user interrupt.
void search(vicinal::Rows rows, vicinal::Tile& tile, vicinal::Scan scan, const Halves& halves) {
    const double products_per_row = static_cast<double>(tile.nearest.size() * (tile.dim + 1));
    vicinal::Batch batch;
    std::vector<float> widened(halves.first ? vicinal::BATCH_ROWS * tile.dim : 0);
    for (bool more = true; more;) {
        {
            nb::gil_scoped_release released;
            double products = 0;
            while (products < PRODUCTS_PER_LOOK && (more = rows.next(batch))) {
                if (halves.first) widen_batch(halves, batch, tile.dim, widened);
                scan(batch, tile);
                products += products_per_row * static_cast<double>(batch.count);
            }
        }
        if (PyErr_CheckSignals()) throw nb::python_error();
    }
}

void top_k(nb::object given, Matrix queries, nb::object mask, RowsOut out_rows, ScoresOut out_scores,
           CountsOut out_counts, const std::string& level, const std::string& metric) {
    nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu> rows;
    require(nb::try_cast(given, rows, false), "the rows are no contiguous matrix");
    Halves halves;
    halves.portable = level == "portable";
    if (rows.dtype() != nb::dtype<float>()) {
        halves.first = static_cast<const std::uint16_t*>(rows.data());
        const bool bfloat = rows.dtype() == nb::dtype<std::uint16_t>();
        require(bfloat || (rows.dtype().bits == 16 && rows.dtype().code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float)),
                "the rows are neither float32 nor of 16 bits");
        halves.kind = bfloat ? vicinal::Stored::bfloat16 : vicinal::Stored::float16;
    }
    const float* first_row = halves.first ? nullptr : static_cast<const float*>(rows.data());
    const std::size_t count = rows.shape(0), dim = rows.shape(1), asked = queries.shape(0), k = out_rows.shape(1);
    require(queries.shape(1) == dim, "rows and queries differ in their length");
    require(k > 0, "there is no place for an answer");
    require(out_rows.shape(0) == asked && out_scores.shape(0) == asked && out_counts.shape(0) == asked,
            "the answers have not one row for each query");
    require(out_scores.shape(1) == k, "rows and scores of the answers differ in their length");
    const std::uint8_t* let_through = nullptr;
    Mask held;
    if (!mask.is_none()) {
        held = nb::cast<Mask>(mask, false);
        require(held.shape(0) == count, "the mask has not one element for each row");
        let_through = reinterpret_cast<const std::uint8_t*>(held.data());
    }
    const vicinal::Scan scan = vicinal_native::level_of(vicinal::levels(), level).scan;
    for (std::size_t first = 0; first < asked; first += vicinal::TILE_QUERIES) {
        vicinal::Tile tile;
        const std::size_t size = std::min(vicinal::TILE_QUERIES, asked - first);
        tile.dim = dim;
        tile.metric = metric_of(metric);
        tile.nearest.assign(size, vicinal::Nearest(std::min(k, count)));
        for (std::size_t q = 0; q < size; ++q) {
            tile.queries[q] = queries.data() + (first + q) * dim;
            tile.lengths[q] = std::sqrt(vicinal::squared_length<vicinal::Wide4>(tile.queries[q], dim));
        }
        search({first_row, count, dim, let_through}, tile, scan, halves);
        for (std::size_t q = 0; q < size; ++q) {
            const auto& found = tile.nearest[q].sorted();
            out_counts.data()[first + q] = static_cast<std::int64_t>(found.size());
            for (std::size_t place = 0; place < found.size(); ++place) {
                out_rows.data()[(first + q) * k + place] = found[place].row;
                out_scores.data()[(first + q) * k + place] = found[place].score;
            }
        }
    }
}

// Whether every id is a row, and the offsets cut the ids into parts without a gap.
bool in_order(const Ids& ids, const Offsets& offsets, std::size_t rows) {
    const std::size_t parts = offsets.shape(0);
    if (!parts || offsets.data()[0] != 0) return false;
    if (offsets.data()[parts - 1] != static_cast<std::int64_t>(ids.shape(0))) return false;
    for (std::size_t part = 1; part < parts; ++part)
        if (offsets.data()[part] < offsets.data()[part - 1]) return false;
    bool held = true;
    for (std::size_t j = 0; j < ids.shape(0); ++j)  // no branch: a negative id is a large one
        held &= static_cast<std::size_t>(ids.data()[j]) < rows;
    return held;
}

void mean_rows(Matrix table, Ids ids, Offsets offsets, nb::object weights, ScoresOut out, const std::string& level) {
    const std::size_t dim = table.shape(1);
    require(in_order(ids, offsets, table.shape(0)), "ids or offsets lie outside of what they point into");
    require(out.shape(0) + 1 == offsets.shape(0) && out.shape(1) == dim, "the means have not the shape that is asked");
    const float* weight = nullptr;
    Weights held;
    if (!weights.is_none()) {
        held = nb::cast<Weights>(weights, false);
        require(held.shape(0) == ids.shape(0), "the weights have not one element for each id");
        weight = held.data();
    }
    const vicinal::Mean mean = vicinal_native::level_of(vicinal::mean_levels(), level).mean;
    for (std::size_t text = 0; text < out.shape(0);) {
        {
            nb::gil_scoped_release released;
            for (double products = 0; products < PRODUCTS_PER_LOOK && text < out.shape(0); ++text) {
                const std::size_t start = static_cast<std::size_t>(offsets.data()[text]);
                const std::size_t count = static_cast<std::size_t>(offsets.data()[text + 1]) - start;
                mean({table.data(), dim, ids.data() + start, weight ? weight + start : nullptr, count,
                      out.data() + text * dim});
                products += static_cast<double>((count + 1) * (dim + 1));
            }
        }
        if (PyErr_CheckSignals()) throw nb::python_error();
    }
}

std::vector<std::string> level_names() {
    std::vector<std::string> names;
    for (const auto& one : vicinal::levels()) names.push_back(one.name);
    return names;
}

}  // namespace

NB_MODULE(_native, module) {
    module.doc() = "Native kernels; vicinal.kernels.exact has the same in NumPy.";
    module.def("levels", &level_names, "Return the instruction sets that this processor has, the widest first.");
    module.def("top_k", &top_k, "rows"_a, "queries"_a.noconvert(), "mask"_a.none(),
               "out_rows"_a.noconvert(), "out_scores"_a.noconvert(), "out_counts"_a.noconvert(), "level"_a = "",
               "metric"_a = "dot", "Fill the answers with the rows of the k best scores for each query, the best first.");
    module.def("mean_rows", &mean_rows, "table"_a.noconvert(), "ids"_a.noconvert(), "offsets"_a.noconvert(),
               "weights"_a.none(), "out"_a.noconvert(), "level"_a = "",
               "Fill each row of out with the weighted mean of the rows of the table that its ids name.");
    vicinal_native::bind_codes(module);
    vicinal_native::bind_funnel(module);
    vicinal_native::bind_bits(module);
}
