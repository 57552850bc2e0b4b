"""Candidates a second whose costs alone are wanted: a study of ours beside the hand-written script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.peers import hand_written, stock
from tests.benchmarks.row import Row, Scale, Target, seconds
from tests.benchmarks.space import study

OBJECTIVES = {"params": "minimize", "flops": "minimize"}


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """With one sampler on both sides, and each side with its own default."""
    if not scale.small:
        _ours(folder, "nsga2", 1)
        _ours(folder, "costaware", 1)  # what is loaded at the first use, is loaded; by hand it is, too
    counts = scale.of(400, 4), scale.of(25, 1)
    ours, theirs = _ours(folder, "random", counts[0]), _theirs(folder, "random", counts[1])
    yield Row("candidates/s: params, macs, flops, activations; SQLite", f"{ours:.3g}/s", f"{theirs:.3g}/s by hand",
              ours / theirs, Target(40), f"{counts[0]} trials of ours, {counts[1]} by hand (params and flops alone), "
              "imports apart, with the random sampler on both sides: what is left is all but the sampler. Both on disk "
              "at synchronous=NORMAL, ours through a write-ahead log (`nas run` does so), stock Optuna on its rollback "
              "journal. By hand, SQLite's default is FULL: the next row.")
    if scale.small:
        return
    slow = _theirs(folder, "random", counts[1], "FULL")
    yield Row("the same, by hand at its default synchronous=FULL", f"{ours:.3g}/s", f"{slow:.3g}/s by hand",
              ours / slow, None, "ours as above, at NORMAL.")
    counts = 25, 25
    ours, theirs = _ours(folder, "auto", counts[0]), _theirs(folder, "tpe", counts[1])
    yield Row("the same, each with its default sampler", f"{ours:.3g}/s", f"{theirs:.3g}/s by hand", ours / theirs, None,
              f"the first {counts[0]} and {counts[1]} trials; ours models what must be measured, and here "
              "knows everything, Optuna's is TPE.")


def _ours(folder: Path, sampler: str, trials: int) -> float:
    import nas
    from nas.spec import parse_spec

    spec = parse_spec(study(f"by_{sampler}", OBJECTIVES, sampler=sampler))
    storage = f"sqlite:///{folder / f'ours-{sampler}.db'}"
    return trials / seconds(lambda: nas.run(spec, trials=trials, storage=storage, observer=lambda told: None))


def _theirs(folder: Path, sampler: str, trials: int, synchronous: str = "NORMAL") -> float:
    import optuna

    storage = stock.storage(folder / f"by-hand-{sampler}-{synchronous}.db", synchronous)
    chosen = optuna.samplers.RandomSampler(seed=0) if sampler == "random" else optuna.samplers.TPESampler(seed=0)
    made = optuna.create_study(directions=["minimize"] * 2, storage=storage, sampler=chosen)
    return trials / seconds(lambda: made.optimize(hand_written.objective, n_trials=trials))
