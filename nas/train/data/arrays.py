"""`npz:PATH`: a NumPy archive with images `x` and labels `y`."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.errors import SpecError
from nas.train.data.dataset import Labelled, Parts, Shape
from nas.train.data.memory import refuse_too_many
from nas.train.data.split import digests_of, split

NUMBERS = "Number the classes from 0."
REMEDY = "Write it with numpy.savez(path, x=images, y=labels)."


@dataclass(frozen=True)
class Npz:
    """The source `npz:PATH`.

    `x` is (N, height, width), (N, channels, height, width) or (N, height, width, channels); uint8 counts from 0 to
    255, other numbers are taken as they are. `y` is (N,) of whole numbers; its different values, in order, are the
    classes. Nothing is unpickled.
    """

    path: str

    @property
    def place(self) -> str:
        """How messages name this source."""
        return f'data = "npz:{self.path}"'

    def stamp(self) -> str:
        """Size and time of the file: changes where the content does."""
        status = self._file().stat()
        return f"{status.st_size} {status.st_mtime_ns}"

    def parts(self, shape: Shape) -> Parts:
        """The images at their own size, in their splits."""
        x, y = self._arrays()
        labels, names = self._labels(y)
        images = self._images(x, shape)
        if len(images) != len(labels):
            raise SpecError(f"{self.place}: x has {len(images)} images and y {len(labels)} labels.\n{REMEDY}")
        return split(Labelled(images, labels, digests_of(images)), names, self.place)

    def _file(self) -> Path:
        file = Path(self.path).expanduser()
        if not file.exists():
            raise SpecError(f"{self.place}: there is no such file.\n{REMEDY}")
        if file.is_dir():
            raise SpecError(f"{self.place}: this is a folder.\nName a file, or use folder:PATH for images by class.")
        return file

    def _arrays(self) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
        try:
            # Opened here: numpy leaves the file open where it is no archive.
            with self._file().open("rb") as file:
                archive = np.load(file, allow_pickle=False)
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise SpecError(f"{self.place}: this is a single array, not an archive.\n{REMEDY}")
                if missing := [name for name in ("x", "y") if name not in archive.files]:
                    has = ", ".join(archive.files) or "nothing"
                    raise SpecError(f"{self.place} has no array {' and no '.join(missing)}; it holds {has}.\n{REMEDY}")
                return archive["x"], archive["y"]
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            reason = "it holds Python objects" if "allow_pickle" in str(error) else "it is no NumPy archive"
            detail = error.strerror if isinstance(error, OSError) and error.strerror else reason
            raise SpecError(f"{self.place}: cannot be read: {detail}.\n{REMEDY}") from None

    def _labels(self, y: NDArray[np.generic]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        if y.ndim != 1:
            raise SpecError(
                f"{self.place}: y has shape {y.shape}; it must be (N,), a whole number for each image.\n"
                "One-hot rows become such numbers with y.argmax(axis=1)."
            )
        if y.dtype.kind not in "iuf":
            raise SpecError(f"{self.place}: y holds {y.dtype}; labels must be whole numbers.\n{NUMBERS}")
        whole = np.isfinite(y) & (y == np.floor(y))
        if not whole.all():
            first = int(np.argmin(whole))
            raise SpecError(f"{self.place}: y[{first}] is {y[first]}; labels must be whole numbers.\n{NUMBERS}")
        values, labels = np.unique(y, return_inverse=True)
        return labels.astype(np.int64), tuple(str(int(value)) for value in values)

    def _images(self, x: NDArray[np.generic], shape: Shape) -> NDArray[np.generic]:
        if x.dtype.kind not in "biuf":
            raise SpecError(f"{self.place}: x holds {x.dtype}; images must be numbers.\n{REMEDY}")
        images = self._channels_first(x, shape[0])
        refuse_too_many(len(images), max(shape, shape_of(images), key=np.prod), self.place)
        if images.dtype == np.uint8:
            return images
        with np.errstate(over="ignore"):  # a number past float32 becomes infinite, and is refused below
            images = images.astype(np.float32)
        finite = np.isfinite(images).reshape(len(images), -1).all(axis=1)
        if not finite.all():
            raise SpecError(
                f"{self.place}: {np.sum(~finite)} of {len(images)} images in x have NaN or infinite pixels, "
                f"the first is x[{int(np.argmin(finite))}].\nReplace these pixels or leave the images out."
            )
        return images

    def _channels_first(self, x: NDArray[np.generic], channels: int) -> NDArray[np.generic]:
        """`x` as (N, channels, height, width)."""
        if 0 in x.shape or x.ndim not in (3, 4):
            raise SpecError(
                f"{self.place}: x has shape {x.shape}; it must be (N, height, width), (N, channels, height, width) "
                f"or (N, height, width, channels), with at least one image and one pixel.\n{REMEDY}"
            )
        if x.ndim == 3:
            return x[:, None]
        taken = {channels, 1} if channels == 3 else {channels}
        first, last = x.shape[1] in taken, x.shape[3] in taken
        if first and last:
            raise SpecError(
                f"{self.place}: x has shape {x.shape}: both {x.shape[1]} and {x.shape[3]} can be the channels.\n"
                "Leave the axis of a single channel out, or crop a side."
            )
        if not first and not last:
            raise SpecError(
                f"{self.place}: x has shape {x.shape}, and neither {x.shape[1]} nor {x.shape[3]} is the {channels} "
                f"channel{'s' if channels > 1 else ''} that the study's networks take.\n"
                "Set the first number of [input] shape to the channels of the images, or convert them."
            )
        return x if first else x.transpose(0, 3, 1, 2)


def shape_of(images: NDArray[np.generic]) -> Shape:
    """(channels, height, width) of images (N, channels, height, width)."""
    channels, height, width = images.shape[1:]
    return channels, height, width
