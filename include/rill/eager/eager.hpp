// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Eager execution: tensors evaluated as the program runs, gradient tapes, variables, modules, optimizers, random numbers.

#include "../expr/eager.hpp"
#include "checkpoint.hpp"
#include "gradient.hpp"
#include "lift.hpp"
#include "module.hpp"
#include "optimizer.hpp"
#include "py_func.hpp"
#include "random.hpp"
