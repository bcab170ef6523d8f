// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `train::flags`: the command line of a small program. A flag is a variable with a name and a line of help; its value
/// before parsing is its default. Written `--name=value` or `--name value` (a bool also as `--name` alone); `--help`
/// prints every flag with its default. An unknown, repeated or malformed flag, a value that does not fit, or a stray
/// argument is an invalid_argument whose one sentence names the flag, and the nearest known one if there is a near miss.
///
///   int steps = 1000;  std::string optimizer = "adam";
///   train::flags flags("mnist", "Trains a network that reads digits.");
///   flags.add("train_steps", steps, "number of training steps");
///   flags.add("optimizer", optimizer, "update rule", {"sgd", "adam"});
///   if (!flags.parse(argc, argv)) return 0;      // --help was printed

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <concepts>
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

namespace rill::train {

class flags {
 public:
  /// `program` is the name shown in the help, `summary` one sentence about it.
  flags(std::string_view program, std::string_view summary) : program_(program), summary_(summary) {}

  /// Declares a flag that sets `value`, whose content now is the default. `choices` limits what it may be.
  void add(std::string_view name, std::string& value, std::string_view help, std::vector<std::string> choices = {}) {
    declare({std::string(name), std::string(help), &value, value, std::move(choices)});
  }
  void add(std::string_view name, bool& value, std::string_view help) {
    declare({std::string(name), std::string(help), &value, value ? "true" : "false", {}});
  }
  /// Integers outside [lowest, highest] are refused.
  void add(std::string_view name, int& value, std::string_view help, int lowest = INT32_MIN, int highest = INT32_MAX) {
    declare({std::string(name), std::string(help), &value, std::to_string(value), {}, lowest, highest});
  }
  void add(std::string_view name, std::int64_t& value, std::string_view help, std::int64_t lowest = INT64_MIN,
           std::int64_t highest = INT64_MAX) {
    declare({std::string(name), std::string(help), &value, std::to_string(value), {}, lowest, highest});
  }
  void add(std::string_view name, std::uint64_t& value, std::string_view help) {
    declare({std::string(name), std::string(help), &value, std::to_string(value), {}});
  }
  /// Any finite number; `positive` refuses zero and less (a default of 0 then means "not given" and is not shown).
  void add(std::string_view name, float& value, std::string_view help, bool positive = false) {
    declare({std::string(name), std::string(help), &value, positive && value <= 0 ? "" : text_of(value), {}, positive ? 1 : 0});
  }
  void add(std::string_view name, double& value, std::string_view help, bool positive = false) {
    declare({std::string(name), std::string(help), &value, positive && value <= 0 ? "" : text_of(value), {}, positive ? 1 : 0});
  }

  /// Sets the variables from the command line. False if it asked for `--help`, which has then been printed to `out`.
  /// Nothing is printed on errors; no variable is set after the first bad flag.
  [[gnu::cold]] bool parse(int argc, const char* const* argv, std::ostream& out = std::cout) {
    for (int i = 1; i < argc; ++i) {
      const std::string_view arg = argv[i];
      if (arg == "--help" || arg == "-h") {
        out << help();
        return false;
      }
    }
    for (int i = 1; i < argc; ++i) {
      const std::string_view arg = argv[i];
      if (arg.size() < 3 || arg.substr(0, 2) != "--")
        rill::detail::raise<invalid_argument>({"'", arg, "' is not a flag; flags look like --name=value (see --help)"});
      const std::size_t eq = arg.find('=');
      const std::string_view name = arg.substr(2, eq == std::string_view::npos ? arg.size() : eq - 2);
      flag& f = lookup(name);
      if (f.seen) rill::detail::raise<invalid_argument>({"--", f.name, " is given twice"});
      f.seen = true;
      if (eq != std::string_view::npos) {
        assign(f, arg.substr(eq + 1));
      } else if (f.value.kind == target::boolean) {
        const bool word = i + 1 < argc && is_bool(argv[i + 1]);
        assign(f, word ? argv[++i] : "true");
      } else {
        // "--steps --seed 3" forgot a value; "--shift -3" did not.
        if (i + 1 >= argc || std::string_view(argv[i + 1]).substr(0, 2) == "--")
          rill::detail::raise<invalid_argument>({"--", f.name, " needs a value: --", f.name, "=VALUE"});
        assign(f, argv[++i]);
      }
    }
    return true;
  }

  /// Whether the command line set this flag. invalid_argument if it was never declared.
  [[gnu::cold]] [[nodiscard]] bool given(std::string_view name) const {
    for (const flag& f : flags_)
      if (f.name == name) return f.seen;
    rill::detail::raise<invalid_argument>({"--", name, " was never declared"});
  }

  /// What `--help` prints.
  [[gnu::cold]] [[nodiscard]] std::string help() const {
    std::string out = program_ + ": " + summary_ + "\n\nFlags:\n";
    std::size_t width = 4;
    for (const flag& f : flags_) width = std::max(width, f.name.size());
    for (const flag& f : flags_) {
      std::string text = f.help;
      if (!f.choices.empty()) text += " (" + join(f.choices, ", ") + ")";
      if (!f.initial.empty()) text += " [" + f.initial + "]";
      out += "  --" + f.name + std::string(width + 2 - f.name.size(), ' ') + text + "\n";
    }
    return out + "  --help" + std::string(width - 2, ' ') + "print this and exit\n";
  }

 private:
  /// The caller's variable.
  struct target {
    enum kind_type : unsigned char { text, boolean, int32, int64, uint64, float32, float64 } kind;
    void* at;
    target(std::string* p) : kind(text), at(p) {}        // NOLINT: implicit
    target(bool* p) : kind(boolean), at(p) {}            // NOLINT
    target(int* p) : kind(int32), at(p) {}               // NOLINT
    target(std::int64_t* p) : kind(int64), at(p) {}      // NOLINT
    target(std::uint64_t* p) : kind(uint64), at(p) {}    // NOLINT
    target(float* p) : kind(float32), at(p) {}           // NOLINT
    target(double* p) : kind(float64), at(p) {}          // NOLINT
  };
  struct flag {
    std::string name, help;
    target value;
    std::string initial;
    std::vector<std::string> choices;
    std::int64_t lowest = INT64_MIN, highest = INT64_MAX;
    bool seen = false;
  };

  [[gnu::cold]] void declare(flag f) {
    for (const flag& g : flags_)
      if (g.name == f.name) rill::detail::raise<invalid_argument>({"--", f.name, " is declared twice"});
    flags_.push_back(std::move(f));
  }

  [[gnu::cold]] flag& lookup(std::string_view name) {
    const flag* nearest = nullptr;
    std::size_t best = 3 + name.size() / 8;  // further away than this is another word, not a slip
    for (flag& f : flags_) {
      if (f.name == name) return f;
      const std::size_t d = distance(name, f.name);
      if (d < best || (name.size() >= 3 && f.name.find(name) != std::string::npos && best > 0)) {
        nearest = &f;
        best = std::min(best, d);
      }
    }
    rill::detail::raise<invalid_argument>({"there is no flag --", name,
                                           (nearest ? "; did you mean --" + nearest->name + "?" : " (see --help)")});
  }

  [[noreturn, gnu::cold]] static void refuse(const flag& f, std::string_view text, rill::detail::text_pieces wanted) {
    rill::detail::raise<invalid_argument>({"--", f.name, " must be ", rill::detail::join(wanted), ", got '", text, "'"});
  }

  [[gnu::cold]] static void assign(flag& f, std::string_view text) {
    switch (f.value.kind) {
      case target::text:
        if (!f.choices.empty() && std::find(f.choices.begin(), f.choices.end(), text) == f.choices.end())
          refuse(f, text, {"one of ", join(f.choices, ", ")});
        *static_cast<std::string*>(f.value.at) = text;
        break;
      case target::boolean:
        if (!is_bool(text)) refuse(f, text, {"true or false"});
        *static_cast<bool*>(f.value.at) = text == "true" || text == "1";
        break;
      case target::int32: *static_cast<int*>(f.value.at) = static_cast<int>(integer(f, text)); break;
      case target::int64: *static_cast<std::int64_t*>(f.value.at) = integer(f, text); break;
      case target::uint64: {
        std::uint64_t v = 0;
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
        if (ec != std::errc() || end != text.data() + text.size()) refuse(f, text, {"a whole number of at least 0"});
        *static_cast<std::uint64_t*>(f.value.at) = v;
        break;
      }
      case target::float32: {
        const auto v = static_cast<float>(real(f, text));
        if (!std::isfinite(v)) refuse(f, text, {"a number that float can hold"});
        *static_cast<float*>(f.value.at) = v;
        break;
      }
      case target::float64: *static_cast<double*>(f.value.at) = real(f, text); break;
    }
  }

  [[gnu::cold]] static std::int64_t integer(const flag& f, std::string_view text) {
    std::int64_t v = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (ec == std::errc() && end == text.data() + text.size() && v >= f.lowest && v <= f.highest) return v;
    const bool low = f.lowest > INT32_MIN, high = f.highest < INT32_MAX;
    if (low && high) refuse(f, text, {"a whole number from ", f.lowest, " to ", f.highest});
    if (low) refuse(f, text, {"a whole number of at least ", f.lowest});
    refuse(f, text, {"a whole number"});
  }
  [[gnu::cold]] static double real(const flag& f, std::string_view text) {
    double v = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
    const bool positive = f.lowest == 1;
    if (ec != std::errc() || end != text.data() + text.size() || !std::isfinite(v) || (positive && v <= 0))
      refuse(f, text, {positive ? "a number above 0" : "a number"});
    return v;
  }

  static bool is_bool(std::string_view s) { return s == "true" || s == "false" || s == "1" || s == "0"; }
  template <std::floating_point T>
  [[gnu::cold]] static std::string text_of(T v) {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr};
  }
  [[gnu::cold]] static std::string join(const std::vector<std::string>& words, const char* by) {
    std::string out;
    for (const std::string& w : words) out += (out.empty() ? "" : by) + w;
    return out;
  }
  /// Edits (insert, delete, replace, swap neighbours) from one word to the other.
  [[gnu::cold]] static std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
      for (std::size_t j = 0; j <= b.size(); ++j) {
        if (i == 0 || j == 0) {
          d[i][j] = i + j;
          continue;
        }
        d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    return d[a.size()][b.size()];
  }

  std::string program_, summary_;
  std::vector<flag> flags_;
};

}  // namespace rill::train
