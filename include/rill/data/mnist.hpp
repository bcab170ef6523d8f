// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// MNIST and every data set in its format (LeCun, Cortes, Burges: "The MNIST database of handwritten digits"): IDX files of
/// 28 x 28 grey images and labels 0-9. `mnist(dir)` gives the training and the test set; an element is a pair of the
/// image, 784 floats in [0, 1] (byte / 255, row by row), and its label. The bytes stay bytes in memory (47 MB for the
/// 60,000 training images); an image becomes floats where a batch needs it.
///
///   auto [train, test] = data::mnist("data/mnist");
///   for (const auto& [images, labels] : test | data::batch(100)) ...     // [100, 784], [100]
///
/// Files: {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, plain or with .gz, in `dir` or in
/// `dir`/mnist. not_found names every path tried; wrong type, rank or image size, different numbers of images and labels
/// are invalid_argument and labels above 9 data_loss, each naming file and offset; damaged files as io::read_idx says.

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "rill/core/error.hpp"
#include "rill/core/tensor.hpp"
#include "rill/core/text.hpp"
#include "rill/data/map.hpp"
#include "rill/data/slices.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/idx.hpp"

namespace rill::data {

/// Images as bytes and their labels.
using digit_bytes = std::pair<tensor<std::uint8_t, dyn, 784>, tensor<std::uint8_t, dyn>>;
/// An image in [0, 1] and its label.
using digit = std::pair<tensor<float, 784>, std::int32_t>;

namespace detail {

/// Bytes to floats in [0, 1]. By way of int, and with the promise that nothing overlaps, g++ -O2 vectorises it, too.
inline void scale_pixels(const std::uint8_t* __restrict from, float* __restrict to) {
  for (int block = 0; block < 784; block += 16) {
    std::int32_t wide[16];
    for (int i = 0; i < 16; ++i) wide[i] = from[block + i];
    for (int i = 0; i < 16; ++i) to[block + i] = static_cast<float>(wide[i]) / 255.0f;
  }
}
struct scale_digit {
  template <class In, class Out>
  void operator()(const In& in, const Out& out) const {
    scale_pixels(std::get<0>(in).data(), std::get<0>(out).data());
    std::get<1>(out) = std::get<1>(in);
  }
};

}  // namespace detail

// Templates without parameters, here and below, cost a program that does not call them next to nothing.

/// Digits as a dataset: slices of the bytes, scaled as they are read. (What from_tensor_slices and map_into make: deducing it
/// would compile them for every program.)
using digit_dataset = detail::map_dataset<tensor_slice_dataset<digit_bytes>, detail::map_in_place<slice_t<digit_bytes>, digit, detail::scale_digit>>;
template <class = void>
digit_dataset digits(digit_bytes bytes) {
  return digit_dataset(tensor_slice_dataset<digit_bytes>(std::move(bytes)), {detail::scale_digit{}});
}

/// A training and a test set.
struct digit_sets {
  digit_dataset train;
  digit_dataset test;
};

namespace detail {

template <class = void>
std::string find_mnist_file(const std::string& dir, const std::string& name) {
  std::string tried;
  for (const std::string& candidate : {io::join_path(dir, name), io::join_path(io::join_path(dir, "mnist"), name)})
    for (const char* suffix : {"", ".gz"}) {
      if (io::exists(candidate + suffix)) return candidate + suffix;
      tried += (tried.empty() ? "'" : ", '") + candidate + suffix + "'";
    }
  rill::detail::raise<not_found>({"MNIST: there is no ", name, "; tried ", tried});
}

template <class = void>
digit_bytes read_digits(const std::string& dir, const std::string& prefix) {
  const std::string image_file = find_mnist_file(dir, prefix + "-images-idx3-ubyte");
  const std::string label_file = find_mnist_file(dir, prefix + "-labels-idx1-ubyte");
  const auto check = [](const std::string& file, const io::idx_array& a, std::size_t rank) {
    if (a.type != dtype::uint8)
      rill::detail::raise<invalid_argument>({"MNIST: '", file,
                                             "' has another element type than unsigned byte (08) at offset 2"});
    if (a.dims.size() != rank)
      rill::detail::raise<invalid_argument>({"MNIST: '", file, "' has ", a.dims.size(), " dimensions at offset 3, ", rank,
                                             " are wanted"});
  };
  const io::idx_array images = io::read_idx(image_file);
  check(image_file, images, 3);
  if (images.dims[1] != 28 || images.dims[2] != 28)
    rill::detail::raise<invalid_argument>({"MNIST: '", image_file, "' has images of ", images.dims[1], " x ",
                                           images.dims[2], " pixels at offset 8, 28 x 28 are wanted"});
  const io::idx_array labels = io::read_idx(label_file);
  check(label_file, labels, 1);
  if (images.dims[0] != labels.dims[0])
    rill::detail::raise<invalid_argument>({"MNIST: '", image_file, "' has ", images.dims[0], " images at offset 4, but '",
                                           label_file, "' has ", labels.dims[0], " labels at offset 4"});
  const std::int64_t n = labels.dims[0];
  for (std::size_t i = 0; i < labels.data.size(); ++i)
    if (const auto label = std::to_integer<unsigned>(labels.data[i]); label > 9)
      rill::detail::raise<data_loss>({"MNIST: '", label_file, "' has the label ", label, " at offset ", i + 8,
                                      ", labels are 0 to 9"});
  digit_bytes out(decltype(digit_bytes::first)::uninitialized({n, 784}), decltype(digit_bytes::second)::uninitialized({n}));
  copy_values(reinterpret_cast<const std::uint8_t*>(images.data.data()), out.first.data(), n * 784);
  copy_values(reinterpret_cast<const std::uint8_t*>(labels.data.data()), out.second.data(), n);
  return out;
}

}  // namespace detail

/// The training and test set in `dir`; see the head of this file.
template <class = void>
digit_sets mnist(const std::string& dir) {
  return {digits(detail::read_digits(dir, "train")), digits(detail::read_digits(dir, "t10k"))};
}

}  // namespace rill::data
