"""Figures from pairs of what was expected and what was found. Shares are between 0 and 1."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

BINS = 10
_POINTS = 100


def mean(values: Iterable[float]) -> float:
    """The mean to four places, 0 of nothing."""
    numbers = list(values)
    return round(sum(numbers) / len(numbers), 4) if numbers else 0.0


def share(hits: Iterable[bool]) -> float:
    """How many are true."""
    return mean(float(hit) for hit in hits)


def ratios(right: int, found: int, expected: int) -> dict[str, float]:
    """Precision, recall and F1 from counts, and how many were expected."""
    precision = right / found if found else 0.0
    recall = right / expected if expected else 0.0
    both = precision + recall
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / both, 4) if both else 0.0,
        "count": expected,
    }


def scores(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of each label from (expected, found) pairs."""
    right: Counter[str] = Counter()
    given: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for expected, found in pairs:
        wanted[expected] += 1
        given[found] += 1
        right[expected] += expected == found
    return {name: ratios(right[name], given[name], wanted[name]) for name in sorted({*wanted, *given} - {""})}


def macro_f1(table: dict[str, dict[str, float]]) -> float:
    """The mean F1 of the labels that were expected at all."""
    return mean(row["f1"] for row in table.values() if row["count"])


def confusion(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[list[int]]]:
    """Labels, and how often each (row) was taken for each (column); nothing understood is ``""``, last."""
    labels = sorted({label for pair in pairs for label in pair}, key=lambda label: (not label, label))
    place = {label: number for number, label in enumerate(labels)}
    table = [[0] * len(labels) for _ in labels]
    for expected, found in pairs:
        table[place[expected]][place[found]] += 1
    return labels, table


def bins(pairs: Sequence[tuple[float, bool]]) -> list[dict[str, float]]:
    """Ten equal bins of confidence: how many were right and wrong, their mean confidence and accuracy."""
    groups: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, hit in pairs:
        groups[min(int(confidence * BINS), BINS - 1)].append((confidence, hit))
    table = []
    for number in range(BINS):
        group = groups[number]
        right = sum(hit for _, hit in group)
        table.append(
            {
                "from": number / BINS,
                "to": (number + 1) / BINS,
                "right": right,
                "wrong": len(group) - right,
                "confidence": mean(confidence for confidence, _ in group),
                "accuracy": mean(float(hit) for _, hit in group),
            }
        )
    return table


def calibration_error(pairs: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error: how far confidence is from accuracy, in ten bins of confidence."""
    groups: dict[int, float] = defaultdict(float)
    for confidence, hit in pairs:
        groups[min(int(confidence * BINS), BINS - 1)] += confidence - hit
    return round(sum(abs(gap) for gap in groups.values()) / len(pairs), 4) if pairs else 0.0


def auroc(pairs: Sequence[tuple[float, bool]]) -> float:
    """The chance that a positive scores above a negative, ties counting half; 0 without both."""
    positives = [score for score, positive in pairs if positive]
    negatives = [score for score, positive in pairs if not positive]
    if not positives or not negatives:
        return 0.0
    wins = sum((high > low) + (high == low) / 2 for high in positives for low in negatives)
    return round(wins / (len(positives) * len(negatives)), 4)


def roc(pairs: Sequence[tuple[float, bool]]) -> list[tuple[float, float, float]]:
    """The ROC curve as (threshold, share of negatives caught, share of positives caught), at most 100 points.

    From the threshold above all scores to the one below; empty without both kinds.
    """
    positives = sum(positive for _, positive in pairs)
    negatives = len(pairs) - positives
    if not positives or not negatives:
        return []
    caught = alarms = 0
    points = [(1.0, 0.0, 0.0)]
    ordered = sorted(pairs, key=lambda pair: -pair[0])
    for place, (score, positive) in enumerate(ordered):
        caught, alarms = caught + positive, alarms + (not positive)
        # Points on one straight line with their neighbours add nothing: only corners are kept.
        if place + 1 == len(ordered) or (
            ordered[place + 1][0] != score and (positive != ordered[place + 1][1] or place == 0)
        ):
            points.append((round(score, 4), round(alarms / negatives, 4), round(caught / positives, 4)))
    step = max(1, -(-len(points) // _POINTS))
    return [*points[:-1:step], points[-1]]
