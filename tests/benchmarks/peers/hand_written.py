"""The script that people write by hand: Optuna, torch and fvcore, with SQLite. `python hand_written.py TRIALS FILE`."""

import statistics
import sys
import time

import optuna
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

STAGES = [  # repeats, channels, stride
    ([1, 2], [16, 24], 1), ([1, 2, 3, 4], [32, 48], 2), ([1, 2, 3, 4], [48, 64], 2),
    ([2, 4, 6], [96, 128], 2), ([3, 6, 9], [128, 160], 1), ([3, 6, 9, 12, 15], [192, 256], 2),
]


def conv(cin, cout, k, stride=1, groups=1, act=True):
    layers = [nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *([nn.SiLU()] if act else []))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeeze):
        super().__init__()
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeeze, 1), nn.SiLU(),
                                  nn.Conv2d(squeeze, channels, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.gate(x)


class Block(nn.Module):
    def __init__(self, kind, cin, cout, kernel, expand, stride, se):
        super().__init__()
        mid = cin * expand
        first = [conv(cin, mid, kernel, stride)] if kind == "fused_mbconv" else [
            conv(cin, mid, 1), conv(mid, mid, kernel, stride, groups=mid)]
        squeeze = [SqueezeExcite(mid, int(cin * se))] if se else []
        self.layers = nn.Sequential(*first, *squeeze, conv(mid, cout, 1, act=False))
        self.residual = stride == 1 and cin == cout

    def forward(self, x):
        return x + self.layers(x) if self.residual else self.layers(x)


def build(trial):
    layers, cin = [conv(3, 24, 3, 2)], 24
    for i, (repeats, channels, stride) in enumerate(STAGES):
        kind = trial.suggest_categorical(f"stage{i}.block", ["fused_mbconv", "mbconv"])
        n = trial.suggest_categorical(f"stage{i}.repeats", repeats)
        cout = trial.suggest_categorical(f"stage{i}.channels", channels)
        kernel = trial.suggest_categorical(f"stage{i}.kernel", [3, 5])
        expand = trial.suggest_categorical(f"stage{i}.expand", [2, 4])
        se = trial.suggest_categorical(f"stage{i}.se", [0, 0.25])
        for j in range(n):
            layers.append(Block(kind, cin, cout, kernel, expand, stride if j == 0 else 1, se))
            cin = cout
    head = [conv(cin, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers, *head).eval()


def costs(net, x):
    flops = FlopCountAnalysis(net, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return sum(p.numel() for p in net.parameters()), flops.total()


@torch.inference_mode()
def latency(net, x, passes, warm_ups):
    times = []
    for i in range(warm_ups + passes):
        began = time.perf_counter()
        net(x)
        if i >= warm_ups:
            times.append(1e3 * (time.perf_counter() - began))
    return times


def objective(trial, passes=0, warm_ups=10):
    net, x = build(trial), torch.randn(1, 3, 224, 224)
    params, flops = costs(net, x)
    trial.set_user_attr("params", params)
    trial.set_user_attr("flops", int(flops))
    if not passes:
        return params, flops
    times = latency(net, x, passes, warm_ups)
    trial.set_user_attr("times_ms", times)
    return statistics.median(times), flops


if __name__ == "__main__":
    study = optuna.create_study(directions=["minimize"] * 2, storage=f"sqlite:///{sys.argv[2]}", study_name="by_hand")
    study.optimize(objective, n_trials=int(sys.argv[1]))
