"""What abaft keeps of accounts, as models of its own: no rule opens them, and nobody is served."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, cast
from uuid import UUID

from abaft.base.errors import ModelError
from abaft.model.declare import Model
from abaft.model.field import Email, Ref, field, now
from abaft.model.names import plural

TEXT = 400
"""Characters of what a client says of itself that are kept."""
LEDGER = UUID(int=7 << 76 | 2 << 62)
"""The ledger's one record: all zeros but for what makes it a UUID of version 7."""


class Own(Model, abstract=True):
    """A model of abaft's own; what is secret in it is hidden, and so never in the feed."""

    __own__: ClassVar[bool] = True


class Account(Own, abstract=True):
    """That a user may log in: by what, as what, and whether at all."""

    if TYPE_CHECKING:
        user: Any

    password: str | None = field(default=None, hidden=True)
    roles: list[str] = field(default_factory=list)
    disabled: bool = False
    verified: Email | None = field(default=None, max_length=254)
    """The address that was proved to be theirs."""
    generation: int = 0
    """A session of another one is over: one write ends all of them, those under way as well."""


class Session(Own, abstract=True):
    """Where an account is logged in: a browser, or an app with its family of refresh tokens."""

    if TYPE_CHECKING:
        account: Any

        client: Any

    kind: Literal["cookie", "bearer", "app"]
    generation: int = 0
    digest: str = field(max_length=64, hidden=True)
    previous: str = field(default="", max_length=64, hidden=True)
    origin: str = field(default="", max_length=64, hidden=True, index=True)
    """The digest of the code by which an app of others' was let in: it comes only once."""
    scopes: list[str] = field(default_factory=list)
    rotated: datetime = field(default=now)
    seen: datetime = field(default=now)
    expires: datetime
    authenticated: datetime = field(default=now)
    methods: list[str] = field(default_factory=list)
    address: str = field(default="", max_length=TEXT)
    agent: str = field(default="", max_length=TEXT)
    membership: str = field(default="", max_length=TEXT)
    """The written key of the one that was chosen: once that has ended, so has the choice."""


class Code(Own, abstract=True):
    """A code of one use that was sent to an address; whoever uses it up deletes it."""

    purpose: str = field(max_length=20)
    digest: str = field(max_length=64, hidden=True)
    email: str = field(default="", max_length=254, index=True)
    subject: str = field(default="", max_length=400)
    """The written key of the account that it is of, if there was one."""
    data: dict[str, Any] = field(default_factory=dict, hidden=True)
    tries: int = 0
    polled: int = 0
    """Of a device's code: when it was asked for last, in milliseconds since 1970."""
    expires: datetime = field(index=True)


class Factor(Own, abstract=True):
    """What proves a log-in beside the password: an app of codes, a code for the worst case."""

    if TYPE_CHECKING:
        account: Any

    kind: Literal["totp", "recovery", "passkey"]
    secret: str = field(max_length=4_000, hidden=True)
    """Of an app's codes the encrypted secret, of a recovery code a digest, of a passkey its key."""
    confirmed: bool = False
    step: int = 0
    """The last stretch of 30 seconds whose code was used; of a passkey its count of uses."""
    name: str = field(default="", max_length=120)
    handle: str | None = field(default=None, unique=True, max_length=64)
    """A digest of a passkey's id, by which it is found."""


class Key(Own, abstract=True):
    """An API key: for programs, with no more leave than its scopes give."""

    if TYPE_CHECKING:
        account: Any

    name: str = field(max_length=120)
    digest: str = field(max_length=64, hidden=True)
    scopes: list[str] = field(default_factory=list)
    expires: datetime | None = None
    used: datetime | None = None


class Identity(Own, abstract=True):
    """Who an account's owner is at a provider; known by issuer and subject, never by an address."""

    if TYPE_CHECKING:
        account: Any

    provider: str = field(max_length=40)
    handle: str = field(unique=True, max_length=64)
    """A digest of issuer and subject, by which it is found."""
    issuer: str = field(max_length=TEXT)
    subject: str = field(max_length=255)
    email: str | None = field(default=None, max_length=254)
    """The address that the provider vouched for, when it was linked."""
    used: datetime = field(default=now)
    tokens: str = field(default="", max_length=20_000, hidden=True)
    """The provider's tokens, encrypted, where they are kept."""


class Client(Own, abstract=True):
    """An app of others' that people may log in to from here, or a service; see auth/server."""

    if TYPE_CHECKING:
        account: Any

    name: str = field(max_length=120)
    digest: str = field(default="", max_length=64, hidden=True)
    redirect_uris: list[str] = field(default_factory=list)
    logout_uris: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)
    method: str = field(default="none", max_length=40)
    trusted: bool = False
    """One of our own: nobody is asked."""
    dynamic: bool = False
    """It has registered itself: people are warned."""


class Consent(Own, abstract=True):
    """What somebody has allowed an app."""

    if TYPE_CHECKING:
        account: Any
        client: Any

    scopes: list[str] = field(default_factory=list)
    used: datetime = field(default=now)
    """When the app was let in by it last."""


class Event(Own, abstract=True):
    """What befell an account; each holds a digest of itself and of the one before it."""

    number: int = field(unique=True)
    at: datetime
    what: str = field(max_length=40)
    actor: str = field(max_length=400)
    user: str = field(default="", max_length=400, index=True)
    address: str = field(default="", max_length=TEXT)
    session: str = field(default="", max_length=40)
    detail: str = field(default="", max_length=TEXT)
    changes: list[str] = field(default_factory=list)
    """What the feed was told of it: "<number> <action> <model> <record>" of each."""
    digest: str = field(max_length=64)


class Ledger(Own, abstract=True):
    """One record: where the trail ends and begins, and the key of what is kept, itself sealed."""

    turn: int = 0
    """Written first by who adds an event, so that of several at once one goes on."""
    ended: int = 0
    """Another number once sessions have ended: workers that nobody tells ask for it."""
    number: int = 0
    digest: str = field(default="", max_length=64)
    since: int = 0
    """The last event that isn't there any more, by its digest and a seal that needs the key."""
    since_digest: str = field(default="", max_length=64)
    seal: str = field(default="", max_length=64)
    key: str = field(max_length=200, hidden=True)


class OwnModels(NamedTuple):
    """The models of one model of users."""

    user: type[Model]
    account: type[Account]
    session: type[Session]
    code: type[Code]
    factor: type[Factor]
    key: type[Key]
    event: type[Event]
    ledger: type[Ledger]
    identity: type[Identity]
    client: type[Client]
    consent: type[Consent]

    @property
    def declared(self) -> tuple[type[Model], ...]:
        return self[1:]


@cache
def own_models(user: type[Model]) -> OwnModels:
    """The models that keep what belongs to accounts of this model of users."""
    account = _made(Account, user=_ref(user, unique=True))
    client = _made(Client, account=_ref(account, null=True))
    return OwnModels(
        user,
        account,
        _made(
            Session,
            account=_ref(account, index=True),
            client=_ref(client, null=True, index=True),
        ),
        _made(Code),
        _made(Factor, account=_ref(account, index=True)),
        _made(Key, account=_ref(account, index=True)),
        _made(Event),
        _made(Ledger),
        _made(Identity, account=_ref(account, index=True)),
        client,
        _made(
            Consent,
            unique=[("account", "client")],
            account=_ref(account, index=True),
            client=_ref(client, index=True),
        ),
    )


def _ref(target: type[Model], *, null: bool = False, **options: Any) -> tuple[Any, Any]:
    annotation = operator.getitem(cast(Any, Ref), target)
    if null:
        annotation, options = annotation | None, {"default": None, **options}
    return annotation, field(on_delete="cascade", **options)


def _made(base: Any, unique: Sequence[tuple[str, ...]] = (), **refs: tuple[Any, Any]) -> Any:
    """`Account` becomes the model `AuthAccount`, with references to the models there are."""
    name = base.__name__
    body: dict[str, Any] = {
        "__module__": __name__,
        "__qualname__": f"Auth{name}",
        "__doc__": base.__doc__,
        "__annotations__": {ref: annotation for ref, (annotation, _) in refs.items()},
        **{ref: options for ref, (_, options) in refs.items()},
    }
    table = f"abaft_{plural(name.lower())}"
    given = {"table": table, "collection": table, "unique": list(unique)}
    return type(base)(f"Auth{name}", (base,), body, **given)


def model_of_users(models: tuple[type[Model], ...], user: type[Model]) -> type[Model] | None:
    """The one among these that is `user` or built on it; None where there is none."""
    found = [model for model in models if user in getattr(model, "__mro__", ())]
    if len(found) > 1:
        names = " and ".join(model.__name__ for model in found)
        raise ModelError(f"{names} are both models of users: accounts belong to one of them")
    return found[0] if found else None
