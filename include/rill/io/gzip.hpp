// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reading gzip files piece by piece through zlib (link with -lz). Where <zlib.h> is not installed, opening one throws
/// `unimplemented` and says so; plain files never need it. Damaged or cut-off streams are `data_loss` naming file and
/// offset. The reader hands out what it is asked for and no more, so the caller decides how much a file may unfold to.
///
///     io::gzip_reader r("train-labels-idx1-ubyte.gz");
///     std::size_t got = r.read(buffer, 8);

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"
#include "rill/io/filesystem.hpp"

#if __has_include(<zlib.h>)
#include <zlib.h>
#endif

namespace rill::io {

/// Whether a file starts with gzip's two bytes.
[[gnu::cold]] inline bool is_gzip(const random_access_file& file) {
  unsigned char magic[2] = {};
  return file.read_some(0, magic, 2) == 2 && magic[0] == 0x1F && magic[1] == 0x8B;
}

#if __has_include(<zlib.h>)

/// Decompresses a gzip file (one member or several) front to back.
class gzip_reader {
 public:
  [[gnu::cold]] explicit gzip_reader(random_access_file file)
      : file_(std::move(file)), size_(file_.size()), in_(1 << 16), z_(new z_stream{}) {
    if (inflateInit2(z_.get(), 16 + MAX_WBITS) != Z_OK) {
      delete z_.release();
      rill::detail::raise<resource_exhausted>({"zlib could not start on '", file_.path(), "'"});
    }
  }
  explicit gzip_reader(const std::string& path) : gzip_reader(random_access_file(path)) {}

  /// Up to `n` decompressed bytes; fewer only at the end of the stream.
  [[gnu::cold]] std::size_t read(void* dst, std::size_t n) {
    std::size_t done = 0;
    while (done < n && !end_) {
      if (z_->avail_in == 0) fill();
      const std::size_t want = std::min(n - done, std::size_t{1} << 30);
      z_->next_out = static_cast<Bytef*>(dst) + done;
      z_->avail_out = static_cast<uInt>(want);
      const int status = inflate(z_.get(), Z_NO_FLUSH);
      done += want - z_->avail_out;
      if (status == Z_STREAM_END) {
        if (z_->avail_in == 0 && at_ == size_) end_ = true;
        else if (inflateReset(z_.get()) != Z_OK) fail({"cannot be continued after its first part"});
      } else if (status == Z_MEM_ERROR) {
        rill::detail::raise<resource_exhausted>({"zlib has no memory for '", file_.path(), "'"});
      } else if (status == Z_BUF_ERROR || status == Z_OK) {
        if (z_->avail_in == 0 && at_ == size_ && z_->avail_out != 0) fail({"is truncated"});
      } else {
        fail({"is damaged: ", z_->msg != nullptr ? z_->msg : "bad stream"});
      }
    }
    offset_ += done;
    return done;
  }
  /// Bytes in the compressed file, and decompressed bytes handed out so far.
  [[nodiscard]] std::uint64_t compressed_size() const { return size_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] const std::string& path() const { return file_.path(); }

 private:
  struct closer {
    [[gnu::cold]] void operator()(z_stream* z) const {
      inflateEnd(z);
      delete z;
    }
  };
  [[gnu::cold]] void fill() {
    if (at_ == size_) return;
    const std::size_t n = file_.read_some(at_, in_.data(), in_.size());
    if (n == 0) fail({"became shorter while it was read"});
    at_ += n;
    z_->next_in = in_.data();
    z_->avail_in = static_cast<uInt>(n);
  }
  [[gnu::cold]] [[noreturn]] void fail(rill::detail::text_pieces problem) const {
    rill::detail::raise<data_loss>({"the gzip stream '", file_.path(), "' ", rill::detail::join(problem), " (near compressed offset ",
                                    at_ - z_->avail_in, ")"});
  }

  random_access_file file_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
  std::uint64_t offset_ = 0;
  std::vector<unsigned char> in_;
  std::unique_ptr<z_stream, closer> z_;
  bool end_ = false;
};

#else

class gzip_reader {
 public:
  explicit gzip_reader(const random_access_file& file) { missing(file.path()); }
  explicit gzip_reader(const std::string& path) { missing(path); }
  std::size_t read(void*, std::size_t) { return 0; }
  [[nodiscard]] std::uint64_t compressed_size() const { return 0; }
  [[nodiscard]] std::uint64_t offset() const { return 0; }
  [[nodiscard]] std::string path() const { return {}; }

 private:
  [[gnu::cold]] [[noreturn]] static void missing(const std::string& path) {
    rill::detail::raise<unimplemented>({"'", path,
                                        "' is compressed and this program was built without zlib: unpack it with gunzip, or " "install zlib's headers (Debian: zlib1g-dev), rebuild and link with -lz"});
  }
};

#endif

}  // namespace rill::io
