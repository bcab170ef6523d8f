// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// All streaming metrics.

#include "accuracy.hpp"
#include "confusion_matrix.hpp"
#include "mean.hpp"
#include "values.hpp"
