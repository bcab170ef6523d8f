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
///
/// Kernels in the bodies of loops and branches count once each, with the time of all their executions: at the nodes of the
/// functions that the graph has for the bodies, by TensorBoard's name for these ("__function_library__While_body/MatMul").

#include <algorithm>
#include <string>
#include <vector>

#include "../graph/trace_log.hpp"
#include "../io/run_metadata.hpp"

namespace rill::summary {

template <class = void>  // compiled for programs that ask
io::run_metadata run_metadata_of(const graph::trace_run& run) {
  const graph::graph_view& g = *run.graph;
  const std::vector<std::string> names = graph::node_names(g);
  io::device_stats device{"/job:localhost/replica:0/task:0/device:CPU:0"};

  /// A node with its result, which takes no time yet.
  const auto stats_of = [&](const graph::frozen_node& n, const std::string& name, std::int64_t start) {
    io::node_stats s{name};
    s.all_start_micros = s.scheduled_micros = start / 1000;
    s.all_start_nanos = start;
    io::output_stats o{.type = n.type, .shape = n.shape.with_batch(run.batch), .allocator_name = {}};
    s.outputs.push_back(std::move(o));
    return s;
  };
  const auto own_stats_of = [&](int id, std::int64_t start) {
    return stats_of(g.nodes[static_cast<std::size_t>(id)], names[static_cast<std::size_t>(id)], start);
  };
  const auto take = [](io::node_stats& s, std::int64_t nanos) {
    s.op_end_rel_nanos = s.all_end_rel_nanos = nanos;
    s.op_end_rel_micros = s.all_end_rel_micros = std::max<std::int64_t>(1, (nanos + 500) / 1000);
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
    io::node_stats s = own_stats_of(static_cast<int>(id), run.start);
    s.timeline_label = label(static_cast<int>(id), g.nodes[id].name);
    io::output_stats& o = s.outputs.front();
    o.requested_bytes = o.allocated_bytes = o.shape.num_elements() * static_cast<std::int64_t>(size_of(o.type));
    o.allocator_name = fed ? "feeds" : "variables";
    device.nodes.push_back(std::move(s));
  }
  const graph::body_names bodies = graph::names_of_bodies(g);
  std::vector<std::int64_t> calls(run.kernels->size(), 0), durations(run.kernels->size(), 0);
  for (const graph::trace_entry& e : run.entries) {
    const auto kernel = static_cast<std::size_t>(e.kernel - run.kernels->data());
    calls[kernel] += e.calls, durations[kernel] += e.duration;
  }
  for (const graph::trace_entry& e : run.entries) {
    const graph::kernel_info& k = *e.kernel;
    if (k.body >= 0) {
      const auto kernel = static_cast<std::size_t>(e.kernel - run.kernels->data()), body = static_cast<std::size_t>(k.body);
      if (calls[kernel] == 0) continue;  // its first entry has said it all
      for (int id : k.nodes) {
        const graph::frozen_node& n = g.body_nodes[static_cast<std::size_t>(g.bodies[body].first + id)];
        io::node_stats s = stats_of(n, "__function_library__" + bodies.functions[body] + "/" + bodies.nodes[body][static_cast<std::size_t>(id)], run.start + e.start);
        s.thread_id = static_cast<std::uint32_t>(e.thread);
        if (id == k.node) take(s, durations[kernel]);
        s.timeline_label = k.name + " = " + (id == k.node ? k.type : std::string(n.name)) + "(), " + std::to_string(calls[kernel]) + " times";
        device.nodes.push_back(std::move(s));
      }
      calls[kernel] = 0;
      continue;
    }
    device.thread_names.try_emplace(static_cast<std::uint32_t>(e.thread), "session");
    for (int id : k.nodes) {
      io::node_stats s = own_stats_of(id, run.start + e.start);
      s.thread_id = static_cast<std::uint32_t>(e.thread);
      if (id == k.node) take(s, e.duration);
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
