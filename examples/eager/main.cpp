// SPDX-License-Identifier: Apache-2.0
// smoke:
// Runs the programs of the eager execution guide one after the other: see programs.hpp.
#include "programs.hpp"

#include <iostream>

int main() {
  using namespace programs;
  std::cout << "fizzbuzz to 15\n";
  const dynamic_tensor counted = fizzbuzz(std::cout, 15);
  std::cout << "counted " << counted << "\n\nA linear fit with a tape and assign_sub\n";
  linear_fit_a(std::cout);
  std::cout << "\nThe same with an object and an optimizer\n";
  linear_fit_b(std::cout);

  std::cout << "\nA line search for the minimum of x^2 from 3\n";
  const line_search_result found = line_search_step([](const dynamic_tensor& x) { return x * x; }, 3.f);
  std::cout << "x = " << found.x << ", value = " << found.value << " after " << found.iterations << " steps\n";

  std::cout << "\nDerivatives of x^2 at 3, of any order\n";
  const auto square = [](auto x) { return x * x; };
  const auto first = [&](auto x) { return eager::gradients_function(square)(x)[0]; };
  const auto second = [&](auto x) { return eager::gradients_function(first)(x)[0]; };
  const auto third = [&](auto x) { return eager::gradients_function(second)(x)[0]; };
  const dynamic_tensor three = 3.f;
  std::cout << square(three) << ' ' << first(three) << ' ' << second(three) << ' ' << third(three) << '\n';

  std::cout << "\nThe derivative of log(1 + e^x) at 0 and at 100, as it comes and with a custom gradient\n";
  for (const float x : {0.f, 100.f})
    std::cout << eager::gradients_function(log1pexp)(x)[0] << ' ' << eager::gradients_function(stable_log1pexp)(x)[0] << '\n';
}
