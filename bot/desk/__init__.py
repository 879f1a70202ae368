"""The web desk: agents answer hand-overs, managers read the survey results.

An entry point beside the connectors: it shows what :mod:`bot.storage.reports` reads and calls
:mod:`bot.agents`; it holds no business rules and no SQL.
"""

from bot.desk.routes import desk_routes

__all__ = ["desk_routes"]
