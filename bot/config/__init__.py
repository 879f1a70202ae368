"""Settings: ``config.yml`` and the environment, validated, with file and line in every complaint.

The working folder (or ``LINGUADESK_HOME``) holds ``config.yml``, ``domain.yml``, ``nlu/data/`` and
``knowledge/``; what the program writes goes below the data folder. Secrets come only from the
environment; a ``.env`` file in the working folder is read if it is there.
"""

from bot.config.links import ApiSettings, TranslationSettings, Webhook
from bot.config.loading import (
    RASA_KEYS,
    Config,
    Settings,
    find_home,
    load_config,
)
from bot.config.people import HandoffSettings, Team, Triggers
from bot.config.problems import ConfigError, Problem, line_of, load_yaml
from bot.config.sections import (
    DeliverySettings,
    DialogueSettings,
    ImportMapping,
    OrderSettings,
    RasaSettings,
    RecognizerSettings,
    Shop,
    VerificationSettings,
    WebSettings,
)
from bot.config.surveys import QUESTIONS, SCALES, SurveyDefinition, SurveySettings, Whom
from bot.config.tickets import (
    CalendarSettings,
    Gravity,
    Holidays,
    ServiceLevels,
    SeverityRule,
    Target,
    TicketKind,
    TicketSettings,
    TopicSettings,
    shift_times,
    weekdays,
)

__all__ = [
    "QUESTIONS",
    "RASA_KEYS",
    "SCALES",
    "ApiSettings",
    "CalendarSettings",
    "Config",
    "ConfigError",
    "DeliverySettings",
    "DialogueSettings",
    "Gravity",
    "HandoffSettings",
    "Holidays",
    "ImportMapping",
    "OrderSettings",
    "Problem",
    "RasaSettings",
    "RecognizerSettings",
    "ServiceLevels",
    "Settings",
    "SeverityRule",
    "Shop",
    "SurveyDefinition",
    "SurveySettings",
    "Target",
    "Team",
    "TicketKind",
    "TicketSettings",
    "TopicSettings",
    "TranslationSettings",
    "Triggers",
    "VerificationSettings",
    "WebSettings",
    "Webhook",
    "Whom",
    "find_home",
    "line_of",
    "load_config",
    "load_yaml",
    "shift_times",
    "weekdays",
]
