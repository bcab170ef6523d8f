// SPDX-License-Identifier: Apache-2.0
// Typed views as operands of matmul, and destinations that overlap what is read: the result is that of copies.

#include <rill/expr/eager.hpp>

#include "views.hpp"

using namespace rill;
using namespace rill::test::table;

namespace {

template <class T>
void matmul_case(i64 m, i64 k, i64 n, bool ta, bool tb) {
  numbers_of g = next_case();
  const auto a = make_view<const T>(g, {ta ? k : m, ta ? m : k}), b = make_view<const T>(g, {tb ? n : k, tb ? k : n});
  const auto whole = [](const auto& w) {
    const auto s = w.v.strided_const();
    return from_pointer(s.data, {s.shape[0], s.shape[1]}, {s.strides[0], s.strides[1]}, w.v.owner());
  };
  const auto want = [&](std::size_t at) {
    const i64 i = static_cast<i64>(at) / n, j = static_cast<i64>(at) % n;
    double sum = 0;
    for (i64 l = 0; l < k; ++l) sum += a.real[static_cast<std::size_t>(ta ? l * m + i : i * k + l)] * b.real[static_cast<std::size_t>(tb ? j * k + l : l * n + j)];
    return sum;
  };
  const auto y = matmul(whole(a), whole(b), {.transpose_a = ta, .transpose_b = tb});
  expect("matmul", y, {m, n}, want);
  if (!ta && !tb) expect("matmul", matmul(whole(a), whole(b)), {m, n}, want);
}

}  // namespace

TEST_CASE("table: views as operands of matmul") {
  const i64 sizes[] = {0, 1, 2, 7, 17, 33};
  int turn = 0;
  for (const i64 m : sizes)
    for (const i64 k : sizes)
      for (const i64 n : sizes)
        for (int times = 0; times < 3; ++times, ++turn) matmul_case<float>(m, k, n, turn % 2 != 0, turn / 2 % 2 != 0);
  CHECK(count().told == 0);
}

TEST_CASE("table: destinations that overlap what is read") {
  // One block; two random walks of the same shape over it: the result is that of copies.
  for (int turn = 0; turn < 1500; ++turn) {
    numbers_of g = next_case();
    const tensor_shape& s = view_shapes()[static_cast<std::size_t>(g.below(static_cast<i64>(view_shapes().size())))];
    const walk to = random_walk(g, s, false), from = random_walk(g, s, true), other = random_walk(g, s, true);
    const i64 spare = g.below(4), length = std::max({to.length, from.length, other.length}) + spare;
    auto memory = memory_of<float>(g, length);
    const storage owner = memory.owner();
    const auto place = [&]<class T>(std::type_identity<T>, const walk& w) {
      return view<T, any_rank>::from_pointer(memory.data() + w.first + g.below(spare + 1), s, w.strides, owner);
    };
    auto target = place(std::type_identity<float>{}, to);
    const auto a = place(std::type_identity<const float>{}, from);
    const view<const float, any_rank> b = turn % 3 == 0 ? view<const float, any_rank>(target) : place(std::type_identity<const float>{}, other);
    const std::vector<float> old(memory.begin(), memory.end());
    const auto x = numbers_in(a), y = numbers_in(b), z = numbers_in(target);
    std::vector<double> want(x.size());
    for (std::size_t k = 0; k < want.size(); ++k)
      want[k] = turn % 4 == 0 ? x[k] : turn % 4 == 1 ? x[k] * y[k] + z[k] : turn % 4 == 2 ? (x[k] < y[k] ? z[k] : y[k]) : z[k] + x[k];
    if (turn % 4 == 0) target = a;
    else if (turn % 4 == 1) target = a * b + target;
    else if (turn % 4 == 2) target = select(a < b, target, b);
    else target += a;
    if (numbers_in(target) != want) fail(what("a destination that overlaps", dtype::float32, s) + ", form " + std::to_string(turn % 4));
    // nothing beside the destination has changed
    std::vector<bool> written(old.size());
    const auto t = target.strided();
    each_index(s, [&](const i64* i) {
      i64 at = t.data - memory.data();
      for (int d = 0; d < s.rank(); ++d) at += i[d] * t.strides[d];
      written[static_cast<std::size_t>(at)] = true;
    });
    for (std::size_t k = 0; k < old.size(); ++k)
      if (!written[k] && memory.data()[k] != old[k]) return fail(what("an element beside the destination", dtype::float32, s));
  }
  CHECK(count().told == 0);
}

TEST_CASE("table: a tensor assigned what is computed of its own views") {
  for (const i64 n : {1, 2, 7, 16, 33}) {
    numbers_of g = next_case();
    tensor<float, dyn, dyn> t({n, n});
    for (float& x : t.span()) x = static_cast<float>(g.below(17) - 8);
    const auto old = t;
    t = transpose(t);
    expect("t = transpose(t)", t, {n, n}, [&](std::size_t k) { return old(static_cast<i64>(k) % n, static_cast<i64>(k) / n); });
    t = old;
    t = t + transpose(t);
    expect("t + transpose(t)", t, {n, n}, [&](std::size_t k) {
      const i64 i = static_cast<i64>(k) / n, j = static_cast<i64>(k) % n;
      return old(i, j) + old(j, i);
    });
    t = old;
    t(0, all) = reduce_sum(t, axis<0>);
    double sum = 0;
    for (i64 i = 0; i < n; ++i) sum += static_cast<double>(old(i, n - 1));
    CHECK(static_cast<double>(t(0, n - 1)) == sum);
    t = old;
    t = matmul(t(all, slice{slice::none, slice::none, -1}), transpose(t));
    expect("matmul of views of the destination", t, {n, n}, [&](std::size_t k) {
      const i64 i = static_cast<i64>(k) / n, j = static_cast<i64>(k) % n;
      double product = 0;
      for (i64 l = 0; l < n; ++l) product += static_cast<double>(old(i, n - 1 - l)) * static_cast<double>(old(j, l));
      return product;
    });
    t = old;
    t(all, slice{1, slice::none}) = t(all, slice{0, -1});
    expect("columns moved right", t, {n, n}, [&](std::size_t k) {
      const i64 i = static_cast<i64>(k) / n, j = static_cast<i64>(k) % n;
      return old(i, j == 0 ? 0 : j - 1);
    });
    t = old;
    t(slice{slice::none, slice::none, -1}, all) = t + 0;  // rows in reverse, through a temporary
    expect("rows in reverse", t, {n, n}, [&](std::size_t k) { return old(n - 1 - static_cast<i64>(k) / n, static_cast<i64>(k) % n); });
  }
  CHECK(count().told == 0);
}
