"""Measuring the recogniser: messages, figures, neighbours, cross-validation, reports, floors."""
