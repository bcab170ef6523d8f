// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Every family of ops on tensors, typed or not. A program that calls few of them compiles faster with the families' own
/// headers.

#include "control_flow.hpp"
#include "conv.hpp"
#include "eager.hpp"
#include "fft.hpp"
#include "indexing.hpp"
#include "linalg.hpp"
#include "movement.hpp"
#include "nn.hpp"
#include "scan.hpp"
#include "segment.hpp"
#include "sort.hpp"
#include "sparse.hpp"
#include "window.hpp"
