// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the programs that `rill_add_compiled_model` generates run while a project is built: they write the header of a
/// compiled model's class, which needs nothing of Rill, and the weights of a checkpoint as one file.
///
///   int main(int argc, char** argv) {   // prints nothing; exit code 1 and one sentence on stderr when it could not
///     return train::generate_compiled_class<model, tensor<float, 2, 3>>({"name", "ns", "Class", "ns::model", true}, argc, argv);
///   }                                   // arguments: the header to write [, checkpoint prefix, file of weights to write]

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "../graph/compiled_function.hpp"
#include "../io/tensor_bundle.hpp"

namespace rill::train {

/// Names in a generated header.
struct class_names {
  std::string_view library;     ///< the header is library.h
  std::string_view name_space;  ///< of the class: "a::b", or "" for the global one
  std::string_view name;        ///< of the class
  std::string_view model;       ///< what it was made from, for a comment
  bool baked = false;           ///< whether the weights are constants of the library
};

namespace detail {

/// An element type as a header without Rill spells it; half and bfloat16 are their bits.
constexpr std::string_view plain_type(dtype t) {
  switch (t) {
    case dtype::float32: return "float";
    case dtype::float64: return "double";
    case dtype::boolean: return "bool";
    case dtype::int8: return "std::int8_t";
    case dtype::int16: return "std::int16_t";
    case dtype::int32: return "std::int32_t";
    case dtype::int64: return "std::int64_t";
    case dtype::uint8: return "std::uint8_t";
    case dtype::uint16:
    case dtype::float16:
    case dtype::bfloat16: return "std::uint16_t";
    case dtype::uint32: return "std::uint32_t";
    case dtype::uint64: return "std::uint64_t";
    case dtype::complex64: return "std::complex<float>";
    case dtype::complex128: return "std::complex<double>";
    default: return "void";
  }
}

/// Accessors of argument or result k.
inline void write_accessors(std::string& h, std::string_view what, std::size_t k, dtype type, const tensor_shape& shape) {
  const std::string t(plain_type(type)), n = std::string(what) + std::to_string(k), list = std::string(what) + "s_[" + std::to_string(k) + "]";
  h += "\n  // " + n + ": " + std::string(name_of(type)) + to_string(shape) + "\n";
  if (what == "arg") h += "  void set_" + n + "_data(const " + t + "* data) { " + list + " = const_cast<" + t + "*>(data); }\n";
  std::string parameters, place = shape.rank() == 0 ? "0" : "";
  for (int d = 0; d < shape.rank(); ++d) {
    const std::string dim = "dim" + std::to_string(d);
    parameters += (d > 0 ? ", std::size_t " : "std::size_t ") + dim;
    place = d == 0 ? dim : (d > 1 ? "(" + place + ")" : place) + " * " + std::to_string(shape[d]) + " + " + dim;
  }
  for (const std::string_view constness : {"", "const "}) {
    const std::string c(constness), suffix = c.empty() ? "" : " const";
    h += "  " + c + t + "* " + n + "_data()" + suffix + " { return static_cast<" + c + t + "*>(" + list + "); }\n";
    h += "  " + c + t + "& " + n + "(" + parameters + ")" + suffix + " { return " + n + "_data()[" + place + "]; }\n";
  }
}

/// A table of one entry for each buffer, as a function.
inline void write_table(std::string& h, std::string_view type, std::string_view function, const std::vector<std::string>& entries) {
  h += "  static constexpr " + std::string(type) + " " + std::string(function) + "(std::size_t k) {\n    constexpr " + std::string(type) + " all[] = {";
  for (const std::string& e : entries) h += e + ", ";
  h += std::string(type == "std::size_t" ? "0" : "\"\"") + "};\n    return all[k];\n  }\n";
}

template <class Buffers>
std::vector<std::string> sizes_in(const Buffers& b) {
  std::vector<std::string> r;
  for (const auto& x : b.list) r.push_back(std::to_string(x.bytes));
  return r;
}
template <class Buffers>
std::vector<std::string> types_in(const Buffers& b) {
  std::vector<std::string> r;
  for (const auto& x : b.list) r.push_back("\"" + std::string(name_of(x.type)) + "\"");
  return r;
}

inline void write_file(const std::string& path, std::string_view content) {
  std::FILE* f = std::fopen(path.c_str(), "wb");
  const bool written = f != nullptr && std::fwrite(content.data(), 1, content.size(), f) == content.size();
  if (f == nullptr || std::fclose(f) != 0 || !written) throw permission_denied(path + " cannot be written");
}

}  // namespace detail

/// The header of a compiled model's class, in C++14.
template <class Model, class... Inputs>
std::string compiled_header(const class_names& names) {
  using signature = graph::compiled_signature<Model, Inputs...>;
  const std::string name(names.name);
  std::string h = "// Made by rill_add_compiled_model(" + std::string(names.library) + ") from " + std::string(names.model) +
                  "; edits would be lost.\n#pragma once\n\n#include <complex>\n#include <cstddef>\n#include <cstdint>\n\n";
  std::string open, close;  // one namespace at a time: the header is C++14
  for (std::string_view rest = names.name_space; !rest.empty();) {
    const std::size_t n = std::min(rest.find("::"), rest.size());
    open += "namespace " + std::string(rest.substr(0, n)) + " {\n";
    close += "}  // namespace\n";
    rest.remove_prefix(std::min(n + 2, rest.size()));
  }
  if (!open.empty()) h += open + "\n";
  h += "/// A model compiled ahead of time. Buffers are row-major; those it allocates are aligned to 64 bytes, and those it is given\n"
       "/// must be to 32. All are allocated by the constructor. One object is used by one thread at a time.\n"
       "class " + name + " {\n public:\n"
       "  enum class AllocMode { ARGS_RESULTS_AND_TEMPS, RESULTS_AND_TEMPS_ONLY };\n\n"
       "  /// Threads of the program's own.\n"
       "  class ThreadPool {\n   public:\n    virtual ~ThreadPool() = default;\n"
       "    /// How many threads may be inside `body` at once, the caller among them.\n"
       "    virtual int NumThreads() const noexcept = 0;\n"
       "    /// Calls body(context, begin, end) on ranges that cover [0, n) exactly once, and returns when all calls have.\n"
       "    virtual void ParallelFor(std::int64_t n, void (*body)(void* context, std::int64_t begin, std::int64_t end), void* context) = 0;\n"
       "  };\n\n"
       "  explicit " + name + "(AllocMode mode = AllocMode::ARGS_RESULTS_AND_TEMPS);\n"
       "  ~" + name + "();\n"
       "  " + name + "(const " + name + "&) = delete;\n"
       "  " + name + "& operator=(const " + name + "&) = delete;\n\n"
       "  /// Reads the arguments and writes the results. False on failure: error() then says why.\n"
       "  bool Run() noexcept;\n"
       "  const char* error() const noexcept;\n"
       "  /// Runs in this pool from now on (nullptr: as without it).\n"
       "  void set_thread_pool(ThreadPool* pool);\n\n"
       "  void** args() { return args_; }\n"
       "  void** results() { return results_; }\n";
  for (std::size_t k = 0; k < signature::arg_count; ++k)
    detail::write_accessors(h, "arg", k, signature::args.list[k].type, signature::args.list[k].shape);
  for (std::size_t k = 0; k < signature::result_count; ++k)
    detail::write_accessors(h, "result", k, signature::results.list[k].type, signature::results.list[k].shape);

  h += "\n  // Sizes in bytes and element types.\n";
  h += "  static constexpr std::size_t kNumArgs = " + std::to_string(signature::arg_count) + ", kNumResults = " + std::to_string(signature::result_count) + ";\n";
  detail::write_table(h, "std::size_t", "ArgSize", detail::sizes_in(signature::args));
  detail::write_table(h, "const char*", "ArgType", detail::types_in(signature::args));
  detail::write_table(h, "std::size_t", "ResultSize", detail::sizes_in(signature::results));
  detail::write_table(h, "const char*", "ResultType", detail::types_in(signature::results));

  h += "\n  // Weights";
  h += signature::weight_count == 0 ? ": none.\n" : names.baked ? " are constants of the library.\n"
       : ": kWeightsBytes bytes, aligned to 64, that hold each variable at its offset. They are not copied.\n";
  const bool given = signature::weight_count > 0 && !names.baked;
  h += std::string("  static constexpr bool kWeightsAreConstants = ") + (names.baked ? "true" : "false") + ";\n";
  h += "  static constexpr std::size_t kNumWeights = " + std::to_string(signature::weight_count) + ", kWeightsBytes = " + std::to_string(signature::weights.bytes) + ";\n";
  if (signature::weight_count > 0) {
    std::vector<std::string> variables, offsets;
    for (std::size_t k = 0; k < signature::weight_count; ++k) {
      variables.push_back("\"" + std::string(signature::weight_name(k)) + "\"");
      offsets.push_back(std::to_string(signature::weights.list[k].offset));
    }
    detail::write_table(h, "const char*", "WeightName", variables);
    detail::write_table(h, "std::size_t", "WeightOffset", offsets);
    detail::write_table(h, "std::size_t", "WeightSize", detail::sizes_in(signature::weights));
  }
  h += std::string(given ? "" : "  /// Does nothing: there is nothing to set.\n") + "  void set_weights_data(const void* weights);\n";
  h += "\n private:\n  void* state_;\n  void** args_;\n  void** results_;\n};\n";
  if (!close.empty()) h += "\n" + close;
  return h;
}

/// The weights of a checkpoint as `compiled_function::set_weights(const void*)` takes them. not_found, data_loss and
/// invalid_argument name checkpoint and variable.
template <class Model, class... Inputs>
std::string baked_weights(const std::string& checkpoint) {
  using signature = graph::compiled_signature<Model, Inputs...>;
  static_assert(!signature::updates_weights, "rill_add_compiled_model: the model updates variables, which constants cannot be");
  const io::bundle_reader r(checkpoint);
  std::string all(static_cast<std::size_t>(signature::weights.bytes), '\0');
  for (std::size_t k = 0; k < signature::weight_count; ++k) {
    const auto& w = signature::weights.list[k];
    const std::string name(signature::weight_name(k));
    const io::bundle_entry& e = r.entry(name);
    if (e.type != w.type || !(e.shape == w.shape))
      throw invalid_argument("checkpoint " + checkpoint + ": variable " + name + " is " + std::string(name_of(e.type)) +
                             to_string(e.shape) + " there, the model wants " + std::string(name_of(w.type)) + to_string(w.shape));
    r.read(name, all.data() + w.offset, static_cast<std::size_t>(w.bytes));
  }
  return all;
}

/// The generator's main.
template <class Model, class... Inputs>
int generate_compiled_class(const class_names& names, int argc, char** argv) {
  graph::compiled_signature<Model, Inputs...>::code::require();
  try {
    if (argc != (names.baked ? 4 : 2)) throw invalid_argument("expected the header to write" + std::string(names.baked ? ", a checkpoint and the file of weights to write" : ""));
    if (names.baked) detail::write_file(argv[3], baked_weights<Model, Inputs...>(argv[2]));
    detail::write_file(argv[1], compiled_header<Model, Inputs...>(names));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "rill_add_compiled_model(%.*s): %s\n", static_cast<int>(names.library.size()), names.library.data(), e.what());
    return 1;
  }
}

}  // namespace rill::train
