"""docs/performance.md and its plots, written from what is kept of each bench; nobody edits them by hand."""

from collections.abc import Iterable
from pathlib import Path
from string import ascii_uppercase

import matplotlib as mpl
from matplotlib.figure import Figure as Plot

from performance.figure import Figure
from performance.kept import Measured
from stack.settings import REPO

PAGE = REPO / "docs" / "performance.md"
_INK, _OURS, _THEIRS = "#1f2933", "#0b6e4f", "#9aa5b1"

_INTRODUCTION = """\
# Performance

Written by `make bench`; do not edit. Every promise is a ratio of two things measured in the same run on the same
machine, or a bound that a person would notice. What is compared takes turns in short windows, so that whatever else
the machine does falls on both, and the median of the windows counts.

Measured on {machines}.
All servers and the load were on the same; each figure is of the commit and the day that stand beside it.

| figure | measured | promised | | at |
|---|---|---|---|---|
"""

_METHOD = """
## Method

"""

_READING = """
Beyond one machine nothing here was measured. Load comes over kept-alive connections straight to a service, with the
gateway's certificate, so that the gateway is not in these figures; only where audio is uploaded and played it comes
through the gateway, as a caller's does. The load generator is a Python process on the same cores (for audio one for
each stream) and costs both sides the same. When a bench begins, the kernel's memory is full of cached files (clean
ones, read once), as on a machine that has run for a day: a virtual machine's host takes back what is free, and to find
it again costs ten times what writing to it does (1.2 ms a MiB here), which falls on whoever writes more. The code is in
`tests/performance`, one file for each figure.
"""


def write(benches: Iterable[Measured], missing: Iterable[str] = ()) -> Path:
    """The page; its path. `missing` benches were not measured yet, and it says so."""
    benches = list(benches)
    known = [(bench, figure) for bench in benches for figure in bench.figures]
    machines = sorted({bench.machine for bench in benches})
    letters = dict(zip(machines, ascii_uppercase, strict=False)) if len(machines) > 1 else {}
    head = _INTRODUCTION.format(
        machines="; ".join(f"{letters[machine]}, {machine}" if letters else machine for machine in machines)
    )
    rows = [_row(bench, figure, letters.get(bench.machine)) for bench, figure in known]
    rows += [f"| {name} | not measured yet | | | |\n" for name in missing]
    figures = [figure for _, figure in known]
    notes = [f"- **{figure.name}**: {figure.how}.\n" for figure in figures]
    rests = [f"- **{figure.name}**: {figure.rest}\n" for figure in figures if figure.rest and not figure.is_kept]
    missed = ["\n## Where the rest goes\n\n", *rests] if rests else []
    plots = [f"\n![{figure.name}](performance/{_draw(figure)})\n" for figure in figures if figure.series]
    PAGE.write_text(head + "".join(rows) + _METHOD + "".join([*notes, *missed, *plots]) + _READING, encoding="utf-8")
    return PAGE


def _row(bench: Measured, figure: Figure, machine: str | None) -> str:
    bound = f"{'≤' if figure.is_ceiling else '≥'} {figure.bound:g}{figure.unit}"
    verdict = "kept" if figure.is_kept else "**missed**"
    at = f"`{bench.commit}`, {bench.day}{f', on {machine}' if machine else ''}"
    return f"| {figure.name} | {figure.value:.3g}{figure.unit} | {bound} | {verdict} | {at} |\n"


def _draw(figure: Figure) -> str:
    """One plot; its file's name beside the page. The same figures give the same bytes."""
    mpl.rcParams["svg.hashsalt"] = "konci"
    mpl.rcParams["font.family"] = "sans-serif"
    plot = Plot(figsize=(7, 2.6), layout="constrained")
    axes = plot.subplots()
    for (name, values), colour in zip(figure.series.items(), (_OURS, _THEIRS), strict=False):
        axes.plot(range(1, len(values) + 1), values, color=colour, marker="o" if len(values) < 20 else None, label=name)
    axes.set_ylim(bottom=0)
    axes.set_title(figure.name, loc="left", fontsize=10, color=_INK)
    along, up = figure.axes
    is_short = len(next(iter(figure.series.values()))) < 20
    axes.set_xlabel(along or ("window" if is_short else "answers, fastest first"), fontsize=8)
    axes.set_ylabel(up or ("seconds" if figure.unit == " s" else "per second"), fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=8)
    name = (
        "".join(sign if sign.isalnum() else "-" for sign in figure.name.lower()).strip("-").replace("--", "-") + ".svg"
    )
    folder = PAGE.with_suffix("")
    folder.mkdir(exist_ok=True)
    plot.savefig(folder / name, metadata={"Date": None, "Creator": None})
    return name
