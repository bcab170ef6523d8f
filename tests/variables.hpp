// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What tests share that look at variables.

#include <doctest/doctest.h>

#include <string_view>

#include <rill/graph/variable_store.hpp>

namespace rill::test {

/// The elements of the variable of this name, which the store must hold.
template <class T>
const T* values(const graph::variable_store& s, std::string_view name) {
  const auto* v = s.find(name);
  REQUIRE(v != nullptr);
  return static_cast<const T*>(v->data);
}

}  // namespace rill::test
