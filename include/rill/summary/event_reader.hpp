// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Reads event files back, Rill's or TensorFlow's, for tests and tools. A torn last record (its writer is at work, or
/// was killed) ends the list and is reported in `torn`, as TensorBoard does; a malformed event is `data_loss`.
///
///     for (auto& p : summary::scalars(summary::read_event_dir("model/train"), "loss")) plot(p.step, p.value);

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/graph_def_reader.hpp"
#include "rill/io/record.hpp"
#include "rill/io/wire.hpp"

namespace rill::summary {

struct histogram_value {
  double min = 0, max = 0, count = 0, sum = 0, sum_squares = 0;
  std::vector<double> limits;
  std::vector<double> buckets;
};
struct image_value {
  std::int64_t height = 0, width = 0, colorspace = 0;
  std::string encoded;
};

/// One value of a summary: whichever of the kinds it has.
struct summary_value {
  std::string tag;
  std::string plugin;
  std::optional<float> scalar;
  std::optional<histogram_value> histogram;
  std::optional<image_value> image;
  std::optional<io::tensor_proto> tensor;
};

struct event {
  double wall_time = 0;
  std::int64_t step = 0;
  std::string file_version;
  std::string graph_def;
  int session_status = 0;
  std::string checkpoint_path;
  std::string run_metadata_tag;
  std::string run_metadata;
  std::vector<summary_value> values;
};

/// The events of a file or directory. `torn` is the sentence about the record that could not be read, or empty.
struct event_log {
  std::vector<event> events;
  std::string torn;
};

struct scalar_point {
  std::int64_t step = 0;
  double wall_time = 0;
  float value = 0;
};

namespace detail {

inline histogram_value parse_histogram(io::wire_reader r) {
  histogram_value h;
  while (r.next()) {
    switch (r.field()) {
      case 1: h.min = r.float64(); break;
      case 2: h.max = r.float64(); break;
      case 3: h.count = r.float64(); break;
      case 4: h.sum = r.float64(); break;
      case 5: h.sum_squares = r.float64(); break;
      case 6: r.each_float64([&](double v) { h.limits.push_back(v); }); break;
      case 7: r.each_float64([&](double v) { h.buckets.push_back(v); }); break;
      default: break;
    }
  }
  return h;
}

inline summary_value parse_value(io::wire_reader r) {
  summary_value v;
  while (r.next()) {
    switch (r.field()) {
      case 1: v.tag = std::string(r.bytes()); break;
      case 2: v.scalar = r.float32(); break;
      case 4: {
        image_value image;
        io::wire_reader m = r.message();
        while (m.next()) {
          if (m.field() == 1) image.height = m.int64();
          else if (m.field() == 2) image.width = m.int64();
          else if (m.field() == 3) image.colorspace = m.int64();
          else if (m.field() == 4) image.encoded = std::string(m.bytes());
        }
        v.image = std::move(image);
        break;
      }
      case 5: v.histogram = parse_histogram(r.message()); break;
      case 8: v.tensor = io::detail::parse_tensor(r.message()); break;
      case 9: {
        io::wire_reader metadata = r.message();
        while (metadata.next()) {
          if (metadata.field() != 1) continue;
          io::wire_reader plugin = metadata.message();
          while (plugin.next())
            if (plugin.field() == 1) v.plugin = std::string(plugin.bytes());
        }
        break;
      }
      default: break;
    }
  }
  // The newer style keeps a scalar as a tensor.
  if (!v.scalar && v.tensor && v.tensor->type == dtype::float32 && v.tensor->shape.rank() == 0 &&
      v.tensor->content.size() == 4 && (v.plugin.empty() || v.plugin == "scalars"))
    v.scalar = std::bit_cast<float>(io::get_fixed32(v.tensor->content.data()));
  return v;
}

}  // namespace detail

/// Parses an Event message. `what` names the file in errors.
inline event parse_event(std::string_view bytes, std::string_view what = "event", std::uint64_t base = 0) {
  event e;
  io::wire_reader r(bytes, what, base);
  while (r.next()) {
    switch (r.field()) {
      case 1: e.wall_time = r.float64(); break;
      case 2: e.step = r.int64(); break;
      case 3: e.file_version = std::string(r.bytes()); break;
      case 4: e.graph_def = std::string(r.bytes()); break;
      case 5: {
        io::wire_reader s = r.message();
        while (s.next())
          if (s.field() == 1) e.values.push_back(detail::parse_value(s.message()));
        break;
      }
      case 7: {
        io::wire_reader s = r.message();
        while (s.next()) {
          if (s.field() == 1) e.session_status = s.int32();
          else if (s.field() == 2) e.checkpoint_path = std::string(s.bytes());
        }
        break;
      }
      case 8: {
        io::wire_reader s = r.message();
        while (s.next()) {
          if (s.field() == 1) e.run_metadata_tag = std::string(s.bytes());
          else if (s.field() == 2) e.run_metadata = std::string(s.bytes());
        }
        break;
      }
      default: break;
    }
  }
  return e;
}

/// All events of one file.
inline event_log read_events(const std::string& path) {
  event_log log;
  io::record_reader r(path);
  std::string record;
  for (;;) {
    const std::uint64_t at = r.offset();
    try {
      if (!r.next(record)) return log;
    } catch (const data_loss& e) {
      log.torn = e.what();
      return log;
    }
    log.events.push_back(parse_event(record, path, at + 12));
  }
}

/// All events of a directory's event files, in the order of the files' names.
inline event_log read_event_dir(const std::string& dir) {
  event_log log;
  for (const std::string& name : io::list_dir(dir)) {
    if (name.find("tfevents") == std::string::npos) continue;
    event_log one = read_events(io::join_path(dir, name));
    for (event& e : one.events) log.events.push_back(std::move(e));
    if (!one.torn.empty()) log.torn = std::move(one.torn);
  }
  return log;
}

/// The points of one scalar, in the order written.
inline std::vector<scalar_point> scalars(const event_log& log, std::string_view tag) {
  std::vector<scalar_point> out;
  for (const event& e : log.events)
    for (const summary_value& v : e.values)
      if (v.tag == tag && v.scalar) out.push_back({e.step, e.wall_time, *v.scalar});
  return out;
}

}  // namespace rill::summary
