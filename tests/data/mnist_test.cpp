// SPDX-License-Identifier: Apache-2.0
#include "rill/data/mnist.hpp"

#include <filesystem>

#include "collect.hpp"
#include "io/scratch.hpp"
#include "rill/data/batch.hpp"

using namespace rill;

namespace {
std::string be32(std::uint32_t v) {
  std::string s;
  for (int shift = 24; shift >= 0; shift -= 8) s += static_cast<char>((v >> shift) & 255);
  return s;
}
std::string images_file(std::uint32_t n, std::uint32_t height = 28, std::uint32_t width = 28) {
  std::string s = be32(0x803) + be32(n) + be32(height) + be32(width);
  for (std::uint32_t i = 0; i < n * height * width; ++i) s += static_cast<char>(i % 256);
  return s;
}
std::string labels_file(std::uint32_t n) {
  std::string s = be32(0x801) + be32(n);
  for (std::uint32_t i = 0; i < n; ++i) s += static_cast<char>(i % 10);
  return s;
}
void write_all(const std::string& dir) {
  io::atomic_write(dir + "/train-images-idx3-ubyte", images_file(13));
  io::atomic_write(dir + "/train-labels-idx1-ubyte", labels_file(13));
  io::atomic_write(dir + "/t10k-images-idx3-ubyte", images_file(3));
  io::atomic_write(dir + "/t10k-labels-idx1-ubyte", labels_file(3));
}
/// The message of the error that f throws.
template <class E, class F>
std::string message(const F& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "no such error";
}
bool contains(const std::string& s, const std::string& part) { return s.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("mnist: images in [0, 1] and labels") {
  const test::scratch_dir dir;
  write_all(dir.path());
  const auto [train, test_set] = data::mnist(dir.path());
  CHECK(train.size() == 13);
  CHECK(test_set.size() == 3);
  static_assert(std::is_same_v<data::digit_dataset::element, std::pair<tensor<float, 784>, std::int32_t>>);
  CHECK(to_string(train | data::batch(10)) == "<batch dataset shapes: ((?, 784), (?,)), types: (float32, int32)>");
  std::int64_t n = 0;
  for (const auto& [x, y] : train | data::batch(10)) {
    REQUIRE(x.extent(0) == y.size());
    for (std::int64_t r = 0; r < y.size(); ++r, ++n) {
      CHECK(y(r) == n % 10);
      bool same = true;
      for (std::int64_t i = 0; i < 784; ++i) same = same && x(r, i) == static_cast<float>((784 * n + i) % 256) / 255.0f;
      CHECK(same);
    }
  }
  CHECK(n == 13);
}

TEST_CASE("mnist: in a folder of that name, or compressed") {
  const test::scratch_dir dir;
  std::filesystem::create_directory(dir / "mnist");
  write_all(dir / "mnist");
  CHECK(data::mnist(dir.path()).train.size() == 13);
  // a gzip file made by hand: one stored block
  const std::string plain = labels_file(3);
  std::string gz{'\x1f', '\x8b', '\x08', '\0', '\0', '\0', '\0', '\0', '\0', '\x03', '\x01'};
  gz += static_cast<char>(plain.size());
  gz += '\0';
  gz += static_cast<char>(~plain.size() & 255);
  gz += '\xff';
  gz += plain;
  std::uint32_t crc = ~0u;
  for (const char c : plain) {
    crc ^= static_cast<unsigned char>(c);
    for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  crc = ~crc;
  for (int k = 0; k < 4; ++k) gz += static_cast<char>((crc >> (8 * k)) & 255);
  gz += static_cast<char>(plain.size());
  gz += std::string(3, '\0');
  std::filesystem::remove(dir / "mnist/t10k-labels-idx1-ubyte");
  io::atomic_write(dir / "mnist/t10k-labels-idx1-ubyte.gz", gz);
  const auto sets = data::mnist(dir.path());
  CHECK(test::collect(sets.test)[2].second == 2);
}

TEST_CASE("mnist: errors name the file and the place") {
  const test::scratch_dir dir;
  const auto load = [&] { return data::mnist(dir.path()); };
  std::string m = message<not_found>(load);
  CHECK(contains(m, dir / "train-images-idx3-ubyte'"));
  CHECK(contains(m, dir / "train-images-idx3-ubyte.gz'"));
  CHECK(contains(m, dir / "mnist/train-images-idx3-ubyte'"));

  write_all(dir.path());
  io::atomic_write(dir / "t10k-labels-idx1-ubyte", labels_file(4));
  m = message<invalid_argument>(load);
  CHECK(contains(m, "has 3 images"));
  CHECK(contains(m, "has 4 labels"));

  std::string bad = labels_file(3);
  bad[10] = 10;
  io::atomic_write(dir / "t10k-labels-idx1-ubyte", bad);
  m = message<data_loss>(load);
  CHECK(contains(m, "t10k-labels-idx1-ubyte' has the label 10 at offset 10"));

  io::atomic_write(dir / "t10k-labels-idx1-ubyte", labels_file(3));
  io::atomic_write(dir / "t10k-images-idx3-ubyte", images_file(3, 28, 27));
  CHECK(contains(message<invalid_argument>(load), "images of 28 x 27 pixels at offset 8"));
  io::atomic_write(dir / "t10k-images-idx3-ubyte", labels_file(3));
  CHECK(contains(message<invalid_argument>(load), "has 1 dimensions at offset 3, 3 are wanted"));
  io::atomic_write(dir / "t10k-images-idx3-ubyte", be32(0xC01) + be32(1) + be32(7));
  CHECK(contains(message<invalid_argument>(load), "unsigned byte (08) at offset 2"));
  io::atomic_write(dir / "t10k-images-idx3-ubyte", be32(0x12345678));
  CHECK(contains(message<invalid_argument>(load), "t10k-images-idx3-ubyte"));
  io::atomic_write(dir / "t10k-images-idx3-ubyte", images_file(3).substr(0, 100));
  CHECK(contains(message<data_loss>(load), "t10k-images-idx3-ubyte"));
  io::atomic_write(dir / "t10k-images-idx3-ubyte", images_file(3) + "x");
  CHECK(contains(message<data_loss>(load), "t10k-images-idx3-ubyte"));
}

TEST_CASE("mnist: an empty set is a set") {
  const test::scratch_dir dir;
  write_all(dir.path());
  io::atomic_write(dir / "t10k-images-idx3-ubyte", images_file(0));
  io::atomic_write(dir / "t10k-labels-idx1-ubyte", labels_file(0));
  CHECK(data::mnist(dir.path()).test.size() == 0);
}
