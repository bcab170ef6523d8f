// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The whole eager front end over tensors: fused element-wise expressions, reductions, shapes, creation, printing.

#include "../core/print.hpp"
#include "contraction.hpp"
#include "create.hpp"
#include "expression.hpp"
#include "reduction.hpp"
#include "shape.hpp"
