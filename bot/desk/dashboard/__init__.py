"""The managers' dashboard: scores, the work, and what is behind every figure."""

from bot.desk.dashboard.behind import show as behind
from bot.desk.dashboard.views import export, first, moved, show, translation

__all__ = ["behind", "export", "first", "moved", "show", "translation"]
