// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `zip(a, b, …)`: the i-th elements of several datasets together, as a std::tuple; as long as the shortest. Indexed when
/// all of them are.
///
///   data::zip(data::range(100), data::range(0, -100, -1)) | data::batch(4)   // ([0 1 2 3], [0 -1 -2 -3]), …

#include <tuple>
#include <utility>

#include "rill/data/dataset.hpp"

namespace rill::data {

template <dataset... D>
class zip_dataset : public dataset_base<zip_dataset<D...>> {
  static_assert(sizeof...(D) >= 1, "zip takes at least one dataset");
  using indices = std::index_sequence_for<D...>;

 public:
  using element = std::tuple<typename D::element...>;
  static constexpr const char* name = "zip";

  explicit zip_dataset(D... d) : d_(std::move(d)...) {}

  [[nodiscard]] std::int64_t size() const
    requires(indexed<D> && ...)
  {
    return cardinality();
  }
  [[nodiscard]] std::int64_t cardinality() const {
    std::int64_t n = infinite;
    bool known = true;
    const auto add = [&](std::int64_t c) {
      if (c == unknown) known = false;
      else if (c != infinite) n = n == infinite || c < n ? c : n;
    };
    std::apply([&](const auto&... d) { (add(data::cardinality(d)), ...); }, d_);
    return known ? n : unknown;
  }

  template <class... R>
  class reader_type {
   public:
    explicit reader_type(R... r) : r_(std::move(r)...) {}
    void get(std::int64_t i, element& out) {
      [&]<std::size_t... K>(std::index_sequence<K...>) { (std::get<K>(r_).get(i, std::get<K>(out)), ...); }(indices{});
    }
    template <class Batch>
    void put(std::int64_t i, Batch& batch, std::int64_t row) {
      [&]<std::size_t... K>(std::index_sequence<K...>) {
        (std::get<K>(r_).put(i, std::get<K>(batch), row), ...);
      }(indices{});
    }

   private:
    std::tuple<R...> r_;
  };
  [[nodiscard]] auto reader() const
    requires(indexed<D> && ...)
  {
    return std::apply([](const auto&... d) { return reader_type<decltype(d.reader())...>(d.reader()...); }, d_);
  }

  template <class... C>
  class cursor_type {
   public:
    explicit cursor_type(C... c) : c_(std::move(c)...) {}
    bool next(element& out) {
      return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return (std::get<K>(c_).next(std::get<K>(out)) && ...);
      }(indices{});
    }
    std::int64_t skip(std::int64_t n) {
      std::int64_t least = n;
      const auto one = [&](std::int64_t k) { least = k < least ? k : least; };
      std::apply([&](auto&... c) { (one(c.skip(n)), ...); }, c_);
      return least;
    }
    void restart(std::int64_t epoch) {
      std::apply([&](auto&... c) { (c.restart(epoch), ...); }, c_);
    }

   private:
    std::tuple<C...> c_;
  };
  [[nodiscard]] auto cursor() const
    requires(!(indexed<D> && ...))
  {
    return std::apply(
        [](const auto&... d) { return cursor_type<detail::cursor_t<D>...>(detail::cursor_of(d)...); }, d_);
  }

 private:
  std::tuple<D...> d_;
};

/// The elements of several datasets side by side.
template <dataset... D>
auto zip(D... d) {
  return zip_dataset<D...>(std::move(d)...);
}

}  // namespace rill::data
