// The funnel for Python. engine.py checks what comes from users; what is checked here is only that no call, however
// wrong, can read or write beyond an array.

#include <list>

#include "_native.hpp"
#include "funnel.hpp"

namespace vicinal_native {

namespace {

// The native funnel and the arrays that it points into.
class HeldFunnel {
  public:
    HeldFunnel(std::size_t dim, const std::string& metric, Array<const float, 1> center, nb::object signs,
               nb::object projection, std::size_t query_bits, const std::string& level) {
        require(dim >= 1 && dim <= 4096, "dim lies outside of 1 to 4096");
        require(center.shape(0) == dim, "the center has another length");
        funnel_.dim = dim;
        funnel_.code_dim = dim;
        funnel_.metric = metric_of(metric);
        funnel_.fine = query_bits == 8;
        funnel_.center = keep(center);
        funnel_.center_squared = vicinal::norms_of(center.data(), dim).squared;
        funnel_.rotation = {nullptr, dim};
        if (!signs.is_none()) {
            const auto held = nb::cast<Array<const float, 2>>(signs, false);
            require(held.shape(0) == vicinal::ROUNDS && held.shape(1) == dim, "the signs have another shape");
            funnel_.rotation.signs = keep(held);
        }
        require(signs.is_none() || projection.is_none(), "codes are turned in one way");
        funnel_.projection = nullptr;
        if (!projection.is_none()) {
            const auto held = nb::cast<Array<const float, 2>>(projection, false);
            require(held.shape(0) >= 1 && held.shape(0) <= dim && held.shape(1) == dim, "the projection has another shape");
            funnel_.code_dim = held.shape(0);
            funnel_.projection = keep(held);
        }
        funnel_.width = (funnel_.code_dim + 7) / 8;
        funnel_.level = level_of(vicinal::funnel_levels(), level);
    }

    void add_run(Array<const std::uint8_t, 3> codes, Array<const float, 1> factors, std::size_t count,
                 std::int64_t first_row, nb::object rows, nb::object bias, nb::object offsets, nb::object centers,
                 nb::object terms) {
        require(codes.shape(1) == funnel_.width && codes.shape(2) == vicinal::BLOCK, "the codes have another shape");
        require((count + vicinal::BLOCK - 1) / vicinal::BLOCK <= codes.shape(0) && count <= factors.shape(0),
                "the codes or the factors are too few");
        require(first_row >= 0 && first_row < std::int64_t{1} << 62, "the first row lies out of range");
        require((bias.is_none()) == (funnel_.metric != vicinal::Metric::l2), "bias is for l2, and only there");
        vicinal::RunView run{};
        run.codes = keep(codes);
        run.factors = keep(factors);
        run.count = count;
        run.first_row = first_row;
        run.first_position = positions_;
        if (!rows.is_none()) {
            nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu> held;
            if (nb::try_cast(rows, held, false) && held.dtype() == nb::dtype<std::int32_t>())
                run.rows32 = keep(nb::cast<Array<const std::int32_t, 1>>(rows, false), count);
            else
                run.rows64 = keep(nb::cast<Array<const std::int64_t, 1>>(rows, false), count);
        }
        if (!bias.is_none()) run.bias = keep(nb::cast<Array<const float, 1>>(bias, false), count);
        require(offsets.is_none() == centers.is_none(), "cells need offsets and centers");
        if (!offsets.is_none()) add_cells(run, nb::cast<Array<const std::int64_t, 1>>(offsets, false),
                                          nb::cast<Array<const float, 2>>(centers, false));
        if (!terms.is_none()) {
            const auto held = nb::cast<Array<const float, 1>>(terms, false);
            require(run.centers && held.shape(0) == run.cells, "the terms are not one for each cell");
            run.cell_terms = keep(held);
        }
        positions_ += (count + vicinal::BLOCK - 1) / vicinal::BLOCK * vicinal::BLOCK;
        require(positions_ <= 0xffffff00u, "there are more positions than 32 bits can number");
        run.know();
        funnel_.runs.push_back(std::move(run));
    }

    void add_int8(std::int64_t first_row, Array<const std::int8_t, 2> values, Array<const float, 1> scales) {
        require(values.shape(1) == funnel_.dim && scales.shape(0) == values.shape(0), "the int8 rows have another shape");
        require(first_row >= end_int8_, "the parts of int8 rows overlap");
        end_int8_ = first_row + static_cast<std::int64_t>(values.shape(0));
        funnel_.int8_parts.push_back({first_row, keep(values), keep(scales), values.shape(0)});
    }

    void add_floats(std::int64_t first_row, Array<const float, 2> vectors) {
        require(vectors.shape(1) == funnel_.dim, "the vectors have another length");
        require(first_row >= end_floats_, "the parts of vectors overlap");
        end_floats_ = first_row + static_cast<std::int64_t>(vectors.shape(0));
        funnel_.float_parts.push_back({first_row, keep(vectors), vectors.shape(0)});
    }

    void search(Array<const float, 2> queries, std::size_t candidates, float doubt, std::size_t rescored,
                std::size_t probes, double lag, nb::object mask, bool late, std::size_t wanted, std::size_t threads,
                bool cold, Array<std::int64_t, 2> rows, Array<float, 2> scores, Array<std::int64_t, 1> counts,
                Array<std::int64_t, 1> work) const {
        vicinal::Knobs knobs = checked(queries, candidates, rescored, rows, scores, counts, work);
        knobs.probes = probes;
        knobs.lag = lag;
        knobs.doubt = doubt;
        knobs.wanted = wanted;
        knobs.threads = std::min<std::size_t>(threads, 256);
        knobs.cold = cold;
        Array<const std::uint64_t, 1> held;
        if (!mask.is_none()) {
            held = nb::cast<Array<const std::uint64_t, 1>>(mask, false);
            knobs.mask = held.shape(0) ? held.data() : &NO_WORD;
            knobs.mask_words = held.shape(0);
            knobs.late = late;
        }
        const vicinal::Answer out{rows.data(), scores.data(), counts.data(), work.data()};
        bool finished;
        {
            nb::gil_scoped_release released;
            finished = funnel_.search(queries.data(), queries.shape(0), knobs, out, interrupted);
        }
        if (!finished) throw nb::python_error();
    }

    void search_rows(Array<const float, 2> queries, Array<const std::int64_t, 1> chosen, std::size_t rescored,
                     bool cold, Array<std::int64_t, 2> rows, Array<float, 2> scores, Array<std::int64_t, 1> counts,
                     Array<std::int64_t, 1> work) const {
        vicinal::Knobs knobs = checked(queries, rescored, rescored, rows, scores, counts, work);
        knobs.cold = cold;
        const vicinal::Answer out{rows.data(), scores.data(), counts.data(), work.data()};
        bool finished;
        {
            nb::gil_scoped_release released;
            finished = funnel_.search_rows(queries.data(), queries.shape(0), chosen.data(), chosen.shape(0), knobs, out,
                                           interrupted);
        }
        if (!finished) throw nb::python_error();
    }

  private:
    static constexpr std::uint64_t NO_WORD = 0;

    // The data of an array that lives as long as this does.
    template <class Held>
    auto keep(const Held& array) -> decltype(array.data()) {
        arrays_.push_back(nb::cast(array));
        return array.data();
    }
    template <class Held>
    auto keep(const Held& array, std::size_t count) -> decltype(array.data()) {
        require(array.shape(0) >= count, "an array of a run is too short");
        return keep(array);
    }

    void add_cells(vicinal::RunView& run, Array<const std::int64_t, 1> offsets, Array<const float, 2> centers) {
        require(offsets.shape(0) >= 1 && centers.shape(0) + 1 == offsets.shape(0), "centers and offsets do not fit");
        require(centers.shape(1) == funnel_.code_dim, "the centers have another length");
        const std::int64_t* at = offsets.data();
        bool held = at[0] == 0 && at[centers.shape(0)] == static_cast<std::int64_t>(run.count);
        for (std::size_t cell = 0; cell < centers.shape(0); ++cell)
            held &= at[cell] <= at[cell + 1] && at[cell] % static_cast<std::int64_t>(vicinal::BLOCK) == 0;
        require(held, "the offsets do not cut the positions into cells of whole blocks");
        run.cells = centers.shape(0);
        run.centers = keep(centers);
        run.cell_offsets = keep(offsets);
    }

    vicinal::Knobs checked(const Array<const float, 2>& queries, std::size_t candidates, std::size_t rescored,
                           const Array<std::int64_t, 2>& rows, const Array<float, 2>& scores,
                           const Array<std::int64_t, 1>& counts, const Array<std::int64_t, 1>& work) const {
        const std::size_t asked = queries.shape(0), k = rows.shape(1);
        require(queries.shape(1) == funnel_.dim, "the queries have another length");
        require(rows.shape(0) == asked && scores.shape(0) == asked && scores.shape(1) == k &&
                    counts.shape(0) == asked && work.shape(0) == asked,
                "the answers have not one row for each query");
        require(k >= 1 && rescored >= k && candidates >= rescored, "k, rescored and candidates must not fall");
        return {k, candidates, rescored, 0, 0, 1, nullptr, 0, false, false, 0, 0};
    }

    vicinal::Funnel funnel_;
    std::vector<nb::object> arrays_;
    std::size_t positions_ = 0;
    std::int64_t end_int8_ = 0, end_floats_ = 0;
};

}  // namespace

void bind_funnel(nb::module_& module) {
    nb::class_<HeldFunnel>(module, "Funnel")
        .def(nb::init<std::size_t, const std::string&, Array<const float, 1>, nb::object, nb::object,
                      std::size_t, const std::string&>(),
             "dim"_a, "metric"_a, "center"_a.noconvert(), "signs"_a.none(), "projection"_a.none(), "query_bits"_a, "level"_a = "")
        .def("add_run", &HeldFunnel::add_run, "codes"_a.noconvert(), "factors"_a.noconvert(), "count"_a, "first_row"_a,
             "rows"_a.none(), "bias"_a.none(), "offsets"_a.none(), "centers"_a.none(), "terms"_a.none())
        .def("add_int8", &HeldFunnel::add_int8, "first_row"_a, "values"_a.noconvert(), "scales"_a.noconvert())
        .def("add_floats", &HeldFunnel::add_floats, "first_row"_a, "vectors"_a.noconvert())
        .def("search", &HeldFunnel::search, "queries"_a.noconvert(), "candidates"_a, "doubt"_a, "rescored"_a,
             "probes"_a, "lag"_a, "mask"_a.none(), "late"_a, "wanted"_a, "threads"_a, "cold"_a, "rows"_a.noconvert(), "scores"_a.noconvert(),
             "counts"_a.noconvert(), "work"_a.noconvert())
        .def("search_rows", &HeldFunnel::search_rows, "queries"_a.noconvert(), "chosen"_a.noconvert(), "rescored"_a,
             "cold"_a, "rows"_a.noconvert(), "scores"_a.noconvert(), "counts"_a.noconvert(), "work"_a.noconvert());
}

}  // namespace vicinal_native
