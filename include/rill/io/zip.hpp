// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// ZIP archives, as far as .npz files need them: members stored or deflated (zlib), zip64, CRC-32 checked on reading.
/// Nothing in the file is trusted: offsets, counts and sizes are checked against the file before they are used, a member
/// may not unfold more than deflate can, and members may not overlap. Damage is `data_loss` naming file and offset;
/// encryption, other compressions and archives in parts are `unimplemented`; a name that is there twice is
/// `invalid_argument`. Without <zlib.h> stored members work and deflated ones are `unimplemented`.
///
///     io::zip_writer w("a.zip");  w.add("hello.txt", "hi");  w.finish();
///     std::string text = io::zip_reader("a.zip").read("hello.txt");

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/png.hpp"

#if __has_include(<zlib.h>)
#include <zlib.h>
#endif

namespace rill::io {

namespace detail {

inline constexpr std::uint32_t zip_local_mark = 0x04034b50;
inline constexpr std::uint32_t zip_central_mark = 0x02014b50;
inline constexpr std::uint32_t zip_end_mark = 0x06054b50;
inline constexpr std::uint32_t zip64_end_mark = 0x06064b50;
inline constexpr std::uint32_t zip64_locator_mark = 0x07064b50;
/// A central directory larger than this is not read.
inline constexpr std::uint64_t zip_directory_limit = std::uint64_t{1} << 28;

inline std::uint32_t zip_crc(std::uint32_t crc, const void* data, std::size_t n) {
#if __has_include(<zlib.h>)
  return static_cast<std::uint32_t>(crc32_z(crc, static_cast<const Bytef*>(data), n));
#else
  return ~extend_crc32(~crc, {static_cast<const char*>(data), n});
#endif
}

template <class T>
T get_little(const void* from) {
  const auto* p = static_cast<const unsigned char*>(from);
  T v = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) v = static_cast<T>(static_cast<std::uint64_t>(v) << 8 | p[i]);
  return v;
}
template <class T>
void put_little(std::string& out, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(static_cast<std::uint64_t>(v) >> (8 * i) & 0xFF);
}

}  // namespace detail

/// One member of an archive, as its directory describes it.
struct zip_entry {
  std::string name;
  std::uint64_t size = 0;             ///< bytes, unpacked
  std::uint64_t compressed_size = 0;  ///< bytes in the file
  std::uint32_t crc = 0;
  bool deflated = false;
  std::uint64_t header_offset = 0;
  std::uint64_t end = 0;  ///< where the next member or the directory begins
};

class zip_member;

/// Reads an archive through its directory.
class zip_reader {
 public:
  explicit zip_reader(const std::string& path) : file_(path), size_(file_.size()) { read_directory(); }

  [[nodiscard]] const std::string& path() const { return file_.path(); }
  /// All members, in the order of the directory.
  [[nodiscard]] const std::vector<zip_entry>& entries() const { return entries_; }
  [[nodiscard]] const zip_entry* find(const std::string& name) const {
    const auto it = index_.find(name);
    return it == index_.end() ? nullptr : &entries_[it->second];
  }
  /// A member by name; not_found naming both.
  [[nodiscard]] const zip_entry& entry(const std::string& name) const {
    if (const zip_entry* e = find(name)) return *e;
    throw not_found("'" + path() + "' has no member '" + name + "'");
  }
  /// A whole member, checked; resource_exhausted when it has more than `limit` bytes.
  [[nodiscard]] std::string read(const std::string& name, std::uint64_t limit = default_file_limit) const;

 private:
  friend class zip_member;

  [[noreturn]] void fail(std::uint64_t offset, const std::string& problem) const {
    throw data_loss("'" + path() + "' is not a sound zip archive: " + problem + " (offset " + std::to_string(offset) + ")");
  }

  void read_directory() {
    using detail::get_little;
    constexpr std::uint64_t end_size = 22;
    if (size_ < end_size) fail(0, "it has only " + std::to_string(size_) + " bytes");
    // The end record is the last thing but for a comment of at most 65535 bytes.
    const std::uint64_t tail = std::min<std::uint64_t>(size_, end_size + 0xFFFF);
    std::string t(static_cast<std::size_t>(tail), '\0');
    file_.read(size_ - tail, t.data(), t.size());
    std::size_t at = t.size() - end_size;
    for (;; --at) {
      if (get_little<std::uint32_t>(&t[at]) == detail::zip_end_mark &&
          get_little<std::uint16_t>(&t[at + 20]) == t.size() - end_size - at)
        break;
      if (at == 0) fail(size_ - tail, "its end record is missing, the file is cut off or something else");
    }
    const std::uint64_t end_offset = size_ - tail + at;
    std::uint64_t disk = get_little<std::uint16_t>(&t[at + 4]);
    std::uint64_t start_disk = get_little<std::uint16_t>(&t[at + 6]);
    std::uint64_t here = get_little<std::uint16_t>(&t[at + 8]);
    std::uint64_t count = get_little<std::uint16_t>(&t[at + 10]);
    std::uint64_t bytes = get_little<std::uint32_t>(&t[at + 12]);
    std::uint64_t start = get_little<std::uint32_t>(&t[at + 16]);
    std::uint64_t directory_end = end_offset;
    char locator[20];
    if (end_offset >= 20 && (file_.read(end_offset - 20, locator, 20), get_little<std::uint32_t>(locator) == detail::zip64_locator_mark)) {
      const auto where = get_little<std::uint64_t>(locator + 8);
      if (where > end_offset - 20 || end_offset - 20 - where < 56) fail(end_offset - 20, "its zip64 end record lies outside of it");
      char r[56];
      file_.read(where, r, 56);
      if (get_little<std::uint32_t>(r) != detail::zip64_end_mark) fail(where, "its zip64 end record is missing");
      disk = get_little<std::uint32_t>(r + 16);
      start_disk = get_little<std::uint32_t>(r + 20);
      here = get_little<std::uint64_t>(r + 24);
      count = get_little<std::uint64_t>(r + 32);
      bytes = get_little<std::uint64_t>(r + 40);
      start = get_little<std::uint64_t>(r + 48);
      directory_end = where;
    }
    if (disk != 0 || start_disk != 0 || here != count)
      throw unimplemented("'" + path() + "' is one part of a zip archive in several");
    if (start > directory_end || directory_end - start != bytes)
      fail(end_offset, "its directory of " + std::to_string(bytes) + " bytes at " + std::to_string(start) + " does not end at " +
                           std::to_string(directory_end));
    if (bytes > detail::zip_directory_limit)
      throw resource_exhausted("'" + path() + "' has a directory of " + std::to_string(bytes) + " bytes, more than the limit of " +
                               std::to_string(detail::zip_directory_limit));
    if (count > bytes / 46) fail(end_offset, "its directory cannot hold " + std::to_string(count) + " members");
    std::string d(static_cast<std::size_t>(bytes), '\0');
    file_.read(start, d.data(), d.size());
    std::size_t p = 0;
    for (std::uint64_t i = 0; i < count; ++i) p = read_entry(d, p, start);
    if (p != d.size()) fail(start + p, "its directory goes on after its " + std::to_string(count) + " members");
    // Each member ends before the next begins.
    std::vector<std::size_t> order(entries_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return entries_[a].header_offset < entries_[b].header_offset; });
    std::uint64_t next = start;
    for (std::size_t i = order.size(); i-- > 0;) {
      zip_entry& e = entries_[order[i]];
      if (e.header_offset >= next || next - e.header_offset < 30 + e.name.size() + e.compressed_size)
        fail(e.header_offset, "its member '" + e.name + "' overlaps what follows it");
      e.end = next;
      next = e.header_offset;
    }
  }

  std::size_t read_entry(const std::string& d, std::size_t p, std::uint64_t start) {
    using detail::get_little;
    if (d.size() - p < 46 || get_little<std::uint32_t>(&d[p]) != detail::zip_central_mark)
      fail(start + p, "member " + std::to_string(entries_.size()) + " of its directory is damaged");
    const unsigned flags = get_little<std::uint16_t>(&d[p + 8]);
    const unsigned method = get_little<std::uint16_t>(&d[p + 10]);
    zip_entry e;
    e.crc = get_little<std::uint32_t>(&d[p + 16]);
    e.compressed_size = get_little<std::uint32_t>(&d[p + 20]);
    e.size = get_little<std::uint32_t>(&d[p + 24]);
    const std::size_t name = get_little<std::uint16_t>(&d[p + 28]);
    const std::size_t extra = get_little<std::uint16_t>(&d[p + 30]);
    const std::size_t comment = get_little<std::uint16_t>(&d[p + 32]);
    const unsigned disk = get_little<std::uint16_t>(&d[p + 34]);
    e.header_offset = get_little<std::uint32_t>(&d[p + 42]);
    if (d.size() - p - 46 < name + extra + comment) fail(start + p, "the names in its directory are cut off");
    e.name = d.substr(p + 46, name);
    if (e.name.empty() || e.name.find('\0') != std::string::npos) fail(start + p, "it has a member without a proper name");
    const std::string_view more(d.data() + p + 46 + name, extra);
    if (e.size == 0xFFFFFFFF || e.compressed_size == 0xFFFFFFFF || e.header_offset == 0xFFFFFFFF) {
      std::string_view wide = zip64_extra(more);
      for (std::uint64_t* field : {&e.size, &e.compressed_size, &e.header_offset}) {
        if (*field != 0xFFFFFFFF) continue;
        if (wide.size() < 8) fail(start + p, "member '" + e.name + "' lacks its zip64 sizes");
        *field = get_little<std::uint64_t>(wide.data());
        wide.remove_prefix(8);
      }
    }
    if ((flags & 1) != 0) throw unimplemented("member '" + e.name + "' of '" + path() + "' is encrypted");
    if (disk != 0 && disk != 0xFFFF) throw unimplemented("'" + path() + "' is one part of a zip archive in several");
    if (method != 0 && method != 8)
      throw unimplemented("member '" + e.name + "' of '" + path() + "' is compressed by method " + std::to_string(method) +
                          "; 0 (stored) and 8 (deflate) can be read");
    e.deflated = method == 8;
    if (e.compressed_size > size_ || e.header_offset > size_) fail(start + p, "member '" + e.name + "' lies outside of it");
    // One byte of deflate gives at most 1032.
    if (e.deflated ? e.size / 1032 > e.compressed_size : e.size != e.compressed_size)
      fail(start + p, "member '" + e.name + "' cannot unfold from " + std::to_string(e.compressed_size) + " to " +
                          std::to_string(e.size) + " bytes");
    if (!index_.emplace(e.name, entries_.size()).second)
      throw invalid_argument("'" + path() + "' has two members '" + e.name + "'");
    entries_.push_back(std::move(e));
    return p + 46 + name + extra + comment;
  }

  /// The zip64 part of an extra field, or nothing.
  static std::string_view zip64_extra(std::string_view extra) {
    while (extra.size() >= 4) {
      const unsigned id = detail::get_little<std::uint16_t>(extra.data());
      const std::size_t n = detail::get_little<std::uint16_t>(extra.data() + 2);
      if (n > extra.size() - 4) return {};
      if (id == 1) return extra.substr(4, n);
      extra.remove_prefix(4 + n);
    }
    return {};
  }

  random_access_file file_;
  std::uint64_t size_;
  std::vector<zip_entry> entries_;
  std::map<std::string, std::size_t> index_;
};

/// Reads one member front to back; the reader must outlive it. The last byte is only given once the CRC-32 is right.
class zip_member {
 public:
  zip_member(const zip_reader& archive, const zip_entry& entry) : archive_(archive), entry_(entry) {
    unsigned char h[30];
    archive_.file_.read(entry_.header_offset, h, 30);
    const unsigned method = detail::get_little<std::uint16_t>(h + 8);
    const std::size_t name = detail::get_little<std::uint16_t>(h + 26);
    const std::size_t extra = detail::get_little<std::uint16_t>(h + 28);
    if (detail::get_little<std::uint32_t>(h) != detail::zip_local_mark || name != entry_.name.size() ||
        method != (entry_.deflated ? 8u : 0u))
      archive_.fail(entry_.header_offset, "the header of member '" + entry_.name + "' differs from the directory");
    std::string text(name, '\0');
    archive_.file_.read(entry_.header_offset + 30, text.data(), name);
    if (text != entry_.name)
      archive_.fail(entry_.header_offset, "the header of member '" + entry_.name + "' differs from the directory");
    at_ = entry_.header_offset + 30 + name + extra;
    if (at_ > entry_.end || entry_.end - at_ < entry_.compressed_size)
      archive_.fail(entry_.header_offset, "member '" + entry_.name + "' overlaps what follows it");
    stop_ = at_ + entry_.compressed_size;
    if (entry_.deflated) start_inflate();
    if (entry_.size == 0) verify();
  }

  [[nodiscard]] const std::string& name() const { return entry_.name; }
  [[nodiscard]] std::uint64_t size() const { return entry_.size; }
  [[nodiscard]] std::uint64_t offset() const { return done_; }

  /// Exactly `n` more bytes; data_loss when the member has fewer left or is damaged.
  void read(void* dst, std::size_t n) {
    if (n > entry_.size - done_)
      throw data_loss("member '" + entry_.name + "' of '" + archive_.path() + "' ends at offset " + std::to_string(entry_.size) +
                      ", wanted " + std::to_string(n) + " bytes at " + std::to_string(done_));
    if (n == 0) return;
    if (entry_.deflated) inflate_to(static_cast<unsigned char*>(dst), n);
    else {
      archive_.file_.read(at_, dst, n);
      at_ += n;
    }
    crc_ = detail::zip_crc(crc_, dst, n);
    done_ += n;
    if (done_ == entry_.size) verify();
  }

 private:
  void verify() {
    if (entry_.deflated) finish_inflate();
    if (crc_ != entry_.crc) archive_.fail(entry_.header_offset, "the CRC-32 of member '" + entry_.name + "' is wrong");
  }
  [[noreturn]] void damaged() const {
    archive_.fail(at_, "the compressed bytes of member '" + entry_.name + "' are damaged");
  }

#if __has_include(<zlib.h>)
  struct closer {
    void operator()(z_stream* z) const {
      inflateEnd(z);
      delete z;
    }
  };
  void start_inflate() {
    z_.reset(new z_stream{});
    if (inflateInit2(z_.get(), -MAX_WBITS) != Z_OK) throw resource_exhausted("zlib could not start on '" + archive_.path() + "'");
    in_.resize(1 << 16);
  }
  /// One call of inflate, with input; whether the stream has ended.
  bool step() {
    if (z_->avail_in == 0) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(in_.size(), stop_ - at_));
      archive_.file_.read(at_, in_.data(), n);
      at_ += n;
      z_->next_in = in_.data();
      z_->avail_in = static_cast<uInt>(n);
    }
    const int status = inflate(z_.get(), Z_NO_FLUSH);
    if (status == Z_STREAM_END) return true;
    if (status == Z_MEM_ERROR) throw resource_exhausted("zlib has no memory for '" + archive_.path() + "'");
    if ((status != Z_OK && status != Z_BUF_ERROR) || (z_->avail_in == 0 && at_ == stop_ && z_->avail_out != 0)) damaged();
    return false;
  }
  void inflate_to(unsigned char* dst, std::size_t n) {
    while (n > 0) {
      const std::size_t want = std::min(n, std::size_t{1} << 30);
      z_->next_out = dst;
      z_->avail_out = static_cast<uInt>(want);
      while (z_->avail_out > 0)
        if (ended_ || ((ended_ = step()) && z_->avail_out > 0)) damaged();
      dst += want;
      n -= want;
    }
  }
  void finish_inflate() {
    z_->next_out = &more_;
    z_->avail_out = 1;
    while (!ended_) {
      ended_ = step();
      if (z_->avail_out == 0) damaged();
    }
    if (z_->avail_in != 0 || at_ != stop_) damaged();
  }
  std::unique_ptr<z_stream, closer> z_;
  std::vector<unsigned char> in_;
  unsigned char more_ = 0;  // room to see whether more than the expected bytes come
  bool ended_ = false;
#else
  [[noreturn]] void start_inflate() const {
    throw unimplemented("member '" + entry_.name + "' of '" + archive_.path() +
                        "' is compressed and this program was built without zlib: install its headers (Debian: zlib1g-dev)");
  }
  void inflate_to(unsigned char*, std::size_t) {}
  void finish_inflate() {}
#endif

  const zip_reader& archive_;
  const zip_entry entry_;
  std::uint64_t at_ = 0;
  std::uint64_t stop_ = 0;
  std::uint64_t done_ = 0;
  std::uint32_t crc_ = 0;
};

inline std::string zip_reader::read(const std::string& name, std::uint64_t limit) const {
  const zip_entry& e = entry(name);
  if (e.size > limit)
    throw resource_exhausted("member '" + name + "' of '" + path() + "' has " + std::to_string(e.size) +
                             " bytes, more than the limit of " + std::to_string(limit));
  zip_member m(*this, e);
  std::string out;
  while (out.size() < e.size) {  // memory follows the bytes that really arrive
    const std::size_t old = out.size();
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(std::max(old, detail::io_step), e.size - old));
    out.resize(old + n);
    m.read(out.data() + old, n);
  }
  return out;
}

/// How a zip archive is written.
struct zip_options {
  bool deflate = false;  ///< compress the members (where zlib is there; else they are stored)
  int level = 6;         ///< zlib's level, 1 to 9
  bool zip64 = false;    ///< write zip64 records even where small ones would do
};

/// Writes an archive atomically: it appears at `finish`, or not at all. The same members give the same bytes.
class zip_writer {
 public:
  explicit zip_writer(const std::string& path, const zip_options& options = {}) : file_(path), options_(options) {
    if (options.level < 1 || options.level > 9)
      throw invalid_argument("zlib has the levels 1 to 9, got " + std::to_string(options.level));
  }

  /// Adds a member made of parts that follow each other; invalid_argument for a name that is there already or improper.
  void add(const std::string& name, const std::vector<std::string_view>& parts) {
    if (!is_beneath(name) || name.size() > 0xFFFF)
      throw invalid_argument("'" + name + "' is no name for a member of '" + file_.path() + "'");
    zip_entry e;
    if (!index_.emplace(name, entries_.size()).second)
      throw invalid_argument("'" + file_.path() + "' has a member '" + name + "' already");
    e.name = name;
    for (const std::string_view part : parts) {
      if (part.empty()) continue;  // zlib takes a null pointer for a new beginning
      e.crc = detail::zip_crc(e.crc, part.data(), part.size());
      e.size += part.size();
    }
    std::string packed;
    e.deflated = options_.deflate && compress(parts, packed);
    e.compressed_size = e.deflated ? packed.size() : e.size;
    e.header_offset = file_.bytes_written();
    const bool wide = is_wide(e);
    std::string h;
    detail::put_little<std::uint32_t>(h, detail::zip_local_mark);
    put_common(h, e, wide);
    detail::put_little<std::uint16_t>(h, static_cast<std::uint16_t>(name.size()));
    detail::put_little<std::uint16_t>(h, wide ? 20 : 0);
    h += name;
    if (wide) {
      detail::put_little<std::uint16_t>(h, 1);
      detail::put_little<std::uint16_t>(h, 16);
      detail::put_little<std::uint64_t>(h, e.size);
      detail::put_little<std::uint64_t>(h, e.compressed_size);
    }
    file_.append(h);
    if (e.deflated) file_.append(packed);
    else
      for (const std::string_view part : parts) file_.append(part);
    entries_.push_back(std::move(e));
  }
  void add(const std::string& name, std::string_view bytes) { add(name, std::vector<std::string_view>{bytes}); }

  /// Writes the directory and gives the file its name.
  void finish() {
    const std::uint64_t start = file_.bytes_written();
    std::string d;
    for (const zip_entry& e : entries_) {
      const bool wide = is_wide(e);
      const bool far = options_.zip64 || e.header_offset >= 0xFFFFFFFF;
      detail::put_little<std::uint32_t>(d, detail::zip_central_mark);
      detail::put_little<std::uint16_t>(d, 3 << 8 | 45);  // made by: Unix, 4.5
      put_common(d, e, wide);
      detail::put_little<std::uint16_t>(d, static_cast<std::uint16_t>(e.name.size()));
      const int extra = (wide ? 16 : 0) + (far ? 8 : 0);
      detail::put_little<std::uint16_t>(d, static_cast<std::uint16_t>(extra > 0 ? 4 + extra : 0));
      detail::put_little<std::uint16_t>(d, 0);                            // comment
      detail::put_little<std::uint32_t>(d, 0);                            // disk, internal attributes
      detail::put_little<std::uint32_t>(d, std::uint32_t{0600} << 16);  // what zip programs set on extraction
      detail::put_little<std::uint32_t>(d, far ? 0xFFFFFFFF : static_cast<std::uint32_t>(e.header_offset));
      d += e.name;
      if (extra > 0) {
        detail::put_little<std::uint16_t>(d, 1);
        detail::put_little<std::uint16_t>(d, static_cast<std::uint16_t>(extra));
        if (wide) {
          detail::put_little<std::uint64_t>(d, e.size);
          detail::put_little<std::uint64_t>(d, e.compressed_size);
        }
        if (far) detail::put_little<std::uint64_t>(d, e.header_offset);
      }
    }
    const std::uint64_t bytes = d.size();
    const std::uint64_t count = entries_.size();
    const bool wide = options_.zip64 || start >= 0xFFFFFFFF || bytes >= 0xFFFFFFFF || count >= 0xFFFF;
    if (wide) {
      detail::put_little<std::uint32_t>(d, detail::zip64_end_mark);
      detail::put_little<std::uint64_t>(d, 44);
      detail::put_little<std::uint32_t>(d, 45 << 16 | 45);
      detail::put_little<std::uint64_t>(d, 0);
      detail::put_little<std::uint64_t>(d, count);
      detail::put_little<std::uint64_t>(d, count);
      detail::put_little<std::uint64_t>(d, bytes);
      detail::put_little<std::uint64_t>(d, start);
      detail::put_little<std::uint32_t>(d, detail::zip64_locator_mark);
      detail::put_little<std::uint32_t>(d, 0);
      detail::put_little<std::uint64_t>(d, start + bytes);
      detail::put_little<std::uint32_t>(d, 1);
    }
    detail::put_little<std::uint32_t>(d, detail::zip_end_mark);
    detail::put_little<std::uint32_t>(d, 0);
    const auto few = static_cast<std::uint16_t>(wide ? 0xFFFF : count);
    detail::put_little<std::uint16_t>(d, few);
    detail::put_little<std::uint16_t>(d, few);
    detail::put_little<std::uint32_t>(d, wide ? 0xFFFFFFFF : static_cast<std::uint32_t>(bytes));
    detail::put_little<std::uint32_t>(d, wide ? 0xFFFFFFFF : static_cast<std::uint32_t>(start));
    detail::put_little<std::uint16_t>(d, 0);
    file_.append(d);
    file_.commit();
  }

 private:
  [[nodiscard]] bool is_wide(const zip_entry& e) const {
    return options_.zip64 || e.size >= 0xFFFFFFFF || e.compressed_size >= 0xFFFFFFFF;
  }
  /// What local header and directory have in common, from "version needed" to the sizes.
  static void put_common(std::string& h, const zip_entry& e, bool wide) {
    detail::put_little<std::uint16_t>(h, wide ? 45 : 20);
    detail::put_little<std::uint16_t>(h, std::uint16_t{1} << 11);  // names are UTF-8
    detail::put_little<std::uint16_t>(h, e.deflated ? 8 : 0);
    detail::put_little<std::uint16_t>(h, 0);       // 00:00
    detail::put_little<std::uint16_t>(h, 1 << 5 | 1);  // of 1 January 1980: equal members give equal files
    detail::put_little<std::uint32_t>(h, e.crc);
    detail::put_little<std::uint32_t>(h, wide ? 0xFFFFFFFF : static_cast<std::uint32_t>(e.compressed_size));
    detail::put_little<std::uint32_t>(h, wide ? 0xFFFFFFFF : static_cast<std::uint32_t>(e.size));
  }
  /// Deflates the parts; false where there is no zlib.
  bool compress([[maybe_unused]] const std::vector<std::string_view>& parts, [[maybe_unused]] std::string& out) const {
#if __has_include(<zlib.h>)
    struct closer {
      void operator()(z_stream* z) const {
        deflateEnd(z);
        delete z;
      }
    };
    const std::unique_ptr<z_stream, closer> z(new z_stream{});
    if (deflateInit2(z.get(), options_.level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
      throw resource_exhausted("zlib could not start on '" + file_.path() + "'");
    const auto run = [&](const char* p, std::size_t n, int flush) {
      std::vector<char> piece(1 << 16);
      do {
        const std::size_t take = std::min(n, std::size_t{1} << 30);
        z->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(p));
        z->avail_in = static_cast<uInt>(take);
        do {
          z->next_out = reinterpret_cast<Bytef*>(piece.data());
          z->avail_out = static_cast<uInt>(piece.size());
          deflate(z.get(), flush);
          out.append(piece.data(), piece.size() - z->avail_out);
        } while (z->avail_out == 0);
        p += take;
        n -= take;
      } while (n > 0);
    };
    for (const std::string_view part : parts)
      if (!part.empty()) run(part.data(), part.size(), Z_NO_FLUSH);
    run(nullptr, 0, Z_FINISH);
    return true;
#else
    return false;
#endif
  }

  atomic_file file_;
  zip_options options_;
  std::vector<zip_entry> entries_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace rill::io
