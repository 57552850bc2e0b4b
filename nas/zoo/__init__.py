"""Published networks, written as stages of plugin blocks: a family is one file with `NETWORKS`."""

from nas.zoo.finding import canonical_with as canonical_with
from nas.zoo.finding import load as load
from nas.zoo.finding import names as names
from nas.zoo.finding import resolve as resolve
