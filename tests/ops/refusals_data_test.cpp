// SPDX-License-Identifier: Apache-2.0
// Calls of functions of strings, of random numbers, of those whose results' sizes depend on data and of assertions that must
// be refused, every function at least three times, with a part of the message.

#include "outline.hpp"

#include <cmath>
#include <rill/eager/random.hpp>
#include <rill/eager/sort.hpp>
#include <rill/ops/debugging.hpp>
#include <rill/ops/string.hpp>

using namespace rill;
using namespace rill::test;

namespace {

using text = tensor<std::string, any_rank>;

text words(const tensor_shape& s) {
  text x = text::uninitialized(s);
  for (std::string& e : x.span()) e = "ab";
  return x;
}
text texts(std::initializer_list<const char*> list) {
  text x = text::uninitialized({static_cast<std::int64_t>(list.size())});
  std::copy(list.begin(), list.end(), x.data());
  return x;
}
template <class T>
tensor<T, any_rank> zeros(const tensor_shape& s) {
  auto x = tensor<T, any_rank>::uninitialized(s);
  for (T& e : x.span()) e = T();
  return x;
}
dynamic_tensor v(dtype type, const tensor_shape& s) { return dynamic_tensor::zeros(type, s); }

const refusal rows[] = {
    RILL_REFUSE("Unique: needs a vector of real numbers, bool or strings, got float32[2, 3]", unique(v(dtype::float32, {2, 3}))),
    RILL_REFUSE("Unique: needs a vector of real numbers, bool or strings, got complex64[2]", unique(v(dtype::complex64, {2}))),
    RILL_REFUSE("Unique: needs a vector of real numbers, bool or strings, got string[]", unique(v(dtype::string, {}))),
    RILL_REFUSE("Unique: indices must be int32 or int64, not int8", unique(v(dtype::float32, {2}), dtype::int8)),
    RILL_REFUSE("UniqueWithCounts: needs a vector of real numbers, bool or strings, got int32[0, 2]", unique_with_counts(v(dtype::int32, {0, 2}))),
    RILL_REFUSE("UniqueWithCounts: needs a vector of real numbers, bool or strings, got complex128[1]", unique_with_counts(v(dtype::complex128, {1}))),
    RILL_REFUSE("UniqueWithCounts: indices must be int32 or int64, not string", unique_with_counts(v(dtype::int32, {2}), dtype::string)),
    RILL_REFUSE("ListDiff: dtypes differ: got int32 and int64", setdiff1d(v(dtype::int32, {2}), v(dtype::int64, {2}))),
    RILL_REFUSE("ListDiff: needs a vector of real numbers, bool or strings, got float32[2, 1]", setdiff1d(v(dtype::float32, {2, 1}), v(dtype::float32, {2}))),
    RILL_REFUSE("ListDiff: needs a vector of real numbers, bool or strings, got float32[]", setdiff1d(v(dtype::float32, {2}), v(dtype::float32, {}))),
    RILL_REFUSE("ListDiff: indices must be int32 or int64, not uint32", setdiff1d(v(dtype::float32, {2}), v(dtype::float32, {2}), dtype::uint32)),
    RILL_REFUSE("Bincount: needs int32 or int64, got float32[3]", bincount(v(dtype::float32, {3}))),
    RILL_REFUSE("Bincount: minlength and maxlength must not be negative", bincount(v(dtype::int32, {3}), {.minlength = -1})),
    RILL_REFUSE("Bincount: weights of shape [2] are not those of numbers of shape [3]", bincount(v(dtype::int32, {3}), v(dtype::float32, {2}))),
    RILL_REFUSE("string_join: the shapes [2] and [3] differ", string_join({words({2}), words({3})})),
    RILL_REFUSE("string_join: the shapes [2, 1] and [1, 2] differ", string_join({words({2, 1}), std::string("-"), words({1, 2})})),
    RILL_REFUSE("string_join: the shapes [0] and [1] differ", string_join({words({0}), words({1})}, {.separator = ","})),
    RILL_REFUSE("string_split: the operand is a vector, got the shape [1, 1]", string_split(words({1, 1}))),
    RILL_REFUSE("string_split: the operand is a vector, got the shape []", string_split(words({}))),
    RILL_REFUSE("string_split: the operand is a vector, got the shape [2, 0, 3]", string_split(words({2, 0, 3}), {.delimiter = ","})),
    RILL_REFUSE("reduce_join: an axis is out of range or named twice for the shape [2, 2]", reduce_join(words({2, 2}), {.axis = {2}})),
    RILL_REFUSE("reduce_join: an axis is out of range or named twice for the shape [2, 2]", reduce_join(words({2, 2}), {.axis = {0, -2}})),
    RILL_REFUSE("reduce_join: an axis is out of range or named twice for the shape []", reduce_join(words({}), {.axis = {0}})),
    RILL_REFUSE("substr: the shapes [2] and [3] do not broadcast", substr(words({2}), zeros<int>({3}), zeros<int>({3}))),
    RILL_REFUSE("substr: the shapes [2, 2] and [3] do not broadcast", substr(words({2, 2}), zeros<int>({2}), zeros<int>({3}))),
    RILL_REFUSE("substr: the shapes [0] and [2] do not broadcast", substr(words({0}), zeros<int>({2}), zeros<int>({1}))),
    RILL_REFUSE("string_lower: the encoding is \"\" or \"utf-8\", got \"latin1\"", string_lower(words({1}), {.encoding = "latin1"})),
    RILL_REFUSE("string_lower: the encoding is \"\" or \"utf-8\", got \"UTF-8\"", string_lower(words({0}), {.encoding = "UTF-8"})),
    RILL_REFUSE("string_lower: the encoding is \"\" or \"utf-8\", got \"utf8\"", string_lower(words({1}), {.encoding = "utf8"})),
    RILL_REFUSE("string_upper: the encoding is \"\" or \"utf-8\", got \"latin1\"", string_upper(words({1}), {.encoding = "latin1"})),
    RILL_REFUSE("string_upper: the encoding is \"\" or \"utf-8\", got \" \"", string_upper(words({1}), {.encoding = " "})),
    RILL_REFUSE("string_upper: the encoding is \"\" or \"utf-8\", got \"utf-16\"", string_upper(words({1}), {.encoding = "utf-16"})),
    RILL_REFUSE("string_to_number: '4x' is no number of the wanted type", string_to_number<float>(texts({"1", "4x"}))),
    RILL_REFUSE("string_to_number: '' is no number of the wanted type", string_to_number<float>(texts({""}))),
    RILL_REFUSE("string_to_number: '4.5' is no number of the wanted type", string_to_number<int>(texts({"4", "4.5"}))),
    RILL_REFUSE("string_to_number: '2147483648' is no number of the wanted type", string_to_number<int>(texts({"2147483648"}))),
    RILL_REFUSE("as_string: scientific and shortest exclude each other", as_string(zeros<float>({1}), {.scientific = true, .shortest = true})),
    RILL_REFUSE("as_string: int32 has no precision, scientific or shortest form", as_string(zeros<int>({1}), {.precision = 2})),
    RILL_REFUSE("as_string: precision and width are at most 100000, got -2 and -1", as_string(zeros<float>({1}), {.precision = -2})),
    RILL_REFUSE("as_string: the fill is \" \", \"0\", \"-\" or \"+\", got \"x\"", as_string(zeros<float>({1}), {.width = 4, .fill = "x"})),
    RILL_REFUSE("string_to_hash_bucket: the number of buckets is at least 1, got 0", string_to_hash_bucket(words({1}), 0)),
    RILL_REFUSE("string_to_hash_bucket: the number of buckets is at least 1, got -1", string_to_hash_bucket(words({1}), -1)),
    RILL_REFUSE("string_to_hash_bucket: the number of buckets is at least 1, got 0", string_to_hash_bucket(words({0}), 0)),
    RILL_REFUSE("string_to_hash_bucket_fast: the number of buckets is at least 1, got 0", string_to_hash_bucket_fast(words({1}), 0)),
    RILL_REFUSE("string_to_hash_bucket_fast: the number of buckets is at least 1, got -7", string_to_hash_bucket_fast(words({1}), -7)),
    RILL_REFUSE("string_to_hash_bucket_fast: the number of buckets is at least 1, got 0", string_to_hash_bucket_fast(words({0}), 0)),
    RILL_REFUSE("string_to_hash_bucket_strong: the number of buckets is at least 1, got 0", string_to_hash_bucket_strong(words({1}), 0, {1, 2})),
    RILL_REFUSE("string_to_hash_bucket_strong: the number of buckets is at least 1, got -7", string_to_hash_bucket_strong(words({1}), -7, {1, 2})),
    RILL_REFUSE("string_to_hash_bucket_strong: the number of buckets is at least 1, got 0", string_to_hash_bucket_strong(words({0}), 0, {1, 2})),
    RILL_REFUSE("regex '(a'", regex_replace(words({1}), "(a", "")),
    RILL_REFUSE("regex 'a**'", regex_replace(words({1}), "a**", "")),
    RILL_REFUSE("regex rewrite '\\1': group 1 of a pattern of 0 groups at position 0", regex_replace(words({1}), "a", "\\1")),
    RILL_REFUSE("regex '[z-a]'", regex_full_match(words({1}), "[z-a]")),
    RILL_REFUSE("regex 'a)'", regex_full_match(words({1}), "a)")),
    RILL_REFUSE("regex '*a'", regex_full_match(words({0}), "*a")),
    RILL_REFUSE("decode_base64: the length of 'QUJDR' cannot be 1 modulo 4", decode_base64(texts({"QUJD", "QUJDR"}))),
    RILL_REFUSE("decode_base64: 'QU+D' has an invalid character", decode_base64(texts({"QU+D"}))),
    RILL_REFUSE("decode_base64: 'Q=JD' has an invalid character", decode_base64(texts({"Q=JD"}))),
    RILL_REFUSE("decode_raw: strings of 2 and of 3 bytes (at index 1) cannot form one tensor", decode_raw<std::uint8_t>(texts({"ab", "abc"}))),
    RILL_REFUSE("decode_raw: 3 bytes are no multiple of", decode_raw<std::int16_t>(texts({"abc"}))),
    RILL_REFUSE("decode_raw: 2 bytes are no multiple of", decode_raw<float>(words({2}))),
    RILL_REFUSE("random_uniform: minval must be less than maxval", random_uniform<int>({3}, {.minval = 2, .maxval = 2})),
    RILL_REFUSE("random_uniform: minval must be less than maxval", random_uniform<std::int64_t>({3}, {.minval = 2, .maxval = 1})),
    RILL_REFUSE("random_uniform: minval must be less than maxval", random_uniform<int>({0}, {.minval = 0, .maxval = NAN})),
    RILL_REFUSE("random_normal: stddev must not be negative, got -1.0", random_normal({2}, {.stddev = -1})),
    RILL_REFUSE("random_normal: stddev must not be negative, got nan", random_normal({2}, {.stddev = std::fabs(NAN)})),
    RILL_REFUSE("random_normal: stddev must not be negative, got -inf", random_normal({0}, {.stddev = -INFINITY})),
    RILL_REFUSE("truncated_normal: stddev must not be negative, got -1.0", truncated_normal({2}, {.stddev = -1})),
    RILL_REFUSE("truncated_normal: stddev must not be negative, got nan", truncated_normal({2}, {.stddev = std::fabs(NAN)})),
    RILL_REFUSE("truncated_normal: stddev must not be negative, got -inf", truncated_normal({0}, {.stddev = -INFINITY})),
    RILL_REFUSE("RandomGamma: parameters must be floating-point numbers: got int32[2]", random_gamma({3}, zeros<int>({2}))),
    RILL_REFUSE("RandomGamma: parameters must be floating-point numbers: got int32[]", random_gamma({3}, zeros<int>({}))),
    RILL_REFUSE("RandomGamma: parameters must be floating-point numbers: got bool[0]", random_gamma({3}, zeros<bool>({0}))),
    RILL_REFUSE("RandomPoisson: parameters must be floating-point numbers: got int32[2]", random_poisson(zeros<int>({2}), {3})),
    RILL_REFUSE("RandomPoisson: parameters must be floating-point numbers: got int32[]", random_poisson(zeros<int>({}), {3})),
    RILL_REFUSE("RandomPoisson: parameters must be floating-point numbers: got bool[0]", random_poisson(zeros<bool>({0}), {3})),
    RILL_REFUSE("Multinomial: needs logits [batch, classes]: got float32[3]", multinomial(zeros<float>({3}), 2)),
    RILL_REFUSE("Multinomial: needs logits [batch, classes]: got int32[2, 3]", multinomial(zeros<int>({2, 3}), 2)),
    RILL_REFUSE("Multinomial: there are no classes to draw from: got float32[2, 0]", multinomial(zeros<float>({2, 0}), 2)),
    RILL_REFUSE("RandomShuffle: needs at least one axis: got float32[]", random_shuffle(zeros<float>({}))),
    RILL_REFUSE("RandomShuffle: needs at least one axis: got int32[]", random_shuffle(zeros<int>({}))),
    RILL_REFUSE("RandomShuffle: needs at least one axis: got bool[]", random_shuffle(zeros<bool>({}))),
    RILL_REFUSE("Assert: the condition must be of dtype bool: got", assert_that(f({2}))),
    RILL_REFUSE("Assert: the condition must be of dtype bool: got", assert_that(i({}))),
    RILL_REFUSE("Assert: the condition must be of dtype bool: got", assert_that(t({1}))),
    RILL_REFUSE("CheckNumerics: only floating-point numbers can be NaN: got", check_numerics(i({2}), "x")),
    RILL_REFUSE("CheckNumerics: only floating-point numbers can be NaN: got", check_numerics(t({1}), "x")),
    RILL_REFUSE("CheckNumerics: only floating-point numbers can be NaN: got", check_numerics(b({}), "x")),
    RILL_REFUSE("Equal: shapes do not broadcast", assert_equal(f({2}), f({3}))),
    RILL_REFUSE("Equal: dtypes differ", assert_equal(f({2}), d({2}))),
    RILL_REFUSE("Equal: shapes do not broadcast", assert_equal(i({2, 3}), i({3, 3}), "message")),
    RILL_REFUSE("Less: shapes do not broadcast", assert_less(f({2}), f({3}))),
    RILL_REFUSE("Less: dtypes differ", assert_less(f({2}), d({2}))),
    RILL_REFUSE("Less: does not take operands of this dtype", assert_less(c({2}), c({2}))),
    RILL_REFUSE("LessEqual: shapes do not broadcast", assert_less_equal(f({2}), f({3}))),
    RILL_REFUSE("LessEqual: dtypes differ", assert_less_equal(f({2}), d({2}))),
    RILL_REFUSE("LessEqual: does not take operands of this dtype", assert_less_equal(c({2}), c({2}))),
    RILL_REFUSE("Greater: shapes do not broadcast", assert_greater(f({2}), f({3}))),
    RILL_REFUSE("Greater: dtypes differ", assert_greater(f({2}), d({2}))),
    RILL_REFUSE("Greater: does not take operands of this dtype", assert_greater(c({2}), c({2}))),
    RILL_REFUSE("GreaterEqual: shapes do not broadcast", assert_greater_equal(f({2}), f({3}))),
    RILL_REFUSE("GreaterEqual: dtypes differ", assert_greater_equal(f({2}), d({2}))),
    RILL_REFUSE("GreaterEqual: does not take operands of this dtype", assert_greater_equal(c({2}), c({2}))),
};

}  // namespace

TEST_CASE("refusals: sizes that depend on data, strings, random numbers, assertions") { check_refusals(rows); }
