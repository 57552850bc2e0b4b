"""`accuracy`: the candidate is trained for some epochs and judged on the validation split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import nas
from nas.errors import SpecError
from nas.train import options as of
from nas.train.device import find_device
from nas.train.interval import wilson
from nas.train.threads import find_threads, limited_to

OPTIONS: Mapping[str, object] = {
    "data": "digits",
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "device": "auto",
    "threads": "auto",
    "max_seconds": 600,
}
"""Option -> default; `nas.train.loop.train` and `nas.train.threads.find_threads` say what they do."""


def accuracy(context: nas.MetricContext) -> nas.Estimate:
    """The share of validation images that the trained candidate classifies rightly.

    Its interval is Wilson's of 95 % over the validation images; the spread between seeds comes on top of it.

    Raises:
        MeasureError: `nan`, `oom`, `timeout`, `stopped` or `invalid`, as `nas.train.loop.train` says.
        SpecError: an option or the data have become unusable since the study was checked.
    """
    import torch

    from nas.train.data import load_data
    from nas.train.loop import train

    options = context.options
    data = load_data(of.text(options, "data"), context.input_shape, context.arch.classes)
    device = find_device(options["device"])
    threads = find_threads(options["threads"], context.input_shape)
    with limited_to(threads):
        threads = torch.get_num_threads()
        result = train(
            context.network,
            data,
            epochs=of.number(options, "epochs", 0, above=True),
            seed=context.seed,
            device=device,
            batch_size=of.whole(options, "batch_size", 2),
            learning_rate=of.number(options, "learning_rate", 0, above=True),
            weight_decay=of.number(options, "weight_decay", 0),
            max_seconds=of.number(options, "max_seconds", 0, above=True),
            report=context.report,
            should_stop=context.should_stop,
        )
    low, high = wilson(result.correct, result.validated)
    conditions = {
        "data": data.source,
        "data_fingerprint": data.fingerprint,
        "device": device.type,
        "threads": threads,
        "epochs": options["epochs"],
        "n_validation": result.validated,
        "train_seconds": result.seconds,
        "train_loss": result.train_losses[-1],
    }
    return nas.Estimate(result.accuracy, low, high, conditions=conditions, n=result.validated)


def check(setting: nas.Setting) -> str | None:
    """Why these options or data cannot be used; loads the data, which are kept for the first candidate."""
    from nas.train.data import load_data

    options = setting.options
    try:
        of.number(options, "epochs", 0, above=True)
        of.whole(options, "batch_size", 2)
        of.number(options, "learning_rate", 0, above=True)
        of.number(options, "weight_decay", 0)
        of.number(options, "max_seconds", 0, above=True)
        find_device(options["device"])
        source = of.text(options, "data")
        for shape in setting.input_shapes:
            find_threads(options["threads"], shape)
            load_data(source, shape, setting.classes)
    except SpecError as error:
        return str(error)
    return None


def conditions(setting: nas.Setting) -> Mapping[str, object]:
    """The content of the data, and the kind of device: a GPU trains in mixed precision."""
    from nas.train.data import load_data

    data = load_data(of.text(setting.options, "data"), setting.input_shapes[0])
    return {"data_fingerprint": data.fingerprint, "device": find_device(setting.options["device"]).type}


@nas.hookimpl
def nas_metrics() -> Iterable[nas.MetricSpec]:
    """The metric `accuracy`."""
    yield nas.MetricSpec(
        name="accuracy",
        unit="fraction",
        direction="maximize",
        version=1,
        compute=accuracy,
        cost="expensive",
        options=OPTIONS,
        check=check,
        conditions=conditions,
    )
