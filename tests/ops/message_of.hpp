// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What an operation that must be refused says.

#include <rill/core/error.hpp>
#include <string>

namespace rill::test {

/// The message of the invalid_argument that f throws.
template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const invalid_argument& e) {
    return e.what();
  }
  return "no invalid_argument";
}

}  // namespace rill::test
