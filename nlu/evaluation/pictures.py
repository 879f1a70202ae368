"""The report's pictures as SVG, to stand inside a page. Needs the optional ``reports`` extra."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bot.contracts import LinguadeskError
from nlu.evaluation.report import Report, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MISSING = "pictures need the optional extra `reports`; install it with: pip install 'linguadesk[reports]'"
MOST_LABELS = 50
"""A confusion matrix of more intents shows those that are confused most."""

NOTHING = "(nothing)"
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_ID = re.compile(r"""(\bid="|\bhref="#|\burl\(#)""")
_DARK = 0.55


class PicturesMissingError(LinguadeskError):
    """Matplotlib is not installed; the text says how to."""


def need_matplotlib() -> None:
    """Raise :class:`PicturesMissingError` if pictures cannot be made."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise PicturesMissingError(MISSING) from None


def draw(report: Report) -> dict[str, str]:
    """``confusion``, ``confidence``, ``reliability`` and ``roc`` as SVG elements; what has no data is left out.

    Raises:
        PicturesMissingError: the ``reports`` extra is not installed.
    """
    need_matplotlib()
    found = {}
    if report.messages:
        found["confusion"] = _confusion(*report.confusion)
        found["confidence"] = _confidence(report.confidence)
        found["reliability"] = _reliability(report.confidence, report.calibration_error)
    if report.roc:
        found["roc"] = _roc(report.roc, report.out_of_scope_auroc)
    return found


def shown_labels(labels: Sequence[str], table: Sequence[Sequence[int]]) -> list[int]:
    """Which rows and columns of a confusion matrix to show, in its order."""
    wrong = [sum(row) + sum(other[place] for other in table) - 2 * row[place] for place, row in enumerate(table)]
    chosen = sorted(range(len(labels)), key=lambda place: -wrong[place])[:MOST_LABELS]
    return sorted(chosen)


def _picture(name: str, title: str, width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    figure.set_gid(name)
    return figure, axes


def _settings(name: str) -> Any:
    """Text stays text (small, searchable, read aloud) and is never a formula; ids differ between pictures."""
    import matplotlib

    return matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False, "font.size": 9.0}
    )


def _svg(figure: Figure, label: str) -> str:
    stream = io.StringIO()
    with warnings.catch_warnings():
        # Names of intents in any script: the reader's browser has the letters, if not this machine's fonts.
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = _METADATA.sub("", _HEAD.sub("", stream.getvalue(), count=1))
    # Every picture calls its parts the same; in one page a name may stand once.
    svg = _ID.sub(rf"\1{figure.get_gid()}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _confusion(labels: Sequence[str], table: Sequence[Sequence[int]]) -> str:
    places = shown_labels(labels, table)
    names = [labels[place] or NOTHING for place in places]
    rows = [[table[row][column] for column in places] for row in places]
    shares = [[cell / max(sum(table[place]), 1) for cell in row] for place, row in zip(places, rows, strict=True)]
    size = 2.5 + 0.33 * len(names)
    with _settings("confusion"):
        figure, axes = _picture("confusion", "Expected intent (rows) and found intent (columns)", size, size)
        edges = [place - 0.5 for place in range(len(names) + 1)]
        # Squares, not pixels: a picture within the picture would be neither small nor sharp.
        axes.pcolormesh(edges, edges, shares, cmap="Greys", vmin=0, vmax=1, edgecolors="0.9", linewidth=0.3)
        axes.invert_yaxis()
        axes.set_aspect("equal")
        for y, row in enumerate(rows):
            for x, cell in enumerate(row):
                if cell:
                    colour = "white" if shares[y][x] > _DARK else "black"
                    axes.text(x, y, str(cell), ha="center", va="center", color=colour, fontsize=7)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("found")
        axes.set_ylabel("expected")
        return _svg(figure, "Confusion matrix; the table of confusions below lists the same")


def _confidence(bins: Sequence[Row]) -> str:
    names = [f"{row['from']:.1f}–{row['to']:.1f}" for row in bins]
    right, wrong = [row["right"] for row in bins], [row["wrong"] for row in bins]
    with _settings("confidence"):
        figure, axes = _picture("confidence", "Confidence of right and wrong answers", 7, 3.6)
        axes.bar(names, right, color="0.75", edgecolor="black", label="right")
        axes.bar(names, wrong, bottom=right, color="white", edgecolor="black", hatch="////", label="wrong")
        for place, (hits, misses) in enumerate(zip(right, wrong, strict=True)):
            if hits + misses:
                axes.annotate(f"{hits:.0f} + {misses:.0f}", (place, hits + misses), ha="center", va="bottom")
        axes.set_xlabel("confidence")
        axes.set_ylabel("messages")
        axes.margins(y=0.15)
        axes.legend()
        return _svg(figure, "Histogram of confidence; the table beside it has the same numbers")


def _reliability(bins: Sequence[Row], error: float) -> str:
    used = [row for row in bins if row["right"] + row["wrong"]]
    with _settings("reliability"):
        title = f"Reliability (expected calibration error {error:.3f})"
        figure, axes = _picture("reliability", title, 4.6, 4.6)
        axes.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="confidence = accuracy")
        axes.plot(
            [row["confidence"] for row in used],
            [row["accuracy"] for row in used],
            color="black",
            marker="o",
            label="measured",
        )
        for row in used:
            count = row["right"] + row["wrong"]
            axes.annotate(
                f"n={count:.0f}",
                (row["confidence"], row["accuracy"]),
                textcoords="offset points",
                xytext=(6, -10),
                fontsize=7,
            )
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("mean confidence")
        axes.set_ylabel("accuracy")
        axes.legend(loc="upper left")
        return _svg(figure, "Reliability diagram; the table beside it has the same numbers")


def _roc(points: Sequence[tuple[float, float, float]], area: float) -> str:
    with _settings("roc"):
        figure, axes = _picture("roc", f"Telling what is out of scope (AUROC {area:.3f})", 4.6, 4.6)
        axes.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="by chance")
        axes.plot([point[1] for point in points], [point[2] for point in points], color="black", label="measured")
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.01)
        axes.set_xlabel("messages in scope refused")
        axes.set_ylabel("messages out of scope found")
        axes.legend(loc="lower right")
        return _svg(figure, "ROC curve of out-of-scope messages; the table beside it has the same numbers")
