// SPDX-License-Identifier: Apache-2.0
#include "rill/train/flags.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

namespace {

struct settings {
  std::string data_dir, optimizer = "adam";
  int train_steps = 1000;
  std::int64_t shift = 0;
  std::uint64_t seed = 0;
  float learning_rate = 0.001f;
  bool verbose = false;
  bool ran = false;
  std::string printed;

  rill::train::flags declare() {
    rill::train::flags f("demo", "Shows flags.");
    f.add("data_dir", data_dir, "folder of the data");
    f.add("optimizer", optimizer, "update rule", {"sgd", "adam"});
    f.add("train_steps", train_steps, "number of steps", 1);
    f.add("shift", shift, "some offset", -10, 10);
    f.add("seed", seed, "random seed");
    f.add("learning_rate", learning_rate, "step size", true);
    f.add("verbose", verbose, "say more");
    return f;
  }
  settings& parse(std::vector<const char*> args) {
    rill::train::flags f = declare();
    args.insert(args.begin(), "demo");
    std::ostringstream out;
    ran = f.parse(static_cast<int>(args.size()), args.data(), out);
    printed = out.str();
    return *this;
  }
};

std::string problem(std::vector<const char*> args) {
  try {
    settings().parse(std::move(args));
  } catch (const rill::invalid_argument& e) {
    return e.what();
  }
  return "(none)";
}

}  // namespace

TEST_CASE("flags: both spellings, every type, defaults") {
  settings s;
  s.parse({"--data_dir=a=b", "--optimizer", "sgd", "--train_steps=20000", "--shift", "-3", "--seed=18446744073709551615",
           "--learning_rate=1e-4", "--verbose"});
  CHECK(s.ran);
  CHECK(s.data_dir == "a=b");
  CHECK(s.optimizer == "sgd");
  CHECK(s.train_steps == 20000);
  CHECK(s.shift == -3);
  CHECK(s.seed == UINT64_MAX);
  CHECK(s.learning_rate == 1e-4f);
  CHECK(s.verbose);

  const settings none = settings().parse({});
  CHECK(none.ran);
  CHECK(none.optimizer == "adam");
  CHECK(none.train_steps == 1000);

  CHECK_FALSE(settings().parse({"--verbose=false"}).verbose);
  CHECK_FALSE(settings().parse({"--verbose", "false", "--train_steps=2"}).verbose);
  CHECK(settings().parse({"--verbose", "--train_steps=2"}).verbose);
  CHECK(settings().parse({"--data_dir="}).data_dir.empty());
}

TEST_CASE("flags: which were given") {
  settings s;
  rill::train::flags f = s.declare();
  const char* args[] = {"demo", "--seed=1"};
  CHECK(f.parse(2, args));
  CHECK(f.given("seed"));
  CHECK_FALSE(f.given("shift"));
  CHECK_THROWS_AS((void)f.given("sede"), rill::invalid_argument);
}

TEST_CASE("flags: help lists every flag with its default and comes before any error") {
  const settings s = settings().parse({"--nonsense", "--help"});
  CHECK_FALSE(s.ran);
  CHECK(s.printed ==
        "demo: Shows flags.\n"
        "\n"
        "Flags:\n"
        "  --data_dir       folder of the data\n"
        "  --optimizer      update rule (sgd, adam) [adam]\n"
        "  --train_steps    number of steps [1000]\n"
        "  --shift          some offset [0]\n"
        "  --seed           random seed [0]\n"
        "  --learning_rate  step size [0.001]\n"
        "  --verbose        say more [false]\n"
        "  --help           print this and exit\n");
}

TEST_CASE("flags: one sentence per mistake, naming the flag") {
  CHECK(problem({"--train_step=5"}) == "there is no flag --train_step; did you mean --train_steps?");
  CHECK(problem({"--laerning_rate=5"}) == "there is no flag --laerning_rate; did you mean --learning_rate?");
  CHECK(problem({"--steps=5"}) == "there is no flag --steps; did you mean --train_steps?");
  CHECK(problem({"--banana"}) == "there is no flag --banana (see --help)");
  CHECK(problem({"--train_steps=many"}) == "--train_steps must be a whole number of at least 1, got 'many'");
  CHECK(problem({"--train_steps=5x"}) == "--train_steps must be a whole number of at least 1, got '5x'");
  CHECK(problem({"--train_steps=0"}) == "--train_steps must be a whole number of at least 1, got '0'");
  CHECK(problem({"--train_steps=99999999999"}) == "--train_steps must be a whole number of at least 1, got '99999999999'");
  CHECK(problem({"--shift=11"}) == "--shift must be a whole number from -10 to 10, got '11'");
  CHECK(problem({"--seed=-1"}) == "--seed must be a whole number of at least 0, got '-1'");
  CHECK(problem({"--learning_rate=0"}) == "--learning_rate must be a number above 0, got '0'");
  CHECK(problem({"--learning_rate=nan"}) == "--learning_rate must be a number above 0, got 'nan'");
  CHECK(problem({"--learning_rate="}) == "--learning_rate must be a number above 0, got ''");
  CHECK(problem({"--optimizer=adma"}) == "--optimizer must be one of sgd, adam, got 'adma'");
  CHECK(problem({"--verbose=perhaps"}) == "--verbose must be true or false, got 'perhaps'");
  CHECK(problem({"--train_steps"}) == "--train_steps needs a value: --train_steps=VALUE");
  CHECK(problem({"--train_steps", "--seed=3"}) == "--train_steps needs a value: --train_steps=VALUE");
  CHECK(problem({"--seed=1", "--seed=2"}) == "--seed is given twice");
  CHECK(problem({"data"}) == "'data' is not a flag; flags look like --name=value (see --help)");
  CHECK(problem({"-x"}) == "'-x' is not a flag; flags look like --name=value (see --help)");
  CHECK(problem({"--"}) == "'--' is not a flag; flags look like --name=value (see --help)");
  CHECK(problem({""}) == "'' is not a flag; flags look like --name=value (see --help)");
}

TEST_CASE("flags: a name is declared once") {
  int a = 0;
  rill::train::flags f("demo", "");
  f.add("a", a, "");
  CHECK_THROWS_AS(f.add("a", a, ""), rill::invalid_argument);
}
