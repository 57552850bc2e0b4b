"""Finding and loading plugins: one road for built-in, installed and local ones, and nothing on it is silent."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nas
from nas import plugins
from nas.plugins import Broken, Plugins, load_plugins

GHOST = """
import nas
from torch import nn

@nas.hookimpl
def nas_blocks():
    return [nas.BlockSpec("ghost", 1, nn.Identity, {"kernel": (3, 5)})]
"""
DEPTH = """
import nas

@nas.hookimpl
def nas_metrics():
    return [nas.MetricSpec("depth", "blocks", "minimize", 1, len)]
"""
STUDY = """
[study]
name = "ghosts"
[input]
shape = [1, 8, 8]
[[stages]]
block = "BLOCK"
channels = 8
[objectives]
METRIC = "minimize"
"""


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NAS_DISABLE_PLUGINS", raising=False)
    modules = set(sys.modules)
    plugins._load.cache_clear()
    yield
    plugins._load.cache_clear()
    for name in set(sys.modules) - modules:
        if name.startswith(("acme", "nas_plugin_")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(source)`: a local plugin file."""

    def written(source: str, name: str = "ghost.py") -> Path:
        (tmp_path / name).write_text(source)
        return tmp_path / name

    return written


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`install(files, points)`: a distribution `Acme_Blocks` 1.2 with these files and entry points."""

    def installed(files: dict[str, str], points: dict[str, str]) -> Path:
        site = tmp_path / "site"
        for name, text in files.items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)
        info = site / "acme_blocks-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Acme_Blocks\nVersion: 1.2\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[nas]", *lines]))
        monkeypatch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        return site

    return installed


def refused(*files: Path) -> str:
    with pytest.raises(nas.PluginError) as caught:
        load_plugins(files)
    told = str(caught.value)
    assert len(told.splitlines()) <= 3
    return told


# Local files


def test_a_local_file_brings_its_block_with_its_path_as_origin(write: Callable[..., Path]) -> None:
    file = write(GHOST)
    loaded = load_plugins([file])
    assert loaded.blocks["ghost"].params == {"kernel": (3, 5)}
    assert loaded.blocks.origin("ghost").place == str(file)
    assert "ghost" not in load_plugins().blocks


def test_one_file_may_bring_blocks_metrics_and_runtimes(write: Callable[..., Path]) -> None:
    runtime = '@nas.hookimpl\ndef nas_runtimes():\n    return (nas.RuntimeSpec("turbo", 1, print),)\n'
    loaded = load_plugins([write(GHOST + DEPTH + runtime)])
    assert "ghost" in loaded.blocks
    assert "depth" in loaded.metrics
    assert "turbo" in loaded.runtimes


def test_a_hook_may_be_a_generator(write: Callable[..., Path]) -> None:
    loaded = load_plugins([write(DEPTH.replace("return [", "yield from ["))])
    assert "depth" in loaded.metrics


def test_a_path_is_taken_relative_to_the_folder_and_to_home(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(GHOST)
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("HOME", str(file.parent))
    for path in ("ghost.py", "./ghost.py", "~/ghost.py", file):
        assert load_plugins([path]).blocks.origin("ghost").place == str(file)


def test_one_file_named_twice_is_one_plugin(write: Callable[..., Path], tmp_path: Path) -> None:
    file = write(GHOST)
    (tmp_path / "link.py").symlink_to(file)
    assert "ghost" in load_plugins([file, str(file), tmp_path / "link.py"]).blocks


def test_a_file_is_executed_once(write: Callable[..., Path], tmp_path: Path) -> None:
    file = write(GHOST + f"with open({str(tmp_path / 'log')!r}, 'a') as log:\n    log.write('.')\n")
    assert load_plugins([file]).blocks["ghost"] is load_plugins([file]).blocks["ghost"]
    load_plugins([file, write(DEPTH, "depth.py")])
    assert (tmp_path / "log").read_text() == "."


def test_a_module_is_in_sys_modules_before_it_is_executed(write: Callable[..., Path]) -> None:
    file = write("import sys\nassert sys.modules[__name__].__file__ == __file__\n" + GHOST)
    assert "ghost" in load_plugins([file]).blocks


def test_a_file_may_hold_dataclasses_and_what_it_defines_can_be_pickled(write: Callable[..., Path]) -> None:
    file = write(
        "from __future__ import annotations\nfrom dataclasses import dataclass, field\nfrom typing import ClassVar\n"
        "@dataclass\nclass Width:\n    channels: int\n    all: ClassVar[list[int]] = []\n" + GHOST
        + "def build(io, kernel): return nn.Identity()\n"
    )
    load_plugins([file.with_name("ghost.py")])
    (module,) = [module for module in list(sys.modules.values()) if getattr(module, "__file__", None) == str(file)]
    width = module.Width(3)
    assert pickle.loads(pickle.dumps(width)) == width
    assert pickle.loads(pickle.dumps(module.build)) is module.build


def test_two_files_of_one_name_are_two_modules(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    loaded = load_plugins([write(GHOST), write(DEPTH, "other/ghost.py")])
    assert "ghost" in loaded.blocks
    assert "depth" in loaded.metrics


def test_an_edited_file_is_executed_again_and_has_another_digest(write: Callable[..., Path]) -> None:
    before = load_plugins([write(GHOST)]).blocks
    after = load_plugins([write(GHOST.replace("(3, 5)", "(5, 3)"))]).blocks  # same length, same second
    assert before["ghost"].defaults["kernel"] == 3
    assert after["ghost"].defaults["kernel"] == 5
    assert before.origin("ghost").digest != after.origin("ghost").digest
    assert load_plugins([write(GHOST)]).blocks.origin("ghost") == before.origin("ghost")


@pytest.mark.parametrize("changed, same", [("FACTOR = 3\n", False), ("FACTOR = 2\n", True)])
def test_the_digest_of_a_file_is_another_one_where_what_it_imports_is(
    write: Callable[..., Path], tmp_path: Path, changed: str, same: bool
) -> None:
    plugin = f"import importlib\n{GHOST}\ndef build():\n    from own_sizes import FACTOR\n"
    digests = []
    for folder, sizes in (("one", "FACTOR = 2\n"), ("two", changed)):
        (tmp_path / folder).mkdir()
        write(sizes, f"{folder}/own_sizes.py")
        digests.append(load_plugins([write(plugin, f"{folder}/ghost.py")]).blocks.origin("ghost").digest)
    assert (digests[0] == digests[1]) == same


def test_loading_a_file_leaves_nothing_beside_it(write: Callable[..., Path]) -> None:
    file = write(GHOST)
    load_plugins([file])
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import absent_module\n", "this plugin does not import: ModuleNotFoundError: No module named 'absent_module'"),
        ("def nas_blocks(:\n", "this plugin does not import: SyntaxError"),
        ("raise SystemExit(3)\n", "this plugin does not import: SystemExit: 3"),
        ("x = 1\n", "not a plugin: no function in it is marked with @nas.hookimpl"),
        ("", "not a plugin: no function in it is marked"),
        (GHOST.replace("@nas.hookimpl\n", ""), "not a plugin: no function in it is marked with @nas.hookimpl"),
        (GHOST.replace("@nas.hookimpl\n", "") + DEPTH, "'nas_blocks' is not marked with @nas.hookimpl"),
        (GHOST.replace("nas_blocks", "nas_block"), "there is no hook 'nas_block' (did you mean 'nas_blocks'?)"),
        (GHOST.replace("nas_blocks", "blocks"), "hooks are nas_blocks, nas_metrics, nas_runtimes"),
        (GHOST.replace("nas_blocks()", "nas_blocks(config)"), "config"),
        (GHOST.replace("(3, 5)", "(3, [5])"), "block 'ghost': parameter 'kernel': a choice is None, bool, int, float or str, not list"),
        (GHOST.replace("1, nn.Identity", "1, nn.Identity()").replace('"ghost"', '"Ghost"'), "block name 'Ghost' must be lower case"),
        (GHOST.replace("return [", "return nas_blocks  # ["), "nas_blocks must return a list of specs, got function"),
        (GHOST.replace("return [", "[") , "nas_blocks must return a list of specs, got NoneType"),
        (GHOST.replace("return [", "return 'ghost'  # ["), "nas_blocks must return a list of specs, got str"),
        (GHOST.replace("return [", "return ['ghost']  # ["), "nas_blocks must give BlockSpec values, got str"),
        (GHOST.replace("return [", "return 1 / 0  # ["), "nas_blocks raises ZeroDivisionError: division by zero"),
        (GHOST.replace("return [", "yield 1 / 0  # ["), "nas_blocks raises ZeroDivisionError: division by zero"),
        (DEPTH.replace('"depth"', '"params"'), "metric name 'params' is a fixed column of every report"),
    ],
)
def test_a_file_that_is_no_plugin_is_an_error_that_names_it(write: Callable[..., Path], source: str, said: str) -> None:
    file = write(source)
    told = refused(file)
    assert told.startswith(f"{file}: ")
    assert said in told
    assert told == refused(file)


def test_a_path_that_is_no_python_file_is_an_error(write: Callable[..., Path], tmp_path: Path) -> None:
    assert refused(tmp_path / "absent.py") == f"{tmp_path}/absent.py: cannot read this plugin: No such file or directory"
    assert refused(tmp_path) == f"{tmp_path}: a plugin is a Python file, this is a directory"
    assert refused(write(GHOST, "ghost.txt")) == f"{tmp_path}/ghost.txt: a plugin is a Python file, its name ends in .py"


def test_ctrl_c_while_a_file_is_executed_goes_through_and_the_file_can_be_loaded_again(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    file = write(f"import os\nif not os.path.exists({str(flag)!r}):\n    open({str(flag)!r}, 'w').close()\n"
                 f"    raise KeyboardInterrupt\n{GHOST}")
    with pytest.raises(KeyboardInterrupt):
        load_plugins([file])
    assert "ghost" in load_plugins([file]).blocks


def test_an_object_that_answers_every_attribute_is_no_hook(write: Callable[..., Path]) -> None:
    source = "from unittest.mock import MagicMock\nfrom torch import ops\nanything = MagicMock()\n" + GHOST
    assert "ghost" in load_plugins([write(source)]).blocks


def test_two_files_with_one_block_name_are_an_error_that_names_both_and_the_way_out(write: Callable[..., Path]) -> None:
    first, second = write(GHOST), write(GHOST, "phantom.py")
    told = refused(first, second)
    assert f"two plugins have a block named 'ghost': {first} and {second}" in told
    assert "Rename one of them" in told


def test_a_built_in_name_cannot_be_taken_silently(write: Callable[..., Path]) -> None:
    file = write(GHOST.replace('"ghost"', '"mbconv"'))
    told = refused(file)
    assert "two plugins have a block named 'mbconv': stagenas" in told
    assert "nas_blocks.mbconv" in told
    assert str(file) in told


# Installed packages


def test_an_installed_module_brings_its_block_with_distribution_version_and_module_as_origin(
    install: Callable[..., Path],
) -> None:
    install({"acme/__init__.py": "", "acme/ghost.py": GHOST}, {"ghost": "acme.ghost"})
    assert load_plugins().blocks.origin("ghost").place == "Acme_Blocks 1.2: acme.ghost"


def test_the_built_in_plugins_come_the_same_road_and_first(install: Callable[..., Path]) -> None:
    install({"acme.py": GHOST}, {"aaa": "acme"})
    known = load_plugins().blocks
    assert list(known)[-1] == "ghost"
    assert known.origin("conv").place.startswith("stagenas ")
    assert known.origin("conv").place.endswith(": nas_blocks.conv")


@pytest.mark.parametrize(
    ("module", "edited"),
    [
        ("acme_ghost", "acme_ghost.py"), ("acme", "acme/__init__.py"), ("acme.ghost", "acme/layers.py"),
        ("acme.ghost", "acme/deep/layers.py"), ("acme.nas.ghost", "acme/layers.py"),
    ],
)
def test_the_digest_of_a_package_changes_with_any_source_of_it(
    install: Callable[..., Path], module: str, edited: str
) -> None:
    empty = dict.fromkeys(
        ("acme/__init__.py", "acme/layers.py", "acme/deep/__init__.py", "acme/deep/layers.py", "acme/nas/__init__.py"), ""
    )
    files = empty | {"acme_ghost.py": GHOST, "acme/__init__.py": GHOST, "acme/ghost.py": GHOST, "acme/nas/ghost.py": GHOST}
    site = install(files, {"ghost": module})
    before = load_plugins().blocks.origin("ghost").digest
    plugins._load.cache_clear()
    assert load_plugins().blocks.origin("ghost").digest == before
    with (site / edited).open("a") as source:
        source.write("\n# edited\n")
    plugins._load.cache_clear()
    assert load_plugins().blocks.origin("ghost").digest != before


def test_a_module_by_itself_does_not_depend_on_its_neighbours(install: Callable[..., Path]) -> None:
    site = install({"acme.py": GHOST}, {"ghost": "acme"})
    before = load_plugins().blocks.origin("ghost").digest
    (site / "unrelated.py").write_text("x = 1\n")
    plugins._load.cache_clear()
    assert load_plugins().blocks.origin("ghost").digest == before


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import absent_module\n", "ModuleNotFoundError: No module named 'absent_module'"),
        ("raise SystemExit('no licence')\n", "SystemExit: no licence"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_an_installed_plugin_that_does_not_import_is_listed_with_its_cause_and_the_rest_works(
    install: Callable[..., Path], source: str, cause: str
) -> None:
    install({"acme.py": source}, {"ghost": "acme"})
    loaded = load_plugins()
    assert loaded.broken == (Broken("Acme_Blocks 1.2: acme", cause),)
    assert loaded.hint() == f"\nA plugin did not load: Acme_Blocks 1.2: acme: {cause}"
    assert "mbconv" in loaded.blocks
    assert nas.count("mobilenet_v2").params == 3_504_872


@pytest.mark.parametrize(("block", "metric"), [("ghost", "macs"), ("conv", "depth")])
def test_a_broken_plugin_is_fatal_where_a_study_needs_what_it_would_have_brought(
    install: Callable[..., Path], tmp_path: Path, block: str, metric: str
) -> None:
    install({"acme.py": "import absent_module\n"}, {"ghost": "acme"})
    (tmp_path / "study.toml").write_text(STUDY.replace("BLOCK", block).replace("METRIC", metric))
    with pytest.raises(nas.NasError) as caught:
        nas.run(tmp_path / "study.toml", storage=f"sqlite:///{tmp_path}/nas.db")
    assert "A plugin did not load: Acme_Blocks 1.2: acme: ModuleNotFoundError" in str(caught.value)
    assert not (tmp_path / "nas.db").exists()


def test_a_broken_plugin_is_fatal_where_an_architecture_names_its_block(install: Callable[..., Path]) -> None:
    install({"acme.py": "import absent_module\n"}, {"ghost": "acme"})
    with pytest.raises(nas.BlockError, match="unknown block 'ghost'; there are .*\nA plugin did not load: Acme_Blocks 1.2: acme"):
        nas.build(nas.Architecture((1, 8, 8), (nas.Stage("ghost", 1, 1, 8, 1),)))


def test_without_broken_plugins_there_is_no_hint() -> None:
    assert Plugins().hint() == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (GHOST.replace("nas_blocks", "nas_block"), "there is no hook 'nas_block' (did you mean 'nas_blocks'?)"),
        ("x = 1\n", "not a plugin"),
        (GHOST.replace('"ghost"', '"conv"'), "two plugins have a block named 'conv'"),
    ],
)
def test_an_installed_plugin_that_breaks_the_contract_is_an_error_that_names_it_and_the_way_out(
    install: Callable[..., Path], source: str, said: str
) -> None:
    install({"acme.py": source}, {"ghost": "acme"})
    told = refused()
    assert "Acme_Blocks 1.2: acme" in told
    assert said in told
    assert "NAS_DISABLE_PLUGINS" in told


def test_an_entry_point_that_names_no_module_is_an_error(install: Callable[..., Path]) -> None:
    install({"acme.py": GHOST}, {"ghost": "acme:nas_blocks"})
    assert "the entry point 'ghost' must name a module that has hooks, not a function" in refused()


def test_a_package_and_a_local_file_with_one_name_are_an_error_that_names_both(
    install: Callable[..., Path], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install({"acme.py": GHOST}, {"ghost": "acme"})
    file = write(GHOST)
    told = refused(file)
    assert f"two plugins have a block named 'ghost': Acme_Blocks 1.2: acme and {file}" in told
    assert "NAS_DISABLE_PLUGINS" in told
    monkeypatch.setenv("NAS_DISABLE_PLUGINS", "Acme_Blocks")
    assert load_plugins([file]).blocks.origin("ghost").place == str(file)


@pytest.mark.parametrize("names", ["Acme_Blocks", "acme-blocks", "big_ghost", "Big-Ghost", "other, acme.blocks ,", "all"])
def test_a_package_is_left_out_by_its_name_or_its_entry_point_s(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    install({"acme.py": GHOST}, {"big_ghost": "acme"})
    assert "ghost" in load_plugins().blocks
    monkeypatch.setenv("NAS_DISABLE_PLUGINS", names)
    known = load_plugins().blocks
    assert "ghost" not in known
    assert "mbconv" in known


def test_without_entry_points_only_the_built_in_ones_are_there(
    install: Callable[..., Path], write: Callable[..., Path]
) -> None:
    install({"acme.py": GHOST}, {"ghost": "acme"})
    loaded = load_plugins([write(DEPTH, "depth.py")], entry_points=False)
    assert "ghost" not in loaded.blocks
    assert "mbconv" in loaded.blocks
    assert "depth" in loaded.metrics


def test_a_disabled_package_is_not_even_imported(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install({"acme.py": f"open({str(tmp_path / 'imported')!r}, 'w').close()\n"}, {"ghost": "acme"})
    monkeypatch.setenv("NAS_DISABLE_PLUGINS", "acme-blocks")
    assert load_plugins().broken == ()
    assert not (tmp_path / "imported").exists()


def test_a_built_in_module_gives_way_by_its_entry_point_s_name(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_DISABLE_PLUGINS", "mbconv")
    file = write(GHOST.replace('"ghost"', '"mbconv"'))
    assert load_plugins([file]).blocks.origin("mbconv").place == str(file)
    assert "conv" in load_plugins().blocks


@pytest.mark.parametrize("file", [5, None, "a\0.py", "~nobody_of_this_name/blocks.py"])
def test_what_is_no_path_is_told_as_a_plugin(file):
    with pytest.raises(nas.PluginError, match=r"^plugins: .* is no path of a plugin file"):
        load_plugins([file])
