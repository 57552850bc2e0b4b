"""Markdown for people: what was searched, the front, how it went, and how to do it again. Rounded, here alone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nas.markdown import as_code, in_markdown, of_environment, table
from nas.numbers import count, rounded
from nas.outcomes import ITS_OWN_FAULT, NOT_ITS_FAULT
from nas.report.columns import FIXED, Column
from nas.report.notes import notes
from nas.report.render import Format
from nas.report.short import short_architecture
from nas.report.study_file import study_file
from nas.report.summary import Summary, summary
from nas.report.verification_text import TITLE, verification
from nas.store.rows import COST
from nas.text import one_line

if TYPE_CHECKING:
    from nas.report.report import Report

MOST_ROWS = 50
"""Rows of the front that are shown."""
MOST_FAILURES = 10
MOST_TEXT = 300
"""Characters of a failure's message that are shown."""

_CONDITIONS = ("column", "metric", "device", "runtime", "batch", "dtype", "memory_format", "threads", "fused",
               "environment")


def render(report: Report, picture: str = "") -> str:
    """The report as one page; `picture` is the address of an image of the front, as the page reaches it."""
    short = summary(report.frame, report.study, report.carried)
    parts = [
        [f"# {in_markdown(report.study.name)}"],
        *([[f"![Trials and their Pareto front]({quote(picture)})"]] if picture else []),
        _front(report, short),
        *_verification(report),
        *([_compared(report)] if report.comparisons else []),
        _best(report, short),
        _searched(report, short),
        _outcomes(short),
        _failures(report),
        _conditions(report),
        _reproduce(report),
    ]
    return "\n".join(line for part in parts for line in [*part, ""]).rstrip() + "\n"


def _verification(report: Report) -> Iterator[list[str]]:
    if (told := verification(report)) is not None:
        rows = [[in_markdown(cell) for cell in row] for row in told.rows]
        sentences = [line for sentence in told.sentences for line in ("", in_markdown(sentence))]
        yield [f"## {TITLE}", "", *table(told.headers, rows), *sentences]


def _searched(report: Report, short: Summary) -> list[str]:
    study = report.study
    lines = ["## What was searched", ""]
    lines += [f"- {in_markdown(name)}: {in_markdown(direction)}" for name, direction in study.objectives.items()]
    lines += [f"- {in_markdown(column)} {in_markdown(operator)} {_bound(report, column, bound)}"
              for column, operator, bound in study.constraints]
    shape = _at(study.spec, "input", "shape")
    if isinstance(shape, list | tuple):
        lines.append(f"- input: {in_markdown(' x '.join(map(str, shape)))} (channels x height x width)")
    stages = study.spec.get("stages")
    if isinstance(stages, list | tuple):
        lines.append(f"- stages: {len(stages)}, of {in_markdown(', '.join(_blocks(stages)))}")
    for key in ("sampler", "seed"):
        value = _at(study.spec, "study", key)
        if value is not None:
            lines.append(f"- {key}: {in_markdown(value)}")
    carried = f" and {short.carried} were carried over from another study" if short.carried else ""
    lines.append(f"- trials: {short.trials}, of which {short.counted} count{carried}")
    lines.append(f"- begun: {in_markdown(study.created_at)}, nas {in_markdown(study.nas_version)}")
    return lines


def _blocks(stages: Iterable[Any]) -> list[str]:
    """The blocks that stages choose from, each once."""
    found: dict[str, None] = {}
    for stage in stages:
        blocks = stage.get("block", ()) if isinstance(stage, Mapping) else ()
        found |= dict.fromkeys([blocks] if isinstance(blocks, str) else map(str, blocks))
    return list(found)


def _front(report: Report, short: Summary) -> list[str]:
    front = short.front
    if not len(front):
        return ["## Pareto front", "", "No trial was successful and feasible."]
    columns = _shown(report)
    rows = front.head(MOST_ROWS).to_dict("records")
    lines = [f"## Pareto front: {len(front)} of {short.trials} trials", ""]
    for notice in (*report.notices, *notes(report)):
        lines += [in_markdown(notice), ""]
    lines += table(
        ["trial", *map(_headed, columns), "network"],
        [
            [str(row["trial"]), *(_value(row, column) for column in columns), as_code(row["arch_id"])]
            for row in rows
        ],
    )
    if len(front) > MOST_ROWS:
        lines += ["", f"{len(front) - MOST_ROWS} more are in the CSV and JSON reports."]
    lines += ["", "Networks:", ""]
    return [*lines, *dict.fromkeys(f"- {as_code(row['arch_id'])} {as_code(row['arch'])}" for row in rows)]


def _compared(report: Report) -> list[str]:
    """How columns of one metric order and scale the same networks."""
    return ["## Columns compared", "", *table(
        ["columns", "networks", "Spearman", "Kendall", "median ratio"],
        [
            [in_markdown(f"{found.first} / {found.second}"), str(found.networks),
             *("" if ranks is None else f"{ranks:.2f}" for ranks in (found.spearman, found.kendall)),
             rounded(found.ratio)]
            for found in report.comparisons
        ],
    )]


def _shown(report: Report) -> list[Column]:
    """The columns of the front's table: objectives, the study's other columns, then parameters and MACs."""
    by_name = {column.name: column for column in report.columns}
    ends = {f"{name}_{end}" for name in by_name for end in ("low", "high")}
    ends |= {f"{name}_verified" for name in report.verified.columns()}  # the front has these values
    own = [column.name for column in report.columns
           if column.kind == "number" and column.name not in FIXED and column.name not in ends]
    names = dict.fromkeys([*report.study.objectives, *own, *(name for name, *_ in report.study.constraints),
                           "params", "macs"])
    return [by_name[name] for name in names if name in by_name]


def _value(row: Mapping[Any, Any], column: Column) -> str:
    """A number, rounded, with its interval where it has one."""
    value = row[column.name]
    if _missing(value):
        return ""
    if column.source == COST:
        return count(value)
    ends = [f"{column.name}_{end}" for end in ("low", "high")]
    if not all(end in row for end in ends):
        return rounded(value)
    interval: list[Any] = [row[end] for end in ends]
    return rounded(value) + (" ±?" if any(map(_missing, interval)) else f" [{', '.join(map(rounded, interval))}]")


def _missing(value: object) -> bool:
    """Whether a cell is what pandas has for missing, or no cell at all."""
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _best(report: Report, short: Summary) -> list[str]:
    """For each objective the trial of the front that is best in it."""
    by_name = {column.name: column for column in report.columns}
    told = [
        f"- {in_markdown(name)}: {_value(row, by_name[name])}{_with_unit(by_name[name])}, trial {row['trial']} "
        f"({in_markdown(short_architecture(row['arch']))})"
        for name, row in short.best.items()
    ]
    return ["## Best per objective", "", *(told or ["None: there is no front."])]


def _headed(column: Column) -> str:
    """A column's name, with its unit where the name does not say it already."""
    said = not column.unit or column.source == COST or column.name.endswith(f"_{column.unit}")
    return column.name if said else f"{column.name} ({column.unit})"


def _with_unit(column: Column) -> str:
    """A unit behind a value; a count's name says it already."""
    return f" {in_markdown(column.unit)}" if column.unit and column.source != COST else ""


def _failures(report: Report) -> list[str]:
    """The first trials that failed, each with what it said."""
    frame = report.frame
    failed = frame[frame["outcome"].isin([*ITS_OWN_FAULT, *NOT_ITS_FAULT])]
    if not len(failed):
        return ["## Failures", "", "None."]
    lines = ["## Failures", ""]
    for row in failed.head(MOST_FAILURES).to_dict("records"):
        said = one_line(row["message"])
        said = said if len(said) <= MOST_TEXT else f"{said[:MOST_TEXT]}..."
        lines.append(f"- trial {row['trial']}: {in_markdown(row['outcome'])}: {in_markdown(said) or '(no message)'}")
    if len(failed) > MOST_FAILURES:
        lines += ["", f"{len(failed) - MOST_FAILURES} more are in the CSV and JSON reports."]
    return lines


def _outcomes(short: Summary) -> list[str]:
    lines = ["## Outcomes", ""]
    return lines + table(["outcome", "trials"], [[outcome, str(n)] for outcome, n in short.outcomes.items()])


def _conditions(report: Report) -> list[str]:
    """Under what each column was measured, and on which machines."""
    frame = report.measurements
    if not len(frame):
        return ["## Conditions", "", "Nothing was measured."]
    counted: dict[tuple[str, ...], int] = {}
    for row in frame[list(_CONDITIONS)].itertuples(index=False):
        known = tuple("" if _missing(value) else _plain(value) for value in row)
        counted[known] = counted.get(known, 0) + 1
    lines = ["## Conditions", ""]
    lines += table(
        [*(name.replace("_", " ") for name in _CONDITIONS), "measurements"],
        [[*map(in_markdown, known), str(n)] for known, n in sorted(counted.items())],
    )
    for fingerprint, environment in report.environments.items():
        lines += ["", f"Environment {in_markdown(fingerprint)}: {of_environment(environment)}"]
    return lines


def _plain(value: Any) -> str:
    """A condition as study files write it."""
    return {"True": "true", "False": "false"}.get(str(value), str(value))  # numpy's booleans too


def _reproduce(report: Report) -> list[str]:
    study = report.study
    text = study_file(study.spec)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", study.name).lstrip(".-") or "study"
    lines = ["## How to reproduce", "", f"With nas {in_markdown(study.nas_version)}, this file as `{name}.toml`:", "",
             f"{fence}toml", *text.rstrip().split("\n"), fence, "", "then", "", "```", f"nas run {name}.toml", "```"]
    strangers = [*_strangers(study.registry, ())]
    if strangers:
        lines += ["", "It also needs these plugins:", "", *strangers]
    return lines


def _strangers(registry: Mapping[str, object], place: tuple[str, ...]) -> Iterator[str]:
    """The plugins of a registry's snapshot that are not built in, each with where it came from."""
    for name, entry in registry.items():
        if not isinstance(entry, Mapping):
            continue
        if "digest" in entry:
            origin = one_line(entry.get("origin", ""))
            if not origin.startswith("stagenas "):
                told = " ".join([*place, name])
                yield (f"- {in_markdown(told)}, version {in_markdown(entry.get('version'))}, from "
                       f"{in_markdown(origin)}, source {in_markdown(entry['digest'])}")
        else:
            yield from _strangers(entry, (*place, name))


def _bound(report: Report, name: str, bound: float) -> str:
    """A bound with the unit of its column."""
    column = next(of for of in report.columns if of.name == name)
    return in_markdown(f"{count(bound) if column.source == COST else rounded(bound)} {column.unit}")


def _at(spec: Mapping[str, object], *keys: str) -> object:
    """A value inside of nested tables, None where there is none."""
    value: object = spec
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


FORMAT = Format("md", ".md", render)
