// SPDX-License-Identifier: Apache-2.0
// Eager objects saved and restored: the documentation's example, resumed training bit for bit, values that arrive before
// the variables are made, files that do not fit.
#include <rill/eager/checkpoint.hpp>
#include <rill/eager/gradient.hpp>
#include <rill/nn/nn.hpp>

#include <doctest/doctest.h>

#include "io/scratch.hpp"

using namespace rill;
using rill::test::scratch_dir;

namespace {
inline constexpr auto layers = nn::sequential(nn::dense{.units = 3, .activation = rill::tanh}, nn::dense{.units = 1});
struct net {
  constexpr auto operator()(auto x) const { return layers(x); }
};
struct wide_net {
  constexpr auto operator()(auto x) const { return nn::dense{.units = 4}(x); }
};

struct trainer {
  eager::module<net> model;
  eager::optimizer<optimizers::adam> adam{optimizers::adam{}};
  eager::checkpoint root;
  trainer() { root.add("model", model).add("optimizer", adam); }
  float step() {
    const dynamic_tensor x = tensor<float, 4, 2>{{1, 2}, {3, -1}, {0, 1}, {2, 2}};
    eager::gradient_tape tape;
    const dynamic_tensor loss = reduce_mean(square(model(x) - 1.f));
    const auto vars = model.trainable_variables();
    adam.apply_gradients(tape.gradient(loss, vars), vars);
    return loss.item<float>();
  }
};
}  // namespace

TEST_CASE("the variable of the documentation") {
  const scratch_dir dir;
  eager::variable x(dynamic_tensor(10.f), "x");
  eager::checkpoint c;
  c.add("x", x);
  x.assign(dynamic_tensor(2.f));
  const std::string path = c.save(dir.path() + "/ckpt");
  CHECK(path == dir.path() + "/ckpt-1");
  x.assign(dynamic_tensor(11.f));
  c.restore(path);
  CHECK(x.value().item<float>() == 2.f);
  CHECK(c.save(dir.path() + "/ckpt") == dir.path() + "/ckpt-2");
  CHECK(io::latest_checkpoint(dir.path()) == dir.path() + "/ckpt-2");
}

TEST_CASE("training resumes bit for bit, also into objects without variables yet") {
  const scratch_dir dir;
  trainer a;
  for (int k = 0; k < 3; ++k) a.step();
  const std::string path = a.root.save(dir.path() + "/run");
  const float next = a.step(), after = a.step();
  trainer b;
  b.root.restore(path);  // nothing exists yet
  CHECK(b.step() == next);
  CHECK(b.step() == after);
  CHECK(b.adam.global_step().value().item<int>() == 5);
  a.root.restore(path);  // everything exists
  CHECK(a.step() == next);
}

TEST_CASE("what does not fit is named and changes nothing") {
  const scratch_dir dir;
  trainer a;
  a.step();
  const std::string path = a.root.save(dir.path() + "/run");
  eager::module<wide_net> other;
  eager::checkpoint c;
  c.add("model", other);
  const dynamic_tensor x = tensor<float, 1, 2>{{1, 2}};
  const auto before = to_string(other(x));
  CHECK_THROWS_WITH_AS(c.restore(path), doctest::Contains("'model/dense/"), invalid_argument);
  CHECK(to_string(other(x)) == before);
  eager::checkpoint missing;
  eager::variable v(dynamic_tensor(1.f), "v");
  missing.add("v", v);
  CHECK_THROWS_WITH_AS(missing.restore(path), doctest::Contains("has no tensor 'v'"), not_found);
  CHECK_THROWS_AS(missing.restore(dir.path() + "/none"), error);
}
