// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// All layers.

#include "conv2d.hpp"
#include "dense.hpp"
#include "dropout.hpp"
#include "max_pooling2d.hpp"
#include "reshape.hpp"
#include "sequential.hpp"
