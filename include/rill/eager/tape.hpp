// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What gradient tapes record: one entry per op that a watched value went through, with the op's own gradient rule. Tapes
/// of a thread form a stack; an entry goes to each of them that knows one of its operands.

#include <memory>
#include <unordered_map>
#include <vector>

#include "../core/dynamic_tensor.hpp"
#include "../ops/signature.hpp"

namespace rill::eager {

inline constexpr int max_recorded_operands = 4;

/// One op as it was applied.
struct tape_entry {
  /// Writes the gradient of each operand (nothing: none).
  void (*vjp)(const tape_entry& e, const dynamic_tensor& dy, dynamic_tensor* gradients) = nullptr;
  const char* op = "";
  attributes attr;
  int arity = 0;
  dynamic_tensor in[max_recorded_operands];
  dynamic_tensor out;
  std::shared_ptr<const void> closure;  ///< what a custom gradient captured
};

namespace detail {

/// The record of one tape.
class recording {
 public:
  recording() : outer_(top()) { top() = this; }
  recording(const recording&) = delete;
  recording& operator=(const recording&) = delete;
  ~recording() {
    recording** at = &top();
    while (*at != this) at = &(*at)->outer_;  // tapes may end in any order
    *at = outer_;
  }

  void watch(std::uint64_t id) { producer_.try_emplace(id, -1); }
  void add(const tape_entry& e) {
    producer_[e.out.id()] = static_cast<std::int64_t>(entries_.size());
    entries_.push_back(e);
  }
  [[nodiscard]] bool knows(std::uint64_t id) const { return producer_.count(id) != 0; }
  [[nodiscard]] std::int64_t producer(std::uint64_t id) const {
    const auto found = producer_.find(id);
    return found == producer_.end() ? -1 : found->second;
  }
  [[nodiscard]] const std::vector<tape_entry>& entries() const { return entries_; }
  void clear() {
    entries_.clear();
    producer_.clear();
  }
  [[nodiscard]] recording* outer() const { return outer_; }
  /// The innermost tape of this thread.
  static recording*& top() {
    thread_local recording* innermost = nullptr;
    return innermost;
  }
  bool active = true;

 private:
  recording* outer_;
  std::vector<tape_entry> entries_;
  std::unordered_map<std::uint64_t, std::int64_t> producer_;  // the entry that made a value; -1: watched
};

/// Whether some tape follows one of the operands.
inline bool recorded(const dynamic_tensor* in, int arity) {
  for (const recording* r = recording::top(); r; r = r->outer()) {
    if (!r->active) continue;
    for (int k = 0; k < arity; ++k)
      if (r->knows(in[k].id())) return true;
  }
  return false;
}
inline void record(const tape_entry& e) {
  for (recording* r = recording::top(); r; r = r->outer()) {
    if (!r->active) continue;
    for (int k = 0; k < e.arity; ++k) {
      if (!r->knows(e.in[k].id())) continue;
      r->add(e);
      break;
    }
  }
}

}  // namespace detail
}  // namespace rill::eager
