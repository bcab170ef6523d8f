// SPDX-License-Identifier: Apache-2.0
// Trains the convolutional network of the MNIST tutorial to read handwritten digits. Two convolutions, two poolings, a
// dense layer with dropout; by default with Adam to 99.2 % in half a minute on two cores. Ctrl-C saves and stops;
// the same command with --model_dir goes on from there.
// smoke: --train_steps=2 --batch_size=8 --model_dir={tmp}

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <rill/data/batch.hpp>
#include <rill/data/mnist.hpp>
#include <rill/data/prefetch.hpp>
#include <rill/data/repeat.hpp>
#include <rill/data/shuffle.hpp>
#include <rill/data/synthetic_digits.hpp>
#include <rill/estimator/estimator.hpp>
#include <rill/kernel/parallel.hpp>
#include <rill/metrics/confusion_matrix.hpp>
#include <rill/nn/nn.hpp>
#include <rill/optimizers/adagrad.hpp>
#include <rill/optimizers/adam.hpp>
#include <rill/optimizers/gradient_descent.hpp>
#include <rill/optimizers/momentum.hpp>
#include <rill/train/flags.hpp>
#ifdef __CUDACC__
#include <rill/cuda/session.cuh>
#endif

using namespace rill;

inline constexpr auto cnn = nn::sequential(
    nn::reshape{{28, 28, 1}},
    nn::conv2d{.filters = 32, .kernel_size = {5, 5}, .padding = same, .activation = relu},
    nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}},
    nn::conv2d{.filters = 64, .kernel_size = {5, 5}, .padding = same, .activation = relu},
    nn::max_pooling2d{.pool_size = {2, 2}, .strides = {2, 2}},
    nn::flatten{},
    nn::dense{.units = 1024, .activation = relu},
    nn::dropout{.rate = 0.4f},
    nn::dense{.units = 10});

struct mnist_cnn {
  static constexpr auto name = "mnist_cnn";
  constexpr auto operator()(auto images) const { return cnn(images); }
};
using head = multi_class_head<mnist_cnn, 10>;

struct settings {
  std::string data_dir, model_dir, optimizer = "adam", device = "cpu";
  int train_steps = 1500, batch_size = 100, threads = 0;
  float learning_rate = 0;
  std::uint64_t seed = 0;
};

/// The real digits from --data_dir or RILL_DATA, else drawn ones.
data::digit_sets load(const settings& s) {
  const char* environment = std::getenv("RILL_DATA");
  const std::string dir = !s.data_dir.empty() ? s.data_dir : environment != nullptr ? environment : "";
  if (!dir.empty()) {
    try {
      data::digit_sets sets = data::mnist(dir);
      std::cout << "MNIST from '" << dir << "': " << sets.train.size() << " training and " << sets.test.size() << " test images\n";
      return sets;
    } catch (const not_found&) {
      if (!s.data_dir.empty()) throw;  // RILL_DATA may well hold other data sets only
    }
  }
  std::cout << "No MNIST here, so these are generated digits; `examples/get_data mnist` fetches the real ones\n";
  return data::synthetic_digits({.seed = s.seed});
}

/// Whether the terminal shows block characters.
bool utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      const std::string v = value;
      return v.find("UTF-8") != std::string::npos || v.find("utf8") != std::string::npos;
    }
  return false;
}

/// An image as 14 lines of 28 characters, and beside them the probability of each digit as a bar.
void draw(std::ostream& out, const tensor<float, 784>& image, const class_prediction<10>& p, bool blocks) {
  for (int line = 0; line < 14; ++line) {
    std::string text = "  ";
    for (int x = 0; x < 28; ++x) {
      const float top = image(line * 56 + x), bottom = image(line * 56 + 28 + x);
      if (blocks) text += top > 0.4f ? (bottom > 0.4f ? "█" : "▀") : bottom > 0.4f ? "▄" : " ";
      else text += " .:-=+*#%@"[std::min(9, static_cast<int>((top + bottom) * 5))];
    }
    if (const int digit = line - 2; digit >= 0 && digit < 10) {
      const float probability = p.probabilities[static_cast<std::size_t>(digit)];
      text += "   " + std::to_string(digit) + " ";
      const int cells = static_cast<int>(probability * 30 + 0.5f);
      for (int i = 0; i < cells; ++i) text += blocks ? "█" : "#";
      char percent[16];
      std::snprintf(percent, sizeof percent, " %.1f %%", static_cast<double>(probability) * 100);
      if (probability >= 0.0005f) text += percent;
    }
    out << text << '\n';
  }
}

/// The confusion matrix, the first two test images, and the worst mistake.
void report(const data::digit_dataset& test, const std::vector<head::prediction>& predictions) {
  metrics::confusion_matrix confusion(10);
  std::vector<std::int32_t> labels;
  std::optional<std::size_t> worst;
  data::digit digit;
  for (auto it = test.iterator(); it.next(digit);) {
    const std::size_t i = labels.size();
    labels.push_back(digit.second);
    confusion.update(std::vector{digit.second}, std::vector{predictions[i].class_id});
    if (predictions[i].class_id != digit.second &&
        (!worst || predictions[i].probability() > predictions[*worst].probability()))
      worst = i;
  }
  std::cout << '\n' << confusion;

  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < labels.size() && i < 2; ++i) shown.push_back(i);
  if (worst && *worst > 1) shown.push_back(*worst);
  for (const std::size_t i : shown) {
    const head::prediction& p = predictions[i];
    std::cout << "\ntest image " << i << " is a " << labels[i] << ", read as " << p.class_id
              << (p.class_id == labels[i] ? "" : worst == i ? ": the most confident mistake" : ": a mistake") << '\n';
    test.get(static_cast<std::int64_t>(i), digit);
    draw(std::cout, digit.first, p, utf8());
  }
}

/// Trains with one update rule. An interruption is reported and gives its exit code, success 0.
template <class Optimizer, class Batches, class Target>
int train_with(const settings& s, Optimizer optimizer, const Batches& batches, const std::string& model_dir, const Target& target) {
  if (s.learning_rate > 0) optimizer.learning_rate = s.learning_rate;
  estimator classifier{head{}, optimizer, run_config{.model_dir = model_dir, .seed = s.seed}, target};
  try {
    classifier.train(batches, {.max_steps = s.train_steps});
    return 0;
  } catch (const train::interrupted& e) {
    std::cerr << e.what() << "; --model_dir=" << classifier.model_dir() << " continues it\n";
    return e.exit_code();
  }
}

/// Everything, on one machine or another.
template <class Target>
int run(const settings& s, const Target& target) {
  const thread_limit limit(s.threads);
  auto [train, test] = load(s);
  // What is measured and predicted does not depend on the update rule: any will do here, and the model is in its directory.
  estimator classifier{head{}, optimizers::adam{}, run_config{.model_dir = s.model_dir, .seed = s.seed}, target};
  const std::string& dir = classifier.model_dir();

  const auto batches = train | data::shuffle(60000, {.seed = s.seed}) | data::repeat() | data::batch(s.batch_size) | data::prefetch(1);
  const auto start = std::chrono::steady_clock::now();
  const int status = s.optimizer == "sgd" ? train_with(s, optimizers::gradient_descent{.learning_rate = 0.001f}, batches, dir, target)
                     : s.optimizer == "momentum" ? train_with(s, optimizers::momentum{.learning_rate = 0.01f}, batches, dir, target)
                     : s.optimizer == "adagrad"  ? train_with(s, optimizers::adagrad{.learning_rate = 0.01f}, batches, dir, target)
                                                 : train_with(s, optimizers::adam{.learning_rate = 0.001f}, batches, dir, target);
  if (status != 0) return status;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::cout << "trained in " << train::duration_text(seconds.count()) << "; the model is in '" << dir << "'\n";
  std::cout << classifier.evaluate(test | data::batch(100)) << '\n';
  report(test, classifier.predict(test | data::batch(100)));
  return 0;
}

int main(int argc, char** argv) {
  try {
    settings s;
    train::flags flags("mnist", "Trains a small convolutional network to read handwritten digits.");
    flags.add("data_dir", s.data_dir, "folder of the MNIST files (default: RILL_DATA, else generated digits)");
    flags.add("model_dir", s.model_dir, "folder of checkpoints and event files (default: a new temporary one)");
    flags.add("train_steps", s.train_steps, "train up to this global step", 1);
    flags.add("batch_size", s.batch_size, "images per step", 1, 60000);
    flags.add("optimizer", s.optimizer, "update rule", {"sgd", "momentum", "adagrad", "adam"});
    flags.add("learning_rate", s.learning_rate, "step size (default: the optimizer's own; 0.001 for adam and sgd)", true);
    flags.add("seed", s.seed, "seed of weights, dropout and the order of the images");
    flags.add("threads", s.threads, "threads to use; 0: all", 0, 4096);
    flags.add("device", s.device, "where to train", {"cpu", "gpu"});
    if (!flags.parse(argc, argv)) return 0;
#ifdef __CUDACC__
    if (s.device == "cpu") throw failed_precondition("this program was built for GPUs: give it --device gpu, or take the one without _gpu");
    return run(s, cuda::on(gpu(0)));
#else
    if (s.device == "gpu") throw failed_precondition("--device gpu: this program was built without CUDA; `examples/run mnist --device gpu` builds one with it");
    return run(s, graph::cpu_target());
#endif
  } catch (const std::exception& e) {
    std::cerr << "mnist: " << e.what() << '\n';
    return 1;
  }
}
