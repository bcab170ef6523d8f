// SPDX-License-Identifier: Apache-2.0
#include <rill/ops/regex.hpp>

#include <doctest/doctest.h>

#include <string>

#include "string_golden.hpp"

using rill::regex;

namespace {

std::string message_of(const std::string& pattern) {
  try {
    const regex r(pattern);
  } catch (const rill::invalid_argument& e) {
    return e.what();
  }
  return "compiles";
}
void check_fails(const std::string& pattern, const std::string& part) {
  const std::string message = message_of(pattern);
  CAPTURE(pattern);
  CAPTURE(message);
  CHECK(message.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("regex: replaces and matches as RE2 does in TensorFlow") {
  for (const golden::regex_row& row : golden::regexes) {
    const std::string pattern(row.pattern), text(row.text), rewrite(row.rewrite);
    CAPTURE(pattern);
    CAPTURE(text);
    CAPTURE(rewrite);
    const regex r(pattern);
    CHECK(r.full_match(text) == row.full);
    CHECK(r.replace(text, rewrite) == row.all);
    CHECK(r.replace(text, rewrite, {.replace_global = false}) == row.first);
  }
}

TEST_CASE("regex: groups of the leftmost match") {
  const regex date("(\\d{4})-(\\d\\d)(?:-(\\d\\d))?");
  CHECK(date.groups() == 3);
  CHECK(date.pattern() == "(\\d{4})-(\\d\\d)(?:-(\\d\\d))?");
  const std::string text = "on 2018-04-27 and 2019-05.";
  const auto first = date.find(text);
  REQUIRE(first.size() == 4);
  CHECK(first[0] == "2018-04-27");
  CHECK(first[1] == "2018");
  CHECK(first[3] == "27");
  const auto second = date.find(text, 13);
  REQUIRE(second.size() == 4);
  CHECK(second[0] == "2019-05");
  CHECK(second[3].data() == nullptr);
  CHECK(date.find(text, 20).empty());
  CHECK(date.find(text, 1000).empty());
  CHECK(date.partial_match(text));
  CHECK_FALSE(date.full_match(text));
  CHECK_FALSE(date.partial_match("2018-4"));
}

TEST_CASE("regex: bytes that are no UTF-8 are matched by nothing and kept") {
  CHECK(regex(".").replace("a\xff"
                           "b",
                           "-") == "-\xff-");
  CHECK(regex("").replace("a\xff"
                          "b",
                          "-") == "-a-\xff-b-");
  CHECK(regex("[^x]").replace("\xc3", "-") == "\xc3");
  CHECK(regex("\\B").replace("\xc3\xa9", "-") == "-\xc3\xa9-");  // RE2 splits the character here
  CHECK_FALSE(regex("(?s).*").full_match("\xed\xa0\x80"));       // a surrogate
  CHECK(regex("..").full_match("\xf0\x9f\x98\x80\xc2\x80"));
}

TEST_CASE("regex: linear time where backtracking is exponential") {
  std::string pattern, text;
  for (int i = 0; i < 60; ++i) pattern += "a?", text += 'a';
  CHECK(regex(pattern + text).full_match(text));
  CHECK_FALSE(regex("(a*)*b").full_match(std::string(20000, 'a')));
  CHECK_FALSE(regex("(?:a|aa)+$").full_match(std::string(20000, 'a') + "b"));
}

TEST_CASE("regex: what does not compile names the position") {
  check_fails("a(b", "missing ) of the group at position 1");
  check_fails("ab)", "unexpected ) at position 2");
  check_fails("a[bc", "missing ] at position 1");
  check_fails("*a", "nothing to repeat before '*' at position 0");
  check_fails("a|+", "nothing to repeat before '+' at position 2");
  check_fails("a**", "cannot be repeated at position 2");
  check_fails("a{2}{3}", "cannot be repeated at position 4");
  check_fails("xa{3,2}", "bad repetition count '{3,2}' (at most 1000) at position 2");
  check_fails("a{1001}", "bad repetition count");
  check_fails("[b-a]", "bad range in a class at position 1");
  check_fails("[[:foo:]]", "no such character class at position 1");
  check_fails("a\\", "nothing behind the last \\ at position 1");
  check_fails("\\pL", "unsupported escape \\p at position 0");
  check_fails("(a)\\1", "unsupported escape \\1 at position 3");
  check_fails("a(?=b)", "unsupported kind of group or flag at position 1");
  check_fails("(?P<>a)", "bad name of a group");
  check_fails("\\x{110000}", "bad \\x escape at position 0");
  check_fails("ab\xff", "invalid UTF-8 at position 2");
  check_fails("(((a{1000}){1000}){1000})", "too large");
  check_fails("(?:(?:(?:){1000}){1000}){1000}", "too large");
  check_fails(std::string(100000, '('), "nested too deeply");
  CHECK(message_of(std::string(200, '(') + "a" + std::string(200, ')')) == "compiles");
  CHECK(message_of("a{") == "compiles");
}

TEST_CASE("regex: a wrong rewrite is refused") {
  const regex r("(a)");
  CHECK(r.replace("ba", "\\\\\\1\\0") == "b\\aa");
  CHECK_THROWS_WITH_AS(static_cast<void>(r.replace("a", "x\\2")),
                       "regex rewrite 'x\\2': group 2 of a pattern of 1 groups at position 1", rill::invalid_argument);
  CHECK_THROWS_AS(static_cast<void>(r.replace("a", "x\\")), rill::invalid_argument);
  CHECK_THROWS_AS(static_cast<void>(r.replace("a", "\\a")), rill::invalid_argument);
}

TEST_CASE("regex: upper and lower case of letters beyond ASCII") {
  CHECK(regex("(?i)ÄÖŸŁΣЖԱẾ").full_match("äöÿłσжաế"));
  CHECK(regex("(?i)[à-þ]+").full_match("ÀÞéÉ"));
  CHECK_FALSE(regex("(?i)×").full_match("÷"));
  CHECK_FALSE(regex("ä").full_match("Ä"));
  for (std::uint32_t c = 0; c < 0x3000; ++c) {
    CAPTURE(c);
    CHECK((rill::detail::to_lower(c) == c || rill::detail::to_upper(rill::detail::to_lower(c)) == c));
    CHECK((rill::detail::to_upper(c) == c || rill::detail::to_lower(rill::detail::to_upper(c)) == c));
  }
}
