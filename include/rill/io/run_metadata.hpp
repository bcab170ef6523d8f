// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// TensorFlow's RunMetadata as plain structs: when each node of a graph ran and the memory that it took, as TensorBoard's
/// graph page and TensorFlow's timeline read it. Other fields of the message (cost graph, partition graphs) are dropped
/// when a foreign one is read; malformed bytes are data_loss.
///
///     io::run_metadata m = io::parse_run_metadata(event.run_metadata);
///     for (const io::device_stats& d : m.devices) for (const io::node_stats& n : d.nodes) use(n.node_name, n.all_end_rel_nanos);

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rill/io/graph_def.hpp"
#include "rill/io/wire.hpp"

namespace rill::io {

/// Memory of one allocator (AllocatorMemoryUsed).
struct allocator_stats {
  std::string allocator_name;
  std::int64_t total_bytes = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t live_bytes = 0;
};

/// A result (NodeOutput): the place among the node's results, what it is, and the bytes it takes.
struct output_stats {
  std::int32_t slot = 0;
  dtype type = dtype::invalid;
  tensor_shape shape;
  std::int64_t requested_bytes = 0;
  std::int64_t allocated_bytes = 0;
  std::string allocator_name;
};

/// One execution of a node (NodeExecStats). Starts are since 1970, the others relative to them; the two units say the same.
struct node_stats {
  std::string node_name;
  std::int64_t all_start_micros = 0;
  std::int64_t op_start_rel_micros = 0;
  std::int64_t op_end_rel_micros = 0;
  std::int64_t all_end_rel_micros = 0;
  std::vector<allocator_stats> memory = {};
  std::vector<output_stats> outputs = {};
  std::string timeline_label = {};  ///< "name = Op(input, input)"
  std::int64_t scheduled_micros = 0;
  std::uint32_t thread_id = 0;
  std::int64_t all_start_nanos = 0;
  std::int64_t op_start_rel_nanos = 0;
  std::int64_t op_end_rel_nanos = 0;
  std::int64_t all_end_rel_nanos = 0;
};

/// Nodes of one device (DeviceStepStats), whose names end in "device:CPU:0" for TensorBoard to show them.
struct device_stats {
  std::string device;
  std::vector<node_stats> nodes = {};
  std::map<std::uint32_t, std::string> thread_names = {};
};

struct run_metadata {
  std::vector<device_stats> devices;  ///< the message's step_stats
};

namespace detail {

/// Fields of value 0 are not stored.
inline void put_number(wire_writer& w, std::uint32_t field, std::int64_t v) {
  if (v != 0) w.int64(field, v);
}
inline void put_text(wire_writer& w, std::uint32_t field, const std::string& s) {
  if (!s.empty()) w.bytes(field, s);
}

inline wire_writer wire_of(const output_stats& o) {
  wire_writer allocation, tensor, w;
  put_number(allocation, 1, o.requested_bytes);
  put_number(allocation, 2, o.allocated_bytes);
  put_text(allocation, 3, o.allocator_name);
  tensor.varint(1, static_cast<std::uint64_t>(o.type)).bytes(2, serialize(o.shape)).message(4, allocation);
  put_number(w, 1, o.slot);
  w.message(3, tensor);
  return w;
}

inline wire_writer wire_of(const node_stats& n) {
  wire_writer w;
  put_text(w, 1, n.node_name);
  put_number(w, 2, n.all_start_micros);
  put_number(w, 3, n.op_start_rel_micros);
  put_number(w, 4, n.op_end_rel_micros);
  put_number(w, 5, n.all_end_rel_micros);
  for (const allocator_stats& a : n.memory) {
    wire_writer m;
    put_text(m, 1, a.allocator_name);
    put_number(m, 2, a.total_bytes);
    put_number(m, 3, a.peak_bytes);
    put_number(m, 4, a.live_bytes);
    w.message(6, m);
  }
  for (const output_stats& o : n.outputs) w.message(7, wire_of(o));
  put_text(w, 8, n.timeline_label);
  put_number(w, 9, n.scheduled_micros);
  put_number(w, 10, n.thread_id);
  put_number(w, 13, n.all_start_nanos);
  put_number(w, 14, n.op_start_rel_nanos);
  put_number(w, 15, n.op_end_rel_nanos);
  put_number(w, 16, n.all_end_rel_nanos);
  return w;
}

inline output_stats parse_output_stats(wire_reader r) {
  output_stats o;
  while (r.next()) {
    if (r.field() == 1) o.slot = r.int32();
    if (r.field() != 3) continue;
    wire_reader tensor = r.message();
    while (tensor.next()) {
      if (tensor.field() == 1) {
        o.type = parse_type(tensor);
      } else if (tensor.field() == 2) {
        stored_shape s;
        parse_shape(tensor.message(), s);
        o.shape = s.to_shape();
      } else if (tensor.field() == 4) {
        wire_reader allocation = tensor.message();
        while (allocation.next()) {
          if (allocation.field() == 1) o.requested_bytes = allocation.int64();
          else if (allocation.field() == 2) o.allocated_bytes = allocation.int64();
          else if (allocation.field() == 3) o.allocator_name = std::string(allocation.bytes());
        }
      }
    }
  }
  return o;
}

inline allocator_stats parse_allocator_stats(wire_reader r) {
  allocator_stats a;
  while (r.next()) {
    switch (r.field()) {
      case 1: a.allocator_name = std::string(r.bytes()); break;
      case 2: a.total_bytes = r.int64(); break;
      case 3: a.peak_bytes = r.int64(); break;
      case 4: a.live_bytes = r.int64(); break;
      default: break;
    }
  }
  return a;
}

inline node_stats parse_node_stats(wire_reader r) {
  node_stats n;
  while (r.next()) {
    switch (r.field()) {
      case 1: n.node_name = std::string(r.bytes()); break;
      case 2: n.all_start_micros = r.int64(); break;
      case 3: n.op_start_rel_micros = r.int64(); break;
      case 4: n.op_end_rel_micros = r.int64(); break;
      case 5: n.all_end_rel_micros = r.int64(); break;
      case 6: n.memory.push_back(parse_allocator_stats(r.message())); break;
      case 7: n.outputs.push_back(parse_output_stats(r.message())); break;
      case 8: n.timeline_label = std::string(r.bytes()); break;
      case 9: n.scheduled_micros = r.int64(); break;
      case 10: n.thread_id = static_cast<std::uint32_t>(r.varint()); break;
      case 13: n.all_start_nanos = r.int64(); break;
      case 14: n.op_start_rel_nanos = r.int64(); break;
      case 15: n.op_end_rel_nanos = r.int64(); break;
      case 16: n.all_end_rel_nanos = r.int64(); break;
      default: break;
    }
  }
  return n;
}

inline device_stats parse_device_stats(wire_reader r) {
  device_stats d;
  while (r.next()) {
    if (r.field() == 1) {
      d.device = std::string(r.bytes());
    } else if (r.field() == 2) {
      d.nodes.push_back(parse_node_stats(r.message()));
    } else if (r.field() == 3) {
      std::uint32_t thread = 0;
      std::string name;
      wire_reader entry = r.message();
      while (entry.next()) {
        if (entry.field() == 1) thread = static_cast<std::uint32_t>(entry.varint());
        else if (entry.field() == 2) name = std::string(entry.bytes());
      }
      d.thread_names.insert_or_assign(thread, std::move(name));
    }
  }
  return d;
}

}  // namespace detail

/// RunMetadata's wire form.
inline std::string serialize(const run_metadata& m) {
  wire_writer step;
  for (const device_stats& d : m.devices) {
    wire_writer device;
    detail::put_text(device, 1, d.device);
    for (const node_stats& n : d.nodes) device.message(2, detail::wire_of(n));
    for (const auto& [thread, name] : d.thread_names) {
      wire_writer entry;
      device.message(3, entry.varint(1, thread).bytes(2, name));
    }
    step.message(1, device);
  }
  wire_writer w;
  return w.message(1, step).take();
}

/// Reads the wire form; `what` names the file in errors.
inline run_metadata parse_run_metadata(std::string_view bytes, std::string_view what = "run metadata") {
  run_metadata m;
  wire_reader r(bytes, what);
  while (r.next()) {
    if (r.field() != 1) continue;
    wire_reader step = r.message();
    while (step.next())
      if (step.field() == 1) m.devices.push_back(detail::parse_device_stats(step.message()));
  }
  return m;
}

}  // namespace rill::io
