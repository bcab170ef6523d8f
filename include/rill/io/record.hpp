// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// TFRecord files: records of any bytes, each as u64 length, masked CRC-32C of the length, data, masked CRC-32C of the
/// data (all little-endian), one after the other. The reader gives every whole record and then, if the file ends inside
/// a record or a checksum is wrong, one `data_loss` naming the file and the offset of the bad record. A length is
/// compared with what is left of the file before memory is taken for it.
///
///     io::record_writer w("a.tfrecord");  w.write("abc");  w.close();
///     std::string rec;
///     for (io::record_reader r("a.tfrecord"); r.next(rec);) use(rec);

#include <cstdint>
#include <string>
#include <string_view>

#include "rill/core/text.hpp"
#include "rill/io/crc32c.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/wire.hpp"

namespace rill::io {

/// Largest record a reader accepts unless told otherwise: 2 GiB.
inline constexpr std::uint64_t default_record_limit = std::uint64_t{1} << 31;

/// The bytes of one record.
inline std::string encode_record(std::string_view data) {
  std::string out;
  out.reserve(data.size() + 16);
  put_fixed64(out, data.size());
  put_fixed32(out, mask_crc(crc32c(out)));
  out.append(data);
  put_fixed32(out, mask_crc(crc32c(data)));
  return out;
}

/// Writes records to a file through a buffer. `close` reports what could not be written.
class record_writer {
 public:
  explicit record_writer(const std::string& path, write_mode mode = write_mode::truncate) : file_(path, mode) {}
  void write(std::string_view data) {
    std::string head;
    put_fixed64(head, data.size());
    put_fixed32(head, mask_crc(crc32c(head)));
    file_.append(head);
    file_.append(data);
    head.clear();
    put_fixed32(head, mask_crc(crc32c(data)));
    file_.append(head);
  }
  void flush() { file_.flush(); }
  void sync() { file_.sync(); }
  void close() { file_.close(); }
  [[nodiscard]] const std::string& path() const { return file_.path(); }

 private:
  writable_file file_;
};

/// Reads the records of a file in order. The file may still be growing: after a `data_loss` at its end, or after
/// `false`, `next` may be called again and continues at the same offset.
class record_reader {
 public:
  explicit record_reader(const std::string& path, std::uint64_t record_limit = default_record_limit)
      : file_(path), limit_(record_limit) {}

  /// The next record; false at the clean end of the file.
  bool next(std::string& record) {
    const std::uint64_t left = file_.size() < offset_ ? 0 : file_.size() - offset_;
    if (left == 0) return false;
    char head[12];
    if (left < 12) torn(left);
    file_.read(offset_, head, 12);
    if (unmask_crc(get_fixed32(head + 8)) != crc32c(head, 8)) bad("length");
    const std::uint64_t n = get_fixed64(head);
    if (n > limit_)
      rill::detail::raise<resource_exhausted>({"'", file_.path(), "' has a record of ", n, " bytes at offset ", offset_,
                                               ", more than the limit of ", limit_});
    if (left < 16 || n > left - 16) torn(left);
    record.resize(static_cast<std::size_t>(n));
    file_.read(offset_ + 12, record.data(), record.size());
    char tail[4];
    file_.read(offset_ + 12 + n, tail, 4);
    if (unmask_crc(get_fixed32(tail)) != crc32c(record)) bad("data");
    offset_ += n + 16;
    return true;
  }
  /// Where the next record starts.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] const std::string& path() const { return file_.path(); }

 private:
  [[noreturn]] void torn(std::uint64_t left) const {
    rill::detail::raise<data_loss>({"'", file_.path(), "' ends inside the record at offset ", offset_, " (", left,
                                    " bytes are left)"});
  }
  [[noreturn]] void bad(const char* part) const {
    rill::detail::raise<data_loss>({"'", file_.path(), "' has a wrong checksum over the ", part,
                                    " of the record at offset ", offset_});
  }
  random_access_file file_;
  std::uint64_t limit_;
  std::uint64_t offset_ = 0;
};

/// Cuts a file, as a writer killed in the middle leaves it, after its last whole record; returns how many bytes it cut.
/// Everything behind the first damaged record goes, so use it only on a file whose tail is known to be torn.
inline std::uint64_t repair_records(const std::string& path) {
  record_reader r(path);
  std::string rec;
  try {
    while (r.next(rec)) {
    }
    return 0;
  } catch (const data_loss&) {
    const std::uint64_t cut = file_size(path) - r.offset();
    if (::truncate(r.path().c_str(), static_cast<off_t>(r.offset())) != 0) detail::throw_errno("truncate", path, errno);
    return cut;
  }
}

}  // namespace rill::io
