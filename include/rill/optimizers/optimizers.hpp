// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// All optimizers.

#include "adadelta.hpp"
#include "adagrad.hpp"
#include "adagrad_da.hpp"
#include "adam.hpp"
#include "ftrl.hpp"
#include "gradient_descent.hpp"
#include "learning_rate_decay.hpp"
#include "loss_scale.hpp"
#include "momentum.hpp"
#include "moving_average.hpp"
#include "optimizer.hpp"
#include "proximal_adagrad.hpp"
#include "proximal_gradient_descent.hpp"
#include "rmsprop.hpp"
