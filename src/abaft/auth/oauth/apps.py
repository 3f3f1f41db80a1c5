"""Apps of devices: from the browser they get a code, and for that they get tokens (RFC 8252)."""

from __future__ import annotations

import hmac
from typing import Any

from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from abaft.auth.calls import Call, Reply
from abaft.auth.codes import Codes, bad_code
from abaft.auth.login import LoginFlows
from abaft.auth.oauth.entering import Entering
from abaft.auth.oauth.identities import Identities
from abaft.auth.oauth.parties import Parties
from abaft.auth.oauth.providers import Profile
from abaft.auth.oauth.state import Flow

APP, MINUTES = "app_login", 1.0
"""The purpose of the code, and for how long it is good."""


class AppFlows:
    """The code is bound to who asked for it by PKCE, good once, and says no more than who it is."""

    def __init__(
        self,
        codes: Codes,
        login: LoginFlows,
        parties: Parties,
        entering: Entering,
        identities: Identities,
    ) -> None:
        self._codes, self._login, self._parties = codes, login, parties
        self._entering, self._identities = entering, identities

    async def code(self, flow: Flow, profile: Profile) -> str:
        """The code for who showed this challenge."""
        who = {"issuer": profile.issuer, "who": profile.subject, "name": profile.name[:200]}
        return await self._codes.make(
            APP,
            "",
            "",
            MINUTES,
            challenge=flow.challenge,
            provider=profile.provider,
            address=profile.email,
            tokens=self._identities.sealed(profile),
            **who,
        )

    async def _used(self, call: Call) -> Profile:
        """Who a code is of; with a wrong verifier it is used up too. Raises Unauthorized."""
        code = await self._codes.find(APP, call.body["code"])
        await self._codes.use_alone(code)
        made = create_s256_code_challenge(call.body["code_verifier"])
        if not hmac.compare_digest(made, code.data["challenge"]):
            raise bad_code()
        data = code.data
        found = Profile(
            data["provider"], data["issuer"], data["who"], data["address"], data["name"]
        )
        return self._identities.with_tokens(found, data["tokens"])

    async def enter(self, call: Call) -> Reply:
        """A session for the code."""
        body = call.body
        kind = body.get("session", "bearer")
        self._login.check_origin(call, kind)
        profile = await self._used(call)
        provider = self._parties.of(profile.provider).provider
        return await self._entering.enter(call, profile, provider, kind, body.get("user", {}))

    async def link(self, call: Call) -> Reply:
        """Links the identity of the code to who has logged in."""
        self._login.fresh(call)
        user = call.user()
        profile = await self._used(call)
        provider = self._parties.of(profile.provider).provider
        account: Any = await self._entering.owner(user)
        await self._entering.link(call, account, profile, provider)
        return Reply(204)
