"""A plain HTML page: one file without a script, which loads nothing from anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from nas.numbers import count, rounded
from nas.outcomes import COST_COLUMNS
from nas.report.notes import notes
from nas.report.picture import picture
from nas.report.render import Format
from nas.report.short import short_architecture
from nas.report.study_file import study_file
from nas.report.summary import summary
from nas.report.verification_text import TITLE, verification
from nas.text import one_line

if TYPE_CHECKING:
    from nas.report.report import Report

MOST_ROWS = 10_000
"""Trials that are shown; the others are in the CSV, JSON and Parquet reports."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --soft: #57606a; --line: #d0d7de; --back: #ffffff; --mark: #fff0f2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9aa3ad; --line: #30363d; --back: #0d1117; --mark: #3a1d24; }
}
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: var(--ink); background: var(--back);
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; } p.soft { color: var(--soft); }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; border-radius: 6px; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; } tr.front { background: var(--mark); }
pre, code { font: 12px/1.5 ui-monospace, Menlo, Consolas, monospace; } pre { overflow-x: auto; padding: 1rem;
       border: 1px solid var(--line); border-radius: 6px; }
"""


def render(report: Report) -> str:
    """The front, every trial and how to do it again, as a page that can be passed on."""
    short, study = summary(report.frame, report.study, report.carried), report.study
    goals = ", ".join(f"{one_line(name)} ({direction})" for name, direction in study.objectives.items())
    outcomes = ", ".join(f"{trials} {outcome}" for outcome, trials in short.outcomes.items()) or "none yet"
    outcomes += f"; {short.carried} of them carried over from another study" if short.carried else ""
    begun = f"Begun {_text(study.created_at)}, nas {_text(study.nas_version)}."
    body = [
        f"<h1>{_text(study.name)}</h1>",
        f'<p class="soft">{_text(goals)}. {short.trials} trials: {_text(outcomes)}.<br>{begun}</p>',
        f'<figure role="img" aria-label="Trials and their Pareto front">{picture(report)}</figure>',
        f"<h2>Pareto front: {len(short.front)} of {short.trials} trials</h2>",
        *(f"<p>{_text(notice)}</p>" for notice in (*report.notices, *notes(report))),
        *_table(report, short.front.to_dict("records"), front=False),
        *_verification(report),
        *_compared(report),
        "<h2>All trials</h2>",
        *_table(report, report.frame.head(MOST_ROWS).to_dict("records"), front=True),
    ]
    if len(report.frame) > MOST_ROWS:
        body.append(f"<p>{len(report.frame) - MOST_ROWS} more are in the CSV, JSON and Parquet reports.</p>")
    body += ["<h2>How to reproduce</h2>", "<p>This study file, then <code>nas run FILE</code>:</p>",
             f"<pre>{escape(_printable(study_file(study.spec)))}</pre>"]
    head = (f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{_text(study.name)}</title><style>{_STYLE}</style>")
    return "\n".join(["<!doctype html>", f'<html lang="en"><head>{head}</head><body>', *body, "</body></html>", ""])


def _verification(report: Report) -> Iterator[str]:
    if (told := verification(report)) is None:
        return
    yield f"<h2>{TITLE}</h2>"
    heads = "".join(f'<th class="number" scope="col">{_text(name)}</th>' for name in told.headers)
    yield f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>'
    for row in told.rows:
        yield "<tr>" + "".join(f'<td class="number">{_text(cell)}</td>' for cell in row) + "</tr>"
    yield "</tbody></table></div>"
    for sentence in told.sentences:
        yield f"<p>{_text(sentence)}</p>"


def _table(report: Report, rows: Iterable[Mapping[Any, Any]], front: bool) -> Iterator[str]:
    """Rows with their numbers rounded; where `front`, the front's are marked, and how each ended is told."""
    ends = {f"{column.name}_{end}" for column in report.columns for end in ("low", "high")}
    if not front:  # its own values are the verified ones
        ends |= {f"{name}_verified" for name in report.verified.columns()}
    numbers = [column for column in report.columns
               if column.kind in ("number", "count") and column.name not in ends and column.source != "parameter"]
    numbers = [column for column in numbers if column.name != "duration_s"]
    heads = [f'<th class="number" scope="col">{_text(column.name)}</th>' for column in numbers]
    heads += ['<th scope="col">network</th>']
    if front:  # how a trial ended stands beside its number: it explains what is missing in the row
        heads = [heads[0], '<th scope="col">outcome</th>', *heads[1:], '<th scope="col">message</th>']
    yield f'<div class="wide"><table><thead><tr>{"".join(heads)}</tr></thead><tbody>'
    for row in rows:
        cells = [f'<td class="number">{_number(row, column.name)}</td>' for column in numbers]
        arch = row["arch"] if isinstance(row["arch"], str) else ""
        cells += [f'<td title="{_text(arch)}">{_text(short_architecture(arch)) if arch else ""}</td>']
        if front:
            cells = [cells[0], f"<td>{_text(row['outcome'])}</td>", *cells[1:], f"<td>{_text(row['message'])}</td>"]
        marked = ' class="front"' if front and row["pareto"] else ""
        yield f"<tr{marked}>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _compared(report: Report) -> Iterator[str]:
    """How columns of one metric order and scale the same networks; nothing where there are no two of them."""
    if not report.comparisons:
        return
    yield "<h2>Columns compared</h2>"
    heads = "".join(f'<th class="number" scope="col">{head}</th>'
                    for head in ("networks", "Spearman", "Kendall", "median ratio"))
    yield f'<div class="wide"><table><thead><tr><th scope="col">columns</th>{heads}</tr></thead><tbody>'
    for found in report.comparisons:
        ranks = ["" if value is None else f"{value:.2f}" for value in (found.spearman, found.kendall)]
        cells = "".join(f'<td class="number">{cell}</td>' for cell in (found.networks, *ranks, rounded(found.ratio)))
        yield f"<tr><td>{_text(f'{found.first} / {found.second}')}</td>{cells}</tr>"
    yield "</tbody></table></div>"


def _number(row: Mapping[Any, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, int | float) or not math.isfinite(value):  # pandas.NA too
        return ""
    if name in COST_COLUMNS:
        return _text(count(value))
    text = str(value) if name == "trial" else rounded(value)
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if isinstance(low, float) and isinstance(high, float) and math.isfinite(low) and math.isfinite(high):
        text += f" [{rounded(low)}, {rounded(high)}]"
    elif low is not None and high is not None:  # a column with intervals, whose value has none
        text += " ±?"
    return _text(text)


def _text(value: object) -> str:
    """Text of others, inert; nothing where it is missing."""
    known = isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return escape(one_line(value)) if known else ""


def _printable(text: str) -> str:
    return "\n".join(map(one_line, text.splitlines()))


FORMAT = Format("html", ".html", render)
