"""A report as plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from nlu.evaluation.report import CrossValidation, Mistake, Report, Row

SHOWN = 10


def as_text(report: Report) -> str:
    """The whole report; long lists are cut to their first ten lines."""
    parts = [_table(("measure", "value"), _summary(report))]
    if report.messages:
        parts.append(_languages(report))
        header = ("precision", "recall", "f1")
        for title, table in (("entity", report.entities | _groups(report)), ("intent", report.by_intent)):
            lines = [
                (name, *(f"{row[key]:.3f}" for key in header), f"{row['count']:.0f}") for name, row in table.items()
            ]
            parts.append(_table((title, *header, "count"), lines))
        parts.append(
            _table(
                ("words in the message", "messages", "language right", "wrong"),
                [
                    (name, f"{row['messages']:.0f}", f"{row['right']:.3f}", f"{row['wrong']:.3f}")
                    for name, row in report.language_by_length.items()
                ],
            )
        )
        parts += _confusions(report.confusions, report.mistakes)
    if report.cross_validation is not None:
        parts += _cross_validation(report.cross_validation)
    return "\n\n".join(part for part in parts if part)


def _summary(report: Report) -> list[tuple[str, str]]:
    rows = [("messages", f"{report.messages}, and {report.seen} more that training has seen (left out)")]
    if report.messages:
        rows += [
            ("accuracy", f"{report.accuracy:.1%} ({report.accuracy_all:.1%} with the seen ones)"),
            ("macro F1", f"{report.macro_f1:.3f}"),
            ("expected calibration error", f"{report.calibration_error:.3f}"),
            ("out-of-scope AUROC", f"{report.out_of_scope_auroc:.3f}"),
            ("language right", f"{report.language_accuracy:.1%}, wrong {report.language_wrong:.1%}, else undecided"),
            ("below the threshold", " ".join(f"{name} {share:.1%}" for name, share in report.fallback.items())),
        ]
    if report.held_out:
        every = " ".join(f"{name} {share:.1%}" for name, share in report.held_out.items())
        rows.append(("training data, leave one out", every))
    if report.without_messages:
        rows.append(("no evaluation messages for", ", ".join(report.without_messages)))
    return rows


def _groups(report: Report) -> dict[str, Row]:
    return {f"all {name} ones": row for name, row in report.entity_groups.items()}


def _languages(report: Report) -> str:
    keys = ("accuracy", "macro_f1", "language", "calibration_error")
    return _table(
        ("language", "messages", "accuracy", "macro F1", "language right", "calibration error"),
        [
            (name, f"{row['messages']:.0f}", *(f"{row[key]:.3f}" for key in keys))
            for name, row in report.by_language.items()
        ],
    )


def _confusions(confusions: Sequence[tuple[str, str, int]], mistakes: Sequence[Mistake]) -> list[str]:
    wrong = []
    for mistake in mistakes[:SHOWN]:
        near = mistake.nearest[0] if mistake.nearest else None
        nearest = f"{near.text[:40]} ({near.intent}, {near.file}:{near.line})" if near else ""
        wrong.append(
            (
                mistake.language,
                mistake.expected,
                mistake.found,
                f"{mistake.confidence:.2f}",
                mistake.text[:60],
                nearest,
            )
        )
    return [
        _table(("expected", "found", "times"), [(a, b, str(n)) for a, b, n in confusions[:SHOWN]]),
        _table(("language", "expected", "found", "sure", "message", "nearest training example"), wrong),
    ]


def _cross_validation(found: CrossValidation) -> list[str]:
    folds = " ".join(f"{share:.1%}" for share in found.accuracy_of_folds)
    rows = [
        ("cross-validation", f"{found.folds} folds of {found.examples} training examples, {found.seconds:.0f} s"),
        ("accuracy", f"{found.accuracy:.1%} ({folds})"),
        ("macro F1", f"{found.macro_f1:.3f}"),
        ("expected calibration error", f"{found.calibration_error:.3f}"),
    ]
    languages = [
        (name, f"{row['messages']:.0f}", f"{row['accuracy']:.3f}", f"{row['macro_f1']:.3f}")
        for name, row in found.by_language.items()
    ]
    intents = [
        (name, *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), f"{row['count']:.0f}")
        for name, row in found.by_intent.items()
    ]
    return [
        _table(("measure", "value"), rows),
        _table(("language", "examples", "accuracy", "macro F1"), languages),
        _table(("intent", "precision", "recall", "f1", "count"), intents),
        *_confusions(found.confusions, found.mistakes),
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    title = "  ".join(name.ljust(width) for name, width in zip(header, widths, strict=True)).rstrip()
    return "\n".join([title, "-" * len(title), *lines])
