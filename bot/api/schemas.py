"""What the API takes and gives: models of its own, so that the tables can change without its callers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from bot.contracts import Author, Owner
from bot.storage import clean
from bot.storage.models import ClockKind, FileStatus, OutboxStatus, Severity, SurveyStatus, TicketStatus, TicketType

MAX_ID = 2**53 - 1
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _moment(value: datetime) -> datetime:
    if not EARLIEST <= value <= LATEST:
        raise ValueError("must be between 1970 and 2200")
    return value


Id: TypeAlias = Annotated[int, Field(ge=1, le=MAX_ID, description="An id as this API has given it.")]
Moment: TypeAlias = Annotated[AwareDatetime, AfterValidator(_moment)]
Name: TypeAlias = Annotated[str, AfterValidator(clean), Field(min_length=1, max_length=64)]
Short: TypeAlias = Annotated[str, AfterValidator(clean), Field(max_length=200)]
Reason: TypeAlias = Annotated[str, AfterValidator(clean), Field(max_length=1000)]
Words: TypeAlias = Annotated[str, AfterValidator(clean), Field(min_length=1, max_length=10_000)]


class Given(BaseModel):
    """What a caller sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What the API answers: every field is always there."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


# ---------------------------------------------------------------------- errors


class FieldProblem(Shown):
    """What is wrong with one field of a request."""

    field: str = Field(description="Where: the place (path, query, header, body) and the name, with dots.")
    message: str


class ProblemOut(Shown):
    """What went wrong, and what to do about it (RFC 9457)."""

    type: str = Field(description="Names the kind of problem, for programs; `urn:linguadesk:problem:…`.")
    title: str
    status: int
    detail: str = Field(description="What to do, for people.")
    errors: list[FieldProblem] = Field(default=[], description="With status 422: what is wrong, field by field.")


class Made(Shown):
    """What a key is answered that may change something and not read it."""

    id: int
    url: str


# ---------------------------------------------------------------------- people


class AgentOut(Shown):
    """A user of the desk."""

    id: int
    username: str
    name: str


class CustomerGiven(Given):
    """Fields of a customer; those left out stay as they are, an empty text empties one."""

    external_ref: Annotated[str, AfterValidator(clean), Field(max_length=64)] | None = Field(
        default=None, description="The customer's number in your own system; unique."
    )
    name: Annotated[str, AfterValidator(clean), Field(max_length=200)] | None = None
    email: Annotated[str, AfterValidator(clean), Field(max_length=254)] | None = None
    phone: Annotated[str, AfterValidator(clean), Field(max_length=64)] | None = Field(
        default=None, description="In any usual notation; without a country code, one of the shop's country."
    )
    country: Annotated[str, AfterValidator(clean), Field(max_length=64)] | None = None
    tier: Annotated[str, AfterValidator(clean), Field(max_length=24)] | None = None
    timezone: Annotated[str, AfterValidator(clean), Field(max_length=64)] | None = Field(
        default=None, description="An IANA name such as Europe/Madrid."
    )

    def values(self) -> dict[str, str]:
        """What was given."""
        return {name: value for name, value in self.model_dump(exclude_unset=True).items() if value is not None}


class CustomerOut(Shown):
    """A customer. One who was erased on request has `erased_at` and nothing personal any more."""

    id: int
    external_ref: str
    name: str
    email: str
    phone: str
    country: str
    tier: str
    timezone: str
    surveys_stopped_at: datetime | None
    erased_at: datetime | None
    created_at: datetime


class OrderLineOut(Shown):
    """A position of an order; amounts are decimals written as text."""

    sku: str
    description: str
    quantity: int
    unit_price: str


class OrderOut(Shown):
    """An order."""

    number: str
    status: str
    placed_at: datetime
    currency: str
    total: str
    carrier: str
    tracking_number: str
    lines: list[OrderLineOut]


class ExportOut(BaseModel):
    """Everything that is kept about a customer, as it is handed to them on request; more may be added."""

    model_config = ConfigDict(extra="allow")

    created_at: datetime
    customer: dict[str, Any]
    orders: list[dict[str, Any]]
    conversations: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    tickets: list[dict[str, Any]]
    surveys: list[dict[str, Any]]
    files: list[dict[str, Any]]


# ---------------------------------------------------------------------- tickets


class TicketGiven(Given):
    """A ticket to be opened, in a conversation or in the latest one of a customer."""

    agent: Name = Field(description="User name of the agent in whose name this is done.")
    conversation: Id | None = None
    customer: Id | None = None
    type: TicketType
    severity: Severity | None = Field(default=None, description="None: what the type and the merchant's rules say.")
    order_number: Annotated[str, AfterValidator(clean), Field(max_length=40)] = ""
    description: Words
    language: Annotated[str, Field(max_length=16, pattern=r"^[A-Za-z-]*$")] = ""

    @model_validator(mode="after")
    def _one_place(self) -> TicketGiven:
        if (self.conversation is None) == (self.customer is None):
            raise ValueError("give either `conversation` or `customer`")
        return self


class StatusGiven(Given):
    """A ticket's new status."""

    agent: Name
    status: TicketStatus
    reason: Reason = ""
    root_cause: Short = Field(default="", description="When it is resolved: one of tickets.root_causes in config.yml.")
    resolution: Short = Field(default="", description="When it is resolved: one of tickets.resolutions in config.yml.")


class ClassGiven(Given):
    """A ticket's type and severity, corrected; one left out stays as it is."""

    agent: Name
    type: TicketType | None = None
    severity: Severity | None = None
    reason: Reason = ""


class NoteGiven(Given):
    """An internal note, which customers never see."""

    agent: Name
    text: Words


class MergeGiven(Given):
    """The ticket that is to go on in the place of this one."""

    agent: Name
    into: Id


class AssignGiven(Given):
    """Who is to work on a ticket. An empty text takes it away from the team or the agent who has it."""

    agent: Name = Field(description="User name of the agent in whose name this is done.")
    team: Annotated[str, AfterValidator(clean), Field(max_length=64)] | None = None
    assignee: Annotated[str, AfterValidator(clean), Field(max_length=64)] | None = Field(
        default=None, description="User name of the agent who is to work on it."
    )


class TicketItem(Shown):
    """A ticket as it stands in lists."""

    id: int
    number: str = Field(description="As the customer was told it.")
    conversation: int
    customer: int | None
    channel: str
    language: str
    order_number: str
    type: TicketType
    severity: Severity
    status: TicketStatus
    team: str
    agent: AgentOut | None
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    merged_into: int | None


class EntryOut(Shown):
    """One entry of a ticket's history; what `detail` holds depends on `kind`."""

    id: int
    at: datetime
    actor: str
    kind: str
    detail: dict[str, Any]


class ClockOut(Shown):
    """A promise about a ticket. `due_at` is null while the clock stands still."""

    kind: ClockKind
    target_seconds: int
    due_at: datetime | None
    met_at: datetime | None
    breached_at: datetime | None


class FileOut(Shown):
    """A file of a ticket. Its bytes are at the desk."""

    id: int
    kind: str
    name: str
    mime: str
    size: int
    status: FileStatus
    created_at: datetime


class TicketOut(TicketItem):
    """A ticket with all that belongs to it."""

    description: str
    root_cause: str
    resolution: str
    product: str
    carrier: str
    country: str
    tier: str
    allowed: list[TicketStatus] = Field(description="The statuses that it may be given now.")
    history: list[EntryOut]
    clocks: list[ClockOut]
    files: list[FileOut]


# ---------------------------------------------------------------------- conversations


class ActionGiven(Given):
    """Who does it."""

    agent: Name = Field(description="User name of the agent in whose name this is done.")


class ReplyGiven(Given):
    """What an agent says to the customer."""

    agent: Name
    text: Words


class HandoffOut(Shown):
    """A person's turn in a conversation; `claimed_at` is null while nobody has taken it."""

    id: int
    reason: str
    team: str
    agent: AgentOut | None
    started_at: datetime
    claimed_at: datetime | None


class ConversationItem(Shown):
    """A conversation as it stands in lists. `owner` is who answers: the bot, nobody yet (queue), a person."""

    id: int
    channel: str
    name: str
    language: str
    owner: Owner
    agent: AgentOut | None
    customer: int | None
    created_at: datetime
    updated_at: datetime


class ConversationOut(ConversationItem):
    """A conversation with its open hand-over."""

    handoff: HandoffOut | None
    reachable: bool = Field(description="False: the customer has shut the bot out, and nothing can be sent.")


class MessageOut(Shown):
    """Something said in a conversation. `delivery` is null for what came from the customer."""

    id: int
    author: Author
    agent: AgentOut | None
    text: str
    language: str
    intent: str = Field(description="How the bot understood a customer's message; empty if it did not read it.")
    confidence: float | None
    delivery: OutboxStatus | None
    created_at: datetime


class NoteOut(Shown):
    """An internal note in a conversation."""

    id: int
    conversation: int
    agent: AgentOut
    text: str
    created_at: datetime


# ---------------------------------------------------------------------- surveys


class SurveyOut(Shown):
    """An answered survey. `score` is on the scale of its `kind` (`csat`: 1 to 5); `late` ones came after the end
    and do not count."""

    id: int
    kind: str
    conversation: int
    customer: int | None
    ticket: int | None
    agent: AgentOut | None
    channel: str
    language: str
    ticket_type: str
    score: int
    comment: str
    status: SurveyStatus
    late: bool
    sent_at: datetime | None
    answered_at: datetime


# ---------------------------------------------------------------------- pages of lists


class CustomerOutFull(CustomerOut):
    """A customer with what belongs to them, the newest first; the lists have at most 100 items."""

    orders: list[OrderOut]
    tickets: list[TicketItem]
    conversations: list[ConversationItem]


NEXT = Field(description="Give this as `cursor` for what follows; null at the end.")


class TicketPage(Shown):
    """Tickets, and how to get more."""

    items: list[TicketItem]
    next: str | None = NEXT


class ConversationPage(Shown):
    """Conversations, and how to get more."""

    items: list[ConversationItem]
    next: str | None = NEXT


class MessagePage(Shown):
    """Messages, and how to get more."""

    items: list[MessageOut]
    next: str | None = NEXT


class CustomerPage(Shown):
    """Customers, and how to get more."""

    items: list[CustomerOut]
    next: str | None = NEXT


class SurveyPage(Shown):
    """Answers, and how to get more."""

    items: list[SurveyOut]
    next: str | None = NEXT


Order: TypeAlias = Literal["newest", "oldest"]
