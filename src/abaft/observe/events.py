"""The closed set of events, and the one call that emits them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """A worker is ready to answer."""

    database: str
    models: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class SchemaChanged:
    """In development: the database was brought up to the models."""

    statement: str


@dataclass(frozen=True, slots=True)
class Limited:
    """The database has a limit that the models don't tell of: what is beyond it is refused."""

    limit: str


@dataclass(frozen=True, slots=True)
class SchemaDiffers:
    """In production with `schema_check="warn"`: the database isn't as the models say."""

    difference: str


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A defect of ours: the client saw only the request's id."""

    request_id: str
    method: str
    path: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """Credentials that nobody knows, a rule or a limit turned a request away.

    `user` is "" where it isn't known who asked. `untold` were refused before, so many in a second
    that nothing was told of them.
    """

    status: int
    code: str
    method: str
    path: str
    user: str
    address: str
    untold: int


@dataclass(frozen=True, slots=True)
class PruningFailed:
    """What is past its retention could not be deleted; an hour later it is tried again."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class ReplicaLeft:
    """Nothing is read from a replica any more, until it is well again."""

    replica: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReplicaBack:
    """A replica is read."""

    replica: str


@dataclass(frozen=True, slots=True)
class LoadShed:
    """Requests were turned away since too many are in progress; told once a second."""

    in_progress: int
    refused: int


@dataclass(frozen=True, slots=True)
class CountsUnshared:
    """What workers count together is away: for some seconds each counts by itself."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class StreamCut:
    """A stream ended in its midst, and its connection with it."""

    path: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class HookFailed:
    """An @after hook raised; the write stands, for it was durable before."""

    model: str
    hook: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class ChangesPruned:
    """Change records past their retention were deleted."""

    count: int


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """What befell an account: a log-in, one that failed, a password changed, a token reused."""

    what: str
    user: str
    address: str
    session: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BreachesAway:
    """The list of breached passwords could not be asked: a new password was taken without it."""

    reason: str


@dataclass(frozen=True, slots=True)
class MailFailed:
    """A mail could not be handed to the mail server, several times over."""

    mail: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class SecretMade:
    """Development made a secret key for this run."""


Event = (
    Started
    | SchemaChanged
    | Limited
    | SchemaDiffers
    | RequestFailed
    | RequestRefused
    | PruningFailed
    | LoadShed
    | CountsUnshared
    | ReplicaLeft
    | ReplicaBack
    | StreamCut
    | HookFailed
    | ChangesPruned
    | SecretMade
    | AccountEvent
    | BreachesAway
    | MailFailed
)
Sink = Callable[[Event], None]


class Observer:
    """Hands each event to every sink."""

    def __init__(self, *sinks: Sink) -> None:
        self.sinks = list(sinks)

    def emit(self, event: Event) -> None:
        for sink in self.sinks:
            sink(event)
