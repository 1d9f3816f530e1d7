"""Writes tests/reference/lbfgs.json: what torch.optim.LBFGS makes, in double precision, of two fixed
problems. tests/test_lbfgs.c compares the engine with it.

    /usr/bin/python3 lbfgs.py

smooth      f(w) = 0.01 sum_i log cosh(a_i . w - b_i), a_ij = sin(1.3 i + 0.7 j^2 + 0.1 i j),
            b_i = cos(0.9 i), i < 11, j < 7, from w_j = 0.3 cos(j); lr 1, history 4, no line search:
            w after 1, 2, .. 10 iterations. The norm of the first gradient is below 1, where
            PyTorch's scaling of the first step and ours are both 1.
rosenbrock  f(w) = sum_j 100 (w_{j+1} - w_j^2)^2 + (1 - w_j)^2 in 6 variables, from -1.2, 1, -1.2, ..;
            strong Wolfe conditions, history 10, at most 200 iterations: loss and evaluations. The
            line searches differ in their trial points, so that paths do too.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)


def smooth(w):
    i = torch.arange(11.0).reshape(-1, 1)
    j = torch.arange(7.0)
    a = torch.sin(1.3 * i + 0.7 * j**2 + 0.1 * i * j)
    return 0.01 * torch.log(torch.cosh(a @ w - torch.cos(0.9 * i[:, 0]))).sum()


def rosenbrock(w):
    return (100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum()


def minimise(f, start, iterations, **options):
    """Returns (weights, loss, evaluations)."""
    w = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [w], lr=1, max_iter=iterations, max_eval=10000, tolerance_grad=0, tolerance_change=0, **options
    )
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss = f(w)
        loss.backward()
        return loss

    optimizer.step(closure)
    return w.detach().tolist(), f(w).item(), calls


def main():
    start = torch.cos(torch.arange(7.0)).mul(0.3).tolist()
    path = [minimise(smooth, start, k, history_size=4)[0] for k in range(1, 11)]
    start = [-1.2, 1.0] * 3
    w, loss, evaluations = minimise(
        rosenbrock, start, 200, history_size=10, line_search_fn="strong_wolfe"
    )
    values = {
        "torch": torch.__version__,
        "smooth": path,
        "rosenbrock": {"w": w, "loss": loss, "evaluations": evaluations},
    }
    name = pathlib.Path(__file__).with_name("lbfgs.json")
    name.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
