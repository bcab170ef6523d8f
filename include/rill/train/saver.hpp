// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Checkpoints of a variable store in TensorFlow's V2 format. `save` writes DIR/model.ckpt-STEP.{data-00000-of-00001,
/// index,meta} and then the `checkpoint` state file, each atomically; only then are checkpoints beyond `max_to_keep`
/// deleted, and only after the new one has been read back and its checksums found right. `restore` fills the variables of
/// a store by name; `restore_newest` takes the newest checkpoint whose every checksum is right and says on stderr which
/// it passed over. Variables that the checkpoint has and the store lacks are ignored.
///
///   train::saver saver({.max_to_keep = 5});
///   saver.save(store, "model/model.ckpt", 200);                  // model/model.ckpt-200.*
///   train::restore(store, "model/model.ckpt-200");
///   std::string prefix = train::restore_newest(store, "model");  // "" when there is no checkpoint

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"
#include "rill/graph/variable_store.hpp"
#include "rill/io/checkpoint_state.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/graph_def.hpp"
#include "rill/io/tensor_bundle.hpp"

namespace rill::train {

struct saver_options {
  int max_to_keep = 5;  ///< 0 keeps all
};

struct restore_options {
  /// Variables before this one (in the store's order) are left as they are.
  std::size_t first = 0;
  /// Variables whose names start with this may be missing in the checkpoint; they then keep their values.
  std::string_view optional = {};
  /// Variables get their moving averages where the checkpoint has them (TensorFlow's variables_to_restore); not_found when
  /// there is no average of any.
  bool averages = false;
};

namespace detail {

/// Prints a whole line at once; on a terminal it takes the place of a progress line.
[[gnu::cold]] inline void print_line(std::ostream& out, const std::string& line) {
  out << (&out == &std::cerr && ::isatty(STDERR_FILENO) != 0 ? "\r\x1b[K" : "") + line + "\n" << std::flush;
}
inline void warn(const std::string& message) { print_line(std::cerr, "warning: " + message); }

/// Files of one checkpoint, the index first: without it the rest is no checkpoint.
[[gnu::cold]] inline std::vector<std::string> checkpoint_files(const std::string& prefix) {
  return {prefix + ".index", prefix + ".data-00000-of-00001", prefix + ".meta"};
}

/// Deletes what a process that was killed while writing left beside its target: NAME.tmp-PID-N of a process that is gone.
[[gnu::cold]] inline void remove_abandoned(const std::string& dir, const std::string& base) {
  for (const std::string& name : io::list_dir(dir)) {
    const std::size_t at = name.rfind(".tmp-");
    if (at == std::string::npos || (name.compare(0, base.size() + 1, base + "-") != 0 && name.compare(0, at, "checkpoint") != 0))
      continue;
    const long pid = std::strtol(name.c_str() + at + 5, nullptr, 10);
    if (pid > 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) io::remove_if_exists(io::join_path(dir, name));
  }
}

[[gnu::cold]] inline void read_variables(graph::variable_store& store, const io::bundle_reader& reader, const restore_options& options) {
  // All names, types and shapes are checked before the first byte is written: a store is never half restored.
  const auto& variables = store.variables();
  bool any_average = !options.averages;
  const auto name_of_value = [&](const graph::stored_variable& v) {
    if (!options.averages) return v.name;
    const std::string average = v.name + "/" + std::string(graph::moving_average_slot);
    return reader.contains(average) ? any_average = true, average : v.name;
  };
  for (std::size_t i = options.first; i < variables.size(); ++i) {
    const graph::stored_variable& v = *variables[i];
    const std::string name = name_of_value(v);
    if (!reader.contains(name)) {
      if (!options.optional.empty() && v.name.compare(0, options.optional.size(), options.optional) == 0) continue;
      rill::detail::raise<not_found>({"tensor_name = ", v.name, "; not found in checkpoint '", reader.prefix(),
                                      "' (was it made by another model or optimizer?)"});
    }
    const io::bundle_entry& e = reader.entry(name);
    if (!(e.shape == v.shape))
      rill::detail::raise<invalid_argument>({"tensor_name = ", v.name, "; shape ", to_string(v.shape),
                                             " of the model does not match the shape stored in checkpoint '",
                                             reader.prefix(), "': ", to_string(e.shape)});
    if (e.type != v.type)
      rill::detail::raise<invalid_argument>({"tensor_name = ", v.name, "; type ", name_of(v.type),
                                             " of the model does not match the type stored in checkpoint '",
                                             reader.prefix(), "': ", name_of(e.type)});
  }
  if (!any_average)
    rill::detail::raise<not_found>({"checkpoint '", reader.prefix(), "' has no moving averages of the model's variables (was it trained with optimizers::moving_average?)"});
  store.to_host();  // those that are not restored
  for (std::size_t i = options.first; i < variables.size(); ++i) {
    graph::stored_variable& v = *variables[i];
    const std::string name = name_of_value(v);
    if (!reader.contains(name)) continue;
    reader.read(name, v.data, v.bytes);
    v.initialized = true;
  }
  store.from_host();
}

}  // namespace detail

/// Writes checkpoints of a store and deletes old ones.
class saver {
 public:
  explicit saver(saver_options options = {}) : options_(options) {}

  /// Saves every variable under `base`-`step` and makes that the current checkpoint; returns the prefix. With `graph`
  /// the .meta file holds it. Saving the same step again replaces it. On any error the checkpoints there are stay valid.
  [[gnu::cold]] std::string save(const graph::variable_store& store, const std::string& base, std::int64_t step,
                   const io::graph_def* graph = nullptr) {
    const std::string dir = io::dir_name(base);
    if (dir != known_dir_) {
      detail::remove_abandoned(dir, io::base_name(base));
      known_dir_ = dir;
    }
    const std::string prefix = base + "-" + std::to_string(step);
    store.to_host();
    io::bundle_writer writer(prefix);
    for (const auto& v : store.variables()) writer.add(v->name, v->type, v->shape, v->data, v->bytes);
    if (graph != nullptr) io::write_meta_graph(prefix, *graph);
    writer.finish();

    std::vector<std::string> kept;
    try {
      if (const auto state = io::read_checkpoint_state(dir))
        for (const std::string& path : state->all_model_checkpoint_paths)
          // what the file names outside of this directory is not ours to delete
          if (const std::string full = io::join_path(dir, path);
              io::is_beneath(path) && full != prefix && io::exists(full + ".index"))
            kept.push_back(full);
    } catch (const data_loss& e) {
      detail::warn(std::string(e.what()) + "; it is written anew");
    }
    kept.push_back(prefix);
    std::size_t drop = 0;
    if (options_.max_to_keep > 0 && kept.size() > static_cast<std::size_t>(options_.max_to_keep)) {
      drop = kept.size() - static_cast<std::size_t>(options_.max_to_keep);
      io::bundle_reader(prefix).verify_all();  // nothing older goes before the new one has proved good
    }
    io::write_checkpoint_state(dir, {prefix, {kept.begin() + static_cast<std::ptrdiff_t>(drop), kept.end()}});
    for (std::size_t i = 0; i < drop; ++i) {
      try {
        for (const std::string& file : detail::checkpoint_files(kept[i])) io::remove_if_exists(file);
      } catch (const error& e) {
        detail::warn(std::string("an old checkpoint stays: ") + e.what());
      }
    }
    return prefix;
  }

 private:
  saver_options options_;
  std::string known_dir_;
};

/// Fills the variables of the store from one checkpoint. A damaged file is data_loss, a variable that the checkpoint lacks
/// not_found, another shape or type invalid_argument naming tensor, both shapes and the checkpoint; the store is then
/// unchanged.
[[gnu::cold]] inline void restore(graph::variable_store& store, const std::string& prefix, const restore_options& options = {}) {
  const io::bundle_reader reader(prefix);
  reader.verify_all();
  detail::read_variables(store, reader, options);
}

/// Fills the variables from the newest good checkpoint in a directory and returns its prefix, "" when there is none.
/// Damaged ones are passed over with a warning on stderr; if all are damaged, data_loss names the newest.
[[gnu::cold]] inline std::string restore_newest(graph::variable_store& store, const std::string& dir, const restore_options& options = {}) {
  std::string first_problem;
  for (const std::string& prefix : io::checkpoint_candidates(dir)) {
    try {
      const io::bundle_reader reader(prefix);
      reader.verify_all();
      if (!first_problem.empty()) detail::warn("restoring the older checkpoint '" + prefix + "' instead");
      detail::read_variables(store, reader, options);
      return prefix;
    } catch (const data_loss& e) {
      detail::warn("checkpoint '" + prefix + "' is damaged and is passed over: " + e.what());
      if (first_problem.empty()) first_problem = e.what();
    } catch (const not_found& e) {
      if (io::exists(prefix + ".data-00000-of-00001")) throw;  // the files are there: the model wants another tensor
      detail::warn("checkpoint '" + prefix + "' is incomplete and is passed over: " + e.what());
      if (first_problem.empty()) first_problem = e.what();
    }
  }
  if (!first_problem.empty()) rill::detail::raise<data_loss>({"no checkpoint in '", dir, "' can be read; of the newest: ",
                                                              first_problem});
  return {};
}

}  // namespace rill::train
