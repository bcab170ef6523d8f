// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Typed errors. Every failure of the library is one of these; each carries TensorFlow's code name and a one-sentence
/// message that says what was wrong: the op or file, the shapes or offset, what was got and what was wanted.

#include <stdexcept>
#include <string>

namespace rill {

/// Base of all errors thrown by Rill. `code()` is TensorFlow's canonical code name, e.g. "INVALID_ARGUMENT".
class error : public std::runtime_error {
 public:
  error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] const char* code() const noexcept { return code_; }

 private:
  const char* code_;
};

/// A shape, dtype, attribute or flag that cannot be right.
struct invalid_argument : error {
  explicit invalid_argument(const std::string& message) : error("INVALID_ARGUMENT", message) {}
};
/// The clean end of a sequence, or an index outside its range.
struct out_of_range : error {
  explicit out_of_range(const std::string& message) : error("OUT_OF_RANGE", message) {}
};
/// Truncated or corrupted stored data.
struct data_loss : error {
  explicit data_loss(const std::string& message) : error("DATA_LOSS", message) {}
};
/// A file, variable or tensor that does not exist.
struct not_found : error {
  explicit not_found(const std::string& message) : error("NOT_FOUND", message) {}
};
/// A limit (memory, disk, size of a record) was hit; the message names limit and value.
struct resource_exhausted : error {
  explicit resource_exhausted(const std::string& message) : error("RESOURCE_EXHAUSTED", message) {}
};
/// The operating system refused access.
struct permission_denied : error {
  explicit permission_denied(const std::string& message) : error("PERMISSION_DENIED", message) {}
};
/// The call is legal but nothing implements it for these types.
struct unimplemented : error {
  explicit unimplemented(const std::string& message) : error("UNIMPLEMENTED", message) {}
};
/// The object is not in a state that allows the call (an uninitialised variable, a finished writer).
struct failed_precondition : error {
  explicit failed_precondition(const std::string& message) : error("FAILED_PRECONDITION", message) {}
};
/// The work was given up on purpose (a NaN guard, a lost peer).
struct aborted : error {
  explicit aborted(const std::string& message) : error("ABORTED", message) {}
};
/// The user asked to stop.
struct cancelled : error {
  explicit cancelled(const std::string& message) : error("CANCELLED", message) {}
};

}  // namespace rill
