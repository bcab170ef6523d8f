// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// All layers.

#include "batch_normalization.hpp"
#include "compute_in.hpp"
#include "conv2d.hpp"
#include "dense.hpp"
#include "dropout.hpp"
#include "layer_norm.hpp"
#include "max_pooling2d.hpp"
#include "reshape.hpp"
#include "sequential.hpp"
