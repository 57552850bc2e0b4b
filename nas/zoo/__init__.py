"""Published networks, written as stages of plugin blocks: a family is one file with `NETWORKS`. Beside them,
networks of other libraries: opaque, or from timm's block strings.
"""

from nas.zoo.finding import canonical_with as canonical_with
from nas.zoo.finding import load as load
from nas.zoo.finding import names as names
from nas.zoo.finding import resolve as resolve
from nas.zoo.opaque import Opaque as Opaque
from nas.zoo.timm_blocks import architecture_of as architecture_of
