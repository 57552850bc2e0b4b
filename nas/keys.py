"""Types of the keys of a study file that take a value or a list: each is read as a tuple of distinct choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator

from nas.arch import MAX_SIZE, kernel_size
from nas.choices import Choice, format_choice, normalise, told
from nas.errors import SpecError
from nas.layers import activation


def listed(value: object) -> tuple[Choice, ...]:
    """A bare value is fixed, a list is searched: both as a tuple of distinct choices."""
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        raise ValueError("an empty list leaves nothing to choose; give at least one value, or leave the key out")
    choices = []
    for item in values:
        try:
            choices.append(normalise(item))
        except SpecError as error:
            raise ValueError(str(error)) from None
    for index, choice in enumerate(choices):
        for other in choices[:index]:
            if format_choice(choice) == format_choice(other):
                raise ValueError(f"{told(choice)} is listed twice")
            if choice == other:  # True == 1
                both = f"{told(other)} and {told(choice)}"
                raise ValueError(f"{both} are one choice to Optuna; keep one of them")
    return tuple(choices)


Choices = Annotated[tuple[Any, ...], BeforeValidator(listed)]


def bounded(what: str, low: int, high: int) -> BeforeValidator:
    """Whole numbers from `low` to `high`; `what` names them in the message."""

    def check(value: object) -> tuple[Choice, ...]:
        choices = listed(value)
        for choice in choices:
            if isinstance(choice, bool) or not isinstance(choice, int) or not low <= choice <= high:
                raise ValueError(f"{what} must be whole numbers from {low} to {high}, got {told(choice)}")
        return choices

    return BeforeValidator(check)


def _each(check: Callable[[Choice], object]) -> BeforeValidator:
    """Asks about every choice; the `SpecError` of a check is the message."""

    def checked(value: object) -> tuple[Choice, ...]:
        choices = listed(value)
        for choice in choices:
            try:
                check(choice)
            except SpecError as error:
                raise ValueError(str(error)) from None
        return choices

    return BeforeValidator(checked)


def _rate(choice: Choice) -> None:
    if isinstance(choice, bool) or not isinstance(choice, int | float) or not 0 <= choice <= 0.999:
        raise SpecError(f"a rate is a number from 0 to 0.999, got {told(choice)}")


def _flag(choice: Choice) -> None:
    if not isinstance(choice, bool):
        raise SpecError(f"it is true or false, got {told(choice)}")


Activations = Annotated[tuple[Any, ...], _each(activation)]
Rates = Annotated[tuple[Any, ...], _each(_rate)]
Kernels = Annotated[tuple[Any, ...], _each(kernel_size)]
Flags = Annotated[tuple[Any, ...], _each(_flag)]
Strides = Annotated[tuple[int, ...], bounded("strides", 1, 2)]
Channels = Annotated[tuple[int, ...], bounded("channels", 1, MAX_SIZE)]
