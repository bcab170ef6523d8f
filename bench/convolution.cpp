// SPDX-License-Identifier: Apache-2.0
// The two 5 x 5 SAME convolutions of the tutorial network and their gradients.
#include <rill/kernel/convolution.hpp>

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
  std::int64_t batch, size, in, out;
};

/// Images x and gradient dy in NHWC, filter w in HWIO; room for each result.
struct images {
  explicit images(const shape& d)
      : dims{.batch = d.batch, .in_h = d.size, .in_w = d.size, .in_c = d.in, .k_h = 5, .k_w = 5, .out_h = d.size,
             .out_w = d.size, .out_c = d.out, .stride_h = 1, .stride_w = 1, .pad_top = 2, .pad_left = 2},
        x(noise(static_cast<std::size_t>(d.batch * d.size * d.size * d.in), 4)),
        w(noise(static_cast<std::size_t>(25 * d.in * d.out), 5)),
        dy(noise(static_cast<std::size_t>(d.batch * d.size * d.size * d.out), 6)),
        y(dy.size()),
        dx(x.size()),
        dw(w.size()) {}
  rill::kernel::conv2d_dims dims;
  std::vector<float> x, w, dy, y, dx, dw;

  std::vector<float>& result(pass p) { return p == pass::forward ? y : p == pass::backprop_input ? dx : dw; }
};

void rill_pass(images& d, pass p) {
  using operand = rill::kernel::plain_operand<float>;
  using epilogue = rill::kernel::store_epilogue<float>;
  const auto& s = d.dims;
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
    const memory::dims x{s.batch, s.in_c, s.in_h, s.in_w}, w{s.out_c, s.in_c, 5, 5}, y{s.batch, s.out_c, s.out_h, s.out_w};
    const memory::dims strides{1, 1}, pad{2, 2};
    const memory::desc plain_x(x, dt::f32, memory::format_tag::nhwc), plain_w(w, dt::f32, memory::format_tag::hwio),
        plain_y(y, dt::f32, memory::format_tag::nhwc);
    const auto any = memory::format_tag::any;
    const bool free = f == format::any;
    const memory::desc wish_x = free ? memory::desc(x, dt::f32, any) : plain_x,
                       wish_w(w, dt::f32, any),
                       wish_y = free ? memory::desc(y, dt::f32, any) : plain_y;
    const auto method = algorithm::convolution_direct;
    const convolution_forward::primitive_desc forward(
        {prop_kind::forward_training, method, wish_x, wish_w, wish_y, strides, pad, pad}, cpu_);
    if (p == pass::forward) {
      primitive_ = convolution_forward(forward);
      operand(DNNL_ARG_SRC, plain_x, forward.src_desc(), d->x);
      operand(DNNL_ARG_WEIGHTS, plain_w, forward.weights_desc(), d->w);
      result(DNNL_ARG_DST, plain_y, forward.dst_desc(), d->y);
    } else if (p == pass::backprop_input) {
      const convolution_backward_data::primitive_desc backward({method, wish_x, wish_w, wish_y, strides, pad, pad}, cpu_,
                                                               forward);
      primitive_ = convolution_backward_data(backward);
      operand(DNNL_ARG_DIFF_DST, plain_y, backward.diff_dst_desc(), d->dy);
      operand(DNNL_ARG_WEIGHTS, plain_w, backward.weights_desc(), d->w);
      result(DNNL_ARG_DIFF_SRC, plain_x, backward.diff_src_desc(), d->dx);
    } else {
      const convolution_backward_weights::primitive_desc backward({method, wish_x, wish_w, wish_y, strides, pad, pad}, cpu_,
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
  result.cost.flops = 2.0 * 25 * static_cast<double>(s.batch * s.size * s.size * s.in * s.out);
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
    if (with_layouts && l == torch_peer::layout::nchw) continue;
    const auto c = torch_peer::convolution(l, {s.batch, s.size, s.in, s.out}, d->x.data(), d->w.data(), d->dy.data());
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
  constexpr shape layers[] = {{0, 28, 1, 32}, {0, 14, 32, 64}};
  constexpr std::pair<pass, const char*> passes[] = {
      {pass::forward, "forward"}, {pass::backprop_input, "backprop input"}, {pass::backprop_filter, "backprop filter"}};
  const auto row = [](shape s, std::int64_t batch, pass p, const char* what, bool with_layouts, int threads) {
    s.batch = batch;
    add(with_layouts ? "convolution 5x5, all in NHWC, reorders included" : "convolution 5x5, each in its best layout",
        std::to_string(s.size) + "x" + std::to_string(s.size) + "x" + std::to_string(s.in) + " to " + std::to_string(s.out) +
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
}

}  // namespace bench
