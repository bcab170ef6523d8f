// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// TensorFlow's V2 checkpoint, the tensor bundle: `P.index` (names, types, shapes, places, checksums) and
/// `P.data-00000-of-00001` (row-major little-endian bytes). TensorFlow reads what the writer makes; the reader takes
/// what TensorFlow makes (several shards, compressed index blocks).
/// The writer leaves nothing under the final names until `finish`: data, then index, each temporary file + fsync +
/// rename, then fsync of the directory. The reader believes nothing: counts, shapes, offsets and sizes are checked
/// against the files when it opens, the CRC-32C of a tensor when it is read; `data_loss` names file and offset.
///
///     io::bundle_writer w("model/model.ckpt-100");
///     w.add("dense/kernel", dtype::float32, {784, 10}, data, bytes);  w.finish();
///     io::bundle_reader r("model/model.ckpt-100");  r.read("dense/kernel", data, bytes);

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/dtype.hpp"
#include "rill/core/error.hpp"
#include "rill/core/shape.hpp"
#include "rill/core/text.hpp"
#include "rill/io/crc32c.hpp"
#include "rill/io/data_type.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/graph_def.hpp"
#include "rill/io/sorted_table.hpp"
#include "rill/io/wire.hpp"

namespace rill::io {

/// What a bundle knows about one tensor. `shape.valid()` is false when the stored rank is above `max_rank`; `type` may
/// be any number of TensorFlow's DataType. `crc32c` is unmasked. A `sliced` tensor is stored in parts.
struct bundle_entry {
  dtype type = dtype::invalid;
  tensor_shape shape;
  std::int32_t shard = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint32_t crc32c = 0;
  bool sliced = false;
};

/// Bounds on what a bundle may claim.
struct bundle_limits {
  std::uint64_t index_bytes = std::uint64_t{1} << 30;
  std::size_t tensors = 1000000;
  std::size_t name_bytes = 4096;
  std::uint64_t string_bytes = std::uint64_t{64} << 20;
};

namespace detail {

[[gnu::cold]] inline std::string shard_path(const std::string& prefix, std::int32_t shard, std::int32_t count) {
  const auto five = [](std::int32_t n) {
    const std::string s = std::to_string(n);
    return std::string(s.size() < 5 ? 5 - s.size() : 0, '0') + s;
  };
  return prefix + ".data-" + five(shard) + "-of-" + five(count);
}

[[gnu::cold]] inline std::string serialize_entry(const bundle_entry& e) {
  wire_writer w;
  w.varint(1, static_cast<std::uint64_t>(e.type)).bytes(2, serialize(e.shape));
  if (e.shard != 0) w.int64(3, e.shard);
  if (e.offset != 0) w.varint(4, e.offset);
  if (e.size != 0) w.varint(5, e.size);
  if (mask_crc(e.crc32c) != 0) w.fixed32(6, mask_crc(e.crc32c));
  return w.take();
}

/// The CRC of a string tensor covers each length as 4 bytes (8 above 2^32 - 1).
[[gnu::cold]] inline std::uint32_t extend_crc_length(std::uint32_t crc, std::uint64_t length) {
  return extend_crc32c(crc, &length, length > 0xFFFFFFFFu ? 8 : 4);
}

}  // namespace detail

/// Writes a bundle of one shard. Nothing appears under the final names before `finish`; a writer that is destroyed
/// without it leaves nothing behind.
class bundle_writer {
 public:
  explicit bundle_writer(const std::string& prefix) : prefix_(prefix), data_(detail::shard_path(prefix, 0, 1)) {}

  /// Adds a tensor of `bytes` bytes, row-major. `invalid_argument`: a name that is empty or taken, a shape that is not
  /// static, a size that shape and type do not give.
  void add(const std::string& name, dtype type, const tensor_shape& shape, const void* data, std::size_t bytes) {
    const std::uint64_t size = stored_size_of(type);
    if (size == 0)
      rill::detail::raise<invalid_argument>({"cannot save tensor '", name, "': its type ", name_of(type),
                                             " has no fixed size"});
    const std::uint64_t wanted = elements(name, shape) * size;
    if (wanted != bytes)
      rill::detail::raise<invalid_argument>({"cannot save tensor '", name, "': shape ", to_string(shape), " needs ", wanted,
                                             " bytes, got ", bytes});
    bundle_entry& e = insert(name, type, shape);
    data_.append(data, bytes);
    e.size = bytes;
    e.crc32c = crc32c(data, bytes);
  }

  /// Adds a tensor of strings, row-major.
  void add(const std::string& name, const tensor_shape& shape, std::span<const std::string> values) {
    const std::uint64_t wanted = elements(name, shape);
    if (wanted != values.size())
      rill::detail::raise<invalid_argument>({"cannot save tensor '", name, "': shape ", to_string(shape), " needs ", wanted,
                                             " strings, got ", values.size()});
    bundle_entry& e = insert(name, dtype::string, shape);
    std::string head;
    std::uint32_t crc = 0;
    for (const std::string& s : values) {
      put_varint(head, s.size());
      crc = detail::extend_crc_length(crc, s.size());
    }
    std::string stored;
    put_fixed32(stored, mask_crc(crc));
    crc = extend_crc32c(crc, stored);
    data_.append(head);
    data_.append(stored);
    for (const std::string& s : values) {
      data_.append(s);
      crc = extend_crc32c(crc, s);
    }
    e.size = data_.bytes_written() - e.offset;
    e.crc32c = crc;
  }

  /// Makes the bundle appear: data first, index last, both durable. A full disk is met before either name is taken.
  /// (Saving over an existing prefix cannot be one step, there are two files: give every checkpoint its own prefix.)
  [[gnu::cold]] void finish() {
    if (finished_) rill::detail::raise<failed_precondition>({"bundle '", prefix_, "' was finished already"});
    table_builder table;
    table.add("", wire_writer().int64(1, 1).message(3, wire_writer().int64(1, 1)).str());
    for (const auto& [name, entry] : entries_) table.add(name, detail::serialize_entry(entry));
    data_.prepare();
    atomic_file index(prefix_ + ".index");
    index.append(table.finish());
    index.prepare();
    finished_ = true;
    data_.commit(false);
    index.commit(true);
  }

 private:
  static std::uint64_t elements(const std::string& name, const tensor_shape& shape) {
    std::uint64_t n = 1;
    for (const std::int64_t d : shape)
      if (d < 0 || !checked_mul(n, static_cast<std::uint64_t>(d), n) || n >> 58 != 0)
        rill::detail::raise<invalid_argument>({"cannot save tensor '", name, "' of shape ", to_string(shape)});
    if (shape.overflow_) rill::detail::raise<invalid_argument>({"cannot save tensor '", name, "': more than 8 dimensions"});
    return n;
  }
  [[gnu::cold]] bundle_entry& insert(const std::string& name, dtype type, const tensor_shape& shape) {
    if (finished_)
      rill::detail::raise<failed_precondition>({"bundle '", prefix_, "' is finished; tensor '", name, "' comes too late"});
    if (name.empty() || name.size() > bundle_limits{}.name_bytes || name.front() == '\0')
      rill::detail::raise<invalid_argument>({"a tensor name must have 1 to 4096 bytes, got ", name.size()});
    const auto [it, fresh] = entries_.try_emplace(name);
    if (!fresh) rill::detail::raise<invalid_argument>({"bundle '", prefix_, "' already has a tensor '", name, "'"});
    it->second.type = type;
    it->second.shape = shape;
    it->second.offset = data_.bytes_written();
    return it->second;
  }

  std::string prefix_;
  atomic_file data_;
  std::map<std::string, bundle_entry, std::less<>> entries_;
  bool finished_ = false;
};

/// Reads a bundle. Opening reads and checks the index and the sizes of the data files; tensors are read one by one.
class bundle_reader {
 public:
  explicit bundle_reader(const std::string& prefix, bundle_limits limits = {})
      : prefix_(prefix), index_path_(prefix + ".index"), limits_(limits) {
    const std::string file = read_file(index_path_, limits_.index_bytes);
    bool header = false;
    read_table(file, index_path_, [&](std::string_view key, std::string_view value, std::uint64_t at) {
      wire_reader r(value, index_path_, at);
      if (!header) {
        if (!key.empty()) fail({"does not start with a bundle header"});
        parse_header(r);
        header = true;
      } else if (key.front() != '\0') {  // keys that start with a zero byte hold parts of sliced tensors
        parse_entry(key, r);
      }
    });
    if (!header) fail({"has no bundle header"});
    check_shards();
  }

  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  /// All tensors, sorted by name.
  [[nodiscard]] const std::map<std::string, bundle_entry, std::less<>>& entries() const { return entries_; }
  [[nodiscard]] bool contains(std::string_view name) const { return entries_.find(name) != entries_.end(); }
  /// What is known about a tensor; `not_found` names tensor and checkpoint.
  [[gnu::cold]] [[nodiscard]] const bundle_entry& entry(std::string_view name) const {
    const auto it = entries_.find(name);
    if (it == entries_.end()) rill::detail::raise<not_found>({"checkpoint '", prefix_, "' has no tensor '", name, "'"});
    return it->second;
  }

  /// Reads a tensor's bytes into `dst`; `bytes` must be its size. Wrong checksum: `data_loss`, and `dst` holds rubbish.
  [[gnu::cold]] void read(std::string_view name, void* dst, std::size_t bytes) const {
    const bundle_entry& e = plain_entry(name);
    if (e.type == dtype::string)
      rill::detail::raise<invalid_argument>({"tensor '", name, "' in '", prefix_, "' holds strings"});
    if (bytes != e.size)
      rill::detail::raise<invalid_argument>({"tensor '", name, "' in '", prefix_, "' has shape ", to_string(e.shape),
                                             " and ", e.size, " bytes, the caller wants ", bytes});
    shard(e).read(e.offset, dst, bytes);
    if (crc32c(dst, bytes) != e.crc32c) bad_checksum(name, e);
  }

  /// Reads a tensor of strings.
  [[gnu::cold]] [[nodiscard]] std::vector<std::string> read_strings(std::string_view name) const {
    const bundle_entry& e = plain_entry(name);
    if (e.type != dtype::string)
      rill::detail::raise<invalid_argument>({"tensor '", name, "' in '", prefix_, "' does not hold strings"});
    if (e.size > limits_.string_bytes)
      rill::detail::raise<resource_exhausted>({"tensor '", name, "' in '", prefix_, "' has ", e.size,
                                               " bytes of strings, more than the limit of ", limits_.string_bytes});
    std::string raw(static_cast<std::size_t>(e.size), '\0');
    shard(e).read(e.offset, raw.data(), raw.size());
    std::string_view in = raw;
    const auto n = static_cast<std::uint64_t>(e.shape.num_elements());  // at most e.size, checked when opened
    std::vector<std::uint64_t> lengths;
    std::uint32_t crc = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      std::uint64_t length = 0;
      if (!take_varint(in, length)) bad_strings(name, e);
      lengths.push_back(length);
      crc = detail::extend_crc_length(crc, length);
    }
    if (in.size() < 4 || unmask_crc(get_fixed32(in.data())) != crc) bad_checksum(name, e);
    crc = extend_crc32c(crc, in);
    in.remove_prefix(4);
    std::vector<std::string> out;
    for (const std::uint64_t length : lengths) {
      if (length > in.size()) bad_strings(name, e);
      out.emplace_back(in.substr(0, static_cast<std::size_t>(length)));
      in.remove_prefix(static_cast<std::size_t>(length));
    }
    if (!in.empty()) bad_strings(name, e);
    if (crc != e.crc32c) bad_checksum(name, e);
    return out;
  }

  /// Reads every tensor and checks its checksum; throws at the first that is damaged.
  [[gnu::cold]] void verify_all() const {
    std::string piece;
    for (const auto& [name, e] : entries_) {
      if (e.sliced || (stored_size_of(e.type) == 0 && e.type != dtype::string)) continue;
      if (e.type == dtype::string) {
        (void)read_strings(name);
        continue;
      }
      std::uint32_t crc = 0;
      for (std::uint64_t done = 0; done < e.size; done += piece.size()) {
        piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(e.size - done, detail::io_step)));
        shard(e).read(e.offset + done, piece.data(), piece.size());
        crc = extend_crc32c(crc, piece);
      }
      if (crc != e.crc32c) bad_checksum(name, e);
    }
  }

 private:
  [[noreturn, gnu::cold]] void fail(rill::detail::text_pieces problem) const {
    rill::detail::raise<data_loss>({"'", index_path_, "' ", rill::detail::join(problem)});
  }
  [[gnu::cold]] [[noreturn]] void bad_checksum(std::string_view name, const bundle_entry& e) const {
    rill::detail::raise<data_loss>({"tensor '", name, "' in '", detail::shard_path(prefix_, e.shard, shards_),
                                    "' at offset ", e.offset, " has a wrong checksum"});
  }
  [[gnu::cold]] [[noreturn]] void bad_strings(std::string_view name, const bundle_entry& e) const {
    rill::detail::raise<data_loss>({"tensor '", name, "' in '", detail::shard_path(prefix_, e.shard, shards_),
                                    "' at offset ", e.offset, " has string lengths that do not fit its size"});
  }

  [[gnu::cold]] void parse_header(wire_reader& r) {
    std::int64_t shards = 0;
    std::int64_t min_consumer = 0;
    while (r.next()) {
      if (r.field() == 1) {
        shards = r.int64();
      } else if (r.field() == 2) {
        if (r.varint() != 0) rill::detail::raise<unimplemented>({"'", index_path_, "' holds big-endian data"});
      } else if (r.field() == 3) {
        wire_reader v = r.message();
        while (v.next())
          if (v.field() == 2) min_consumer = v.int64();
      }
    }
    if (shards < 0 || shards > 99999) fail({"claims ", shards, " data files"});
    if (min_consumer > 1)
      rill::detail::raise<unimplemented>({"'", index_path_, "' needs a reader of version ", min_consumer});
    shards_ = static_cast<std::int32_t>(shards);
  }

  [[gnu::cold]] void parse_entry(std::string_view key, wire_reader& r) {
    if (key.size() > limits_.name_bytes)
      rill::detail::raise<resource_exhausted>({"'", index_path_, "' has a tensor name of ", key.size(),
                                               " bytes, more than the limit of ", limits_.name_bytes});
    if (entries_.size() == limits_.tensors)
      rill::detail::raise<resource_exhausted>({"'", index_path_, "' has more tensors than the limit of ", limits_.tensors});
    const std::string name(key);
    bundle_entry e;
    detail::stored_shape shape;
    std::int64_t shard = 0;
    std::int64_t offset = 0;
    std::int64_t size = 0;
    while (r.next()) {
      switch (r.field()) {
        case 1: e.type = detail::parse_type(r); break;
        case 2: detail::parse_shape(r.message(), shape); break;
        case 3: shard = r.int64(); break;
        case 4: offset = r.int64(); break;
        case 5: size = r.int64(); break;
        case 6: e.crc32c = unmask_crc(r.fixed32()); break;
        case 7: e.sliced = true; break;
        default: break;
      }
    }
    e.shape = shape.to_shape();
    std::uint64_t n = 1;
    for (const std::int64_t d : shape.dims)
      if (d < 0 || !checked_mul(n, static_cast<std::uint64_t>(d), n) || n >> 58 != 0)
        fail({"gives tensor '", name, "' a shape that is negative or too large"});
    if (shape.unknown_rank) fail({"gives tensor '", name, "' no shape"});
    if (!e.sliced) {
      if (shard < 0 || shard >= shards_)
        fail({"puts tensor '", name, "' into data file ", shard, " of ", shards_});
      if (offset < 0 || size < 0) fail({"gives tensor '", name, "' a negative offset or size"});
      std::uint64_t bytes = 0;
      const std::uint64_t width = stored_size_of(e.type);
      if (e.type == dtype::invalid) fail({"gives tensor '", name, "' no type"});
      if (width != 0 && (!checked_mul(n, width, bytes) || bytes != static_cast<std::uint64_t>(size)))
        fail({"gives tensor '", name, "' ", size, " bytes, its shape needs ", bytes});
      if (e.type == dtype::string && (static_cast<std::uint64_t>(size) < 4 || n > static_cast<std::uint64_t>(size) - 4))
        fail({"gives tensor '", name, "' more strings than its ", size, " bytes can hold"});
    }
    e.shard = static_cast<std::int32_t>(shard);
    e.offset = static_cast<std::uint64_t>(offset);
    e.size = static_cast<std::uint64_t>(size);
    entries_.emplace_hint(entries_.end(), name, e);
  }

  [[gnu::cold]] void check_shards() {
    files_.resize(static_cast<std::size_t>(shards_));
    std::vector<std::uint64_t> sizes(files_.size());
    for (const auto& [name, e] : entries_) {
      if (e.sliced) continue;
      auto& file = files_[static_cast<std::size_t>(e.shard)];
      if (!file) {
        file = std::make_shared<const random_access_file>(detail::shard_path(prefix_, e.shard, shards_));
        sizes[static_cast<std::size_t>(e.shard)] = file->size();
      }
      const std::uint64_t have = sizes[static_cast<std::size_t>(e.shard)];
      if (e.size > have || e.offset > have - e.size)
        rill::detail::raise<data_loss>({"'", shard(e).path(), "' has ", have, " bytes, tensor '", name, "' needs ", e.size,
                                        " at offset ", e.offset});
    }
  }
  [[gnu::cold]] [[nodiscard]] const random_access_file& shard(const bundle_entry& e) const {
    return *files_[static_cast<std::size_t>(e.shard)];
  }
  [[gnu::cold]] [[nodiscard]] const bundle_entry& plain_entry(std::string_view name) const {
    const bundle_entry& e = entry(name);
    if (e.sliced) rill::detail::raise<unimplemented>({"tensor '", name, "' in '", prefix_, "' is stored in slices"});
    if (stored_size_of(e.type) == 0 && e.type != dtype::string)
      rill::detail::raise<unimplemented>({"tensor '", name, "' in '", prefix_, "' has the data type number ",
                                          static_cast<int>(e.type), ", which cannot be read"});
    if (!e.shape.valid())
      rill::detail::raise<unimplemented>({"tensor '", name, "' in '", prefix_, "' has more than 8 dimensions"});
    return e;
  }

  std::string prefix_;
  std::string index_path_;
  bundle_limits limits_;
  std::int32_t shards_ = 0;
  std::map<std::string, bundle_entry, std::less<>> entries_;
  std::vector<std::shared_ptr<const random_access_file>> files_;
};

}  // namespace rill::io
