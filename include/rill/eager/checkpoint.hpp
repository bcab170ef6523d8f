// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Saves and restores eager objects by name: variables, modules, optimizers. Files are TensorFlow's V2 checkpoints; a
/// compiled session's checkpoint of the same model restores into a module named "" and the other way round.
///
///   eager::checkpoint root;
///   root.add("x", x).add("model", model).add("optimizer", sgd);
///   std::string path = root.save("dir/ckpt");                    // "dir/ckpt-1"
///   root.restore(io::latest_checkpoint("dir").value());
///
/// Variables that a module has not made yet get their saved value when it does.

#include <functional>

#include "../io/checkpoint_state.hpp"
#include "../io/tensor_bundle.hpp"
#include "module.hpp"
#include "optimizer.hpp"

namespace rill::eager {

/// A set of named objects that live as long as the checkpoint is used.
class checkpoint {
 public:
  checkpoint& add(const std::string& name, const variable& v) {
    objects_.push_back({name, [v](const visitor& f) { f("", v); }, nullptr});
    return *this;
  }
  template <class Model>
  checkpoint& add(const std::string& name, module<Model>& m) {
    objects_.push_back({name,
                        [&m](const visitor& f) {
                          for (const variable& v : m.variables()) f(v.name(), v);
                        },
                        [&m](const std::string& key, const dynamic_tensor& value) { m.set_first_value(key, value); }});
    return *this;
  }
  template <class O>
  checkpoint& add(const std::string& name, optimizer<O>& o) {
    objects_.push_back({name,
                        [&o](const visitor& f) {
                          f("global_step", o.global_step());
                          for (const auto& [slot, v] : o.slot_variables()) f(slot, v);
                        },
                        [&o](const std::string& key, const dynamic_tensor& value) { o.set_first_value(key, value); }});
    return *this;
  }

  /// Writes prefix-1, prefix-2, ... and the directory's `checkpoint` file; returns the path. Errors are the filesystem's.
  std::string save(const std::string& prefix) {
    const std::string path = prefix + "-" + std::to_string(++saves_);
    io::bundle_writer w(path);
    for (const object& o : objects_)
      o.visit([&](const std::string& key, const variable& v) {
        const dynamic_tensor value = v.value();
        w.add(full_name(o.name, key), value.type(), value.shape(), value.data(),
              static_cast<std::size_t>(value.size()) * size_of(value.type()));
      });
    w.finish();
    const std::size_t slash = prefix.rfind('/');
    const std::string dir = slash == std::string::npos ? "." : prefix.substr(0, slash);
    saved_.push_back(path);
    io::write_checkpoint_state(dir, {path, saved_});
    return path;
  }

  /// Gives every object its saved values. not_found when a variable that exists is not in the file, invalid_argument when
  /// its dtype or shape differs; then nothing has changed.
  void restore(const std::string& path) {
    const io::bundle_reader in(path);
    std::vector<std::pair<variable, dynamic_tensor>> values;
    std::set<std::string> used;
    for (const object& o : objects_)
      o.visit([&](const std::string& key, const variable& v) {
        const std::string name = full_name(o.name, key);
        if (!in.contains(name)) throw not_found("restore: the checkpoint '" + path + "' has no tensor '" + name + "'");
        const dynamic_tensor value = read(in, name);
        if (value.type() != v.type() || !(value.shape() == v.shape()))
          throw invalid_argument("restore: '" + name + "' is " + std::string(rill::name_of(value.type())) +
                                 to_string(value.shape()) + " in the checkpoint '" + path + "' and " +
                                 std::string(rill::name_of(v.type())) + to_string(v.shape()) + " here");
        values.emplace_back(v, value);
        used.insert(name);
      });
    for (const auto& [v, value] : values) v.assign(value);
    for (const object& o : objects_) {
      if (!o.later) continue;
      const std::string below = o.name.empty() ? "" : o.name + "/";
      for (const auto& [name, entry] : in.entries())
        if (used.count(name) == 0 && name.compare(0, below.size(), below) == 0 && size_of(entry.type) > 0)
          o.later(name.substr(below.size()), read(in, name));
    }
  }

 private:
  using visitor = std::function<void(const std::string& key, const variable& v)>;
  struct object {
    std::string name;
    std::function<void(const visitor&)> visit;
    std::function<void(const std::string& key, const dynamic_tensor& value)> later;
  };
  static std::string full_name(const std::string& object, const std::string& key) {
    return object.empty() ? key : key.empty() ? object : object + "/" + key;
  }
  static dynamic_tensor read(const io::bundle_reader& in, const std::string& name) {
    const io::bundle_entry& e = in.entry(name);
    dynamic_tensor t = dynamic_tensor::uninitialized(e.type, e.shape);
    in.read(name, t.mutable_data(), static_cast<std::size_t>(t.size()) * size_of(e.type));
    return t;
  }

  std::vector<object> objects_;
  std::vector<std::string> saved_;
  int saves_ = 0;
};

}  // namespace rill::eager
