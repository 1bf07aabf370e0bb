// The NEON kernels against the portable ones, bit for bit. Built for aarch64 and run by qemu-user (test_neon.py).

#include "assign.hpp"
#include "bits.hpp"
#include "funnel.hpp"

#include <cstdio>
#include <random>

namespace {

std::mt19937 chance(1);

int failures = 0;

void expect(bool held, const char* what, std::size_t dim) {
    if (held) return;
    std::printf("differs: %s at D = %zu\n", what, dim);
    ++failures;
}

void compare(const vicinal::FunnelLevel& one, const vicinal::FunnelLevel& other, std::size_t dim) {
    const std::size_t width = (dim + 7) / 8;
    std::vector<std::uint8_t> codes(width * 64), table(width * 32);
    for (auto& code : codes) code = static_cast<std::uint8_t>(chance());
    for (auto& entry : table) entry = static_cast<std::uint8_t>(chance() % 64);
    alignas(64) std::uint16_t mine[64], theirs[64];
    one.sums(codes.data(), width, table.data(), mine);
    other.sums(codes.data(), width, table.data(), theirs);
    expect(std::equal(mine, mine + 64, theirs), "sums", dim);

    std::vector<float> factors(64);
    for (auto& factor : factors) factor = static_cast<float>(chance() % 1000) * 0.01f;
    vicinal::Scanned left{}, right{};
    left.table = table.data();
    left.total = 1000, left.scale = 0.01f, left.base = 0.5f, left.threshold = 20.0f;
    right = left;
    vicinal::Scanned *lefts = &left, *rights = &right;
    const vicinal::CodeBlock block{codes.data(), factors.data(), nullptr, nullptr, width};
    one.scan(block, &lefts, 1);
    other.scan(block, &rights, 1);
    expect(left.passed == right.passed, "passed", dim);
    expect(std::equal(left.estimates, left.estimates + 64, right.estimates), "estimates", dim);

    std::vector<std::int8_t> row(dim), query(dim);
    for (auto& value : row) value = static_cast<std::int8_t>(static_cast<int>(chance() % 255) - 127);
    for (auto& value : query) value = static_cast<std::int8_t>(static_cast<int>(chance() % 255) - 127);
    const auto a = one.int8_row(row.data(), query.data(), dim), b = other.int8_row(row.data(), query.data(), dim);
    expect(a.product == b.product && a.square == b.square, "int8 sums", dim);
}

}  // namespace

int main() {
    const auto levels = vicinal::funnel_levels();
    if (levels.front().name != "neon") return std::printf("no NEON level: %s\n", levels.front().name.c_str()), 2;
    for (const std::size_t dim : {1, 7, 8, 9, 16, 63, 64, 65, 100, 384, 768, 4096})
        for (int round = 0; round < 5; ++round) compare(levels.front(), levels.back(), dim);
    std::printf("%d differences\n", failures);
    return failures ? 1 : 0;
}
