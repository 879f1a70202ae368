"""Digests: what managers are told of the day or the week before, in words and a picture."""

from bot.digest.compose import Composed, compose, period_of
from bot.digest.mail import MAIL, Postman, SmtpServer, smtp_of

__all__ = ["MAIL", "Composed", "Postman", "SmtpServer", "compose", "period_of", "smtp_of"]
