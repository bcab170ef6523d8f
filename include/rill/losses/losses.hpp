// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// All losses.

#include "mean_squared_error.hpp"
#include "softmax_cross_entropy.hpp"
#include "sparse_softmax_cross_entropy.hpp"
