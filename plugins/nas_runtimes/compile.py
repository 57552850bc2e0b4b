"""torch.compile: the network as one graph, which Inductor turns into C++ or Triton."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nas

if TYPE_CHECKING:
    from torch import Tensor, nn

ANSWER_LIMIT_S = 60.0
"""Of a compiler that is asked for its version; it may lie on a network drive."""


def prepare(network: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> Callable[[], object]:
    """`torch.compile(network, fullgraph=True, dynamic=False)` in its default mode: Inductor, no CUDA graphs, no search
    over kernels, the whole network or an error. It is compiled here, for the shape of `x` and the threads of now; a
    call checks torch.compile's guards first, as everybody's does.
    """
    import torch

    # Graphs are kept by the code of `forward`, which candidates share: without this the ninth is refused.
    torch.compiler.reset()
    call = functools.partial(torch.compile(network, fullgraph=True, dynamic=False), x)
    with torch.inference_mode():  # as it will be called: another mode is another graph
        call()
    return call


def compiler() -> str | None:
    """Path of the C++ compiler that Inductor will call, or None."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++"]
    return next(filter(None, map(shutil.which, names)), None)


def check(options: nas.RuntimeOptions) -> str | None:
    """Inductor compiles with what the machine has: a C++ compiler and Python's headers, on CUDA with Triton too."""
    if compiler() is None:
        named = f"CXX = {os.environ['CXX']!r} is" if os.environ.get("CXX") else "there is"
        return f"torch.compile needs a C++ compiler, and {named} none here; install g++, or name one in CXX"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return f"torch.compile needs Python's headers, and {header} is not there; install python3-dev or the like"
    if options.device != "cpu" and importlib.util.find_spec("triton") is None:
        return "torch.compile needs Triton on CUDA, which is not installed; pip install triton"
    return None


def libraries(options: nas.RuntimeOptions) -> dict[str, str]:
    """The compiler, and on CUDA Triton.

    Raises:
        SpecError: the compiler cannot be started, or does not come to an end.
    """
    found = {}
    if path := compiler():
        found[Path(path).name] = _version(path)
    if options.device != "cpu":
        import triton

        found["triton"] = str(triton.__version__)
    return found


def _version(path: str) -> str:
    try:
        said = subprocess.run(
            [path, "-dumpfullversion"], capture_output=True, text=True, check=False, timeout=ANSWER_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise nas.SpecError(f"runtime = 'compile': the C++ compiler {path} does not say its version within "
                            f"{ANSWER_LIMIT_S:g} s; name another in CXX") from None
    except OSError as error:
        raise nas.SpecError(f"runtime = 'compile': the C++ compiler {path} cannot be started: {error.strerror}; "
                            "name another in CXX") from None
    return said.stdout.strip() or "unknown"


@nas.hookimpl
def nas_runtimes() -> list[nas.RuntimeSpec]:
    """`compile`."""
    return [nas.RuntimeSpec("compile", version=2, prepare=prepare, check=check, libraries=libraries)]
