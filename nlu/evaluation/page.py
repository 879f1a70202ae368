"""The report as one HTML page that needs nothing else: no scripts, no fonts, no network."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nlu.evaluation import pictures
from nlu.evaluation.history import Comparison
from nlu.evaluation.report import Report

MOST_MISTAKES = 40
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)


def as_html(report: Report, comparison: Comparison | None = None) -> str:
    """The whole page.

    Raises:
        PicturesMissingError: the ``reports`` extra is not installed.
    """
    # Ours, with every text in it escaped by the library that draws them.
    drawn = {name: Markup(svg) for name, svg in pictures.draw(report).items()}  # noqa: S704
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = lambda share: f"{share:.1%}"
    environment.filters["three"] = lambda number: f"{number:.3f}"
    environment.filters["whole"] = lambda number: f"{number:.0f}"
    return environment.get_template("page.html.j2").render(
        report=report,
        pictures=drawn,
        comparison=comparison,
        operating_points=_operating_points(report.roc),
        most=MOST_MISTAKES,
        nothing=pictures.NOTHING,
        cut=len(report.confusion[0]) > pictures.MOST_LABELS,
        most_labels=pictures.MOST_LABELS,
    )


def _operating_points(points: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """For some shares of messages wrongly refused: the threshold, that share, and what is found."""
    found = []
    for allowed in _SHARES:
        reached = [point for point in points if point[1] <= allowed]
        if reached and reached[-1] not in found:
            found.append(reached[-1])
    return found
