// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Questions to read_back.py, which reads with TensorFlow and TensorBoard. They are asked where the environment variable
/// RILL_ORACLE_PYTHON names a Python that has both; elsewhere one line says so.

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "rill/io/filesystem.hpp"

namespace rill::test {

/// The script's output, or nothing (after one line that says why) without an oracle.
inline std::string ask(const std::string& command, const std::string& path, bool& asked) {
  const char* python = std::getenv("RILL_ORACLE_PYTHON");
  asked = python != nullptr && *python != '\0';
  if (!asked) {
    static bool said = false;
    if (!said)
      std::printf("skipped: no real readers, RILL_ORACLE_PYTHON names no python with tensorflow and tensorboard\n");
    said = true;
    return {};
  }
  const std::string script = io::join_path(io::dir_name(__FILE__), "read_back.py");
  const std::string line =
      "'" + std::string(python) + "' '" + script + "' " + command + " '" + path + "' 2>'" + path + ".err'";
  std::string out;
  std::FILE* pipe = ::popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  const int status = ::pclose(pipe);
  if (status != 0) FAIL("the oracle failed on ", command, ": ", io::read_file(path + ".err"));
  return out;
}

/// Whether the text has this line.
inline bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace rill::test
