// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What tests share that touch the system: a directory that is gone afterwards, and a child process to be killed.

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace rill::test {

/// A fresh directory, removed with all it holds at the end of the scope.
class scratch_dir {
 public:
  scratch_dir() {
    std::string name = (std::filesystem::temp_directory_path() / "rill-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch directory");
    path_ = name;
  }
  scratch_dir(const scratch_dir&) = delete;
  scratch_dir& operator=(const scratch_dir&) = delete;
  ~scratch_dir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Runs `body` in a child process, whose exit code is what it returns (99 if it throws), and gives the wait status.
template <class F>
int in_child(F body) {
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("no child process");
  if (pid == 0) {
    ::signal(SIGINT, SIG_DFL);  // the test program has handlers of its own
    ::signal(SIGTERM, SIG_DFL);
    int code = 99;
    try {
      code = body();
    } catch (...) {
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

}  // namespace rill::test
