#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/ops/string_golden.hpp: what TensorFlow's string ops give, for tests/ops/{string,regex}_test.cpp.

    python tests/oracle/strings.py > tests/ops/string_golden.hpp

Hash buckets of byte strings of all lengths from 0 to 200, hashes of crossed features, and replacements and full matches of
written and of random regular expressions (TensorFlow uses RE2).
"""
import os
import random

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
import tensorflow as tf  # noqa: E402

LARGEST = 2**63 - 1

WRITTEN = [  # pattern, text, rewrite
    ('b', 'abcb', '[\\0\\0]'), ('', 'abc', '-'), ('x*', 'abc', '-'), ('an', 'banana', '<\\0>'),
    ('a*', 'baac', '<\\0>'), ('(\\w+) (\\w+)', 'hello world', '\\2 \\1'),
    ('(\\w+)\\s*=\\s*(\\d+)', 'a = 1, bc=22', '\\1:\\2'), ('^', 'a\nb', '>'), ('$', 'a\nb', '<'),
    ('(?m)^', 'a\nb', '>'), ('(?m)$', 'a\nb\n', '<'), ('(?m)^$', 'a\n\nb', 'x'), ('.', 'a\nb', '-'),
    ('(?s).', 'a\nb', '-'), ('\\bfoo\\b', 'foo food foo', 'X'), ('\\Boo', 'foo oo', 'X'), ('(?i)AbC', 'abcABC', 'x'),
    ('(?i)[a-c]+', 'aBCd', 'x'), ('(?i)ÉA', 'éa', 'x'), ('a|ab', 'abab', 'x'), ('ab|a', 'abab', 'x'),
    ('(a|ab)(c|bcd)(d*)', 'abcd', '\\1-\\2-\\3'), ('a+?', 'aaa', 'x'), ('a*?', 'aa', 'x'), ('a??', 'aa', 'x'),
    ('(a+?)(a*)', 'aaa', '\\1,\\2'), ('a{2}', 'aaaaa', 'x'), ('a{2,}', 'aaaaa', 'x'), ('a{1,3}', 'aaaaa', 'x'),
    ('a{1,3}?', 'aaaaa', 'x'), ('a{,2}', 'a{,2}', 'x'), ('a{0}b', 'ab', 'x'), ('(a*)*', 'aab', '<\\1>'),
    ('(a*)+', 'aab', '<\\1>'), ('(a|b*)*', 'abba', '<\\1>'), ('(|a)*', 'aaa', '<\\1>'), ('(|a)+', 'aaa', '<\\1>'),
    ('(?:(a)|(b))+', 'abba', '\\1\\2'), ('(a)|b', 'ab', '<\\1>'), ('[[:alpha:]]+', 'ab12é', 'x'),
    ('[[:^digit:]]', 'a1b', 'x'), ('[^a]', 'aéb', 'x'), ('[]a]', ']ab', 'x'), ('[^]a]', ']ab', 'x'),
    ('[a-]', 'a-b', 'x'), ('[\\d\\-x]', '1-xy', 'z'), ('\\D', 'a1', 'x'), ('\\W', 'a_-é', 'x'),
    ('\\S+', 'ab cd', 'x'), ('\\x41\\x{e9}', 'Aé', 'x'), ('\\101', 'A', 'x'), ('\\Qa.b\\E+', 'a.bbb', 'x'),
    ('\\.', 'a.b', '\\\\'), ('é*', 'aéé', 'x'), ('(?U)a+', 'aa', 'x'), ('(?P<n>a)(?P<m>b)', 'ab', '\\2\\1'),
    ('(?i:a)b', 'AbAB', 'x'), ('(?i)a(?-i)b', 'AbAB', 'x'), ('^\\s+|\\s+$', '  a b  ', ''),
    ('(\\d+)\\.(\\d+)', '3.14 2.71', '\\2.\\1'), ('(?:a|b)c', 'acbc', 'x'), ('\\A(a+)\\z', 'aaa', '\\1\\1'),
    ('(?i)straße', 'STRAßE', 'x'), ('[à-ö]', 'aéz', 'x'), ('(?i)[^k]', 'kKa', 'x'), ('(((a)))', 'a', '\\1\\2\\3'),
    ('.*', 'ab\ncd', 'x'), ('.+', 'ab\ncd', 'x'), ('(.*)(b)', 'abab', '\\1|\\2'), ('(.*?)(b)', 'abab', '\\1|\\2'),
    ('', '', 'x'), ('a', '', 'x'), ('(a?)(ab)?', 'ab', '[\\1][\\2]'), ('(a?)(ab)?(b)?', 'ab', '[\\1][\\2][\\3]'),
    ('€', '1€', 'EUR'), ('[€-₭]', '1€', 'x'),
]


def random_pattern(r, depth):
    atoms = ['a', 'b', 'c', 'A', 'é', 'ж', '.', r'\d', r'\w', r'\s', r'\W', '[ab]', '[^a]', '[a-cé]', '[[:alpha:]]', '^', '$', r'\b', '-']
    repeats = ['*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}', '{0,2}', '{2,}', '{1,3}?']
    s = ''
    for _ in range(r.randint(1, 3)):
        kind = r.random()
        if kind < 0.3 and depth > 0:
            unit = r.choice(['(', '(', '(?:', '(?i:']) + random_pattern(r, depth - 1) + ')'
        elif kind < 0.4 and depth > 0:
            unit = '(?:' + random_pattern(r, depth - 1) + '|' + random_pattern(r, depth - 1) + ')'
        else:
            unit = r.choice(atoms[:4]) if r.random() < 0.5 else r.choice(atoms)
        s += unit + (r.choice(repeats) if r.random() < 0.4 else '')
    return s


def literal(b):
    out = ''
    for c in b:
        out += chr(c) if 32 <= c < 127 and chr(c) not in '"\\?' else '\\%03o' % c
    return 'std::string_view("%s", %d)' % (out, len(b))


def main():
    texts, s = [], b''
    for i in range(201):
        texts.append(s)
        s += bytes([(i * 37 + 11) & 255])
    t = tf.constant(texts)
    columns = [tf.strings.to_hash_bucket_fast(t, LARGEST), tf.strings.to_hash_bucket_strong(t, LARGEST, [1, 2]),
               tf.strings.to_hash_bucket(t, LARGEST)]
    print('// SPDX-License-Identifier: Apache-2.0')
    print('#pragma once')
    print('/// \\file')
    print("/// Results of TensorFlow's string ops, written by tests/oracle/strings.py.\n")
    print('#include <cstdint>\n#include <string_view>\n')
    print('namespace golden {\n')
    print('/// Row n: hashes modulo 2^63 - 1 of the n bytes (37 i + 11) mod 256: fast, strong with the key {1, 2}, legacy.')
    print('struct hash_row {\n  std::uint64_t fast, strong, legacy;\n};')
    print('inline constexpr hash_row hashes[] = {')
    for row in zip(*[c.numpy() for c in columns]):
        print('    {%s},' % ', '.join('%dU' % int(x) for x in row))
    print('};\n')
    print('/// Hash modulo 2^63 - 1 of the crossed features a and b, starting from 0xdecafcaffe.')
    print('struct cross_row {\n  std::string_view a, b;\n  std::uint64_t hash;\n};')
    print('inline constexpr cross_row crosses[] = {')
    for a, b in [(b'', b''), (b'a', b'b'), (b'b', b'a'), (b'Bachelors', b'Exec-managerial'), (b'x' * 100, b'y' * 70)]:
        cross = tf.raw_ops.SparseCross(indices=[], values=[], shapes=[], dense_inputs=[[[a]], [[b]]], hashed_output=True,
                                       num_buckets=0, hash_key=0xDECAFCAFFE, out_type=tf.int64, internal_type=tf.string)
        print('    {%s, %s, %dU},' % (literal(a), literal(b), int(cross.output_values.numpy()[0])))
    print('};\n')
    print('/// Whether the pattern matches all of the text; all matches replaced; the first one replaced.')
    print('struct regex_row {\n  std::string_view pattern, text, rewrite;\n  bool full;\n  std::string_view all, first;\n};')
    print('inline constexpr regex_row regexes[] = {')
    r = random.Random(20180427)
    cases = [tuple(x.encode() for x in c) for c in WRITTEN]
    while len(cases) < len(WRITTEN) + 150:
        p = random_pattern(r, 2)
        text = ''.join(r.choice('abcAB' if r.random() < 0.7 else 'éж1_ \n-') for _ in range(r.randint(0, 8)))
        rewrite = r.choice([r'<\0>', r'[\1]', 'x']) if '(' in p.replace('(?', '') else r'<\0>'
        cases.append((p.encode(), text.encode(), rewrite.encode()))
    for p, text, rewrite in cases:
        full = bool(tf.raw_ops.RegexFullMatch(input=text, pattern=p).numpy())
        both = [tf.raw_ops.RegexReplace(input=text, pattern=p, rewrite=rewrite, replace_global=g).numpy()
                for g in (True, False)]
        print('    {%s, %s, %s, %s, %s, %s},' % (literal(p), literal(text), literal(rewrite), 'true' if full else 'false',
                                                literal(both[0]), literal(both[1])))
    print('};\n\n}  // namespace golden')


main()
