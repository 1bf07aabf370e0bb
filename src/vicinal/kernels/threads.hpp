// A work that threads share. What one of them throws reaches the caller, as if it had been alone.

#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace vicinal {

// Does work(0), work(1) … work(threads - 1), each in its own thread, the first in this one; what cannot have a thread
// comes after it. When all have ended, the first exception among them is thrown again.
template <class Work>
void in_threads(std::size_t threads, const Work& work) {
    std::mutex lock;
    std::exception_ptr failed;
    const auto guarded = [&](std::size_t number) {
        try {
            work(number);
        } catch (...) {
            const std::lock_guard<std::mutex> held(lock);
            if (!failed) failed = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    others.reserve(threads);
    std::size_t started = 1;
    try {
        for (; started < threads; ++started) others.emplace_back([&guarded, started] { guarded(started); });
    } catch (const std::exception&) {  // no further thread can be had
    }
    guarded(0);
    for (; started < threads; ++started) guarded(started);
    for (auto& one : others) one.join();
    if (failed) std::rethrow_exception(failed);
}

}  // namespace vicinal
