"""Which image goes into which split: by class, by content, and always the same."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from nas.errors import SpecError
from nas.train.data.dataset import Labelled, Parts

SEED = 20240229
"""Of every split and every composed scene: the data are the same for all studies."""

HELD_BACK = 0.2
"""The share of each class that goes into the validation split, and the same again into the test split."""

FEWEST = 3
"""Images that a class needs: one for each split."""


def digests_of(images: NDArray[np.generic]) -> tuple[str, ...]:
    """A digest of each image's numbers, whatever the byte order of the machine."""
    portable = images.astype(images.dtype.newbyteorder("<"), copy=False)
    head = f"{portable.dtype.str} {images.shape[1:]}".encode()
    return tuple(hashlib.sha256(head + np.ascontiguousarray(image).tobytes()).hexdigest() for image in portable)


def split(data: Labelled, class_names: tuple[str, ...], place: str) -> Parts:
    """60 % of each class for training, 20 % for validation, 20 % for the test.

    Images of equal content and class stay together, so that none is learnt from and judged by.

    Args:
        data: all images.
        class_names: the name of each label.
        place: how messages name the source.

    Raises:
        SpecError: there is one class only, or a class has fewer than three different images.
    """
    if len(class_names) < 2:
        has = f"only the class {class_names[0]!r}" if class_names else "no class"
        raise SpecError(f"{place} has {has}; a network needs two classes or more to tell apart.")
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    rng = np.random.default_rng(SEED)
    for label, name in enumerate(class_names):
        groups: dict[str, list[int]] = {}
        for position in np.flatnonzero(data.labels == label).tolist():
            groups.setdefault(data.digests[position], []).append(position)
        if len(groups) < FEWEST:
            raise SpecError(
                f"{place}: class {name!r} has {len(groups)} different image{'' if len(groups) == 1 else 's'}; "
                f"it needs at least {FEWEST}, one each to learn from, to choose by and to test with.\n"
                "Add images to it, or leave the class out."
            )
        # Sorted first: neither the order of files nor that of rows decides which image is held back.
        contents = sorted(groups)
        shuffled = [groups[contents[i]] for i in rng.permutation(len(contents))]
        held_back = max(1, round(HELD_BACK * len(shuffled)))
        for number, group in enumerate(shuffled):
            parts[1 if number < held_back else 2 if number < 2 * held_back else 0].extend(group)
    train, validation, test = (data.pick(np.array(sorted(part), dtype=np.int64)) for part in parts)
    return Parts(train, validation, test, class_names)
