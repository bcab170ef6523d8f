// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A stand-in for MNIST that needs no download: digits drawn from strokes, 28 x 28 grey bytes, white on black. Every image
/// takes one of several ways to write its digit, bends it by a smooth random field, slants, turns and stretches it, draws it
/// with a pen of random width and softness, centres it by its ink as MNIST does, and adds grain. Image i of seed s is a
/// function of (s, i) alone, whatever the number of threads; 60,000 take about a second on two cores.
///
///   auto [train, test] = data::synthetic_digits({.train = 60000, .test = 10000});     // same types as data::mnist

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "rill/data/mnist.hpp"
#include "rill/data/random_bits.hpp"
#include "rill/kernel/parallel.hpp"

namespace rill::data {

struct synthetic_options {
  std::int64_t train = 60000;
  std::int64_t test = 10000;
  std::uint64_t seed = 0;
};

namespace detail {

/// One way to write a digit: numbers x y x y …, in a unit square with y downwards. `curve` and `line` start a stroke
/// through the points that follow; `stop` ends the digit.
struct glyph {
  float v[40];
};
inline constexpr float curve = 8, line = 9, stop = 10;

struct glyph_set {
  int count;
  glyph forms[4];
};

inline constexpr glyph_set glyphs[10] = {
    {3,
     {{{curve, .52f, .0f, .2f, .12f, .06f, .5f, .2f, .9f, .5f, 1, .82f, .86f, .93f, .46f, .78f, .1f, .48f, .01f, stop}},
      {{curve, .7f, .06f, .35f, .06f, .08f, .4f, .12f, .82f, .45f, 1, .85f, .75f, .9f, .3f, .65f, .03f, .42f, .1f, stop}},
      {{curve, .35f, .03f, .1f, .3f, .1f, .7f, .35f, .98f, .7f, .95f, .92f, .65f, .88f, .25f, .6f, .0f, .3f, .08f, stop}}}},
    {3,
     {{{line, .5f, .0f, .5f, 1, stop}},
      {{line, .28f, .24f, .55f, .0f, .52f, 1, stop}},
      {{line, .25f, .22f, .52f, .0f, .5f, 1, line, .22f, 1, .8f, .98f, stop}}}},
    {3,
     {{{curve, .1f, .26f, .3f, .03f, .65f, .02f, .85f, .25f, .7f, .55f, .35f, .82f, .05f, 1, line, .05f, 1, .95f, .97f, stop}},
      {{curve, .12f, .22f, .4f, .0f, .8f, .15f, .75f, .5f, .4f, .87f, .12f, .97f, .06f, .83f, .25f, .76f, .55f, .93f, .97f, .94f, stop}},
      {{curve, .1f, .18f, .45f, .0f, .8f, .16f, .78f, .42f, .5f, .7f, .06f, .98f, .5f, .9f, .96f, .98f, stop}}}},
    {3,
     {{{curve, .12f, .12f, .45f, .0f, .8f, .15f, .72f, .38f, .4f, .48f, curve, .4f, .48f, .8f, .56f, .87f, .8f, .5f, 1, .08f, .88f, stop}},
      {{line, .1f, .03f, .85f, .02f, .42f, .42f, curve, .42f, .42f, .8f, .5f, .9f, .78f, .55f, 1, .1f, .9f, stop}},
      {{curve, .1f, .15f, .5f, .0f, .8f, .2f, .52f, .45f, .36f, .5f, .54f, .5f, .87f, .7f, .6f, 1, .08f, .9f, stop}}}},
    {3,
     {{{line, .22f, .02f, .1f, .56f, .92f, .54f, line, .74f, .15f, .68f, 1, stop}},
      {{line, .66f, .0f, .05f, .66f, .95f, .63f, line, .66f, .0f, .65f, 1, stop}},
      {{curve, .16f, .0f, .1f, .38f, .34f, .54f, .78f, .46f, line, .84f, .0f, .74f, .5f, .7f, 1, stop}}}},
    {3,
     {{{line, .86f, .0f, .25f, .03f, .18f, .44f, curve, .18f, .44f, .5f, .35f, .86f, .56f, .8f, .86f, .45f, 1, .08f, .88f, stop}},
      {{curve, .86f, .02f, .42f, .04f, .22f, .2f, .32f, .42f, .7f, .56f, .8f, .8f, .5f, 1, .1f, .92f, stop}},
      {{curve, .24f, .05f, .18f, .46f, .55f, .4f, .86f, .65f, .55f, 1, .08f, .9f, line, .24f, .05f, .95f, .0f, stop}}}},
    {3,
     {{{curve, .72f, .0f, .35f, .2f, .1f, .6f, .25f, .95f, .6f, 1, .86f, .78f, .65f, .53f, .3f, .58f, .14f, .76f, stop}},
      {{curve, .5f, .0f, .22f, .4f, .1f, .8f, .4f, 1, .76f, .86f, .7f, .6f, .4f, .56f, .13f, .76f, stop}},
      {{curve, .85f, .1f, .55f, .03f, .2f, .3f, .08f, .72f, .4f, 1, .8f, .88f, .82f, .62f, .5f, .5f, .12f, .68f, stop}}}},
    {4,
     {{{line, .08f, .05f, .9f, .02f, .4f, 1, stop}},
      {{curve, .08f, .1f, .5f, .04f, .9f, .05f, .64f, .42f, .45f, 1, stop}},
      {{line, .08f, .05f, .9f, .02f, .42f, 1, line, .3f, .52f, .86f, .48f, stop}},
      {{line, .1f, .24f, .12f, .04f, .9f, .03f, .46f, 1, stop}}}},
    {3,
     {{{curve, .8f, .16f, .5f, .0f, .2f, .18f, .45f, .45f, .8f, .72f, .55f, 1, .18f, .85f, .3f, .58f, .65f, .38f, .8f, .16f, stop}},
      {{curve, .5f, .0f, .24f, .12f, .28f, .38f, .5f, .47f, .76f, .36f, .74f, .1f, .5f, .0f, curve, .5f, .47f, .15f, .62f, .2f, .92f, .5f, 1, .82f, .9f, .86f, .6f, .5f, .47f, stop}},
      {{curve, .62f, .02f, .26f, .1f, .3f, .34f, .72f, .62f, .76f, .9f, .45f, 1, .22f, .84f, .34f, .6f, .7f, .34f, .66f, .04f, stop}}}},
    {3,
     {{{curve, .8f, .16f, .45f, .0f, .15f, .2f, .3f, .47f, .65f, .42f, .82f, .16f, .8f, .5f, .7f, 1, stop}},
      {{curve, .78f, .12f, .4f, .0f, .14f, .25f, .4f, .48f, .78f, .3f, line, .8f, .05f, .72f, 1, stop}},
      {{curve, .82f, .2f, .45f, .0f, .15f, .22f, .35f, .48f, .7f, .4f, .84f, .2f, .8f, .65f, .55f, .98f, .16f, .92f, stop}}}},
};

struct ink_point {
  float x, y;
  bool joined;  // to the point before
};

/// Flattens a glyph into at most `capacity` points; curves are Catmull-Rom splines.
inline int flatten(const glyph& g, ink_point* out, int capacity) {
  int n = 0;
  const auto add = [&](float x, float y, bool joined) {
    if (n < capacity) out[n++] = {x, y, joined};
  };
  const float* p = g.v;
  while (*p < stop) {
    const bool curved = *p++ < line;
    int points = 0;
    while (p[2 * points] < curve) ++points;
    const auto at = [&](int i) { return p + 2 * std::clamp(i, 0, points - 1); };
    add(p[0], p[1], false);
    for (int i = 0; i + 1 < points; ++i) {
      const int steps = curved ? 5 : 3;
      for (int k = 1; k <= steps; ++k) {
        const float t = static_cast<float>(k) / static_cast<float>(steps);
        float q[2];
        for (int c = 0; c < 2; ++c) {
          const float a = at(i)[c], b = at(i + 1)[c];
          const float da = curved ? 0.5f * (b - at(i - 1)[c]) : b - a;
          const float db = curved ? 0.5f * (at(i + 2)[c] - a) : b - a;
          q[c] = a + t * (da + t * (3 * (b - a) - 2 * da - db + t * (2 * (a - b) + da + db)));
        }
        add(q[0], q[1], true);
      }
    }
    p += 2 * points;
  }
  return n;
}

/// Draws one digit into 784 bytes.
template <class = void>
void draw_digit(int label, random_bits& r, std::uint8_t* pixels) {
  constexpr int capacity = 128;
  ink_point ink[capacity];
  const glyph_set& set = glyphs[label];
  const int n = flatten(set.forms[r.below(static_cast<std::uint64_t>(set.count))], ink, capacity);

  // A smooth field bends the strokes; equal points move together, so joints stay joined.
  struct wave {
    float fx, fy, phase, dx, dy;
  };
  wave waves[3];
  for (wave& w : waves) {
    w = {r.uniform(-5, 5), r.uniform(-5, 5), r.uniform(0, 6.2831853f), 0, 0};
    w.dx = r.uniform(-0.07f, 0.07f);
    w.dy = r.uniform(-0.065f, 0.065f);
  }
  const float turn = r.uniform(-0.25f, 0.25f);
  const float slant = r.uniform(-0.2f, 0.5f);
  const float width = label == 1 ? r.uniform(0.4f, 0.7f) : r.uniform(0.5f, 0.98f);
  const float c = std::cos(turn), s = std::sin(turn);
  float left = 9, right = -9, top = 9, bottom = -9;
  for (int i = 0; i < n; ++i) {
    float x = ink[i].x, y = ink[i].y;
    const float x0 = x, y0 = y;
    for (const wave& w : waves) {
      const float a = std::sin(w.fx * x0 + w.fy * y0 + w.phase);
      x += w.dx * a;
      y += w.dy * a;
    }
    x = (x - 0.5f) * width - slant * (y - 0.5f);
    y -= 0.5f;
    ink[i].x = c * x - s * y;
    ink[i].y = s * x + c * y;
    left = std::min(left, ink[i].x);
    right = std::max(right, ink[i].x);
    top = std::min(top, ink[i].y);
    bottom = std::max(bottom, ink[i].y);
  }

  // Into a box of about 20 pixels less the pen, its centre of ink near the middle of the image.
  const float radius = r.uniform(0.7f, 1.9f);
  const float soft = r.uniform(0.8f, 1.7f);
  const float scale = (r.uniform(17, 20.5f) - 2 * radius) / std::max({right - left, bottom - top, 0.1f});
  float length = 0, mx = 0, my = 0;
  for (int i = 1; i < n; ++i) {
    if (!ink[i].joined) continue;
    const float l = std::hypot(ink[i].x - ink[i - 1].x, ink[i].y - ink[i - 1].y);
    length += l;
    mx += l * (ink[i].x + ink[i - 1].x) / 2;
    my += l * (ink[i].y + ink[i - 1].y) / 2;
  }
  const float ox = 13.5f + r.uniform(-1.4f, 1.4f) - scale * mx / length;
  const float oy = 13.5f + r.uniform(-1.4f, 1.4f) - scale * my / length;

  float cover[784] = {};
  const float pressure = r.uniform(-0.3f, 0.3f), pressure_phase = r.uniform(0, 6.2831853f);
  for (int i = 1; i < n; ++i) {
    if (!ink[i].joined) continue;
    const float ax = ox + scale * ink[i - 1].x, ay = oy + scale * ink[i - 1].y;
    const float bx = ox + scale * ink[i].x - ax, by = oy + scale * ink[i].y - ay;
    const float pen = radius * (1 + pressure * std::sin(0.2f * static_cast<float>(i) + pressure_phase));
    const float reach = pen + soft / 2;
    const float inverse = 1 / std::max(bx * bx + by * by, 1e-6f);
    const auto low = [&](float a, float b) { return std::clamp(static_cast<int>(std::ceil(a + std::min(b, 0.f) - reach)), 0, 28); };
    const auto high = [&](float a, float b) { return std::clamp(static_cast<int>(std::floor(a + std::max(b, 0.f) + reach)), -1, 27); };
    const int x0 = low(ax, bx), x1 = high(ax, bx), y0 = low(ay, by), y1 = high(ay, by);
    for (int y = y0; y <= y1; ++y)
      for (int x = x0; x <= x1; ++x) {
        const float px = static_cast<float>(x) - ax, py = static_cast<float>(y) - ay;
        const float t = std::clamp((px * bx + py * by) * inverse, 0.f, 1.f);
        const float dx = px - t * bx, dy = py - t * by;
        const float d2 = dx * dx + dy * dy;
        if (d2 >= reach * reach) continue;
        const float v = (reach - std::sqrt(d2)) / soft;
        float& pixel = cover[28 * y + x];
        pixel = std::max(pixel, v);
      }
  }

  // Ink and grain.
  const float light = r.uniform(225, 256);
  for (int i = 0; i < 784; i += 8) {
    std::uint64_t bits = r.next();
    for (int k = i; k < i + 8; ++k, bits >>= 8) {
      const float v = std::min(cover[k], 1.f);
      const float grain = (static_cast<float>(bits & 255) - 127.5f) * 0.22f;
      pixels[k] = v > 0 ? static_cast<std::uint8_t>(std::clamp(v * (light + grain), 0.f, 255.f)) : std::uint8_t{0};
    }
  }
}

}  // namespace detail

/// Images `first` … `first + n - 1` of the endless set of this seed, with their labels; invalid_argument when n is negative.
template <class = void>
digit_bytes draw_digits(std::int64_t n, std::uint64_t seed = 0, std::int64_t first = 0) {
  detail::require_not_negative(n, "draw_digits: the number of images");
  digit_bytes out(decltype(digit_bytes::first)::uninitialized({n, 784}), decltype(digit_bytes::second)::uninitialized({n}));
  std::uint8_t* images = out.first.data();
  std::uint8_t* labels = out.second.data();
  parallel_for(n, 64, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      detail::random_bits r(seed, static_cast<std::uint64_t>(first + i));
      const auto label = static_cast<int>(r.below(10));
      labels[i] = static_cast<std::uint8_t>(label);
      detail::draw_digit(label, r, images + i * 784);
    }
  });
  return out;
}

/// A training and a test set of drawn digits, of the same types as `mnist`.
template <class = void>
digit_sets synthetic_digits(synthetic_options options = {}) {
  constexpr std::int64_t test_begin = std::int64_t{1} << 40;  // images that no training set contains
  return {digits(draw_digits(options.train, options.seed)), digits(draw_digits(options.test, options.seed, test_begin))};
}

}  // namespace rill::data
