"""A survey's own page, for platforms without buttons and for links. It works without a script and sets no cookie."""

from bot.surveyform.pages import survey_routes

__all__ = ["survey_routes"]
