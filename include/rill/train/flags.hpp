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
#include <variant>
#include <vector>

#include "rill/core/error.hpp"

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
  bool parse(int argc, const char* const* argv, std::ostream& out = std::cout) {
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
        throw invalid_argument("'" + std::string(arg) + "' is not a flag; flags look like --name=value (see --help)");
      const std::size_t eq = arg.find('=');
      const std::string_view name = arg.substr(2, eq == std::string_view::npos ? arg.size() : eq - 2);
      flag& f = lookup(name);
      if (f.seen) throw invalid_argument("--" + f.name + " is given twice");
      f.seen = true;
      if (eq != std::string_view::npos) {
        assign(f, arg.substr(eq + 1));
      } else if (std::holds_alternative<bool*>(f.value)) {
        const bool word = i + 1 < argc && is_bool(argv[i + 1]);
        assign(f, word ? argv[++i] : "true");
      } else {
        // "--steps --seed 3" forgot a value; "--shift -3" did not.
        if (i + 1 >= argc || std::string_view(argv[i + 1]).substr(0, 2) == "--")
          throw invalid_argument("--" + f.name + " needs a value: --" + f.name + "=VALUE");
        assign(f, argv[++i]);
      }
    }
    return true;
  }

  /// Whether the command line set this flag. invalid_argument if it was never declared.
  [[nodiscard]] bool given(std::string_view name) const {
    for (const flag& f : flags_)
      if (f.name == name) return f.seen;
    throw invalid_argument("--" + std::string(name) + " was never declared");
  }

  /// What `--help` prints.
  [[nodiscard]] std::string help() const {
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
  using target = std::variant<std::string*, bool*, int*, std::int64_t*, std::uint64_t*, float*, double*>;
  struct flag {
    std::string name, help;
    target value;
    std::string initial;
    std::vector<std::string> choices;
    std::int64_t lowest = INT64_MIN, highest = INT64_MAX;
    bool seen = false;
  };

  void declare(flag f) {
    for (const flag& g : flags_)
      if (g.name == f.name) throw invalid_argument("--" + f.name + " is declared twice");
    flags_.push_back(std::move(f));
  }

  flag& lookup(std::string_view name) {
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
    throw invalid_argument("there is no flag --" + std::string(name) +
                           (nearest ? "; did you mean --" + nearest->name + "?" : " (see --help)"));
  }

  void assign(flag& f, std::string_view text) {
    const auto bad = [&](const std::string& wanted) {
      return invalid_argument("--" + f.name + " must be " + wanted + ", got '" + std::string(text) + "'");
    };
    if (auto** s = std::get_if<std::string*>(&f.value)) {
      if (!f.choices.empty() && std::find(f.choices.begin(), f.choices.end(), text) == f.choices.end())
        throw bad("one of " + join(f.choices, ", "));
      **s = std::string(text);
    } else if (auto** b = std::get_if<bool*>(&f.value)) {
      if (!is_bool(text)) throw bad("true or false");
      **b = text == "true" || text == "1";
    } else if (auto** i = std::get_if<int*>(&f.value)) {
      **i = static_cast<int>(integer(f, text, bad));
    } else if (auto** l = std::get_if<std::int64_t*>(&f.value)) {
      **l = integer(f, text, bad);
    } else if (auto** u = std::get_if<std::uint64_t*>(&f.value)) {
      std::uint64_t v = 0;
      const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
      if (ec != std::errc() || end != text.data() + text.size()) throw bad("a whole number of at least 0");
      **u = v;
    } else if (auto** x = std::get_if<float*>(&f.value)) {
      **x = static_cast<float>(real(f, text, bad));
      if (!std::isfinite(**x)) throw bad("a number that float can hold");
    } else if (auto** y = std::get_if<double*>(&f.value)) {
      **y = real(f, text, bad);
    }
  }

  template <class Bad>
  static std::int64_t integer(const flag& f, std::string_view text, Bad bad) {
    std::int64_t v = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (ec != std::errc() || end != text.data() + text.size() || v < f.lowest || v > f.highest) {
      const bool low = f.lowest > INT32_MIN, high = f.highest < INT32_MAX;
      throw bad(low && high ? "a whole number from " + std::to_string(f.lowest) + " to " + std::to_string(f.highest)
                : low       ? "a whole number of at least " + std::to_string(f.lowest)
                            : std::string("a whole number"));
    }
    return v;
  }
  template <class Bad>
  static double real(const flag& f, std::string_view text, Bad bad) {
    double v = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
    const bool positive = f.lowest == 1;
    if (ec != std::errc() || end != text.data() + text.size() || !std::isfinite(v) || (positive && v <= 0))
      throw bad(positive ? "a number above 0" : "a number");
    return v;
  }

  static bool is_bool(std::string_view s) { return s == "true" || s == "false" || s == "1" || s == "0"; }
  template <std::floating_point T>
  static std::string text_of(T v) {
    char buffer[32];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr};
  }
  static std::string join(const std::vector<std::string>& words, const char* by) {
    std::string out;
    for (const std::string& w : words) out += (out.empty() ? "" : by) + w;
    return out;
  }
  /// Edits (insert, delete, replace, swap neighbours) from one word to the other.
  static std::size_t distance(std::string_view a, std::string_view b) {
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
