// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/string.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "string_golden.hpp"

using namespace rill;

namespace {

using strings = tensor<std::string, dyn>;

template <class T>
std::vector<typename T::value_type> elements(const T& t) {
  return {t.begin(), t.end()};
}
using words = std::vector<std::string>;
using numbers = std::vector<std::int64_t>;

std::string one(const tensor<std::string>& t) { return static_cast<std::string>(t); }

template <class T>
T number(const std::string& s) {
  return static_cast<T>(string_to_number<T>(s));
}

}  // namespace

TEST_CASE("string: hash buckets of all lengths are TensorFlow's") {
  std::string s;
  for (const golden::hash_row& row : golden::hashes) {
    const std::size_t length = s.size();
    CAPTURE(length);
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const strings t{s};
    CHECK(static_cast<std::uint64_t>(string_to_hash_bucket_fast(t, most)(0)) == row.fast);
    CHECK(static_cast<std::uint64_t>(string_to_hash_bucket_strong(t, most, {1, 2})(0)) == row.strong);
    CHECK(static_cast<std::uint64_t>(string_to_hash_bucket(t, most)(0)) == row.legacy);
    s += static_cast<char>(static_cast<unsigned char>(length * 37 + 11));
  }
  CHECK(s.size() == 201);
  for (const golden::cross_row& row : golden::crosses) {
    const std::uint64_t a = fingerprint_cat64(0xdecafcaffeU, fingerprint64(row.a));
    CHECK(fingerprint_cat64(a, fingerprint64(row.b)) % 0x7fffffffffffffffU == row.hash);
  }
}

TEST_CASE("string: buckets keep the shape and need a number of buckets") {
  const tensor<std::string, 2, 2> t{{"Hello", "TensorFlow"}, {"2.x", ""}};
  const tensor<std::int64_t, 2, 2> b = string_to_hash_bucket_fast(t, 3);
  CHECK(b(0, 0) == 0);  // the example of the documentation: [0, 2, 2]
  CHECK(b(0, 1) == 2);
  CHECK(b(1, 0) == 2);
  CHECK(string_to_hash_bucket_fast(t(1, all), 1) == tensor<std::int64_t, 2>{0, 0});
  CHECK(string_to_hash_bucket_fast(strings(), 7).size() == 0);
  CHECK_THROWS_WITH_AS(string_to_hash_bucket(t, 0), "string_to_hash_bucket: the number of buckets is at least 1, got 0",
                       invalid_argument);
  CHECK_THROWS_AS(string_to_hash_bucket_fast(t, -1), invalid_argument);
  CHECK_THROWS_AS(string_to_hash_bucket_strong(t, 0, {1, 2}), invalid_argument);
}

TEST_CASE("string_join: equal shapes and scalars") {
  const strings a{"a", "b"};
  const tensor<std::string, 2> b{"c", "d"};
  const auto r = string_join({a, "-", b, a(slice{slice::none, slice::none, -1})});
  CHECK(r.rank() == 1);
  CHECK(elements(r) == words{"a-cb", "b-da"});
  CHECK(elements(string_join({"x", a}, {.separator = "/"})) == words{"x/a", "x/b"});
  CHECK(elements(string_join({"x", std::string("y")}, {.separator = ", "})) == words{"x, y"});
  CHECK(string_join({}).rank() == 0);
  CHECK(elements(string_join({})) == words{""});
  const tensor<std::string, 2> doubled = string_join(std::vector{b, b}, {.separator = "+"});
  CHECK(elements(doubled) == words{"c+c", "d+d"});
  CHECK(string_join({strings(), "x"}).shape() == tensor_shape{0});
  CHECK_THROWS_WITH_AS(string_join({strings{"a"}, b}), "string_join: the shapes [1] and [2] differ", invalid_argument);
}

TEST_CASE("reduce_join: the examples of the documentation") {
  const tensor<std::string, 2, 2> a{{"a", "b"}, {"c", "d"}};
  CHECK(elements(reduce_join(a, {.axis = {0}})) == words{"ac", "bd"});
  CHECK(elements(reduce_join(a, {.axis = {1}})) == words{"ab", "cd"});
  CHECK(elements(reduce_join(a, {.axis = {-2}})) == words{"ac", "bd"});
  CHECK(elements(reduce_join(a, {.axis = {-1}})) == words{"ab", "cd"});
  CHECK(reduce_join(a, {.axis = {0}, .keepdims = true}).shape() == tensor_shape{1, 2});
  CHECK(reduce_join(a, {.axis = {1}, .keepdims = true}).shape() == tensor_shape{2, 1});
  CHECK(elements(reduce_join(a, {.axis = {0}, .separator = "."})) == words{"a.c", "b.d"});
  CHECK(elements(reduce_join(a, {.axis = {0, 1}})) == words{"acbd"});
  CHECK(elements(reduce_join(a, {.axis = {1, 0}})) == words{"abcd"});
  CHECK(elements(reduce_join(a)) == words{"abcd"});
  CHECK(reduce_join(a).rank() == 0);
  CHECK(elements(reduce_join(a(all, slice{0, 2, 1}), {.axis = {1}})) == words{"ab", "cd"});
  CHECK(elements(reduce_join(tensor<std::string, 2, 0>(), {.axis = {1}})) == words{"", ""});
  CHECK(reduce_join(tensor<std::string, 0, 2>(), {.axis = {1}}).shape() == tensor_shape{0});
  CHECK(elements(reduce_join("x")) == words{"x"});
  for (const axis_list& wrong : {axis_list{2}, axis_list{-3}, axis_list{0, 0}, axis_list{0, -2}})
    CHECK_THROWS_WITH_AS(reduce_join(a, {.axis = wrong}),
                         "reduce_join: an axis is out of range or named twice for the shape [2, 2]", invalid_argument);
}

TEST_CASE("string_split: positions, parts and shape") {
  const strings t{"hello world", "a b  c", "", " "};
  const auto r = string_split(t);
  CHECK(elements(r.values) == words{"hello", "world", "a", "b", "c"});
  CHECK(elements(r.indices) == numbers{0, 0, 0, 1, 1, 0, 1, 1, 1, 2});
  CHECK(elements(r.dense_shape) == numbers{4, 3});
  const auto e = string_split(t, {.skip_empty = false});
  CHECK(elements(e.values) == words{"hello", "world", "a", "b", "", "c", "", ""});
  CHECK(elements(e.indices) == numbers{0, 0, 0, 1, 1, 0, 1, 1, 1, 2, 1, 3, 3, 0, 3, 1});
  CHECK(elements(e.dense_shape) == numbers{4, 4});
  CHECK(elements(string_split(strings{"a,b;c"}, {.delimiter = ",;"}).values) == words{"a", "b", "c"});
  const auto bytes = string_split(strings{"ab", ""}, {.delimiter = ""});
  CHECK(elements(bytes.values) == words{"a", "b"});
  CHECK(elements(bytes.dense_shape) == numbers{2, 2});
  CHECK(string_split(strings()).indices.shape() == tensor_shape{0, 2});
  CHECK(elements(string_split(strings()).dense_shape) == numbers{0, 0});
  CHECK_THROWS_WITH_AS(string_split(tensor<std::string, any_rank>(tensor_shape{1, 1})),
                       "string_split: the operand is a vector, got the shape [1, 1]", invalid_argument);
}

TEST_CASE("string: strip, length, case") {
  CHECK(one(string_strip(std::string(" \t\n\v\f\r x\0 ", 10))) == std::string("x\0", 2));
  CHECK(one(string_strip("  ")).empty());
  const tensor<std::string, 2> t{"\xc3\xa9t\xc3\xa9", "\xff\xfe"};
  CHECK(string_length(t) == tensor<std::int32_t, 2>{5, 2});
  CHECK(string_length(t, {.unit = string_unit::utf8_char}) == tensor<std::int32_t, 2>{3, 2});
  CHECK(one(string_upper("\xc3\xa9"
                         "aZ1")) ==
        "\xc3\xa9"
        "AZ1");
  CHECK(one(string_upper("\xc3\xa9"
                         "aZ1",
                         {.encoding = "utf-8"})) ==
        "\xc3\x89"
        "AZ1");
  CHECK(one(string_lower("\xc3\x89"
                         "aZ\xff",
                         {.encoding = "utf-8"})) ==
        "\xc3\xa9"
        "az\xff");
  CHECK(one(string_lower("ABC")) == "abc");
  CHECK_THROWS_AS(string_lower("a", {.encoding = "latin1"}), invalid_argument);
}

TEST_CASE("substr: the examples of the documentation, broadcasting, errors") {
  const strings t{"Hello", "World"};
  CHECK(elements(substr(t, 1, 3)) == words{"ell", "orl"});
  const tensor<std::string, 4, 3> n{{"ten", "eleven", "twelve"},
                                    {"thirteen", "fourteen", "fifteen"},
                                    {"sixteen", "seventeen", "eighteen"},
                                    {"nineteen", "twenty", "twentyone"}};
  const tensor<int, 4, 3> pos{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}};
  const tensor<int, 4, 3> len{{2, 3, 4}, {4, 3, 2}, {5, 5, 5}, {6, 3, 4}};
  const tensor<std::string, 4, 3> r = substr(n, pos, len);
  CHECK(elements(r) ==
        words{"en", "eve", "lve", "hirt", "urt", "te", "ixtee", "vente", "hteen", "inetee", "ent", "ntyo"});
  CHECK(r(0, 0) == "en");
  CHECK(r(1, 1) == "urt");
  CHECK(r(3, 2) == "ntyo");
  const tensor<int, 3> from{1, 2, 3};
  CHECK(elements(substr("thirteen", from, tensor<int, 3>{3, 2, 1})) == words{"hir", "ir", "r"});
  CHECK(elements(substr(n(0, all), from, from)) == words{"e", "ev", "lve"});
  CHECK(one(substr("abc", 3, 1)).empty());
  CHECK(one(substr("abc", -3, 2)) == "ab");
  CHECK(one(substr("abc", 0, -1)) == "abc");
  CHECK(one(substr("abc", 1, 100)) == "bc");
  CHECK(one(substr("\xc3\xa9t\xc3\xa9", 1, 1, {.unit = string_unit::utf8_char})) == "t");
  CHECK(one(substr("\xc3\xa9t\xc3\xa9", -1, 1, {.unit = string_unit::utf8_char})) == "\xc3\xa9");
  CHECK_THROWS_WITH_AS(substr(strings{"abc", "de"}, tensor<int, 2>{1, 5}, 1),
                       "substr: pos 5 out of range for string 'de' at index 1", out_of_range);
  CHECK_THROWS_AS(substr("abc", -4, 2), out_of_range);
  CHECK_THROWS_AS(substr("\xc3\xa9t\xc3\xa9", 4, 1, {.unit = string_unit::utf8_char}), out_of_range);
  CHECK_THROWS_WITH_AS(substr(t, tensor<int, 3>{1, 1, 1}, 1), "substr: the shapes [2] and [3] do not broadcast",
                       invalid_argument);
}

TEST_CASE("string_to_number: what TensorFlow understands and nothing else") {
  CHECK(string_to_number(strings{" 1 ", "-3.5", ".5"}) == tensor<float, dyn>{1, -3.5f, 0.5f});
  CHECK(std::is_same_v<decltype(string_to_number(tensor<std::string, 3>())), tensor<float, 3>>);
  CHECK(number<int>("\t7\n") == 7);
  CHECK(number<int>("-2147483648") == std::numeric_limits<int>::min());
  CHECK(number<std::int64_t>("+9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(number<double>("0.1") == 0.1);
  CHECK(number<float>("0.1") == 0.1f);
  CHECK(number<float>("+2") == 2.f);
  CHECK(number<float>("1.") == 1.f);
  CHECK(number<float>("0x1F") == 31.f);
  CHECK(number<float>("-0x1p3") == -8.f);
  CHECK(std::signbit(number<float>("-0")));
  CHECK(number<float>("1e40") == std::numeric_limits<float>::infinity());
  CHECK(number<float>("-1e40") == -std::numeric_limits<float>::infinity());
  CHECK(number<double>("1e400") == std::numeric_limits<double>::infinity());
  CHECK(number<double>("0.0000001e400") == std::numeric_limits<double>::infinity());
  CHECK(number<float>("1e-50") == 0.f);
  CHECK(number<double>("1e-400") == 0.0);
  CHECK(number<double>("123456789e-500") == 0.0);
  CHECK(number<float>("1e-40") > 0.f);
  CHECK(number<float>("INF") == std::numeric_limits<float>::infinity());
  CHECK(number<double>("-Infinity") == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(number<float>("NaN")));
  for (const char* bad : {"",   " ",   "abc",  "1 2", ".",  "1e",  "1_000",  "--1", "+-1", "-+1",
                          "1f", "+ 1", "infx", "1d5", "0x", ".e1", "nan(1)", "-",   "+",   "0x-1"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(string_to_number<float>(bad), invalid_argument);
    CHECK_THROWS_AS(string_to_number<std::int64_t>(bad), invalid_argument);
  }
  CHECK_THROWS_AS(string_to_number<float>(std::string("1\0", 2)), invalid_argument);
  for (const char* bad : {"2147483648", "1.5", "0x1F", "inf", "1e3"})
    CHECK_THROWS_AS(string_to_number<int>(bad), invalid_argument);
  CHECK_THROWS_WITH_AS(string_to_number<int>(strings{"1", "4x"}),
                       "string_to_number: '4x' is no number of the wanted type", invalid_argument);
}

TEST_CASE("as_string: C's formats") {
  CHECK(elements(as_string(tensor<int, 3>{1, -1, 40})) == words{"1", "-1", "40"});
  CHECK(one(as_string(-1, {.width = 5, .fill = "0"})) == "-0001");
  CHECK(one(as_string(1, {.width = 5})) == "    1");
  CHECK(one(as_string(1, {.width = 5, .fill = "-"})) == "1    ");
  CHECK(one(as_string(1, {.width = 5, .fill = "+"})) == "   +1");
  CHECK(one(as_string(-1, {.width = 5, .fill = "+"})) == "   -1");
  CHECK(one(as_string(1, {.fill = "+"})) == "+1");
  CHECK(one(as_string(std::numeric_limits<std::int64_t>::min())) == "-9223372036854775808");
  CHECK(elements(as_string(tensor<std::uint8_t, 1>{200})) == words{"200"});
  CHECK(elements(as_string(tensor<bool, 2>{true, false}, {.width = 7})) == words{"true", "false"});
  CHECK(one(as_string(1.5f)) == "1.500000");
  CHECK(one(as_string(1.5f, {.precision = 2})) == "1.50");
  CHECK(one(as_string(1.5f, {.precision = 0})) == "2");
  CHECK(one(as_string(-2.25f, {.precision = 0})) == "-2");
  CHECK(one(as_string(1e20f)) == "100000002004087734272.000000");
  CHECK(one(as_string(1e20f, {.scientific = true})) == "1.000000e+20");
  CHECK(one(as_string(1234567.f, {.shortest = true})) == "1.23457e+06");
  CHECK(one(as_string(1234567.f, {.precision = 3, .shortest = true})) == "1.23e+06");
  CHECK(one(as_string(-2.25f, {.width = 12, .fill = "0"})) == "-0002.250000");
  CHECK(one(as_string(1.5, {.width = 12, .fill = "-"})) == "1.500000    ");
  CHECK(one(as_string(-0.0)) == "-0.000000");
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(one(as_string(-inf, {.width = 12, .fill = "0"})) == "        -inf");
  CHECK(one(as_string(inf, {.width = 6, .fill = "+"})) == "  +inf");
  CHECK(one(as_string(std::nan(""))) == "nan");
  CHECK(one(as_string(1e308, {.precision = 3})).size() == 313);
  const tensor<float, 2, 2> x{{1, 2}, {3, 4}};
  CHECK(elements(as_string(x(all, 1), {.shortest = true})) == words{"2", "4"});
  CHECK_THROWS_WITH_AS(as_string(1, {.precision = 2}), "as_string: int32 has no precision, scientific or shortest form",
                       invalid_argument);
  CHECK_THROWS_AS(as_string(true, {.precision = 2}), invalid_argument);
  CHECK_THROWS_AS(as_string(1, {.shortest = true}), invalid_argument);
  CHECK_THROWS_AS(as_string(1.f, {.scientific = true, .shortest = true}), invalid_argument);
  CHECK_THROWS_WITH_AS(as_string(1, {.fill = "x"}), "as_string: the fill is \" \", \"0\", \"-\" or \"+\", got \"x\"",
                       invalid_argument);
  CHECK_THROWS_AS(as_string(1.f, {.precision = 1000000}), invalid_argument);
}

TEST_CASE("string: regular expressions over tensors") {
  const tensor<std::string, 2> t{"hello world", "abc"};
  const tensor<std::string, 2> r = regex_replace(t, "(\\w+) (\\w+)", "\\2 \\1");
  CHECK(elements(r) == words{"world hello", "abc"});
  CHECK(elements(regex_replace(t, regex("[lb]"), "-", {.replace_global = false})) == words{"he-lo world", "a-c"});
  CHECK(regex_full_match(t, "a.c") == tensor<bool, 2>{false, true});
  CHECK_THROWS_AS(regex_replace(t, "(", ""), invalid_argument);
  CHECK_THROWS_AS(regex_replace(t, "a", "\\1"), invalid_argument);
  // Lines of a file without header and comments, as the documentation filters them.
  const strings lines{"# comment", "1,2", "#", "3,4"};
  CHECK(not_equal(substr(lines, 0, 1), "#") == tensor<bool, dyn>{false, true, false, true});
}

TEST_CASE("string: base64") {
  const strings plain{"", "a", "ab", "abc", "\xc3\xbf\xc3\xbe"};
  CHECK(elements(encode_base64(plain)) == words{"", "YQ", "YWI", "YWJj", "w7_Dvg"});
  CHECK(elements(encode_base64(plain, {.pad = true})) == words{"", "YQ==", "YWI=", "YWJj", "w7_Dvg=="});
  CHECK(decode_base64(encode_base64(plain)) == plain);
  CHECK(decode_base64(encode_base64(plain, {.pad = true})) == plain);
  CHECK(one(decode_base64("YR")) == "a");
  for (const char* bad : {"YQ=", "Y", "Y Q", "YQ===", "+/", "YW=j", "Y==="})
    CHECK_THROWS_AS(decode_base64(bad), invalid_argument);
}

TEST_CASE("string: numbers from raw bytes and back") {
  const tensor<std::string, 2> t{"abcd", "efgh"};
  const tensor<std::int32_t, 2, dyn> little = decode_raw<std::int32_t>(t);
  CHECK(little == tensor<std::int32_t, 2, 1>{{0x64636261}, {0x68676665}});
  CHECK(decode_raw<std::int32_t>(t, {.little_endian = false})(1, 0) == 0x65666768);
  CHECK(decode_raw<std::uint8_t>(t).shape() == tensor_shape{2, 4});
  CHECK(decode_raw<bool>(strings{std::string("\2\0\1", 3)}) == tensor<bool, 1, 3>{{true, false, true}});
  CHECK(decode_raw<float>(strings()).shape() == tensor_shape{0, 0});
  CHECK(decode_raw<double>("").shape() == tensor_shape{0});
  const tensor<double, 3, 2> x{{1, 2}, {-3, 4.5}, {0, 1e300}};
  for (const bool order : {true, false}) {
    const tensor<std::string, 3> bytes = encode_raw(x, {.little_endian = order});
    CHECK(bytes(1).size() == 16);
    CHECK(decode_raw<double>(bytes, {.little_endian = order}) == x);
  }
  CHECK(elements(encode_raw(tensor<std::uint8_t, 2, 2>{{97, 98}, {99, 100}}(
            all, slice{slice::none, slice::none, -1}))) == words{"ba", "dc"});
  CHECK_THROWS_WITH_AS(decode_raw<std::uint8_t>(strings{"ab", "cde"}),
                       "decode_raw: strings of 2 and of 3 bytes (at index 1) cannot form one tensor", invalid_argument);
  CHECK_THROWS_WITH_AS(decode_raw<float>("abcde"), "decode_raw: 5 bytes are no multiple of 4, the size of float32",
                       invalid_argument);
}

TEST_CASE("string: comparison, selection, concatenation") {
  const tensor<std::string, 2, 2> a{{"a", "b"}, {"c", "d"}};
  const tensor<std::string, 2> b{"a", "d"};
  CHECK(equal(a, b) == tensor<bool, 2, 2>{{true, false}, {false, true}});
  CHECK(not_equal(a, b) == tensor<bool, 2, 2>{{false, true}, {true, false}});
  CHECK(less(a, "c") == tensor<bool, 2, 2>{{true, true}, {false, false}});
  CHECK(less_equal(a, "c")(1, 0));
  CHECK(greater("c", a)(0, 1));
  CHECK(greater_equal(b, b) == tensor<bool, 2>{true, true});
  CHECK(std::is_same_v<decltype(add(a, a)), tensor<std::string, 2, 2>>);
  CHECK(elements(add(a, b)) == words{"aa", "bd", "ca", "dd"});
  CHECK(elements(a + b) == words{"aa", "bd", "ca", "dd"});
  CHECK(elements("<" + b + ">") == words{"<a>", "<d>"});
  CHECK(elements(select(tensor<bool, 2>{true, false}, b, "?")) == words{"a", "?"});
  CHECK(elements(select(tensor<bool, 2>{true, false}, a(0, all), a(1, all))) == words{"a", "d"});
  CHECK_THROWS_WITH_AS(add(a, strings{"a", "b", "c"}), "add: the shapes [2, 2] and [3] do not broadcast",
                       invalid_argument);
  CHECK(add(strings(), "x").shape() == tensor_shape{0});
}
