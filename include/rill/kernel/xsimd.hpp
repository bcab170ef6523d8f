// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// xsimd, the one place that includes it: g++ 12 takes the deliberately undefined operand of its own AVX-512 intrinsics for
/// a mistake (GCC bug 105593), and the warning is silenced where they are first included.

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
