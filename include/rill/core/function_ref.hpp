// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `function_ref<R(Args...)>`: a callable passed without its type, so that what takes it is compiled once. Two words, no
/// allocation.

#include <memory>
#include <type_traits>

namespace rill {

/// A non-owning reference to a callable `R(Args...)`; the callable must outlive the reference.
template <class Signature>
class function_ref;
template <class R, class... Args>
class function_ref<R(Args...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function_ref> && std::is_invocable_r_v<R, F&, Args...>)
  function_ref(F&& f)  // NOLINT: implicit on purpose
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))), call_([](void* o, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(o))(static_cast<Args&&>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, static_cast<Args&&>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

}  // namespace rill
