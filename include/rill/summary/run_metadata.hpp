// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A traced run as TensorFlow's RunMetadata, so that TensorBoard's graph page, with the run selected under "session runs",
/// colours nodes by compute time and by memory:
///
///     events.add_graph(summary::graph_of<step, images, labels>());
///     s.run({.trace = &log}, x, y);
///     events.add_run_metadata("step99", io::serialize(summary::run_metadata_of(log.runs.back())), 99);
///
/// Nodes have the names of that graph. The nodes of one kernel run together: its time is that of its contraction (or other
/// root, or last result), and the others take none, so that the times of a scope add up. Memory is what a node's result
/// takes in the arena; results that never leave registers take none. Views (reshape, broadcast) are not run at all.

#include <algorithm>
#include <string>
#include <vector>

#include "../graph/trace_log.hpp"
#include "../io/run_metadata.hpp"

namespace rill::summary {

inline io::run_metadata run_metadata_of(const graph::trace_run& run) {
  const graph::graph_view& g = *run.graph;
  const std::vector<std::string> names = graph::node_names(g);
  io::device_stats device{"/job:localhost/replica:0/task:0/device:CPU:0"};

  /// A node with its result, which takes no time yet.
  const auto stats_of = [&](int id, std::int64_t start) {
    const graph::frozen_node& n = g.nodes[static_cast<std::size_t>(id)];
    io::node_stats s{names[static_cast<std::size_t>(id)]};
    s.all_start_micros = s.scheduled_micros = start / 1000;
    s.all_start_nanos = start;
    io::output_stats o{.type = n.type, .shape = n.shape.with_batch(run.batch), .allocator_name = {}};
    s.outputs.push_back(std::move(o));
    return s;
  };
  const auto label = [&](int id, std::string_view op) {
    const graph::frozen_node& n = g.nodes[static_cast<std::size_t>(id)];
    std::string text = names[static_cast<std::size_t>(id)] + " = " + std::string(op) + "(";
    for (int k = 0; k < n.arity; ++k) text += (k > 0 ? ", " : "") + names[static_cast<std::size_t>(n.in[k])];
    return text + ")";
  };

  for (std::size_t id = 0; id < g.nodes.size(); ++id) {
    const bool fed = g.nodes[id].id == graph::id_of<graph::source::input>;
    if (!fed && g.nodes[id].id != graph::id_of<graph::source::variable>) continue;
    io::node_stats s = stats_of(static_cast<int>(id), run.start);
    s.timeline_label = label(static_cast<int>(id), g.nodes[id].name);
    io::output_stats& o = s.outputs.front();
    o.requested_bytes = o.allocated_bytes = o.shape.num_elements() * static_cast<std::int64_t>(size_of(o.type));
    o.allocator_name = fed ? "feeds" : "variables";
    device.nodes.push_back(std::move(s));
  }
  for (const graph::trace_entry& e : run.entries) {
    const graph::kernel_info& k = *e.kernel;
    device.thread_names.try_emplace(static_cast<std::uint32_t>(e.thread), "session");
    for (int id : k.nodes) {
      io::node_stats s = stats_of(id, run.start + e.start);
      s.thread_id = static_cast<std::uint32_t>(e.thread);
      if (id == k.node) {
        s.op_end_rel_nanos = s.all_end_rel_nanos = e.duration;
        s.op_end_rel_micros = s.all_end_rel_micros = std::max<std::int64_t>(1, (e.duration + 500) / 1000);
      }
      s.timeline_label = label(id, id == k.node ? std::string_view(k.type) : g.nodes[static_cast<std::size_t>(id)].name);
      for (const graph::kernel_result& r : k.results) {
        if (r.node != id || r.offset < 0) continue;
        s.memory.push_back({"arena", r.allocated, r.allocated, r.allocated});
        io::output_stats& o = s.outputs.front();
        o.requested_bytes = r.bytes, o.allocated_bytes = r.allocated, o.allocator_name = "arena";
      }
      device.nodes.push_back(std::move(s));
    }
  }
  return {{std::move(device)}};
}

}  // namespace rill::summary
