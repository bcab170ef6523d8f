// SPDX-License-Identifier: Apache-2.0
// The node tests of ONNX (Debian's libonnx-testdata): every case is a model of one or a few operators, its inputs and the
// outputs that NumPy or PyTorch computed. Every case must pass or stand in denylist.txt with its reason; a case that stands
// there and passes fails the test too, so the list never grows stale. Says so and is skipped where the data is not there.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "driver.hpp"
#include "rill/io/filesystem.hpp"

#ifndef RILL_ONNX_TESTDATA
#define RILL_ONNX_TESTDATA "/usr/share/libonnx-testdata/data/node"
#endif

namespace {

namespace fs = std::filesystem;
using namespace rill;
using onnx::value;

std::string describe(const dynamic_tensor& t) { return std::string(name_of(t.type())) + to_string(t.shape()); }

/// How far two tensors are apart, in words; nothing where they agree within ONNX's tolerances.
std::string difference(const dynamic_tensor& want, const dynamic_tensor& got) {
  if (!want.has_value() || !got.has_value()) return want.has_value() == got.has_value() ? "" : "one of both is empty";
  if (want.type() != got.type() || !(want.shape() == got.shape())) return "wanted " + describe(want) + ", got " + describe(got);
  return visit_element(want.type(), [&]<class T>(std::type_identity<T>) -> std::string {
    const auto a = want.span<T>(), b = got.span<T>();
    for (std::size_t k = 0; k < a.size(); ++k) {
      bool same = a[k] == b[k];
      std::ostringstream text;
      if constexpr (is_floating_v<T>) {
        const auto x = static_cast<double>(a[k]), y = static_cast<double>(b[k]);
        constexpr double rtol = is_narrow_v<T> ? 1e-2 : 1e-3;
        same = same || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= 1e-7 + rtol * std::abs(x);
        text << x << ", got " << y;
      } else if constexpr (std::is_same_v<T, std::string>) text << "'" << a[k] << "', got '" << b[k] << "'";
      else if constexpr (is_complex_v<T>) same = std::abs(a[k] - b[k]) <= 1e-7 + 1e-3 * std::abs(a[k]);
      else text << static_cast<std::int64_t>(a[k]) << ", got " << static_cast<std::int64_t>(b[k]);
      if (!same) return "element " + std::to_string(k) + " of " + describe(want) + ": wanted " + text.str();
    }
    return "";
  });
}
std::string difference(const value& want, const value& got) {
  if (!want.is_sequence && !got.is_sequence) return difference(want.t, got.t);
  if (want.is_sequence != got.is_sequence || want.items.size() != got.items.size())
    return "wanted a sequence of " + std::to_string(want.items.size()) + ", got one of " + std::to_string(got.items.size());
  for (std::size_t k = 0; k < want.items.size(); ++k)
    if (const std::string d = difference(want.items[k], got.items[k]); !d.empty()) return "item " + std::to_string(k) + ": " + d;
  return "";
}

/// The operator that a case is about: that of its last node where a case was expanded into several.
struct outcome {
  std::string name, op, problem;
};

outcome run_case(const fs::path& folder) {
  outcome r{folder.filename().string(), "?", ""};
  try {
    const std::string path = (folder / "model.onnx").string(), bytes = io::read_file(path);
    const onnx::model m = onnx::read_model(bytes, path);
    r.op = m.main.nodes.size() == 1 ? m.main.nodes[0].op : "(several operators)";
    const auto load = [&](const char* what, std::size_t k, const onnx::port& port) {
      const std::string file = (folder / "test_data_set_0" / (what + std::to_string(k) + ".pb")).string();
      const std::string content = io::read_file(file);
      return onnx::read_value(content, port, file);
    };
    std::vector<value> in;
    for (std::size_t k = 0; k < m.main.inputs.size(); ++k) in.push_back(load("input_", k, m.main.inputs[k]));
    const onnx::results out = onnx::run(m.main, in, m.opset);
    for (std::size_t k = 0; k < out.size() && r.problem.empty(); ++k)
      if (const std::string d = difference(load("output_", k, m.main.outputs[k]), out[k]); !d.empty())
        r.problem = "output " + std::to_string(k) + ": " + d;
  } catch (const std::exception& e) {
    r.problem = e.what();
  }
  return r;
}

/// Lines "name reason" or "prefix* reason"; # starts a comment.
struct denied {
  std::string pattern, reason;
  int cases = 0;
  [[nodiscard]] bool covers(const std::string& name) const {
    if (!pattern.empty() && pattern.back() == '*') return name.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
    return name == pattern;
  }
};
std::vector<denied> read_denylist() {
  std::vector<denied> list;
  std::ifstream in(io::join_path(io::dir_name(__FILE__), "denylist.txt"));
  REQUIRE(in);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t end = line.find(' ');
    const std::string reason = end == std::string::npos ? "" : line.substr(line.find_first_not_of(' ', end));
    INFO("denylist.txt: ", line);
    CHECK_FALSE(reason.empty());
    list.push_back({line.substr(0, end), reason});
  }
  return list;
}

}  // namespace

TEST_CASE("onnx: node tests") {
  const fs::path data = RILL_ONNX_TESTDATA;
  if (!fs::is_directory(data)) {
    std::printf("SKIP: there is no folder %s (Debian package libonnx-testdata)\n", data.c_str());
    return;
  }
  std::vector<denied> list = read_denylist();
  struct row {
    int cases = 0, passed = 0, denied = 0;
    std::set<std::string> reasons;
  };
  std::map<std::string, row> table;
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(data))
    if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  row total;
  for (const fs::path& folder : folders) {
    const outcome o = run_case(folder);
    row& r = table[o.op];
    ++r.cases, ++total.cases;
    const auto entry = std::find_if(list.begin(), list.end(), [&](const denied& d) { return d.covers(o.name); });
    if (o.problem.empty()) ++r.passed, ++total.passed;
    if (entry != list.end()) {
      ++entry->cases, ++r.denied, ++total.denied;
      r.reasons.insert(entry->reason);
      if (o.problem.empty()) FAIL_CHECK(o.name, " passes but is on the denylist as '", entry->pattern, "'");
    } else if (!o.problem.empty()) {
      FAIL_CHECK(o.name, " (", o.op, "): ", o.problem);
    }
  }
  for (const denied& d : list) {
    INFO(d.pattern, " of denylist.txt covers no case");
    CHECK(d.cases > 0);
  }
  CHECK(total.passed >= 500);
  std::printf("%-30s %6s %6s %6s\n", "ONNX operator", "cases", "passed", "denied");
  for (const auto& [op, r] : table) {
    std::printf("%-30s %6d %6d %6d", op.c_str(), r.cases, r.passed, r.denied);
    const char* between = "  ";
    for (const std::string& reason : r.reasons) std::printf("%s%s", between, reason.c_str()), between = "; ";
    std::printf("\n");
  }
  std::printf("%-30s %6d %6d %6d\n", "all", total.cases, total.passed, total.denied);
}

TEST_CASE("onnx: files that are cut off or lie are errors") {
  const auto message = [](const std::string& bytes, onnx::kind k) -> std::string {
    try {
      onnx::read_value(bytes, {"x", k}, "file.pb");
    } catch (const data_loss& e) {
      return e.what();
    }
    return "no error";
  };
  // dims 3, data type float, two floats
  CHECK(message(std::string("\x08\x03\x10\x01\x22\x08\0\0\0\0\0\0\0\0", 14), onnx::kind::tensor).find("'file.pb'") == 0);
  // dims 2^40, raw data of 4 bytes
  CHECK(message(std::string("\x08\x80\x80\x80\x80\x80\x20\x10\x01\x4a\x04\0\0\0\0", 15), onnx::kind::tensor).find("elements") != std::string::npos);
  // a negative extent
  CHECK(message("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01", onnx::kind::tensor).find("shape") != std::string::npos);
  // a sequence whose tensor is longer than the file
  CHECK(message("\x1a\x7f\x08", onnx::kind::sequence).find("promises") != std::string::npos);
}
