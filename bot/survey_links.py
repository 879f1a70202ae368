"""Links to a survey's page: signed, good for one answer, and for a while only."""

from __future__ import annotations

import hmac
from datetime import timedelta
from urllib.parse import urlencode

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Config
from bot.storage import now
from bot.storage.models import Conversation, Survey

PATH = "/survey"
MAX_TOKEN = 200
# So long after a survey's end its page still takes an answer, as a late one.
LATE = timedelta(days=30)


class SurveyLinks:
    """Makes and reads links.

    Args:
        config: where the key and the address that customers see are.
    """

    def __init__(self, config: Config) -> None:
        self._signer = URLSafeSerializer(config.secret_key(), salt="linguadesk.survey")
        self._base = config.settings.web.public_url.rstrip("/")

    def token(self, survey: Survey) -> str:
        """The last part of the link; the survey must have its nonce, see ``surveys.renew_link``."""
        return str(self._signer.dumps([survey.id, survey.nonce]))

    def address(self, survey: Survey, score: int | None = None) -> str:
        """The whole link; with ``score`` that number is chosen already when the page opens."""
        return f"{self._base}{PATH}/{self.token(survey)}" + (
            f"?{urlencode({'score': score})}" if score is not None else ""
        )

    async def find(self, session: AsyncSession, token: str, *, lock: bool = False) -> Survey | None:
        """The survey of a link; None for one that is forged, used, replaced by another, or too old.

        Args:
            session: the transaction.
            token: the last part of the link.
            lock: whether to lock the survey's conversation first, so that one answer comes after another.
        """
        if len(token) > MAX_TOKEN:
            return None
        try:
            number, nonce = self._signer.loads(token)
        except (BadData, ValueError, TypeError):
            return None
        survey = await session.get(Survey, number)
        if survey is not None and lock:
            await session.get_one(Conversation, survey.conversation_id, with_for_update=True)
            await session.refresh(survey)
        if survey is None or not survey.nonce or not hmac.compare_digest(survey.nonce, nonce):
            return None
        if survey.sent_at is None or (survey.expires_at is not None and survey.expires_at + LATE < now()):
            return None
        return survey
