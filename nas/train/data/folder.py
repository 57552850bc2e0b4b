"""`folder:PATH`: a folder of sub-folders, one a class, each full of images."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import SpecError
from nas.train.data.dataset import Labelled, Parts, Shape
from nas.train.data.memory import refuse_too_many
from nas.train.data.split import split

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = {1: "L", 3: "RGB"}
REMEDY = "Name a folder that has a sub-folder for each class."
NAMED = 3
"""How many broken files a message names."""


@dataclass(frozen=True)
class Folder:
    """The source `folder:PATH`.

    The sub-folders' names are the classes, in alphabetical order. Every file in them is an image; names that begin
    with a dot are left out, here and everywhere, and so are files beside the sub-folders. Images are turned as
    their camera says, made grey or RGB as the networks take them, and resized to the input, whatever their aspect
    ratio; transparency is ignored, and of an animation the first frame is taken.
    """

    path: str

    @property
    def place(self) -> str:
        """How messages name this source."""
        return f'data = "folder:{self.path}"'

    def stamp(self) -> str:
        """Names, sizes and times of all files: changes where the content does."""
        entries = []
        for files in self._files().values():
            for file in files:
                status = file.stat()
                entries.append(f"{file} {status.st_size} {status.st_mtime_ns}")
        return hashlib.sha256("\n".join(entries).encode(errors="surrogateescape")).hexdigest()

    def parts(self, shape: Shape) -> Parts:
        """The images at the size of the networks' input, in their splits.

        Each file is read once: its bytes are hashed and decoded.
        """
        channels = shape[0]
        if channels not in MODES:
            raise SpecError(
                f"{self.place}: images are grey (1 channel) or colour (3), the study's networks take {channels}.\n"
                'Set [input] shape to one of these, or store arrays and use "npz:PATH".'
            )
        classes = self._files()
        files = [file for members in classes.values() for file in members]
        refuse_too_many(len(files), shape, self.place)
        with ThreadPoolExecutor() as threads:
            read = list(threads.map(lambda file: _read(file, shape), files))
        broken = [f"{file}: {problem}" for file, problem in zip(files, read, strict=True) if isinstance(problem, str)]
        if broken:
            head = f"{self.place}: {len(broken)} of {len(files)} files cannot be read as images:"
            more = [f"and {len(broken) - NAMED} more"] if len(broken) > NAMED else []
            lines = [head, *broken[:NAMED], *more, "Repair them or move them out of the folder."]
            raise SpecError("\n".join(lines))
        good = [image for image in read if not isinstance(image, str)]
        labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(members) for members in classes.values()])
        images = np.stack([pixels for pixels, _ in good]) if good else np.empty((0, *shape), dtype=np.uint8)
        return split(Labelled(images, labels, tuple(digest for _, digest in good)), tuple(classes), self.place)

    def _files(self) -> dict[str, list[Path]]:
        """The files of each class."""
        root = Path(self.path).expanduser()
        if not root.exists():
            raise SpecError(f"{self.place}: there is no such folder.\n{REMEDY}")
        if not root.is_dir():
            raise SpecError(f"{self.place}: this is a file.\n{REMEDY}")
        try:
            classes = {folder.name: _visible(folder) for folder in _visible(root) if folder.is_dir()}
        except OSError as error:
            raise SpecError(f"{self.place}: cannot be read: {error.strerror}: {error.filename}") from None
        for name, files in classes.items():
            for file in files:
                if file.is_dir():
                    raise SpecError(
                        f"{self.place}: {name}/{file.name} is a folder inside a class.\n"
                        f"Name the folder whose sub-folders are the classes (this one's are {', '.join(classes)})."
                    )
        return classes


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _read(file: Path, shape: Shape) -> tuple[NDArray[np.uint8], str] | str:
    """One image as uint8 (channels, height, width) and the digest of its file, or why it cannot be read."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = shape
    try:
        content = file.read_bytes()
        if not content:
            return "the file is empty"
        with Image.open(io.BytesIO(content)) as opened:
            # A camera's JPEG is decoded at an eighth to a half of its size where that is enough.
            opened.draft(MODES[channels], (2 * max(height, width),) * 2)
            upright = ImageOps.exif_transpose(opened)
        fitted = _eight_bit(upright).convert(MODES[channels]).resize((width, height), Image.Resampling.BILINEAR)
    except UnidentifiedImageError:
        return "this is no image of a known kind"
    except Exception as error:  # noqa: BLE001  # a damaged image makes a decoder raise anything
        return f"{type(error).__name__}: {error}"
    pixels = np.asarray(fitted, dtype=np.uint8).reshape(height, width, channels).transpose(2, 0, 1)
    return np.ascontiguousarray(pixels), hashlib.sha256(content).hexdigest()


def _eight_bit(image: Image) -> Image:
    """16-bit grey scaled to 8 bits, where pillow's own conversion would clip it."""
    from PIL import Image as Images

    if image.mode.startswith("I;16"):
        return Images.fromarray((np.asarray(image).astype(np.uint16) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits have no known range; save it with 8 or 16 bits")
    return image
