// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `evaluation`: what `evaluate` returns, a small dictionary of numbers in alphabetical order. It prints as TensorFlow's
/// does, fractions with four digits.
///
///   evaluation e = classifier.evaluate(test);
///   std::cout << e;                  // {accuracy: 0.9733, global_step: 20000, loss: 0.0902}
///   if (e["accuracy"] > 0.99) ...    // not_found for a name that is not there

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"

namespace rill {

class evaluation {
 public:
  struct entry {
    std::string name;
    double value = 0;
    bool whole = false;  ///< a count, printed without a fraction
  };

  evaluation() = default;
  [[gnu::cold]] evaluation(std::initializer_list<entry> entries) {
    for (const entry& e : entries) set(e);
  }
  /// Adds or replaces one number.
  [[gnu::cold]] void set(const entry& e) {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), e,
                                     [](const entry& a, const entry& b) { return a.name < b.name; });
    if (at != entries_.end() && at->name == e.name) *at = e;
    else entries_.insert(at, e);
  }
  [[nodiscard]] bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// The number called `name`; not_found, listing the names there are, if it is missing.
  [[nodiscard]] double operator[](std::string_view name) const {
    if (const entry* e = find(name)) return e->value;
    rill::detail::raise<not_found>({"the evaluation has no '", name, "', only ", to_string()});
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] auto begin() const { return entries_.begin(); }
  [[nodiscard]] auto end() const { return entries_.end(); }

  [[gnu::cold]] [[nodiscard]] std::string to_string() const {
    std::string out = "{";
    for (const entry& e : entries_) out += (out.size() > 1 ? ", " : "") + e.name + ": " + text(e);
    return out + "}";
  }
  friend std::ostream& operator<<(std::ostream& out, const evaluation& e) { return out << e.to_string(); }

 private:
  [[nodiscard]] const entry* find(std::string_view name) const {
    for (const entry& e : entries_)
      if (e.name == name) return &e;
    return nullptr;
  }
  [[gnu::cold]] static std::string text(const entry& e) {
    char buffer[64];
    const double size = std::fabs(e.value);
    const char* form = e.whole ? "%.0f" : size != 0 && (size < 1e-3 || size >= 1e6) ? "%.4g" : "%.4f";
    std::snprintf(buffer, sizeof buffer, form, e.value);
    return buffer;
  }

  std::vector<entry> entries_;
};

}  // namespace rill
