"""Architectures as values: frozen, comparable, and written as one line of strict text.

    input(3x384x384) net(act=silu,drop_path=0.2,norm_eps=0.001,norm_momentum=0.1) stem(...) \
mbconv@1(repeats=6,channels=160,stride=2,act=none,expand=4,kernel=3,...) ... head(...) classes(1000)

Nothing here knows which blocks exist. `nas.canonical` fills in defaults and drops what has no effect, so that two
descriptions of one network become one value, one text and one `arch_id`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self, TypeVar

from nas.choices import Choice, Params, format_choice, normalise, parse_choice, shown
from nas.errors import SpecError

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""Names of blocks, parameters, metrics and columns."""
MAX_TEXT = 65_536
MAX_SIZE = 1_000_000
"""Upper bound of any count in an architecture: channels, pixels of a side, classes."""
MAX_REPEATS = 1_000
STAGE_KEYS = ("repeats", "channels", "stride")
"""What a stage writes before the parameters of its block."""


def _whole(value: object, what: str, low: int = 1, high: int = MAX_SIZE) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpecError(f"{what} must be a whole number from {low} to {high}, got {shown(value)}")


def _number(value: object, what: str, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise SpecError(f"{what} must be a number from {low:g} to {high:g}, got {shown(value)}")


def kernel_size(kernel: Choice) -> tuple[int, int]:
    """(height, width) of a kernel given as an odd int or as "HxW" with both odd.

    Raises:
        SpecError: the kernel is neither.
    """
    if isinstance(kernel, int) and not isinstance(kernel, bool):
        size = (kernel, kernel)
    elif isinstance(kernel, str) and re.fullmatch(r"[1-9][0-9]{0,3}x[1-9][0-9]{0,3}", kernel):
        height, width = kernel.split("x")
        size = (int(height), int(width))
    else:
        raise SpecError(f'kernel must be an odd int or "HxW" with both odd, got {shown(kernel)}')
    if any(side < 1 or side % 2 == 0 for side in size):
        raise SpecError(f'kernel must be an odd int or "HxW" with both odd, got {shown(kernel)}')
    return size


@dataclass(frozen=True)
class Norm:
    """Batch normalisation of every block: `eps` and `momentum` as in `torch.nn.BatchNorm2d`."""

    eps: float = 1e-3
    momentum: float = 0.1

    def __post_init__(self) -> None:
        _number(self.eps, "norm.eps", 1e-12, 1)
        _number(self.momentum, "norm.momentum", 0, 1)


@dataclass(frozen=True)
class Stem:
    """The first convolution (k x k, norm, activation), and where `pool` is set a 3x3 max pool of stride 2 after it.

    `act` is the network's where it is empty.
    """

    channels: int = 24
    kernel: int | str = 3
    stride: int = 2
    pool: bool = False
    act: str = ""

    def __post_init__(self) -> None:
        _whole(self.channels, "stem.channels")
        try:
            kernel_size(self.kernel)
        except SpecError as error:
            raise SpecError(f"stem.{error}") from None
        if self.stride not in (1, 2) or isinstance(self.stride, bool):
            raise SpecError(f"stem.stride must be 1 or 2, got {shown(self.stride)}")
        if not isinstance(self.pool, bool):
            raise SpecError(f"stem.pool must be true or false, got {shown(self.pool)}")


@dataclass(frozen=True)
class Head:
    """1x1 convolution to `channels` (0: none), norm, activation, average pool, flatten, [linear to `hidden`,
    activation,] dropout (none at rate 0), linear to the classes. `act` is the network's where it is empty.
    """

    channels: int = 1280
    hidden: int = 0
    dropout: float = 0.2
    act: str = ""

    def __post_init__(self) -> None:
        _whole(self.channels, "head.channels", low=0)
        _whole(self.hidden, "head.hidden", low=0)
        _number(self.dropout, "head.dropout", 0, 0.999)


@dataclass(frozen=True)
class Stage:
    """`repeats` equal blocks; the first one takes the stride and the change of channels.

    `params` may be given as any mapping; those that it leaves out are the block's defaults.
    """

    block: str
    version: int
    repeats: int
    channels: int
    stride: int
    params: Mapping[str, Choice] = field(default_factory=Params)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.block):
            raise SpecError(f"{self.block!r} is not a block's name")
        _whole(self.version, f"{self.block}: version")
        _whole(self.repeats, f"{self.block}: repeats", high=MAX_REPEATS)
        _whole(self.channels, f"{self.block}: channels")
        if self.stride not in (1, 2) or isinstance(self.stride, bool):
            raise SpecError(f"{self.block}: stride must be 1 or 2, got {shown(self.stride)}")
        for name in self.params:
            if not NAME.fullmatch(name):
                raise SpecError(f"{self.block}: {name!r} is not a parameter's name")
            if name in STAGE_KEYS:
                raise SpecError(f"{self.block}: {name!r} is a key of every stage, not a parameter")
        try:
            object.__setattr__(self, "params", Params(self.params))
        except SpecError as error:
            raise SpecError(f"{self.block}: {error}") from None


@dataclass(frozen=True)
class Architecture:
    """A convolutional network as a value: stem, stages, head, and what they share.

    `input_shape` is (channels, height, width). `drop_path` is the rate of the last block on the linear schedule.

    Raises:
        SpecError: a value is outside of what any network can have. Whether the blocks accept their parameters is
            asked by `nas.canonical`, which knows them.
    """

    input_shape: tuple[int, int, int]
    stages: tuple[Stage, ...]
    stem: Stem = Stem()
    head: Head = Head()
    classes: int = 1000
    act: str = "silu"
    norm: Norm = Norm()
    drop_path: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "stages", tuple(self.stages))
        for part in ("stem", "head"):
            if getattr(self, part).act == "":
                object.__setattr__(self, part, replace(getattr(self, part), act=self.act))
        if len(self.input_shape) != 3:
            raise SpecError(f"input_shape is (channels, height, width), got {self.input_shape!r}")
        for size in self.input_shape:
            _whole(size, "input_shape")
        _whole(self.classes, "classes")
        _number(self.drop_path, "drop_path", 0, 0.999)

    @cached_property
    def text(self) -> str:
        """The canonical text, from which `parse` makes an equal architecture."""
        channels, height, width = self.input_shape
        net = {"act": self.act, "drop_path": self.drop_path}
        net |= {"norm_eps": self.norm.eps, "norm_momentum": self.norm.momentum}
        tokens = [f"input({channels}x{height}x{width})", f"net({_format(net)})", f"stem({_format(vars(self.stem))})"]
        for stage in self.stages:
            own = {"repeats": stage.repeats, "channels": stage.channels, "stride": stage.stride}
            tokens.append(f"{stage.block}@{stage.version}({','.join(filter(None, [_format(own), str(stage.params)]))})")
        tokens += [f"head({_format(vars(self.head))})", f"classes({self.classes})"]
        return " ".join(tokens)

    @cached_property
    def arch_id(self) -> str:
        """12 hex digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Self:
        """The architecture that `text` writes out.

        Raises:
            SpecError: a token is unknown, missing, doubled, out of order or malformed.
        """
        return _parse(cls, text)

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[Sequence[float]],
        num_classes: int = 1000,
        num_features: int = 1280,
        dropout_rate: float = 0.2,
        drop_connect_rate: float = 0.2,
        input_shape: tuple[int, int, int] = (3, 384, 384),
    ) -> Self:
        """An EfficientNetV2 from the classic rows `[repeat, kernel, stride, expand, in, out, operator, se_ratio]`.

        `operator` is 0 for `fused_mbconv`, 1 for `mbconv`; the stem has the channels that the first row takes in.
        `input_shape` is EfficientNetV2-S's published crop unless another one is given.

        Raises:
            SpecError: a row's length, stride, operator, channel chain or a value of it is wrong; the row is named.
        """
        stages = list(_stages_of_rows(rows))
        stem = Stem(channels=int(rows[0][4]))
        head = Head(channels=num_features, dropout=dropout_rate)
        return cls(input_shape, tuple(stages), stem, head, num_classes, drop_path=drop_connect_rate)


def _stages_of_rows(rows: Sequence[Sequence[float]]) -> Iterable[Stage]:
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise SpecError("rows: give at least one row [repeat, kernel, stride, expand, in, out, operator, se_ratio]")
    previous = None
    for index, row in enumerate(rows):
        where = f"rows[{index}]"
        if not isinstance(row, Sequence) or isinstance(row, str) or len(row) != 8:
            raise SpecError(f"{where}: {row!r} does not have the 8 values "
                            "[repeat, kernel, stride, expand, in, out, operator, se_ratio]")
        try:
            values = [normalise(value) for value in row]
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from None
        repeats, kernel, stride, expand, before, after, operator, se = values
        if operator not in (0, 1) or isinstance(operator, bool):
            raise SpecError(f"{where}: operator {operator!r} is neither 0 (fused_mbconv) nor 1 (mbconv)")
        for value, name, low in ((expand, "expand", 1e-6), (se, "se_ratio", 0.0)):
            try:
                _number(value, name, low, 1024 if name == "expand" else 1)
            except SpecError as error:
                raise SpecError(f"{where}: {error}") from None
        if previous is not None and before != previous:
            raise SpecError(f"{where}: takes in {before} channels, but rows[{index - 1}] puts out {previous}")
        try:
            _whole(before, "in")
            kernel_size(kernel)
            params = Params({"kernel": kernel, "expand": expand, "se": se, "attention": "se", "act": None})
            block = "mbconv" if operator else "fused_mbconv"
            yield Stage(block, 1, repeats, after, stride, params)  # type: ignore[arg-type]  # Stage checks them
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from None
        previous = after


def _format(values: Mapping[str, object]) -> str:
    return ",".join(f"{name}={format_choice(normalise(value))}" for name, value in values.items())


A = TypeVar("A", bound=Architecture)

_TOKEN = re.compile(r"([a-z][a-z0-9_]*)(?:@(\d{1,7}))?\(((?:[^()\"\s]|\"(?:[^\"\\]|\\.)*\")*)\)")
_PAIR = re.compile(r"([a-z][a-z0-9_]*)=((?:[^,\"]|\"(?:[^\"\\]|\\.)*\")+)(?:,|$)")


def _pairs(name: str, body: str) -> dict[str, Choice]:
    found: dict[str, Choice] = {}
    position = 0
    while position < len(body):
        match = _PAIR.match(body, position)
        if not match or (match.end() == len(body) and body.endswith(",")):
            raise SpecError(f"{name}(...): expected key=value at {body[position : position + 40]!r}")
        key, value = match[1], match[2]
        if key in found:
            raise SpecError(f"{name}(...): {key} is given twice")
        try:
            found[key] = parse_choice(value)
        except SpecError as error:
            raise SpecError(f"{name}(...): {key}: {error}") from None
        position = match.end()
    return found


def _exactly(name: str, pairs: Mapping[str, Choice], keys: Iterable[str]) -> None:
    expected = list(keys)
    for key in pairs:
        if key not in expected:
            raise SpecError(f"{name}(...): unknown key {key!r}; it has {', '.join(expected)}")
    missing = [key for key in expected if key not in pairs]
    if missing:
        raise SpecError(f"{name}(...): {', '.join(missing)} missing")


def _parse(cls: type[A], text: str) -> A:
    if len(text) > MAX_TEXT:
        raise SpecError(f"an architecture's text has at most {MAX_TEXT} characters, this one has {len(text)}")
    tokens = []
    for word in _split(text.strip()):
        match = _TOKEN.fullmatch(word)
        if not match:
            raise SpecError(f"not a token of an architecture: {word[:60]!r}; expected name(...)")
        tokens.append((match[1], match[2], match[3]))
    order = [name if version is None else "block" for name, version, _ in tokens]
    expected = ["input", "net", "stem", *["block"] * order.count("block"), "head", "classes"]
    if order != expected:
        raise SpecError("an architecture is written as input(...) net(...) stem(...) block@version(...) ... head(...) "
                        f"classes(...); this text has {' '.join(order[:12]) or 'nothing'}")
    body = {name: text for name, version, text in tokens if version is None}
    net, stem, head = (_pairs(name, body[name]) for name in ("net", "stem", "head"))
    _exactly("net", net, ("act", "drop_path", "norm_eps", "norm_momentum"))
    _exactly("stem", stem, Stem.__dataclass_fields__)
    _exactly("head", head, Head.__dataclass_fields__)
    if not re.fullmatch(r"\d{1,9}x\d{1,9}x\d{1,9}", body["input"]):
        raise SpecError(f"input({body['input'][:40]}): expected channels x height x width, such as input(3x224x224)")
    if not re.fullmatch(r"\d{1,9}", body["classes"]):
        raise SpecError(f"classes({body['classes'][:40]}): expected a number")
    for where, values in (("net", net), ("stem", stem), ("head", head)):
        if not isinstance(values["act"], str):
            raise SpecError(f"{where}(...): act: expected the name of an activation, got {values['act']!r}")
    channels, height, width = map(int, body["input"].split("x"))
    return cls(
        input_shape=(channels, height, width),
        stages=tuple(_stage(name, int(version), text) for name, version, text in tokens if version is not None),
        stem=Stem(**stem),  # type: ignore[arg-type]  # Stem checks them
        head=Head(**head),  # type: ignore[arg-type]
        classes=int(body["classes"]),
        act=str(net["act"]),
        norm=Norm(net["norm_eps"], net["norm_momentum"]),  # type: ignore[arg-type]
        drop_path=net["drop_path"],  # type: ignore[arg-type]
    )


def _stage(name: str, version: int, body: str) -> Stage:
    pairs = _pairs(name, body)
    missing = [key for key in STAGE_KEYS if key not in pairs]
    if missing:
        raise SpecError(f"{name}@{version}(...): {', '.join(missing)} missing")
    repeats, channels, stride = (pairs.pop(key) for key in STAGE_KEYS)
    return Stage(name, version, repeats, channels, stride, Params(pairs))  # type: ignore[arg-type]  # Stage checks them


def _split(text: str) -> list[str]:
    """Words at white space outside of quotes, in one pass over the text."""
    words, word, quoted, escaped = [], "", False, False
    for char in text:
        if char.isspace() and not quoted:
            words.append(word)
            word = ""
            continue
        if char == '"' and not escaped:
            quoted = not quoted
        escaped = quoted and char == "\\" and not escaped
        word += char
    return [word for word in [*words, word] if word]
