"""Writes the reference files tests/reference/*.safetensors: what PyTorch computes, in double
precision, for small nets of every kind. tests/test_reference.c compares the engine with them.

    /usr/bin/python3 generate.py             writes the files; equal bytes on equal machines
    /usr/bin/python3 generate.py --search    looks for better seeds than those in FILES

A file holds one structure: parameters and running statistics `initial/<name>` and a batch `x`
(all numbers representable in f32, stored as F32), and many cases, each a training step and an
evaluation with them. Its metadata:

    continuo        the configuration of the net, shared by all cases
    labels          of the batch
    trainable       names, in the order in which they are concatenated below
    statistics      likewise, of running statistics
    cases           [{"name", "set": {options that differ from the shared configuration},
                      "train_loss", "eval_loss", "train_sample", "eval_sample", "after_sample"}]
    manifestations  [{"scheme", "steps", "edge"}]: the net of the shared configuration,
                    evaluated with another scheme and number of steps

and its F64 tensors, for each case: `<case>/train/logits`, `<case>/train/grad` (of the loss, all
trainable tensors, concatenated), `<case>/eval/logits`, `<case>/eval/grad`, `<case>/after/weights`
(trainable tensors after one step of SGD in training mode), `<case>/after/statistics`; and
`manifestations/logits`, one row of logits after the other. A sample [limit, stride] says: of
tensors with more than `limit` entries only every `stride`-th is kept.

Seeds are chosen so that no ReLU of any case is fed a number so near zero that f32 rounding could
turn it: a single turned ReLU changes gradients by far more than rounding does.
"""

import json
import os
import sys

import numpy
import torch
from torch.nn import functional as F

import continuous
import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMES = list(continuous.TABLEAUX)
RATE, MOMENTUM, DECAY = 0.1, 0.9, 5e-4
EVERYTHING = [1 << 30, 1]
MARGIN = 4e-6  # least allowed distance of a ReLU's input from zero


def schemes_and_rules(nodes):
    """Every scheme at N = K and 2K, then the rules: closed edges, statistics per visit, cells
    that no stage visits, steps that straddle cells."""
    cases = [{"scheme": scheme, "steps": steps}
             for scheme in SCHEMES for steps in (nodes, 2 * nodes)]
    cases += [{"scheme": "rk4", "steps": 2 * nodes, "norm_update": "visit"},
              {"scheme": "euler", "steps": 2 * nodes, "norm_update": "visit"}]
    if nodes > 1:
        cases += [{"scheme": "rk4", "steps": nodes, "edge": "closed"},
                  {"scheme": "rk4_38", "steps": 2 * nodes, "edge": "closed",
                   "norm_update": "visit"},
                  {"scheme": "heun2", "steps": nodes, "edge": "closed"},
                  {"scheme": "euler", "steps": nodes // 2},
                  {"scheme": "midpoint", "steps": nodes // 2, "norm_update": "visit"},
                  {"scheme": "rk4", "steps": nodes + 1}]
    return cases


def two_cases(nodes):
    return [{"scheme": "rk4", "steps": 2 * nodes},
            {"scheme": "midpoint", "steps": nodes, "norm_update": "visit"}]


def structure(cases, batch=4, full=(), strides=(7, 11), **config):
    base = {"family": "continuous", "input": [1, 8, 7], "classes": 5, "width": 2, "widen": 1,
            "unit": "post", "scheme": "rk4", "steps": 1, "nodes": 1,
            "basis": "piecewise_constant", "act": "relu", "eps": 0, "edge": "open",
            "norm_update": "stateful", "skip": False, "seed": 1, "precision": "f64"}
    assert set(config) <= set(base)
    base.update(config)
    base["steps"] = base["nodes"]
    return {"base": base, "cases": cases, "batch": batch, "full": full, "strides": strides}


FILES = {}
for _unit, _input in (("post", [1, 8, 7]), ("pre", [3, 9, 6])):
    for _nodes in (1, 2, 4):
        FILES[f"{_unit}_k{_nodes}"] = structure(
            schemes_and_rules(_nodes), unit=_unit, nodes=_nodes, input=_input, full=(7,),
            strides=(11, 13) if _nodes < 4 else (13, 31))
    for _act, _nodes in (("tanh", 2), ("gelu", 2), ("softplus", 1)):
        FILES[f"{_unit}_{_act}"] = structure(
            two_cases(_nodes), unit=_unit, nodes=_nodes, act=_act, input=[1, 7, 8],
            skip=_act == "gelu")
    FILES[f"{_unit}_skip"] = structure(
        two_cases(2) + [{"scheme": "euler", "steps": 4}], unit=_unit, nodes=2, skip=True,
        eps=1.75, input=[3, 6, 9], full=(0,))
FILES["post_width5"] = structure(
    two_cases(2), nodes=2, width=5, input=[3, 12, 11], batch=3, strides=(13, 31))
FILES["pre_width5"] = structure(
    two_cases(2), unit="pre", nodes=2, width=5, input=[1, 11, 12], batch=3, classes=17,
    strides=(13, 31))
FILES["pre_wide"] = structure(
    two_cases(2), unit="pre", nodes=2, width=3, widen=3, input=[3, 10, 9], batch=3, classes=7,
    strides=(31, 61))
FILES["pre_width8"] = structure(
    two_cases(1), unit="pre", width=8, input=[3, 12, 12], strides=(31, 61), batch=5)
FILES["post_width16"] = structure(
    two_cases(1), width=16, input=[1, 12, 10], strides=(31, 61), batch=5, classes=10)

SEEDS = os.path.join(HERE, "seeds.json")  # found by --search


class Margin:
    """ReLU that remembers how near to zero its inputs came."""

    def __init__(self):
        self.least = float("inf")

    def __call__(self, x):
        self.least = min(self.least, x.detach().abs().min().item())
        return F.relu(x)


def representable(array):
    return array.astype(numpy.float32)


def draw(entry, seed):
    """Initial tensors, x and labels. Weights have the scale of their initialisation; norms and
    running statistics are nowhere near their usual start."""
    random = numpy.random.default_rng(seed)
    base = entry["base"]
    shapes = continuous.ContinuousNet(config_of(base))
    initial = {}
    for name, tensor in {**shapes.trainable(), **shapes.statistics()}.items():
        noise = random.standard_normal(tuple(tensor.shape))
        kind = name.rsplit(".", 1)[-1]
        if kind == "running_mean":
            value = 0.3 * noise
        elif kind == "running_var":
            value = numpy.exp(0.4 * noise)
        elif kind == "skip":
            value = 0.7 + 0.2 * noise
        elif kind == "bias":
            value = 0.2 * noise
        elif ".bn" in name:
            value = 1 + 0.2 * noise
        elif name == "head.weight":
            value = noise / tensor.shape[1] ** 0.5
        else:
            value = noise * (2 / (tensor.shape[-4] * tensor.shape[-1] ** 2)) ** 0.5
        initial[name] = representable(value)
    x = representable(random.standard_normal((entry["batch"], *base["input"])))
    labels = random.integers(0, base["classes"], entry["batch"]).tolist()
    return initial, x, labels


def config_of(options):
    return continuous.Config(**{key: value for key, value in options.items() if key != "family"})


def run(options, initial, x, labels, dtype):
    """One case: evaluation with gradients, then one training step."""
    net = continuous.ContinuousNet(config_of(options)).to(dtype)
    tensors = {name: torch.from_numpy(value).to(dtype) for name, value in initial.items()}
    x, labels = torch.from_numpy(x).to(dtype), torch.tensor(labels)
    result = {}
    for mode in ("eval", "train"):
        net.train(mode == "train")
        net.load(tensors)
        for parameter in net.parameters():  # cells that no stage visits decay like the others
            parameter.grad = torch.zeros_like(parameter)
        logits = net(x)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        result[mode] = {"logits": logits.detach().clone(), "loss": loss.item(),
                        "grad": {n: g.clone() for n, g in net.gradients().items()}}
    torch.optim.SGD(net.parameters(), RATE, MOMENTUM, weight_decay=DECAY).step()
    result["after"] = {"weights": net.trainable(), "statistics": net.statistics()}
    return result


def evaluate_at(options, how, initial, x, dtype):
    net = continuous.ContinuousNet(config_of(options)).to(dtype).eval()
    net.load({name: torch.from_numpy(value).to(dtype) for name, value in initial.items()})
    net.scheme, net.steps, net.edge = how["scheme"], how["steps"], how["edge"]
    with torch.no_grad():
        return net(torch.from_numpy(x).to(dtype))


def manifestations(nodes):
    every = [{"scheme": scheme, "steps": steps, "edge": "open"}
             for scheme in SCHEMES for steps in (1, 2, 3, 5, 4 * nodes)]
    return every + [{"scheme": scheme, "steps": steps, "edge": "closed"}
                    for scheme in ("heun2", "rk4") for steps in (3, 2 * nodes)]


def concatenated(tensors, sample):
    limit, stride = sample
    return torch.cat([t.reshape(-1)[::stride if t.numel() > limit else 1]
                      for t in tensors.values()]).double().numpy()


def deviation(ours, reference):
    """Largest error relative to the largest entry."""
    return ((ours.double() - reference).abs().max() / reference.abs().max()).item()


def scales(gradients):
    """What errors of a gradient are relative to: its largest entry; for the bias of a
    convolution, whose own gradient may be zero but for rounding, that of its weight if larger."""
    scale = {name: gradient.abs().max().item() for name, gradient in gradients.items()}
    for name in gradients:
        weight = name.replace(".bias", ".weight")
        if name.endswith(".bias") and ".conv" in name:
            scale[name] = max(scale[name], scale[weight])
    return scale


def quality(entry, seed):
    """How far PyTorch's own f32 is from its f64 over all cases, and the least margin."""
    margin = Margin()
    initial, x, labels = draw(entry, seed)
    worst = {"logits": 0.0, "grad": 0.0, "statistics": 0.0}
    where = {}
    relu = continuous.ACTIVATIONS["relu"]
    for case in entry["cases"]:
        options = {**entry["base"], **case}
        continuous.ACTIVATIONS["relu"] = margin
        exact = run(options, initial, x, labels, torch.float64)
        continuous.ACTIVATIONS["relu"] = relu
        if margin.least < 2 * MARGIN:
            return margin.least, worst, where
        single = run(options, initial, x, labels, torch.float32)
        for mode in ("train", "eval"):
            errors = {"logits": deviation(single[mode]["logits"], exact[mode]["logits"])}
            scale = scales(exact[mode]["grad"])
            by_name = {n: ((single[mode]["grad"][n].double() - g).abs().max().item()
                           / (scale[n] or 1)) for n, g in exact[mode]["grad"].items()}
            name = max(by_name, key=by_name.get)
            errors["grad"] = by_name[name]
            for kind, error in errors.items():
                if error > worst[kind]:
                    worst[kind], where[kind] = error, (case, mode, name)
        for name, value in exact["after"]["statistics"].items():
            worst["statistics"] = max(worst["statistics"], deviation(
                single["after"]["statistics"][name], value))
    return margin.least, worst, where


def search(names):
    seeds = json.load(open(SEEDS)) if os.path.exists(SEEDS) else {}
    for name, entry in FILES.items():
        if names and name not in names:
            continue
        for seed in range(1, 400):
            margin, worst, where = quality(entry, seed)
            if margin >= 2 * MARGIN and worst["logits"] < 2e-6 and worst["grad"] < 1.2e-5:
                break
        print(f"{name}: seed {seed}, margin {margin:.1e}, PyTorch f32 against f64: "
              + ", ".join(f"{k} {v:.1e}" for k, v in worst.items()), where, flush=True)
        seeds[name] = seed
        with open(SEEDS, "w") as file:
            json.dump({name: seeds[name] for name in FILES if name in seeds}, file, indent=1)
            file.write("\n")


def write(name, entry, seed):
    margin = Margin()
    relu = entry["base"]["act"] == "relu"
    if relu:
        continuous.ACTIVATIONS["relu"] = margin
    initial, x, labels = draw(entry, seed)
    tensors = {f"initial/{n}": value for n, value in initial.items()}
    tensors["x"] = x
    cases, order = [], None
    for number, case in enumerate(entry["cases"]):
        result = run({**entry["base"], **case}, initial, x, labels, torch.float64)
        order = order or (list(result["after"]["weights"]), list(result["after"]["statistics"]))
        full = number in entry["full"]
        samples = {"train": EVERYTHING if full else [128, entry["strides"][0]],
                   "eval": [64, entry["strides"][1]], "after": [64, entry["strides"][1]]}
        title = "_".join(str(value) for value in case.values())
        for mode in ("train", "eval"):
            assert list(result[mode]["grad"]) == order[0]
            tensors[f"{title}/{mode}/logits"] = result[mode]["logits"].numpy()
            tensors[f"{title}/{mode}/grad"] = concatenated(result[mode]["grad"], samples[mode])
        after = result["after"]
        tensors[f"{title}/after/weights"] = concatenated(after["weights"], samples["after"])
        tensors[f"{title}/after/statistics"] = concatenated(after["statistics"], EVERYTHING)
        cases.append({"name": title, "set": case, "train_loss": result["train"]["loss"],
                      "eval_loss": result["eval"]["loss"],
                      **{f"{key}_sample": value for key, value in samples.items()}})
    least = margin.least
    hows = manifestations(entry["base"]["nodes"])
    tensors["manifestations/logits"] = torch.stack(
        [evaluate_at(entry["base"], how, initial, x, torch.float64) for how in hows]).numpy()
    assert least >= MARGIN, (name, least)
    continuous.ACTIVATIONS["relu"] = F.relu
    metadata = {"continuo": entry["base"], "labels": labels, "trainable": order[0],
                "statistics": order[1], "cases": cases, "manifestations": hows}
    path = os.path.join(HERE, f"{name}.safetensors")
    safetensors.write(path, tensors, {key: json.dumps(value, separators=(",", ":"))
                                      for key, value in metadata.items()})
    print(f"{os.path.basename(path)}: {os.path.getsize(path) / 1024:.0f} KiB, "
          f"{len(cases)} cases, least ReLU margin {least:.1e}")


def main(arguments):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    continuous.check_counts()
    if arguments[:1] == ["--search"]:
        search(arguments[1:])
        return
    seeds = json.load(open(SEEDS))
    for name, entry in FILES.items():
        if not arguments or name in arguments:
            write(name, entry, seeds[name])


if __name__ == "__main__":
    main(sys.argv[1:])
