// The instruction sets that the kernels are written for, and how a function says that it needs one.

#pragma once

#include <cstdint>

#include "exact.hpp"

#if defined(VICINAL_X86)
#include <immintrin.h>
#define VICINAL_AVX2 __attribute__((target("avx2")))
#define VICINAL_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define VICINAL_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#endif

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#define VICINAL_NEON 1
#endif

namespace vicinal {

inline void prefetch(const void* address) {
#if defined(__GNUC__)
    __builtin_prefetch(address);
#else
    (void)address;
#endif
}

inline void prefetch_lines(const void* first, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += 64) prefetch(static_cast<const char*>(first) + at);
}

#if defined(VICINAL_X86)
inline bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
inline bool has_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
#endif

}  // namespace vicinal
