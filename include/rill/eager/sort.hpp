// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The functions of ops/sort.hpp on tensors, and those whose results are as large as their data say: unique,
/// unique_with_counts, setdiff1d, bincount. Typed tensors give tensor<T, any_rank>.
///
///   auto [y, idx] = unique(tensor<int, 5>{3, 1, 3, 7, 1});          // [3 1 7], [0 1 0 2 1]
///   auto [values, indices] = top_k(x, 5);

#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "../kernel/sort.hpp"
#include "../ops/sort.hpp"
#include "segment.hpp"

namespace rill {

// ---- sizes that depend on data -------------------------------------------------------------------------------------------

/// The distinct elements, and which of them each element is.
template <class V, class I = V>
struct unique_result {
  V y;
  I idx;
};
/// The same with how often each occurs.
template <class V, class I = V>
struct unique_counts_result {
  V y;
  I idx;
  I count;
};
/// What setdiff1d keeps, and where it was.
template <class V, class I = V>
struct setdiff_result {
  V out;
  I idx;
};

namespace eager::detail {
inline void check_vector(const char* op, const dynamic_tensor& x, dtype index) {
  if (x.rank() != 1 || is_complex(x.type()))
    throw invalid_argument(std::string(op) + ": needs a vector of real numbers, bool or strings, got " + std::string(name_of(x.type())) +
                           to_string(x.shape()));
  if (index != dtype::int32 && index != dtype::int64) throw invalid_argument(std::string(op) + ": indices must be int32 or int64, not " + std::string(name_of(index)));
  if (index == dtype::int32) kernel::detail::check_row_length(op, x.size());
}
/// Something that is equal for equal elements and only for them: keys of numbers, text of strings. NaN equals nothing.
template <class F>
void with_identities(const dynamic_tensor& x, F&& f) {
  if (x.type() == dtype::string) return f(x.span<std::string>(), [](const std::string& s) { return std::string_view(s); }, [](const std::string&) { return false; });
  const kernel::detail::wide_operand wide({x.type(), x.shape(), x.data()});
  kernel::detail::visit_wide(wide.m.type, [&]<class T>(std::type_identity<T>) {
    f(std::span<const T>(wide.m.as<T>(), static_cast<std::size_t>(x.size())),
      [](T v) { return static_cast<std::uint64_t>(kernel::detail::key_of<false>(v)); }, [](T v) { return !(v == v); });
  }, "Unique");
}
inline dynamic_tensor indices_from(const std::vector<std::int64_t>& v, dtype type) {
  dynamic_tensor t = dynamic_tensor::uninitialized(type, {static_cast<std::int64_t>(v.size())});
  visit_index(type, [&]<class I>(std::type_identity<I>) {
    for (std::size_t k = 0; k < v.size(); ++k) static_cast<I*>(t.mutable_data())[k] = static_cast<I>(v[k]);
  });
  return t;
}
inline unique_counts_result<dynamic_tensor> find_unique(const char* op, const dynamic_tensor& x, dtype out_idx) {
  check_vector(op, x, out_idx);
  std::vector<std::int64_t> first, which(static_cast<std::size_t>(x.size())), count;
  with_identities(x, [&](const auto& elements, const auto& identity, const auto& alone) {
    std::unordered_map<decltype(identity(elements[0])), std::int64_t> seen;
    for (std::size_t k = 0; k < elements.size(); ++k) {
      const auto next = static_cast<std::int64_t>(first.size());
      const std::int64_t n = alone(elements[k]) ? next : seen.try_emplace(identity(elements[k]), next).first->second;
      if (n == next) first.push_back(static_cast<std::int64_t>(k)), count.push_back(0);
      which[k] = n;
      ++count[static_cast<std::size_t>(n)];
    }
  });
  return {gather(x, indices_from(first, dtype::int64)), indices_from(which, out_idx), indices_from(count, out_idx)};
}
}  // namespace eager::detail

/// The distinct elements of a vector in the order of their first occurrence, and which of them each element is. NaN is not
/// equal to NaN. Differentiable in y.
inline unique_result<dynamic_tensor> unique(const dynamic_tensor& x, dtype out_idx = dtype::int32) {
  auto r = eager::detail::find_unique("Unique", x, out_idx);
  return {std::move(r.y), std::move(r.idx)};
}
inline unique_counts_result<dynamic_tensor> unique_with_counts(const dynamic_tensor& x, dtype out_idx = dtype::int32) {
  return eager::detail::find_unique("UniqueWithCounts", x, out_idx);
}
/// The elements of the vector x that the vector y does not hold, in order, and their indices (TensorFlow's listdiff).
inline setdiff_result<dynamic_tensor> setdiff1d(const dynamic_tensor& x, const dynamic_tensor& y, dtype index_dtype = dtype::int32) {
  eager::detail::check_vector("ListDiff", x, index_dtype);
  eager::detail::check_vector("ListDiff", y, index_dtype);
  if (x.type() != y.type())
    throw invalid_argument("ListDiff: dtypes differ: got " + std::string(name_of(x.type())) + " and " + std::string(name_of(y.type())));
  std::vector<std::int64_t> kept;
  eager::detail::with_identities(y, [&](const auto& others, const auto& identity, const auto& alone) {
    std::unordered_set<decltype(identity(others[0]))> out;
    for (const auto& v : others) out.insert(identity(v));
    const auto* const p = reinterpret_cast<decltype(others.data())>(x.data());
    for (std::int64_t k = 0; k < x.size(); ++k)
      if (alone(p[k]) || out.count(identity(p[k])) == 0) kept.push_back(k);
  });
  dynamic_tensor values = gather(x, eager::detail::indices_from(kept, dtype::int64));
  return {std::move(values), eager::detail::indices_from(kept, index_dtype)};
}

/// Options of bincount.
struct bincount_options {
  std::int64_t minlength = 0;           ///< the result has at least so many elements
  std::int64_t maxlength = INT64_MAX;   ///< and at most so many; larger numbers are not counted
  dtype type = dtype::int32;            ///< of the counts
};
namespace eager::detail {
inline std::int64_t bins_of(const dynamic_tensor& x, const bincount_options& o) {
  if (x.type() != dtype::int32 && x.type() != dtype::int64)
    throw invalid_argument("Bincount: needs int32 or int64, got " + std::string(name_of(x.type())) + to_string(x.shape()));
  if (o.minlength < 0 || o.maxlength < 0) throw invalid_argument("Bincount: minlength and maxlength must not be negative");
  const operand_memory m{x.type(), x.shape(), x.data()};
  std::int64_t n = 0;
  for (std::int64_t k = 0; k < x.size(); ++k) {
    const std::int64_t v = kernel::detail::index_at(m, k);
    if (v < 0) throw invalid_argument("Bincount: numbers must not be negative: element " + std::to_string(k) + " is " + std::to_string(v));
    n = std::max(n, v == INT64_MAX ? v : v + 1);  // a result of so many elements does not exist
  }
  return std::min(std::max(n, o.minlength), o.maxlength);
}
}  // namespace eager::detail
/// How often each number 0, 1, ... occurs, up to the largest one.
inline dynamic_tensor bincount(const dynamic_tensor& x, bincount_options o = {}) {
  return count_values(x, eager::detail::bins_of(x, o), o.type);
}
/// The sum of the weights of each number; differentiable in the weights.
inline dynamic_tensor bincount(const dynamic_tensor& x, const dynamic_tensor& weights, bincount_options o = {}) {
  if (!(weights.shape() == x.shape()))
    throw invalid_argument("Bincount: weights of shape " + to_string(weights.shape()) + " are not those of numbers of shape " + to_string(x.shape()));
  attributes at;
  at.i[0] = eager::detail::bins_of(x, o), at.i[1] = 1;
  return sum_segments(weights, x, at);
}

// ---- typed tensors -------------------------------------------------------------------------------------------------------

template <expr::eager X>
auto sort(const X& values, sort_options o = {}) {
  return eager::lift([&](const auto& v) { return sort(v, o); }, values);
}
template <expr::eager X>
tensor<std::int32_t, any_rank> argsort(const X& values, sort_options o = {}) {
  return eager::lift_as<std::int32_t>([&](const auto& v) { return argsort(v, o); }, values);
}
template <expr::eager X>
auto top_k(const X& input, std::int64_t k = 1, top_k_options o = {}) {
  auto r = top_k(dynamic_tensor(eager::lend(input)), k, o);
  return top_k_result<tensor<typename X::element_type, any_rank>, tensor<std::int32_t, any_rank>>{
      eager::as_tensor<typename X::element_type>(std::move(r.values)), eager::as_tensor<std::int32_t>(std::move(r.indices))};
}
template <expr::eager X>
auto nth_element(const X& input, std::int64_t n, bool reverse = false) {
  return eager::lift([&](const auto& v) { return nth_element(v, n, reverse); }, input);
}
template <expr::eager P, expr::eager T>
tensor<bool, any_rank> in_top_k(const P& predictions, const T& targets, std::int64_t k) {
  return eager::lift_as<bool>([&](const auto& p, const auto& t) { return in_top_k(p, t, k); }, predictions, targets);
}
/// Index: the dtype of the result.
template <class Index = std::int32_t, expr::eager S, expr::eager X>
tensor<Index, any_rank> searchsorted(const S& sorted_sequence, const X& values, search_side side = search_side::left) {
  return eager::lift_as<Index>([&](const auto& s, const auto& v) { return searchsorted(s, v, {side, dtype_v<Index>}); }, sorted_sequence, values);
}
template <class Index = std::int32_t, expr::eager S, expr::eager X>
tensor<Index, any_rank> lower_bound(const S& sorted_sequence, const X& values) {
  return searchsorted<Index>(sorted_sequence, values, search_side::left);
}
template <class Index = std::int32_t, expr::eager S, expr::eager X>
tensor<Index, any_rank> upper_bound(const S& sorted_sequence, const X& values) {
  return searchsorted<Index>(sorted_sequence, values, search_side::right);
}
template <class Count = std::int32_t, expr::eager X>
tensor<Count, any_rank> histogram_fixed_width(const X& values, const std::type_identity_t<std::array<typename X::element_type, 2>>& value_range,
                                              std::int64_t nbins = 100) {
  const tensor<typename X::element_type, 2> range{value_range[0], value_range[1]};
  return eager::lift_as<Count>([&](const auto& v, const auto& r) { return histogram_fixed_width(v, r, {nbins, dtype_v<Count>}); }, values, range);
}
template <class Index = std::int32_t, expr::eager X>
auto unique(const X& x) {
  using T = typename X::element_type;
  auto r = unique(dynamic_tensor(eager::lend(x)), dtype_v<Index>);
  return unique_result<tensor<T, any_rank>, tensor<Index, any_rank>>{eager::as_tensor<T>(std::move(r.y)), eager::as_tensor<Index>(std::move(r.idx))};
}
template <class Index = std::int32_t, expr::eager X>
auto unique_with_counts(const X& x) {
  using T = typename X::element_type;
  auto r = unique_with_counts(dynamic_tensor(eager::lend(x)), dtype_v<Index>);
  return unique_counts_result<tensor<T, any_rank>, tensor<Index, any_rank>>{
      eager::as_tensor<T>(std::move(r.y)), eager::as_tensor<Index>(std::move(r.idx)), eager::as_tensor<Index>(std::move(r.count))};
}
template <class Index = std::int32_t, expr::eager X, expr::eager Y>
auto setdiff1d(const X& x, const Y& y) {
  using T = typename X::element_type;
  auto r = setdiff1d(dynamic_tensor(eager::lend(x)), dynamic_tensor(eager::lend(y)), dtype_v<Index>);
  return setdiff_result<tensor<T, any_rank>, tensor<Index, any_rank>>{eager::as_tensor<T>(std::move(r.out)), eager::as_tensor<Index>(std::move(r.idx))};
}
template <class Count = std::int32_t, expr::eager X>
tensor<Count, any_rank> bincount(const X& x, bincount_options o = {}) {
  o.type = dtype_v<Count>;
  return eager::lift_as<Count>([&](const auto& v) { return bincount(v, o); }, x);
}
template <expr::eager X, expr::eager W>
auto bincount(const X& x, const W& weights, bincount_options o = {}) {
  return eager::lift([&](const auto& w, const auto& v) { return bincount(dynamic_tensor(v), dynamic_tensor(w), o); }, weights, x);
}

namespace xla {
template <expr::eager X>
auto sort(const X& operand) {
  return rill::sort(operand);
}
/// One to four tensors put into the order of any comparator (a0, b0, a1, b1, ...) along a dimension, as a tuple.
template <class F, expr::eager... X>
  requires(sizeof...(X) > 0)
auto sort(F comparator, std::int64_t dimension, const X&... operands) {
  const std::array<dynamic_tensor, sizeof...(X)> x{eager::lend(operands)...};
  const tensor_shape s = x[0].shape();
  const std::int64_t axis = dimension < 0 ? dimension + s.rank() : dimension;
  if (axis < 0 || axis >= s.rank()) throw invalid_argument("Sort: dimension " + std::to_string(dimension) + " is out of range for the shape " + to_string(s));
  for (const dynamic_tensor& v : x)
    if (!(v.shape() == s)) throw invalid_argument("Sort: operands must be of one shape: got " + to_string(s) + " and " + to_string(v.shape()));
  dynamic_tensor order = dynamic_tensor::uninitialized(dtype::int64, s);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    kernel::sort_by<typename X::element_type...>(std::tuple<const typename X::element_type*...>(static_cast<const typename X::element_type*>(x[I].data())...),
                                                 static_cast<std::int64_t*>(order.mutable_data()), s, axis, comparator);
  }
  (std::index_sequence_for<X...>{});
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<tensor<typename X::element_type, any_rank>...>{eager::as_tensor<typename X::element_type>(take_along_axis(x[I], order, axis))...};
  }
  (std::index_sequence_for<X...>{});
}
}  // namespace xla

}  // namespace rill
