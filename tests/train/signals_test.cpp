// SPDX-License-Identifier: Apache-2.0
#include "rill/train/signals.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "rill/train/loop.hpp"
#include "../scratch.hpp"

TEST_CASE("signals: the first one sets a flag, and the old handler comes back") {
  for (const int signal : {SIGINT, SIGTERM}) {
    CAPTURE(signal);
    const int status = rill::test::in_child([&] {
      {
        const rill::train::signal_guard guard;
        const rill::train::signal_guard inner;
        if (rill::train::signal_guard::pending() != 0) return 1;
        ::raise(signal);
        if (rill::train::signal_guard::pending() != signal) return 2;
      }
      if (rill::train::signal_guard::pending() != 0) return 3;
      ::raise(signal);  // without a guard: the default, which ends the process
      return 4;
    });
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
  }
}

TEST_CASE("signals: the second one exits at once with 128 + signal") {
  const int status = rill::test::in_child([] {
    const rill::train::signal_guard guard;
    ::raise(SIGINT);
    ::raise(SIGTERM);
    return 0;
  });
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 143);
}

TEST_CASE("signals: one that was ignored stays ignored") {
  const int status = rill::test::in_child([] {
    ::signal(SIGINT, SIG_IGN);
    const rill::train::signal_guard guard;
    ::raise(SIGINT);
    return rill::train::signal_guard::pending();
  });
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("signals: a loop finishes the step, runs the hooks and their ends, and says which signal it was") {
  struct counting : rill::train::hook {
    int* after;
    int* ends;
    counting(int* a, int* e) : after(a), ends(e) {}
    void after_step(rill::train::step_context&) override { ++*after; }
    void end(rill::train::step_context&) override { ++*ends; }
  };
  int after = 0, ends = 0;
  rill::graph::variable_store store;
  rill::train::hook_list hooks{counting(&after, &ends)};
  std::int64_t step = 0;
  const auto result = rill::train::run_steps(hooks, {.variables = store}, [&](rill::train::step_context& c) {
    if (++step == 3) ::raise(SIGINT);
    c.end_step(step, 1);
    return step < 100;
  });
  CHECK(result.signal == SIGINT);
  CHECK(result.global_step == 3);
  CHECK(after == 3);
  CHECK(ends == 1);
  CHECK(rill::train::interrupted(SIGINT, "").exit_code() == 130);
  CHECK(rill::train::interrupted(SIGTERM, "").exit_code() == 143);
}
