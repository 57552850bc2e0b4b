"""The examples of the READMEs are run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import nas

ROOT = Path(__file__).parents[2]


def examples(path: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / path).read_text(), flags=re.DOTALL)


def test_the_readmes_python_runs() -> None:
    (example,) = examples("README.md")
    exec(compile(example, "README.md", "exec"), {})


def test_the_block_and_the_metric_of_the_plugin_readme_are_searched_and_reported(tmp_path: Path) -> None:
    block, metric = examples("plugins/README.md")
    (tmp_path / "ghost.py").write_text(block)
    (tmp_path / "depth.py").write_text(metric)
    (tmp_path / "study.toml").write_text(
        'plugins = ["ghost.py", "depth.py"]\n'
        '[study]\nname = "ghosts"\ntrials = 3\n[input]\nshape = [3, 16, 16]\nclasses = 2\n'
        '[[stages]]\nblock = "ghost"\nrepeats = [1, 2, 3]\nchannels = [8, 16]\n'
        '[objectives]\ndepth = "minimize"\nmacs = "minimize"\n'
    )
    storage = f"sqlite:///{tmp_path}/nas.db"
    nas.run(tmp_path / "study.toml", storage=storage)
    frame = nas.read_report("ghosts", storage=storage)
    assert list(frame["outcome"]) == ["ok"] * 3
    plugins = [tmp_path / "ghost.py"]
    for text, params, depth in zip(frame["arch"], frame["params"], frame["depth"], strict=True):
        assert sum(p.numel() for p in nas.build(text, plugins=plugins).parameters()) == params
        assert depth == sum(stage.repeats for stage in nas.load(text, plugins=plugins).stages)
