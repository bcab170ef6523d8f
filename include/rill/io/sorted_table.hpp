// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The sorted string table (LevelDB's format) that the index of a checkpoint is: data blocks of prefix-compressed
/// entries with strictly ascending keys, an empty metaindex block, an index block, a 48-byte footer; every block ends
/// in a type byte and a masked CRC-32C. The writer's bytes are TensorFlow's. The reader checks every checksum, length,
/// order and count and reports `data_loss` with file and offset.
///
///     io::table_builder b;  b.add("a", "1");  b.add("b", "2");  std::string file = b.finish();
///     io::read_table(file, "x.index", [&](std::string_view key, std::string_view value, std::uint64_t at) { ... });

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/core/function_ref.hpp"
#include "rill/core/text.hpp"
#include "rill/io/crc32c.hpp"
#include "rill/io/snappy.hpp"
#include "rill/io/wire.hpp"

namespace rill::io {

namespace detail {

inline constexpr std::uint64_t table_magic = 0xdb4775248b80fb57u;
inline constexpr std::size_t table_footer_size = 48;
inline constexpr std::size_t table_trailer_size = 5;

class block_builder {
 public:
  explicit block_builder(std::size_t restart_interval) : interval_(restart_interval) {}
  void add(std::string_view key, std::string_view value) {
    std::size_t shared = 0;
    if (since_restart_ == interval_) {
      restarts_.push_back(static_cast<std::uint32_t>(data_.size()));
      since_restart_ = 0;
    } else {
      while (shared < key.size() && shared < last_.size() && key[shared] == last_[shared]) ++shared;
    }
    put_varint(data_, shared);
    put_varint(data_, key.size() - shared);
    put_varint(data_, value.size());
    data_.append(key.substr(shared)).append(value);
    last_.assign(key);
    ++since_restart_;
  }
  [[nodiscard]] bool empty() const { return data_.empty(); }
  [[nodiscard]] std::size_t size() const { return data_.size() + 4 * restarts_.size() + 4; }
  /// The finished block; the builder starts anew.
  [[gnu::cold]] std::string finish() {
    for (const std::uint32_t r : restarts_) put_fixed32(data_, r);
    put_fixed32(data_, static_cast<std::uint32_t>(restarts_.size()));
    restarts_.assign(1, 0);
    since_restart_ = 0;
    last_.clear();
    return std::exchange(data_, {});
  }

 private:
  std::size_t interval_;
  std::size_t since_restart_ = 0;
  std::string data_;
  std::string last_;
  std::vector<std::uint32_t> restarts_{0};
};

/// A short key k with a <= k < b.
[[gnu::cold]] inline std::string key_between(const std::string& a, std::string_view b) {
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  if (i < a.size() && i < b.size()) {
    const auto c = static_cast<unsigned char>(a[i]);
    if (c < 0xFF && c + 1 < static_cast<unsigned char>(b[i])) {
      std::string k = a.substr(0, i + 1);
      k[i] = static_cast<char>(c + 1);
      return k;
    }
  }
  return a;
}
/// A short key >= a.
[[gnu::cold]] inline std::string key_after(const std::string& a) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (const auto c = static_cast<unsigned char>(a[i]); c != 0xFF) {
      std::string k = a.substr(0, i + 1);
      k[i] = static_cast<char>(c + 1);
      return k;
    }
  }
  return a;
}

}  // namespace detail

/// Builds a table in memory. Keys must come in strictly ascending byte order.
class table_builder {
 public:
  /// TensorFlow's block size for checkpoints.
  explicit table_builder(std::size_t block_size = 262144) : block_size_(block_size) {}

  void add(std::string_view key, std::string_view value) {
    if (any_ && key <= last_)
      rill::detail::raise<invalid_argument>({"table keys must ascend: '", key, "' after '", last_, "'"});
    // A very large entry gets a block of its own.
    if (!data_.empty() && key.size() + value.size() >= 2 * block_size_) flush();
    if (pending_) index_entry(detail::key_between(last_, key));
    any_ = true;
    last_.assign(key);
    data_.add(key, value);
    if (data_.size() >= block_size_) flush();
  }

  /// The whole file.
  [[gnu::cold]] std::string finish() {
    if (!data_.empty()) flush();
    std::string footer;
    handle meta = block(detail::block_builder(16).finish());
    if (pending_) index_entry(detail::key_after(last_));
    handle index = block(index_.finish());
    for (const handle& h : {meta, index}) {
      put_varint(footer, h.offset);
      put_varint(footer, h.size);
    }
    footer.resize(detail::table_footer_size - 8, '\0');
    put_fixed64(footer, detail::table_magic);
    return std::move(out_) + footer;
  }

 private:
  struct handle {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };
  [[gnu::cold]] handle block(const std::string& content) {
    const handle h{out_.size(), content.size()};
    out_ += content;
    out_ += '\0';
    put_fixed32(out_, mask_crc(extend_crc32c(crc32c(content), std::string_view("\0", 1))));
    return h;
  }
  void flush() {
    last_block_ = block(data_.finish());
    pending_ = true;
  }
  [[gnu::cold]] void index_entry(const std::string& key) {
    std::string value;
    put_varint(value, last_block_.offset);
    put_varint(value, last_block_.size);
    index_.add(key, value);
    pending_ = false;
  }

  std::size_t block_size_;
  detail::block_builder data_{16};
  detail::block_builder index_{1};
  std::string out_;
  std::string last_;
  handle last_block_;
  bool pending_ = false;
  bool any_ = false;
};

namespace detail {

/// A block's content, checked and decompressed. `storage` holds it when it was compressed.
[[gnu::cold]] inline std::string_view table_block(std::string_view file, std::string_view what, std::string_view& handle,
                                    std::uint64_t at, std::string& storage) {
  const auto fail = [&](rill::detail::text_pieces problem) {
    rill::detail::raise<data_loss>({"'", what, "' at offset ", at, " ", rill::detail::join(problem)});
  };
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  if (!take_varint(handle, offset) || !take_varint(handle, size)) fail({"has a block handle that is cut off"});
  const std::uint64_t end = file.size() - table_footer_size;
  if (size > end || size + table_trailer_size > end || offset > end - size - table_trailer_size)
    fail({"names a block of ", size, " bytes at ", offset, ", which the file does not hold"});
  at = offset;
  const std::string_view with_type = file.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(size) + 1);
  if (unmask_crc(get_fixed32(with_type.data() + with_type.size())) != crc32c(with_type))
    fail({"has a block with a wrong checksum"});
  const std::string_view content = with_type.substr(0, with_type.size() - 1);
  if (with_type.back() == 0) return content;
  if (with_type.back() != 1) fail({"has a block of an unknown compression type"});
  if (!snappy_uncompress(content, storage)) fail({"has a block whose compressed data is malformed"});
  return storage;
}

/// Calls `f(key, value)` for every entry of a block, the value being a view into it. `budget` bounds the key bytes that
/// prefix compression may unfold.
inline void table_entries(std::string_view block, std::string_view what, std::uint64_t at, std::uint64_t& budget,
                          function_ref<void(std::string_view, std::string_view)> f) {
  const auto fail = [&](rill::detail::text_pieces problem) {
    rill::detail::raise<data_loss>({"'", what, "' has a block at offset ", at, " that ", rill::detail::join(problem)});
  };
  if (block.size() < 4) fail({"is too short"});
  const std::uint64_t restarts = get_fixed32(block.data() + block.size() - 4);
  if (restarts > (block.size() - 4) / 4) fail({"counts more restart points than it holds"});
  std::string_view in = block.substr(0, block.size() - 4 - static_cast<std::size_t>(restarts) * 4);
  std::string key;
  while (!in.empty()) {
    std::uint64_t shared = 0;
    std::uint64_t unshared = 0;
    std::uint64_t length = 0;
    if (!take_varint(in, shared) || !take_varint(in, unshared) || !take_varint(in, length))
      fail({"ends inside an entry"});
    if (shared > key.size()) fail({"has an entry that shares more bytes than the key before it has"});
    if (unshared > in.size() || length > in.size() - unshared) fail({"has an entry that is longer than the block"});
    if (shared + unshared > budget) fail({"unfolds to more key bytes than the limit"});
    budget -= shared + unshared;
    key.resize(static_cast<std::size_t>(shared));
    key.append(in.substr(0, static_cast<std::size_t>(unshared)));
    in.remove_prefix(static_cast<std::size_t>(unshared));
    f(std::string_view(key), in.substr(0, static_cast<std::size_t>(length)));
    in.remove_prefix(static_cast<std::size_t>(length));
  }
}

}  // namespace detail

/// Calls `f(key, value, at)` for every entry of a table, in order; `at` is the value's offset in the file (its block's,
/// where that is compressed). The views live only during the call.
[[gnu::cold]] inline void read_table(std::string_view file, std::string_view what,
                       function_ref<void(std::string_view, std::string_view, std::uint64_t)> f) {
  using namespace detail;
  if (file.size() < table_footer_size || get_fixed64(file.data() + file.size() - 8) != table_magic)
    rill::detail::raise<data_loss>({"'", what, "' is not a table file: its last 8 bytes (of ", file.size(),
                                    ") are not the format's number"});
  const std::uint64_t footer_at = file.size() - table_footer_size;
  std::string_view handles = file.substr(static_cast<std::size_t>(footer_at), table_footer_size - 8);
  std::string meta_storage;
  std::string index_storage;
  std::string data_storage;
  table_block(file, what, handles, footer_at, meta_storage);
  const std::string_view index = table_block(file, what, handles, footer_at, index_storage);
  std::uint64_t budget = 8 * std::uint64_t{file.size()} + (std::uint64_t{64} << 20);
  bool any = false;
  std::string last;
  std::uint64_t next_offset = 0;  // blocks ascend, so the same block cannot be unfolded again and again
  table_entries(index, what, footer_at, budget, [&](std::string_view, std::string_view handle) {
    std::string_view peek = handle;
    std::uint64_t offset = 0;
    if (!take_varint(peek, offset) || offset < next_offset)
      rill::detail::raise<data_loss>({"'", what, "' at offset ", footer_at, " has an index whose blocks do not ascend"});
    const std::string_view block = table_block(file, what, handle, footer_at, data_storage);
    const bool compressed = block.data() == data_storage.data();
    next_offset = offset + 1;
    table_entries(block, what, offset, budget, [&](std::string_view key, std::string_view value) {
      if (any && key <= std::string_view(last))
        rill::detail::raise<data_loss>({"'", what, "' has a block at offset ", offset, " whose keys do not ascend"});
      any = true;
      last.assign(key);
      f(key, value, compressed ? offset : offset + static_cast<std::uint64_t>(value.data() - block.data()));
    });
  });
}

}  // namespace rill::io
