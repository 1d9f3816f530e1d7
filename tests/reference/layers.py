"""Writes layers.safetensors: what PyTorch computes, in double precision, for single operations.

    /usr/bin/python3 layers.py

Inputs are representable in f32 and stored as F32; results are F64. `g` is always the gradient of
some loss by the result, d<name> its gradient by an input. Metadata says what the cases are:

    convs        [{"in", "out", "kernel", "stride", "height", "width"}] (of the input): conv<i>/x,
                 weight, bias, g -> y, dx, dweight, dbias. Padding keeps the size (3x3: 1, 1x1: 0)
    norms        ["train", "eval"]: norm/x, weight, bias, mean, variance, g ->
                 norm/<mode>/y, dx, dweight, dbias; norm/train/mean, variance afterwards (momentum
                 0.1, unbiased); eps 1e-5
    activations  names: act/x, act/g -> act/<name>/y, dx
    optimizers   [{"kind", "lr", ...}]: optim/w, optim/g (steps, n) -> optim<i>/w (steps, n)
    entropies    [{"smoothing"}] with "labels": entropy/z -> entropy<i>/dz, of the mean loss "loss"
"""

import json
import os

import numpy
import torch
from torch.nn import functional as F

import safetensors

CONVS = [  # in, out, kernel, stride, height, width
    (1, 3, 3, 1, 5, 7), (3, 5, 3, 2, 7, 6), (5, 16, 3, 1, 6, 5), (16, 17, 3, 2, 9, 7),
    (17, 33, 3, 1, 3, 5), (33, 16, 3, 2, 4, 7), (16, 16, 3, 1, 9, 10), (16, 32, 3, 2, 8, 8),
    (3, 16, 1, 2, 7, 5), (17, 33, 1, 1, 4, 5), (33, 5, 1, 2, 5, 6), (16, 16, 3, 1, 1, 1),
    (16, 16, 3, 2, 1, 2), (5, 3, 3, 1, 2, 1)]
OPTIMIZERS = [
    {"kind": "sgd", "lr": 0.13, "momentum": 0.0, "weight_decay": 0.0, "nesterov": False},
    {"kind": "sgd", "lr": 0.07, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": False},
    {"kind": "sgd", "lr": 0.07, "momentum": 0.83, "weight_decay": 0.031, "nesterov": True},
    {"kind": "adam", "lr": 0.011, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
    {"kind": "adam", "lr": 0.011, "beta1": 0.87, "beta2": 0.97, "eps": 1e-6, "weight_decay": 0.021},
    {"kind": "adamw", "lr": 0.011, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
     "weight_decay": 0.021}]
ACTIVATIONS = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu, "softplus": F.softplus}

random = numpy.random.default_rng(20260302)
tensors = {}


def given(name, shape, scale=1.0):
    """A random input, stored, as doubles that want a gradient."""
    return fixed(name, scale * random.standard_normal(shape))


def fixed(name, values):
    tensors[name] = numpy.asarray(values).astype(numpy.float32)
    return torch.from_numpy(tensors[name].astype(numpy.float64)).requires_grad_()


def stored(name, tensor):
    tensors[name] = tensor.detach().clone().numpy()


def gradients(prefix, y, g, **inputs):
    stored(f"{prefix}/y", y)
    for name, d in zip(inputs, torch.autograd.grad(y, list(inputs.values()), g.detach())):
        stored(f"{prefix}/d{name}", d)


def convs():
    cases = []
    for number, (inputs, outputs, kernel, stride, height, width) in enumerate(CONVS):
        name = f"conv{number}"
        x = given(f"{name}/x", (2, inputs, height, width))
        weight = given(f"{name}/weight", (outputs, inputs, kernel, kernel), inputs ** -0.5)
        bias = given(f"{name}/bias", outputs)
        y = F.conv2d(x, weight, bias, stride, kernel // 2)
        gradients(name, y, given(f"{name}/g", y.shape), x=x, weight=weight, bias=bias)
        cases.append({"in": inputs, "out": outputs, "kernel": kernel, "stride": stride,
                      "height": height, "width": width})
    return cases


def norms():
    channels = 19
    x = given("norm/x", (4, channels, 3, 5), 1.7)
    weight, bias = given("norm/weight", channels), given("norm/bias", channels)
    mean = given("norm/mean", channels).detach()
    variance = fixed("norm/variance", random.uniform(0.4, 2.3, channels)).detach()
    g = given("norm/g", x.shape)
    for mode in ("eval", "train"):
        y = F.batch_norm(x, mean, variance, weight, bias, mode == "train", 0.1, 1e-5)
        gradients(f"norm/{mode}", y, g, x=x, weight=weight, bias=bias)
    stored("norm/train/mean", mean)
    stored("norm/train/variance", variance)
    return ["train", "eval"]


def activations():
    x = fixed("act/x", numpy.concatenate([
        numpy.linspace(-19.3, 19.3, 97), 2.5 * random.standard_normal(64),
        [-1e-3, 1e-3, -3e-7, 3e-7, 0.6249, 0.6251]]))
    g = given("act/g", x.shape)
    for name, act in ACTIVATIONS.items():
        gradients(f"act/{name}", act(x), g, x=x)
    return list(ACTIVATIONS)


def optimizers():
    count, steps = 19, 3
    w = given("optim/w", count)
    g = given("optim/g", (steps, count)).detach()
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    for number, options in enumerate(OPTIMIZERS):
        moving = w.detach().clone().requires_grad_()
        rest = dict(options)
        kind = rest.pop("kind")
        if kind != "sgd":
            rest["betas"] = rest.pop("beta1"), rest.pop("beta2")
        optimizer = kinds[kind]([moving], **rest)
        after = []
        for gradient in g:
            moving.grad = gradient.clone()
            optimizer.step()
            after.append(moving.detach().clone())
        stored(f"optim{number}/w", torch.stack(after))
    return OPTIMIZERS


def entropies():
    z = random.standard_normal((9, 7)) * 3
    z[4, 2], z[5, 3] = 81.3, -90.2
    labels = random.integers(0, 7, 9)
    z = fixed("entropy/z", z)
    cases = []
    for number, smoothing in enumerate((0.0, 0.1)):
        loss = F.cross_entropy(z, torch.from_numpy(labels), label_smoothing=smoothing)
        stored(f"entropy{number}/dz", torch.autograd.grad(loss, z)[0])
        cases.append({"smoothing": smoothing, "loss": loss.item()})
    return cases, labels.tolist()


def main():
    torch.set_num_threads(1)
    metadata = {"convs": convs(), "norms": norms(), "activations": activations(),
                "optimizers": optimizers()}
    metadata["entropies"], metadata["labels"] = entropies()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.safetensors")
    safetensors.write(path, tensors, {key: json.dumps(value) for key, value in metadata.items()})
    print(f"{os.path.basename(path)}: {os.path.getsize(path) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
