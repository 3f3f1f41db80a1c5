"""What the endpoints of logging in with others are asked, and what they answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from abaft.auth.joining import TOKEN
from abaft.auth.login import STRICT

CHALLENGE = r"^[A-Za-z0-9_-]{43}$"
VERIFIER = r"^[A-Za-z0-9._~-]{43,128}$"
Path = Annotated[str, Field(max_length=1_000)]


class ProviderShown(TypedDict):
    name: str
    title: str
    url: str


class ProviderList(TypedDict):
    items: list[ProviderShown]


@with_config(ConfigDict(extra="forbid"))
class Begin(TypedDict):
    """The query of a log-in's beginning; all but `next` are of apps."""

    next: NotRequired[Path]
    redirect_uri: NotRequired[Annotated[str, Field(max_length=400)]]
    code_challenge: NotRequired[Annotated[str, Field(pattern=CHALLENGE)]]
    code_challenge_method: NotRequired[Literal["S256"]]
    state: NotRequired[Annotated[str, Field(max_length=400, pattern=r"^[ -~]*$")]]


@with_config(ConfigDict(extra="ignore"))
class Came(TypedDict):
    """What a provider sends the browser back with; providers add what they like."""

    state: NotRequired[Annotated[str, Field(max_length=200)]]
    code: NotRequired[Annotated[str, Field(max_length=4_000)]]
    iss: NotRequired[Annotated[str, Field(max_length=400)]]
    error: NotRequired[Annotated[str, Field(max_length=200)]]
    user: NotRequired[Annotated[str, Field(max_length=2_000)]]
    posted: NotRequired[Annotated[str, Field(max_length=8_000)]]


@with_config(STRICT)
class LinkTo(TypedDict):
    provider: Annotated[str, Field(max_length=40)]
    next: NotRequired[Path]


class Leads(TypedDict):
    url: str


@with_config(STRICT)
class AppCode(TypedDict):
    code: TOKEN
    code_verifier: Annotated[str, Field(pattern=VERIFIER)]


@with_config(STRICT)
class AppLogin(AppCode):
    session: NotRequired[Literal["cookie", "bearer"]]
    user: NotRequired[dict[str, Any]]


@with_config(STRICT)
class ByMail(TypedDict):
    token: TOKEN
    session: NotRequired[Literal["cookie", "bearer"]]
