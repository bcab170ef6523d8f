// SPDX-License-Identifier: Apache-2.0
#include <rill/core/dynamic_tensor.hpp>
#include <rill/core/print.hpp>
#include <rill/expr/shape.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace rill;

namespace {

using strings = tensor<std::string, dyn>;
using words = std::vector<std::string>;

// Longer than any small-string buffer, so that a lost or doubled destructor is seen by the sanitizers.
std::string longer(const std::string& s) { return s + " followed by enough text to be on the heap"; }

template <class T>
words elements(const T& t) {
  return {t.begin(), t.end()};
}

}  // namespace

TEST_CASE("storage: blocks of strings are made empty and destroyed with the last handle") {
  storage a = storage::allocate_strings(5);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % storage::alignment == 0);
  auto* s = static_cast<std::string*>(a.data());
  for (int i = 0; i < 5; ++i) {
    CHECK(s[i].empty());
    s[i] = longer(std::to_string(i));
  }
  const storage b = a;
  a = storage();
  CHECK(b.use_count() == 1);
  CHECK(static_cast<const std::string*>(b.data())[4] == longer("4"));
  CHECK(storage::allocate_strings(0).data() == nullptr);
  CHECK_THROWS_AS(storage::allocate_strings(static_cast<std::size_t>(-1)), resource_exhausted);
}

TEST_CASE("storage: other objects are counted too, and plain ones need no end") {
  struct counted {
    int* alive = nullptr;
    ~counted() {
      if (alive) --*alive;
    }
  };
  int alive = 3;
  {
    const storage a = storage::allocate_objects<counted>(3);
    for (int i = 0; i < 3; ++i) static_cast<counted*>(a.data())[i].alive = &alive;
    const storage b = a;
    CHECK(alive == 3);
  }
  CHECK(alive == 0);
  const storage zeros = storage::allocate_objects<int>(7);
  for (int i = 0; i < 7; ++i) CHECK(static_cast<int*>(zeros.data())[i] == 0);
}

TEST_CASE("string tensor: dtype and construction") {
  static_assert(element<std::string>);
  static_assert(dtype_v<std::string> == dtype::string);
  static_assert(std::is_same_v<type_of_t<dtype::string>, std::string>);
  const strings v{"to", "be"};
  CHECK(elements(v) == words{"to", "be"});
  CHECK(v.type() == dtype::string);
  CHECK(v.shape() == tensor_shape{2});
  const strings mixed{std::string("a\0b", 3), "c", std::string_view("d")};
  CHECK(mixed(0).size() == 3);
  CHECK(elements(strings{"one"}) == words{"one"});
  const tensor<std::string, 2, 2> m{{"a", "b"}, {"c", "d"}};
  CHECK(m(1, 0) == "c");
  const tensor<std::string, 1, 2> row{{"a", "b"}};  // not one string made of two pointers
  CHECK(row(0, 1) == "b");
  const tensor<std::string, dyn, 1> column{{"a"}, {"b"}};
  CHECK(column.shape() == tensor_shape{2, 1});
  const tensor<std::string, 1, 2, 2> deep{{{"a", "b"}, {"c", "d"}}};
  CHECK(deep(0, 1, 1) == "d");
  const tensor<std::string> scalar = "text";
  CHECK(static_cast<std::string>(scalar) == "text");
  CHECK(static_cast<std::string>(tensor<std::string>()).empty());
  CHECK(elements(tensor<std::string, 3>()) == words{"", "", ""});
  CHECK(strings().size() == 0);
  CHECK(strings({3})(2).empty());
  CHECK(tensor<std::string, any_rank>(tensor_shape{2, 3}).size() == 6);
  static_assert(!tensor<std::string>::is_inline);
  CHECK_THROWS_AS((tensor<std::string, 2, 2>{{"a"}, {"b", "c"}}), invalid_argument);
  CHECK_THROWS_AS((tensor<std::string, 2, 2>{{"a", "b"}}), invalid_argument);
}

TEST_CASE("string tensor: values, not references") {
  strings a{longer("a"), "b", "c"};
  strings b = a;
  b(0) = "changed";
  CHECK(a(0) == longer("a"));
  a = b;  // same shape: into the same elements
  CHECK(a(0) == "changed");
  const strings& self = a;
  a = self;
  CHECK(a(2) == "c");
  a = strings{longer("one")};
  CHECK(elements(a) == words{longer("one")});
  strings moved = std::move(a);
  CHECK(moved(0) == longer("one"));
  a = moved;
  CHECK(a == moved);
  a(0) += "!";
  CHECK(!(a == moved));
  CHECK(!(a == b));
  tensor<std::string, any_rank> any = b;
  any.data()[1] = longer("any");
  CHECK(b(1) == "b");
  const tensor<std::string, 3> back = any;
  CHECK(back(1) == longer("any"));
  const tensor<std::string, 3> taken = std::move(any);
  CHECK(taken(2) == "c");
  CHECK_THROWS_AS((tensor<std::string, 2>(strings{"a", "b", "c"})), invalid_argument);
  b.fill(longer("x"));
  CHECK(elements(b) == words{longer("x"), longer("x"), longer("x")});
}

TEST_CASE("string tensor: views and slices") {
  tensor<std::string, 3, 2> t{{"a", "b"}, {"c", "d"}, {"e", "f"}};
  CHECK(elements(tensor(t(all, 1))) == words{"b", "d", "f"});
  CHECK(elements(tensor(t(slice{slice::none, slice::none, -2}, 0))) == words{"e", "a"});
  CHECK(t(-1, -1) == "f");
  CHECK_THROWS_AS(t(3, 0), out_of_range);
  t(1, all) = "x";
  t(2, all) = tensor<std::string, 2>{longer("y"), "z"};
  CHECK(elements(t) == words{"a", "b", "x", "x", longer("y"), "z"});
  t(slice{1, 3}, all) = t(slice{0, 2}, all);  // overlapping
  CHECK(elements(t) == words{"a", "b", "a", "b", "x", "x"});
  auto column = t(all, 0);
  column = t(slice{slice::none, slice::none, -1}, 0);
  CHECK(elements(tensor(column)) == words{"x", "a", "a"});
  auto kept = strings{longer("kept"), "b"}(slice{0, 1});  // the view keeps the block
  CHECK(kept(0) == longer("kept"));
  CHECK(t(newaxis, 0).shape() == tensor_shape{1, 2});
}

TEST_CASE("string tensor: reshape, transpose, concat") {
  const tensor<std::string, 2, 3> t{{"a", "b", longer("c")}, {"d", "e", "f"}};
  CHECK(elements(tensor(reshape(t, {-1}))) == words{"a", "b", longer("c"), "d", "e", "f"});
  CHECK(elements(tensor(transpose(t))) == words{"a", "d", "b", "e", longer("c"), "f"});
  CHECK(elements(tensor(reshape(transpose(t), {2, 3}))) == words{"a", "d", "b", "e", longer("c"), "f"});
  CHECK(expand_dims(t, 0).shape() == tensor_shape{1, 2, 3});
  CHECK(elements(tensor(broadcast_to(t(0, slice{0, 1}), {2}))) == words{"a", "a"});
  const strings v{"a"};
  CHECK(elements(concat({v, strings{longer("b"), "c"}})) == words{"a", longer("b"), "c"});
  CHECK(concat(t, t, {.axis = 1}).shape() == tensor_shape{2, 6});
  CHECK(elements(concat(transpose(t), transpose(t), {.axis = 1}))[2] == "a");
}

TEST_CASE("dynamic tensor: scalars that are strings and complex numbers") {
  const dynamic_tensor text = "a word", other = std::string("another");
  CHECK(text.type() == dtype::string);
  CHECK(text.rank() == 0);
  CHECK(text.span<std::string>()[0] == "a word");
  CHECK(other.span<std::string>()[0] == "another");
  const dynamic_tensor narrow = std::complex<float>(1, -2), wide = std::complex<double>(0, 3);
  CHECK(narrow.type() == dtype::complex64);
  CHECK(narrow.span<std::complex<float>>()[0] == std::complex<float>(1, -2));
  CHECK(wide.type() == dtype::complex128);
  CHECK(wide.span<std::complex<double>>()[0] == std::complex<double>(0, 3));
  CHECK(wide.shape() == tensor_shape{});
}

TEST_CASE("string tensor: printed as NumPy prints bytes objects") {
  CHECK(to_string(strings{"ab", "c"}) == "[b'ab' b'c']");
  CHECK(to_string(tensor<std::string, 2, 2>{{"ab", "c"}, {"d", "efgh"}}) == "[[b'ab' b'c']\n [b'd' b'efgh']]");
  CHECK(to_string(tensor<std::string>("x")) == "b'x'");
  CHECK(to_string(strings()) == "[]");
  CHECK(to_string(strings{"a\"'\n\\\x01\xff\t", "it's", "\r"}) == "[b'a\"\\'\\n\\\\\\x01\\xff\\t' b\"it's\" b'\\r']");
  strings many({1001});
  for (int i = 0; i < 1001; ++i) many(i) = "w" + std::to_string(i);
  CHECK(to_string(many) == "[b'w0' b'w1' b'w2' ... b'w998' b'w999' b'w1000']");
  strings lines({8});
  lines.fill("word000");
  CHECK(to_string(lines) ==
        "[b'word000' b'word000' b'word000' b'word000' b'word000' b'word000'\n b'word000' b'word000']");
  CHECK(to_string(lines(slice{0, 1})) == "[b'word000']");
}
