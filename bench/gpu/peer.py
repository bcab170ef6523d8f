# SPDX-License-Identifier: Apache-2.0
"""What PyTorch takes for the rows of bench/gpu/main.cu on the same GPU: `name<TAB>eager us<TAB>compiled us` a line."""
import statistics

import torch
from torch import nn
from torch.nn import functional as F

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
device = torch.device("cuda")


def time(work, repeats=10):
    for _ in range(10):
        work()
    samples = []
    for _ in range(50):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(repeats):
            work()
        end.record()
        end.synchronize()
        samples.append(begin.elapsed_time(end) * 1000 / repeats)
    return statistics.median(samples)


def row(name, function, *arguments, repeats=10):
    eager = time(lambda: function(*arguments), repeats)
    try:
        compiled = torch.compile(function)
        fast = time(lambda: compiled(*arguments), repeats)
    except Exception:  # no compiler on this machine
        fast = float("nan")
    print(f"{name}\t{eager:.2f}\t{fast:.2f}", flush=True)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 32, 5, padding=2), nn.Conv2d(32, 64, 5, padding=2)
        self.dense, self.logits = nn.Linear(3136, 1024), nn.Linear(1024, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x.view(-1, 1, 28, 28))), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.logits(F.dropout(F.relu(self.dense(x.flatten(1))), 0.4))


def training_step():
    model = Network().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss_of = torch.compile(lambda x, y: F.cross_entropy(model(x), y))
    images, labels = torch.full((128, 784), 0.5), torch.zeros(128, dtype=torch.int64)

    def step(forward):
        optimizer.zero_grad(set_to_none=True)
        forward(images.to(device), labels.to(device)).backward()
        optimizer.step()

    eager = time(lambda: step(lambda x, y: F.cross_entropy(model(x), y)))
    try:
        fast = time(lambda: step(loss_of))
    except Exception:
        fast = float("nan")
    print(f"MNIST CNN, training step, batch 128\t{eager:.2f}\t{fast:.2f}", flush=True)


def adam():
    w = torch.ones(4096, 4096, device=device, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.001, fused=True)

    def step():
        w.grad = w.detach()
        optimizer.step()

    taken = time(step)
    print(f"Adam, 16 Mi parameters\t{taken:.2f}\tnan", flush=True)


def main():
    x, y = torch.randn(8192, 8192, device=device), torch.randn(8192, 8192, device=device)
    for m in (256, 1024, 4096):
        row(f"matmul float {m}^3", torch.matmul, x[:m, :m].contiguous(), y[:m, :m].contiguous())
    row("relu(x*y+x)*0.5-y, 64 Mi", lambda a, b: F.relu(a * b + a) * 0.5 - b, x, y)
    row("sum of rows, 8192x8192", lambda a: a.sum(1), x)
    row("sum of columns, 8192x8192", lambda a: a.sum(0), x)
    row("softmax, 8192x8192", lambda a: F.softmax(a, 1), x)
    tall = x.view(65536, 1024)
    row("softmax, 65536x1024", lambda a: F.softmax(a, 1), tall)
    row("layer norm, 65536x1024", lambda a: F.layer_norm(a, (1024,), y[0, :1024], y[0, 1024:2048]), tall)
    row("transpose, 8192x8192", lambda a: a.t().contiguous(), x)
    adam()
    training_step()


if __name__ == "__main__":
    main()
