// Sets of rows for Python. bitmaps.py checks what comes from users; what is checked here is only that no call, however
// wrong, can read or write beyond an array.

#include "_native.hpp"
#include "bits.hpp"

namespace vicinal_native {

namespace {

using Words = Array<std::uint64_t, 1>;
using HeldWords = Array<const std::uint64_t, 1>;
template <class Code>
using CodeLine = Array<const Code, 1>;

template <class Code>
void bits_of_range(CodeLine<Code> codes, std::uint64_t low, std::uint64_t high, Words out, int level) {
    const std::size_t count = codes.shape(0);
    require(out.shape(0) == (count + vicinal::WORD - 1) / vicinal::WORD, "the set has not a bit for each row");
    require(low <= high && high <= std::numeric_limits<Code>::max(), "the range is none of the codes");
    nb::gil_scoped_release released;
    vicinal::range_of_level<Code>(codes.data(), count, static_cast<Code>(low), static_cast<Code>(high), out.data(), level);
}

template <class Code>
void bits_of_table(CodeLine<Code> codes, Array<const std::uint8_t, 1> held, Words out) {
    const std::size_t count = codes.shape(0);
    require(out.shape(0) == (count + vicinal::WORD - 1) / vicinal::WORD, "the set has not a bit for each row");
    nb::gil_scoped_release released;
    vicinal::table_words<Code>(codes.data(), count, held.data(), held.shape(0), out.data());
}

void bits_of_rows(Array<const std::int64_t, 1> rows, Words out) {
    const std::size_t end = out.shape(0) * vicinal::WORD;
    nb::gil_scoped_release released;
    for (std::size_t at = 0; at < rows.shape(0); ++at) {
        const std::size_t row = static_cast<std::size_t>(rows.data()[at]);
        if (row < end) out.data()[row / vicinal::WORD] |= std::uint64_t{1} << (row % vicinal::WORD);
    }
}

std::size_t count_bits(HeldWords words) {
    nb::gil_scoped_release released;
    return vicinal::count_words(words.data(), words.shape(0));
}

void rows_of_bits(HeldWords words, Array<std::int64_t, 1> out) {
    nb::gil_scoped_release released;
    std::size_t place = 0;
    for (std::size_t word = 0; word < words.shape(0); ++word)
        for (std::uint64_t bits = words.data()[word]; bits && place < out.shape(0); bits &= bits - 1)
            out.data()[place++] = static_cast<std::int64_t>(word * vicinal::WORD + vicinal::lowest_bit(bits));
}

template <class Code>
void bind_kind(nb::module_& module) {
    module.def("bits_of_range", &bits_of_range<Code>, "codes"_a.noconvert(), "low"_a, "high"_a, "out"_a.noconvert(),
               "level"_a = 2, "Write the set of the rows whose code is within [low, high].");
    module.def("bits_of_table", &bits_of_table<Code>, "codes"_a.noconvert(), "held"_a.noconvert(),
               "out"_a.noconvert(), "Write the set of the rows whose code's entry in the table is not 0.");
}

}  // namespace

void bind_bits(nb::module_& module) {
    bind_kind<std::uint8_t>(module);
    bind_kind<std::uint16_t>(module);
    bind_kind<std::uint32_t>(module);
    module.def("bits_of_rows", &bits_of_rows, "rows"_a.noconvert(), "out"_a.noconvert(), "Add rows to a set.");
    module.def("count_bits", &count_bits, "words"_a.noconvert(), "Return how many rows a set has.");
    module.def("rows_of_bits", &rows_of_bits, "words"_a.noconvert(), "out"_a.noconvert(),
               "Fill the array with the rows of a set, ascending.");
}

}  // namespace vicinal_native
