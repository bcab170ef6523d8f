// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// All optimizers.

#include "adagrad.hpp"
#include "adam.hpp"
#include "gradient_descent.hpp"
#include "momentum.hpp"
#include "optimizer.hpp"
