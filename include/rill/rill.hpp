// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// All of Rill for the CPU. Finer headers let a program take less: <rill/expr/eager.hpp> for tensors, <rill/graph/session.hpp>
/// and <rill/nn/nn.hpp> for models, <rill/estimator/estimator.hpp> for training, <rill/data/data.hpp> for pipelines.

#include "core/version.hpp"
#include "data/data.hpp"
#include "estimator/estimator.hpp"
#include "expr/eager.hpp"
#include "graph/describe.hpp"
#include "graph/dot.hpp"
#include "graph/session.hpp"
#include "losses/losses.hpp"
#include "metrics/metrics.hpp"
#include "nn/nn.hpp"
#include "optimizers/optimizers.hpp"
