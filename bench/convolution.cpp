// SPDX-License-Identifier: Apache-2.0
// SAME convolutions and their gradients: the two 5 x 5 ones of the tutorial network, and the kinds that others are made of.
#include <rill/kernel/depthwise.hpp>

#include <memory>

#include "harness.hpp"
#if defined(RILL_BENCH_DNNL)
#include <oneapi/dnnl/dnnl.hpp>

#include <unordered_map>
#endif
#if defined(RILL_BENCH_TORCH)
#include "peer_torch.hpp"
#endif

namespace bench {

namespace {

enum class pass { forward, backprop_input, backprop_filter };

struct shape {
  std::int64_t batch, height, width, in, out, k = 5, stride = 1;
  bool depthwise = false;  ///< in == out, a filter per channel

  [[nodiscard]] std::int64_t k_h() const { return height == 1 ? 1 : k; }
  [[nodiscard]] std::int64_t depth() const { return depthwise ? 1 : in; }
  [[nodiscard]] static std::int64_t results(std::int64_t size, std::int64_t stride) { return (size + stride - 1) / stride; }
  [[nodiscard]] std::int64_t out_h() const { return height == 1 ? 1 : results(height, stride); }
  [[nodiscard]] std::int64_t out_w() const { return results(width, stride); }
  /// Padding before, of the whole that SAME needs.
  [[nodiscard]] static std::int64_t pad(std::int64_t size, std::int64_t out, std::int64_t k, std::int64_t stride) {
    return std::max<std::int64_t>(0, (out - 1) * stride + k - size) / 2;
  }
  [[nodiscard]] double flops() const { return 2.0 * static_cast<double>(batch * out_h() * out_w() * k_h() * k * depth() * out); }
};

/// Images x and gradient dy in NHWC, filter w in HWIO; room for each result.
struct images {
  explicit images(const shape& d)
      : depthwise(d.depthwise),
        dims{.batch = d.batch, .in_h = d.height, .in_w = d.width, .in_c = d.in, .k_h = d.k_h(), .k_w = d.k, .out_h = d.out_h(),
             .out_w = d.out_w(), .out_c = d.out, .stride_h = d.height == 1 ? 1 : d.stride, .stride_w = d.stride,
             .pad_top = shape::pad(d.height, d.out_h(), d.k_h(), d.stride), .pad_left = shape::pad(d.width, d.out_w(), d.k, d.stride)},
        x(noise(static_cast<std::size_t>(d.batch * d.height * d.width * d.in), 4)),
        w(noise(static_cast<std::size_t>(d.k_h() * d.k * d.depth() * d.out), 5)),
        dy(noise(static_cast<std::size_t>(d.batch * d.out_h() * d.out_w() * d.out), 6)),
        y(dy.size()),
        dx(x.size()),
        dw(w.size()) {}
  bool depthwise;
  rill::kernel::conv2d_dims dims;
  std::vector<float> x, w, dy, y, dx, dw;

  std::vector<float>& result(pass p) { return p == pass::forward ? y : p == pass::backprop_input ? dx : dw; }
};

void rill_pass(images& d, pass p) {
  using operand = rill::kernel::plain_operand<float>;
  using epilogue = rill::kernel::store_epilogue<float>;
  const auto& s = d.dims;
  if (d.depthwise) {
    if (p == pass::forward) rill::kernel::depthwise_conv2d(s, d.x.data(), d.w.data(), d.y.data());
    else if (p == pass::backprop_input) rill::kernel::depthwise_conv2d_backprop_input(s, d.dy.data(), d.w.data(), d.dx.data());
    else rill::kernel::depthwise_conv2d_backprop_filter(s, d.x.data(), d.dy.data(), d.dw.data());
    return;
  }
  const operand x{d.x.data(), s.in_w * s.in_c}, w{d.w.data(), s.out_c}, dy{d.dy.data(), s.out_w * s.out_c};
  switch (p) {
    case pass::forward: return rill::kernel::conv2d<float>(s, x, w, epilogue{d.y.data(), s.out_c});
    case pass::backprop_input: return rill::kernel::conv2d_backprop_input<float>(s, dy, w, epilogue{d.dx.data(), s.in_c});
    default: return rill::kernel::conv2d_backprop_filter<float>(s, x, dy, epilogue{d.dw.data(), s.out_c});
  }
}

#if defined(RILL_BENCH_DNNL)

/// One convolution primitive. `format::any` lets oneDNN choose its layouts, and its operands are brought into them once or
/// at every call; `format::nhwc` has it work on NHWC images as they are and choose the filter's layout only.
class onednn_convolution {
 public:
  enum class format { any, nhwc };

  onednn_convolution(const std::shared_ptr<images>& d, pass p, format f) : data_(d), queue_(cpu_) {
    using namespace dnnl;
    using dt = memory::data_type;
    const auto& s = d->dims;
    const memory::dims x{s.batch, s.in_c, s.in_h, s.in_w}, y{s.batch, s.out_c, s.out_h, s.out_w};
    const memory::dims w = d->depthwise ? memory::dims{s.out_c, 1, 1, s.k_h, s.k_w} : memory::dims{s.out_c, s.in_c, s.k_h, s.k_w};
    const memory::dims strides{s.stride_h, s.stride_w}, pad{s.pad_top, s.pad_left};
    const memory::dims after{(s.out_h - 1) * s.stride_h + s.k_h - s.in_h - s.pad_top, (s.out_w - 1) * s.stride_w + s.k_w - s.in_w - s.pad_left};
    const memory::desc plain_x(x, dt::f32, memory::format_tag::nhwc),
        plain_w(w, dt::f32, d->depthwise ? memory::format_tag::hwigo : memory::format_tag::hwio),
        plain_y(y, dt::f32, memory::format_tag::nhwc);
    const auto any = memory::format_tag::any;
    const bool free = f == format::any;
    const memory::desc wish_x = free ? memory::desc(x, dt::f32, any) : plain_x,
                       wish_w(w, dt::f32, any),
                       wish_y = free ? memory::desc(y, dt::f32, any) : plain_y;
    const auto method = algorithm::convolution_direct;
    const convolution_forward::primitive_desc forward(
        {prop_kind::forward_training, method, wish_x, wish_w, wish_y, strides, pad, after}, cpu_);
    if (p == pass::forward) {
      primitive_ = convolution_forward(forward);
      operand(DNNL_ARG_SRC, plain_x, forward.src_desc(), d->x);
      operand(DNNL_ARG_WEIGHTS, plain_w, forward.weights_desc(), d->w);
      result(DNNL_ARG_DST, plain_y, forward.dst_desc(), d->y);
    } else if (p == pass::backprop_input) {
      const convolution_backward_data::primitive_desc backward({method, wish_x, wish_w, wish_y, strides, pad, after}, cpu_,
                                                               forward);
      primitive_ = convolution_backward_data(backward);
      operand(DNNL_ARG_DIFF_DST, plain_y, backward.diff_dst_desc(), d->dy);
      operand(DNNL_ARG_WEIGHTS, plain_w, backward.weights_desc(), d->w);
      result(DNNL_ARG_DIFF_SRC, plain_x, backward.diff_src_desc(), d->dx);
    } else {
      const convolution_backward_weights::primitive_desc backward({method, wish_x, wish_w, wish_y, strides, pad, after}, cpu_,
                                                                  forward);
      primitive_ = convolution_backward_weights(backward);
      operand(DNNL_ARG_SRC, plain_x, backward.src_desc(), d->x);
      operand(DNNL_ARG_DIFF_DST, plain_y, backward.diff_dst_desc(), d->dy);
      result(DNNL_ARG_DIFF_WEIGHTS, plain_w, backward.diff_weights_desc(), d->dw);
    }
    reorder_operands();
  }
  void reorder_operands() {
    for (auto& m : before_) m.run(queue_);
  }
  void compute() {
    primitive_.execute(queue_, arguments_);
    queue_.wait();
  }
  void reorder_result() {
    for (auto& m : after_) m.run(queue_);
  }

 private:
  struct move {
    dnnl::memory from, to;
    dnnl::reorder primitive;
    void run(dnnl::stream& queue) {
      primitive.execute(queue, from, to);
      queue.wait();
    }
  };
  void operand(int argument, const dnnl::memory::desc& plain, const dnnl::memory::desc& chosen, std::vector<float>& data) {
    const dnnl::memory user(plain, cpu_, data.data());
    if (chosen == plain) {
      arguments_.emplace(argument, user);
      return;
    }
    const dnnl::memory own(chosen, cpu_);
    before_.push_back({user, own, dnnl::reorder(user, own)});
    arguments_.emplace(argument, own);
  }
  void result(int argument, const dnnl::memory::desc& plain, const dnnl::memory::desc& chosen, std::vector<float>& data) {
    const dnnl::memory user(plain, cpu_, data.data());
    if (chosen == plain) {
      arguments_.emplace(argument, user);
      return;
    }
    const dnnl::memory own(chosen, cpu_);
    after_.push_back({own, user, dnnl::reorder(own, user)});
    arguments_.emplace(argument, own);
  }

  std::shared_ptr<images> data_;
  dnnl::engine cpu_{dnnl::engine::kind::cpu, 0};
  dnnl::stream queue_;
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
  std::vector<move> before_, after_;
};

#endif

/// `with_layouts`: every contender takes and gives NHWC; otherwise each may keep its operands in the layout it likes best.
duel prepare(const shape& s, pass p, [[maybe_unused]] bool with_layouts) {
  auto d = std::make_shared<images>(s);
  duel result;
  result.cost.flops = s.flops();
  result.rill = {"Rill", [d, p] { rill_pass(*d, p); }};
  result.rill.call();
  [[maybe_unused]] const std::vector<float> want = d->result(p);
  [[maybe_unused]] const auto verify = [&](const std::string& who) {
    expect_close(who, d->result(p).data(), want.data(), want.size(), 1e-4);
    std::fill(d->result(p).begin(), d->result(p).end(), 0.f);
  };
  std::fill(d->result(p).begin(), d->result(p).end(), 0.f);

#if defined(RILL_BENCH_DNNL)
  using format = onednn_convolution::format;
  for (const format f : {format::any, format::nhwc}) {
    auto c = std::make_shared<onednn_convolution>(d, p, f);
    const std::string name = onednn_name() + (f == format::nhwc ? " NHWC" : with_layouts ? " any + reorders" : " any");
    c->compute();
    c->reorder_result();
    verify(name);
    if (with_layouts)
      result.peers.push_back({name, [c] {
                                c->reorder_operands();
                                c->compute();
                                c->reorder_result();
                              }});
    else result.peers.push_back({name, [c] { c->compute(); }});
  }
#endif
#if defined(RILL_BENCH_TORCH)
  for (const auto l : {torch_peer::layout::nhwc, torch_peer::layout::nchw}) {
    if (s.stride != 1 || s.depthwise || s.height != s.width) continue;  // its padding is even
    if (with_layouts && l == torch_peer::layout::nchw) continue;
    const auto c = torch_peer::convolution(l, {s.batch, s.width, s.in, s.out, s.k}, d->x.data(), d->w.data(), d->dy.data());
    const std::string name = torch_peer::name() + (l == torch_peer::layout::nhwc ? " NHWC" : " NCHW");
    const auto& call = p == pass::forward ? c.forward : p == pass::backprop_input ? c.backprop_input : c.backprop_filter;
    const auto& copy_out = p == pass::forward          ? c.forward_result
                           : p == pass::backprop_input ? c.backprop_input_result
                                                       : c.backprop_filter_result;
    call();
    copy_out(d->result(p).data());
    verify(name);
    result.peers.push_back({name, [call, d] { call(); }});
  }
#endif
  return result;
}

}  // namespace

void add_convolution() {
  constexpr shape layers[] = {{0, 28, 28, 1, 32}, {0, 14, 14, 32, 64}};
  constexpr std::pair<pass, const char*> passes[] = {
      {pass::forward, "forward"}, {pass::backprop_input, "backprop input"}, {pass::backprop_filter, "backprop filter"}};
  const auto row = [](shape s, std::int64_t batch, pass p, const char* what, bool with_layouts, int threads) {
    s.batch = batch;
    add(with_layouts ? "convolution 5x5, all in NHWC, reorders included" : "convolution 5x5, each in its best layout",
        std::to_string(s.height) + "x" + std::to_string(s.width) + "x" + std::to_string(s.in) + " to " + std::to_string(s.out) +
            ", batch " + std::to_string(batch) + ", " + what,
        threads, [=] { return prepare(s, p, with_layouts); });
  };
  for (const bool with_layouts : {false, true}) {
    for (const std::int64_t batch : {100, 1})
      for (const auto& layer : layers)
        for (const auto& [p, what] : passes) row(layer, batch, p, what, with_layouts, many_threads());
    if (with_layouts) continue;
    for (const auto& [p, what] : passes) row(layers[1], 100, p, what, with_layouts, 1);
  }
  constexpr shape others[] = {
      {8, 56, 56, 64, 64, 3},        {8, 28, 28, 128, 128, 3},         {8, 14, 14, 256, 256, 3},           {1, 28, 28, 128, 128, 3},
      {8, 56, 56, 128, 128, 3, 2},   {128, 12, 12, 64, 64, 5},         {128, 24, 24, 3, 64, 5},            {8, 28, 28, 512, 128, 1},
      {8, 1, 1000, 64, 64, 3},       {8, 1, 1000, 128, 128, 5},        {1, 112, 112, 32, 32, 3, 1, true},  {1, 112, 112, 64, 64, 3, 2, true},
      {8, 56, 56, 128, 128, 3, 1, true}, {8, 14, 14, 512, 512, 3, 1, true}};
  for (const shape& s : others)
    for (const auto& [p, what] : passes)
      add(s.depthwise ? "depthwise convolution, each in its best layout" : "convolution, each in its best layout",
          std::to_string(s.k_h()) + "x" + std::to_string(s.k) + (s.stride > 1 ? " stride 2, " : ", ") + std::to_string(s.height) + "x" + std::to_string(s.width) +
              "x" + std::to_string(s.in) + (s.depthwise ? "" : " to " + std::to_string(s.out)) + ", batch " + std::to_string(s.batch) + ", " + what,
          many_threads(), [=, pass = p] { return prepare(s, pass, false); });
}

}  // namespace bench
