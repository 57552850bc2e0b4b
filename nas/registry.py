"""What plugins registered, by name, each with where it comes from. No conflict is silent."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from nas.choices import shown
from nas.errors import NasError, PluginError, nearest


@dataclass(frozen=True)
class Origin:
    """A distribution's module or a local file, and a digest of the source that it came from.

    The digest is part of every cache key: an author who forgets to raise a version does not get yesterday's figures.
    """

    place: str  # "stagenas 0.1.0: nas_blocks.mbconv", or the path of a local file
    digest: str  # 12 hex digits

    def __str__(self) -> str:
        return self.place


class Named(Protocol):
    """What a registry holds: a value with a name and a version."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102


SpecT = TypeVar("SpecT", bound=Named)


class Registry(Mapping[str, SpecT], Generic[SpecT]):
    """Specs of one kind by name; `kind`, `broken_contract` and `error` are what its subclass says of that kind."""

    kind: ClassVar[str]
    error: ClassVar[type[NasError]] = PluginError

    def __init__(self) -> None:
        self._specs: dict[str, SpecT] = {}
        self._origins: dict[str, Origin] = {}

    @staticmethod
    @abstractmethod
    def broken_contract(spec: object) -> str | None:
        """What is wrong with a spec that a plugin handed over, or None."""

    def add(self, spec: SpecT, origin: Origin) -> None:
        """Adds what a plugin handed over.

        Raises:
            PluginError: the spec breaks the contract, or another plugin has one of this kind and name.
        """
        if problem := self.broken_contract(spec):
            raise PluginError(f"{origin}: {problem}")
        if spec.name in self._specs:
            raise PluginError(
                f"two plugins have a {self.kind} named '{spec.name}': {self._origins[spec.name]} and {origin}.\n"
                "Rename one of them, uninstall its package, or leave one out with NAS_DISABLE_PLUGINS."
            )
        self._specs[spec.name] = spec
        self._origins[spec.name] = origin

    def __getitem__(self, name: str) -> SpecT:
        """The spec of this name; raises this kind's error, which tells the nearest name, where there is none."""
        try:
            return self._specs[name]
        except KeyError:
            there = ", ".join(self._specs) or "none"
            told = nearest(name, self._specs) or f"; there are {there}, and those of the plugin files that are given"
            raise self.error(f"unknown {self.kind} {shown(name)}{told}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def origin(self, name: str) -> Origin:
        """Where the spec of this name comes from."""
        self[name]
        return self._origins[name]
