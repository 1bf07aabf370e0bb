// What the files of the Python module share: the kinds of arrays, the check of arguments, and Ctrl-C.

#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <stdexcept>

#include "exact.hpp"
#include "threads.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace vicinal_native {

template <class Value, std::size_t axes>
using Array = nb::ndarray<Value, nb::ndim<axes>, nb::c_contig, nb::device::cpu>;

inline void require(bool held, const char* what) {
    if (!held) throw std::invalid_argument(what);
}

inline vicinal::Metric metric_of(const std::string& name) {
    if (name == "dot") return vicinal::Metric::dot;
    if (name == "cosine") return vicinal::Metric::cosine;
    require(name == "l2", "metric is none that is known");
    return vicinal::Metric::l2;
}

// Whether the user has interrupted. For code that has released the interpreter's lock.
inline bool interrupted() {
    nb::gil_scoped_acquire held;
    return PyErr_CheckSignals() != 0;
}

// The level of a name among those that the processor has; the widest without a name.
template <class Level>
Level level_of(const std::vector<Level>& known, const std::string& name) {
    if (name.empty()) return known.front();
    for (const auto& one : known)
        if (one.name == name) return one;
    throw std::invalid_argument("level is not one that this processor has");
}

// Does work(thread, first, end) on parts of `count` things, several threads at a time, and looks for Ctrl-C.
template <class Work>
void in_parts(std::size_t count, std::size_t part, std::size_t threads, const Work& work) {
    bool stopped = false;
    {
        nb::gil_scoped_release released;
        std::atomic<std::size_t> next{0};
        std::atomic<bool> stop{false};
        const auto loop = [&](std::size_t thread) {
            while (!stop) {
                const std::size_t first = next.fetch_add(part);
                if (first >= count) return;
                work(thread, first, std::min(count, first + part));
                if (!thread && interrupted()) stop = true;
            }
        };
        vicinal::in_threads(std::min(threads, (count + part - 1) / part), loop);
        stopped = stop;
    }
    if (stopped) throw nb::python_error();
}

void bind_codes(nb::module_& module);
void bind_funnel(nb::module_& module);
void bind_bits(nb::module_& module);

}  // namespace vicinal_native
