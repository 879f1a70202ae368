"""The JSON API under ``/api/v1``, for the merchant's own programs: a translation of HTTP into the same services
that the desk uses. It holds no business rules."""

from bot.api.app import PATH, api_routes, schema

__all__ = ["PATH", "api_routes", "schema"]
