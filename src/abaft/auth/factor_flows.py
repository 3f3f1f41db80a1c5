"""The endpoints of second factors: each change needs the password, and is told by mail."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field, with_config
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.factors import Factors
from abaft.auth.login import STRICT, LoginFlows


class Begun(TypedDict):
    secret: str
    uri: str


class FactorState(TypedDict):
    on: bool
    recovery_codes: int


@with_config(STRICT)
class Code(TypedDict):
    code: Annotated[str, Field(max_length=40)]


class Recovery(TypedDict):
    recovery_codes: list[str]


class FactorFlows:
    """TOTP: begun, confirmed by a first code, and removed."""

    def __init__(self, context: Context, factors: Factors, login: LoginFlows) -> None:
        self._context, self._factors, self._login = context, factors, login

    async def state(self, call: Call) -> Reply:
        """Whether log-ins ask for it, and how many recovery codes are left."""
        self._login.session(call)
        account = await self._context.account_of(call.user())
        on, left = await self._factors.state(account)
        return Reply(200, {"on": on, "recovery_codes": left})

    async def begin(self, call: Call) -> Reply:
        """The secret for an app of codes."""
        self._login.session(call)
        account = await self._login.prove(call)
        secret, uri = await self._factors.begin(account)
        return Reply(201, {"secret": secret, "uri": uri})

    async def confirm(self, call: Call) -> Reply:
        """Log-ins ask for it from now on."""
        self._login.session(call)
        context = self._context
        account = await context.account_of(call.user())
        what = "A second factor is asked for when you log in"
        confirmed = partial(self._factors.confirm, account=account, code=call.body["code"])
        async with context.throttle.trying(("device", call.actor.session)):
            codes = await context.noted("factor_changed", call, confirmed, call.user(), what)
        context.tell_factor(call, account, what)
        return Reply(200, {"recovery_codes": codes})

    async def remove(self, call: Call) -> Reply:
        """Log-ins don't ask for it any more."""
        self._login.session(call)
        account = await self._login.prove(call)
        what = "No second factor is asked for any more"
        removed = partial(self._factors.remove, account=account)
        await self._context.noted("factor_changed", call, removed, call.user(), what)
        self._context.tell_factor(call, account, what)
        return Reply(204)
