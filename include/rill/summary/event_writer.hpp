// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Writes event files, which TensorBoard shows: scalars, histograms, images, texts, the graph, session marks. One file
/// per writer, `events.out.tfevents.<seconds>.<host>.<pid>.<n>`, in TFRecord framing; a restarted program opens a new
/// one. Calls may come from several threads; events are buffered and reach the file when the buffer fills, every two
/// minutes, at `flush`, and in the destructor. The first failure (directory not writable, disk full) is thrown as a
/// typed error; afterwards the writer drops what it is given, so that logging cannot end a training twice.
///
///     summary::event_writer w("model/train");
///     w.add_scalar("loss", 0.5f, step);   w.add_graph(graph);   w.flush();

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/graph_def.hpp"
#include "rill/io/png.hpp"
#include "rill/io/record.hpp"
#include "rill/io/wire.hpp"
#include "rill/summary/histogram.hpp"

namespace rill::summary {

/// Marks in a run. `start` at a restart tells TensorBoard to forget later steps of a run that crashed.
enum class session_status : std::uint8_t { start = 1, stop = 2, checkpoint = 3 };

struct event_writer_options {
  /// Appended to the file's name.
  std::string suffix;
  /// Seconds between automatic flushes.
  double flush_seconds = 120;
};

/// An Event message: wall time in seconds since 1970, step, and one serialised field (`what`).
[[gnu::cold]] inline std::string encode_event(double wall_time, std::int64_t step, const io::wire_writer& what) {
  io::wire_writer w;
  w.float64(1, wall_time);
  if (step != 0) w.int64(2, step);
  return w.raw(what.str()).take();
}

namespace detail {

[[gnu::cold]] inline io::wire_writer summary_field(std::initializer_list<const io::wire_writer*> values) {
  io::wire_writer summary;
  for (const io::wire_writer* v : values) summary.message(1, *v);
  io::wire_writer w;
  w.message(5, summary);
  return w;
}

[[gnu::cold]] inline io::wire_writer scalar_value(std::string_view tag, float value) {
  io::wire_writer v;
  v.bytes(1, tag).float32(2, value);
  return v;
}

[[gnu::cold]] inline std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  std::string out = name;
  for (char& c : out)
    if (c == '/' || static_cast<unsigned char>(c) <= ' ') c = '_';
  return out;
}

inline double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Seconds for the name of a new event file: now, or one more than the newest file there, because TensorBoard reads the
/// files of a directory in the order of their names and a program may restart within a second.
[[gnu::cold]] inline std::int64_t event_file_seconds(const std::string& dir, std::int64_t now) {
  constexpr std::string_view stem = "events.out.tfevents.";
  std::int64_t seconds = now;
  for (const std::string& name : io::list_dir(dir)) {
    if (name.compare(0, stem.size(), stem) != 0 || name.size() < stem.size() + 10) continue;
    const std::string digits = name.substr(stem.size(), 10);
    if (digits.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::int64_t at = std::strtoll(digits.c_str(), nullptr, 10);
    if (at >= seconds && at < now + 3600) seconds = at + 1;
  }
  return seconds;
}

}  // namespace detail

class event_writer {
 public:
  /// Creates the directory if needed and a new event file in it.
  [[gnu::cold]] explicit event_writer(const std::string& logdir, event_writer_options options = {}) : options_(std::move(options)) {
    static std::atomic<unsigned> counter{0};
    io::make_dirs(logdir);
    const double now = detail::wall_seconds();
    std::string seconds = std::to_string(detail::event_file_seconds(logdir, static_cast<std::int64_t>(now)));
    if (seconds.size() < 10) seconds.insert(0, 10 - seconds.size(), '0');
    path_ = io::join_path(logdir, "events.out.tfevents." + seconds + "." + detail::host_name() + "." +
                                      std::to_string(::getpid()) + "." + std::to_string(counter.fetch_add(1)) +
                                      options_.suffix);
    file_.emplace(path_, io::write_mode::create);
    last_flush_ = now;
    io::wire_writer version;
    version.bytes(3, "brain.Event:2");
    file_->write(encode_event(now, 0, version));
    file_->flush();
  }
  event_writer(const event_writer&) = delete;
  event_writer& operator=(const event_writer&) = delete;
  ~event_writer() = default;  // the file flushes itself

  [[nodiscard]] const std::string& path() const { return path_; }

  [[gnu::cold]] void add_scalar(std::string_view tag, float value, std::int64_t step) {
    const io::wire_writer v = detail::scalar_value(tag, value);
    add(step, detail::summary_field({&v}));
  }
  /// Several scalars of one step in one event.
  [[gnu::cold]] void add_scalars(std::span<const std::pair<std::string, float>> values, std::int64_t step) {
    io::wire_writer summary;
    for (const auto& [tag, value] : values) summary.message(1, detail::scalar_value(tag, value));
    io::wire_writer field;
    add(step, field.message(5, summary));
  }
  [[gnu::cold]] void add_scalars(std::initializer_list<std::pair<std::string, float>> values, std::int64_t step) {
    add_scalars(std::span(values.begin(), values.size()), step);
  }

  /// The distribution of some values. NaN or infinity among them: `invalid_argument` naming the tag.
  template <class T>
  [[gnu::cold]] void add_histogram(std::string_view tag, std::span<const T> values, std::int64_t step) {
    histogram h;
    try {
      for (const T x : values) h.add(static_cast<double>(x));
    } catch (const invalid_argument& e) {
      rill::detail::raise<invalid_argument>({"histogram '", tag, "': ", e.what()});
    }
    add_histogram(tag, h, step);
  }
  [[gnu::cold]] void add_histogram(std::string_view tag, std::span<const float> values, std::int64_t step) {
    add_histogram<float>(tag, values, step);
  }
  [[gnu::cold]] void add_histogram(std::string_view tag, const histogram& h, std::int64_t step) {
    io::wire_writer v;
    v.bytes(1, tag).bytes(5, h.serialize());
    add(step, detail::summary_field({&v}));
  }

  /// An image of height x width x channels bytes, channels 1 (gray), 3 (RGB) or 4 (RGBA).
  [[gnu::cold]] void add_image(std::string_view tag, std::int64_t width, std::int64_t height, int channels,
                 std::span<const std::uint8_t> pixels, std::int64_t step) {
    io::wire_writer image;
    image.int64(1, height).int64(2, width).int64(3, channels).bytes(4, io::encode_png(width, height, channels, pixels));
    io::wire_writer v;
    v.bytes(1, tag).message(4, image);
    add(step, detail::summary_field({&v}));
  }

  /// A text, shown as Markdown.
  [[gnu::cold]] void add_text(std::string_view tag, std::string_view text, std::int64_t step) {
    io::wire_writer plugin;
    plugin.bytes(1, "text");
    io::wire_writer metadata;
    metadata.message(1, plugin);
    io::tensor_proto t;
    t.type = dtype::string;
    t.strings.emplace_back(text);
    io::wire_writer v;
    v.bytes(1, tag).bytes(8, io::serialize(t)).message(9, metadata);
    add(step, detail::summary_field({&v}));
  }

  [[gnu::cold]] void add_graph(const io::graph_def& graph) {
    io::wire_writer w;
    add(0, w.bytes(4, io::serialize(graph)));
  }

  /// Run statistics of one step (a serialised RunMetadata) under a name such as "step99".
  [[gnu::cold]] void add_run_metadata(std::string_view tag, std::string_view run_metadata, std::int64_t step) {
    io::wire_writer tagged;
    tagged.bytes(1, tag).bytes(2, run_metadata);
    io::wire_writer w;
    add(step, w.message(8, tagged));
  }

  /// A mark: `start` and `stop` of a session, or `checkpoint` with the path of the one just saved.
  [[gnu::cold]] void add_session_log(session_status status, std::int64_t step, std::string_view checkpoint_path = {}) {
    io::wire_writer log;
    log.varint(1, static_cast<std::uint64_t>(status));
    if (!checkpoint_path.empty()) log.bytes(2, checkpoint_path);
    io::wire_writer w;
    add(step, w.message(7, log));
  }

  /// Hands all events to the system, so that TensorBoard sees them.
  void flush() {
    guarded([&] { flush_now(); });
  }
  /// Flushes and closes; later events are an error of the caller.
  [[gnu::cold]] void close() {
    guarded([&] { file_->close(); });
  }

 private:
  void add(std::int64_t step, const io::wire_writer& what) {
    const double now = detail::wall_seconds();
    const std::string event = encode_event(now, step, what);
    guarded([&] {
      file_->write(event);
      if (now - last_flush_ >= options_.flush_seconds || now < last_flush_) flush_now();
    });
  }
  [[gnu::cold]] void flush_now() {
    file_->flush();
    last_flush_ = detail::wall_seconds();
  }
  template <class F>
  void guarded(F&& f) {
    const std::scoped_lock lock(mutex_);
    if (failed_) return;
    try {
      f();
    } catch (...) {
      failed_ = true;
      throw;
    }
  }

  event_writer_options options_;
  std::string path_;
  std::mutex mutex_;
  std::optional<io::record_writer> file_;
  double last_flush_ = 0;
  bool failed_ = false;
};

}  // namespace rill::summary
