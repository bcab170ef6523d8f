// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The input pipeline: sources, transformations, data sets.

#include "batch.hpp"
#include "cache.hpp"
#include "concatenate.hpp"
#include "dataset.hpp"
#include "enumerate.hpp"
#include "filter.hpp"
#include "generator.hpp"
#include "map.hpp"
#include "mnist.hpp"
#include "prefetch.hpp"
#include "random_bits.hpp"
#include "range.hpp"
#include "repeat.hpp"
#include "shuffle.hpp"
#include "skip.hpp"
#include "slices.hpp"
#include "structure.hpp"
#include "synthetic_digits.hpp"
#include "take.hpp"
#include "window.hpp"
#include "zip.hpp"
