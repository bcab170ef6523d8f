// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The `checkpoint` file of a model directory, a text proto that names the newest checkpoint and those kept before it.
/// Paths inside it are relative to the directory where they can be, so that the directory can be moved.
///
///     io::write_checkpoint_state("model", {"model.ckpt-200", {"model.ckpt-100", "model.ckpt-200"}});
///     io::latest_checkpoint("model") == "model/model.ckpt-200"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rill/core/text.hpp"
#include "rill/io/filesystem.hpp"
#include "rill/io/text_proto.hpp"

namespace rill::io {

/// The content of a `checkpoint` file: prefixes as written there, oldest first; the last is the current one.
struct checkpoint_state {
  std::string model_checkpoint_path;
  std::vector<std::string> all_model_checkpoint_paths;
};

/// Writes `dir`/checkpoint atomically. A prefix that starts with `dir`/ is stored relative to it, others as they are.
template <class = void>
[[gnu::cold]] void write_checkpoint_state(const std::string& dir, const checkpoint_state& state) {
  const std::string below = join_path(dir, "");
  const auto stored = [&](const std::string& path) {
    return path.size() > below.size() && path.compare(0, below.size(), below) == 0 ? path.substr(below.size()) : path;
  };
  text_proto_writer w;
  w.string("model_checkpoint_path", stored(state.model_checkpoint_path));
  for (const std::string& path : state.all_model_checkpoint_paths) w.string("all_model_checkpoint_paths", stored(path));
  atomic_write(join_path(dir, "checkpoint"), w.str());
}

/// Reads `dir`/checkpoint; nothing when there is none, `data_loss` when it is malformed. Keys it does not know are
/// ignored.
template <class = void>
[[gnu::cold]] std::optional<checkpoint_state> read_checkpoint_state(const std::string& dir) {
  const std::string path = join_path(dir, "checkpoint");
  if (!exists(path)) return std::nullopt;
  checkpoint_state state;
  for (text_field& f : parse_text_proto(read_file(path, std::uint64_t{64} << 20), path)) {
    if (f.is_message) continue;
    if (f.name == "model_checkpoint_path") state.model_checkpoint_path = std::move(f.value);
    else if (f.name == "all_model_checkpoint_paths") state.all_model_checkpoint_paths.push_back(std::move(f.value));
  }
  if (state.model_checkpoint_path.empty()) rill::detail::raise<data_loss>({"'", path, "' names no model_checkpoint_path"});
  return state;
}

/// The prefix of the current checkpoint, joined to `dir`; empty when there is no `checkpoint` file or the checkpoint it
/// names has no index.
template <class = void>
[[gnu::cold]] std::string latest_checkpoint(const std::string& dir) {
  const std::optional<checkpoint_state> state = read_checkpoint_state(dir);
  if (!state) return {};
  std::string prefix = join_path(dir, state->model_checkpoint_path);
  return exists(prefix + ".index") ? prefix : std::string{};
}

/// The step in a checkpoint's name, 120 of "model.ckpt-120"; -1 when the name does not end in one.
[[gnu::cold]] inline std::int64_t checkpoint_step(std::string_view prefix) {
  const std::size_t at = prefix.rfind('-');
  if (at == std::string_view::npos || at + 1 == prefix.size() || prefix.size() - at > 19) return -1;
  std::int64_t step = 0;
  for (const char c : prefix.substr(at + 1)) {
    if (c < '0' || c > '9') return -1;
    step = step * 10 + (c - '0');
  }
  return step;
}

/// Every checkpoint a restore may try, best first: the current one, the older ones of the state file from new to old,
/// then those found in the directory that it does not name, by falling step. A state file that is missing or malformed
/// only shortens the list, so that a directory with one good checkpoint is never given up.
template <class = void>
[[gnu::cold]] std::vector<std::string> checkpoint_candidates(const std::string& dir) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& prefix) {
    if (std::find(out.begin(), out.end(), prefix) == out.end() && exists(prefix + ".index")) out.push_back(prefix);
  };
  try {
    if (const auto state = read_checkpoint_state(dir)) {
      add(join_path(dir, state->model_checkpoint_path));
      for (auto it = state->all_model_checkpoint_paths.rbegin(); it != state->all_model_checkpoint_paths.rend(); ++it)
        add(join_path(dir, *it));
    }
  } catch (const data_loss&) {  // the directory itself is the second source
  }
  std::vector<std::pair<std::int64_t, std::string>> found;
  if (is_directory(dir)) {
    for (const std::string& name : list_dir(dir)) {
      constexpr std::string_view suffix = ".index";
      if (name.size() <= suffix.size() || name.compare(name.size() - suffix.size(), suffix.size(), suffix) != 0)
        continue;
      const std::string stem = name.substr(0, name.size() - suffix.size());
      found.emplace_back(checkpoint_step(stem), join_path(dir, stem));
    }
  }
  std::make_heap(found.begin(), found.end(), std::greater<>());  // a fraction of the code of std::sort
  std::sort_heap(found.begin(), found.end(), std::greater<>());
  for (const auto& [step, prefix] : found) add(prefix);
  return out;
}

}  // namespace rill::io
