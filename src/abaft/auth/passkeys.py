"""Passkeys (WebAuthn, level 3): made by who has logged in, and then enough by themselves."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Literal, NotRequired
from urllib.parse import urlsplit

import orjson
from pydantic import Field, with_config
from typing_extensions import TypedDict
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from abaft.auth.calls import Call, Endpoint, Reply
from abaft.auth.codes import Codes, bad_code
from abaft.auth.context import Context, one_of
from abaft.auth.joining import TOKEN
from abaft.auth.login import STRICT, LoggedIn, LoginFlows, Proof
from abaft.base.errors import Conflict, Problem, Unauthorized
from abaft.db import Database
from abaft.model.times import show_datetime

MAKE, ENTER = "passkey_make", "passkey_enter"
MINUTES = 5.0
MOST = 20
"""Passkeys that an account may have."""
Given = Annotated[dict[str, Any], Field(description="What the browser gave, as JSON")]


@with_config(STRICT)
class Nothing(TypedDict):
    """An empty object."""


class Asked(TypedDict):
    token: str
    options: dict[str, Any]


@with_config(STRICT)
class NewPasskey(TypedDict):
    token: TOKEN
    credential: Given
    name: NotRequired[Annotated[str, Field(max_length=120)]]


@with_config(STRICT)
class ByPasskey(TypedDict):
    token: TOKEN
    credential: Given
    session: NotRequired[Literal["cookie", "bearer"]]


@with_config(STRICT)
class PasskeyName(TypedDict):
    name: Annotated[str, Field(min_length=1, max_length=120)]


class PasskeyShown(TypedDict):
    id: str
    name: str
    created: str


class PasskeyList(TypedDict):
    items: list[PasskeyShown]


def bad_passkey() -> Unauthorized:
    detail = "this passkey isn't known, or what it signed isn't what was asked"
    problem = Problem("/credential", "bad_passkey", detail)
    return Unauthorized(detail, code="bad_passkey", errors=[problem])


class PasskeyFlows:
    """The endpoints of passkeys. A challenge is a code of one use, for one purpose."""

    def __init__(self, context: Context, codes: Codes, login: LoginFlows) -> None:
        self._context, self._codes, self._login = context, codes, login
        self._origin = context.settings.base_url or context.settings.local_url
        self._site = urlsplit(self._origin).hostname or "localhost"

    def rows(self) -> list[Endpoint]:
        """The endpoints."""
        return [
            Endpoint(
                "POST", "passkeys/begin", self.begin, "Begin to make a passkey", Proof, Asked,
                raised=(409, 429),
            ),
            Endpoint(
                "POST", "passkeys", self.make, "Keep a passkey", NewPasskey, PasskeyShown, 201,
                raised=(409,),
            ),
            Endpoint("GET", "passkeys", self.listed, "One's passkeys", answer=PasskeyList),
            Endpoint("PATCH", "passkeys/*", self.rename, "Rename a passkey", PasskeyName,
                     PasskeyShown),
            Endpoint("DELETE", "passkeys/*", self.end, "Forget a passkey", status=204),
            Endpoint(
                "POST", "passkeys/challenge", self.challenge, "Begin to log in by a passkey",
                Nothing, Asked, known=False, raised=(429,),
            ),
            Endpoint(
                "POST", "passkeys/login", self.enter, "Log in by a passkey", ByPasskey, LoggedIn,
                known=False, raised=(401, 403, 429),
            ),
        ]  # fmt: skip

    async def begin(self, call: Call) -> Reply:
        """What a browser makes a passkey by."""
        self._login.session(call)
        account = await self._login.prove(call)
        user, email = call.user(), account.user.email or ""
        known = await self._of(account)
        if len(known) >= MOST:
            raise Conflict(f"an account has at most {MOST} passkeys", code="too_many_keys")
        options = generate_registration_options(
            rp_id=self._site,
            rp_name=self._context.mailer.title,
            user_name=email or account.user.name,
            # No name of theirs: the authenticator keeps it, and tells whoever holds it.
            user_id=sha256(user.encode()).digest(),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.secret.partition(" ")[0]))
                for row in known
            ],
        )
        challenge = bytes_to_base64url(options.challenge)
        token = await self._codes.make(MAKE, email, user, MINUTES, challenge=challenge)
        return Reply(200, {"token": token, "options": orjson.loads(options_to_json(options))})

    async def _of(self, account: Any) -> list[Any]:
        model, key = self._context.models.factor, account.id
        found = self._context.db.list(
            model, lambda row: (row.account.id == key) & (row.kind == "passkey"), sort="created"
        )
        return list(await found)

    async def make(self, call: Call) -> Reply:
        """The passkey that the browser made."""
        context, body = self._context, call.body
        self._login.session(call)
        code = await self._codes.find(MAKE, body["token"])
        if code.subject != call.user():
            raise bad_code()
        account = await context.account_of(call.user())
        try:
            made = verify_registration_response(
                credential=body["credential"],
                expected_challenge=base64url_to_bytes(code.data["challenge"]),
                expected_rp_id=self._site,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except _UNREADABLE:
            raise bad_passkey() from None
        id_, key = map(bytes_to_base64url, (made.credential_id, made.credential_public_key))
        what = "A passkey was added to your account"
        values = {
            "secret": f"{id_} {key}",
            "step": made.sign_count,
            "name": body.get("name", ""),
            "handle": _handle(made.credential_id),
        }

        async def kept(db: Database) -> Any:
            await self._codes.use(db, code)
            model = context.models.factor
            return await db.create(
                model, account=account.id, kind="passkey", confirmed=True, **values
            )

        row = await context.noted("factor_changed", call, kept, call.user(), what)
        context.tell_factor(call, account, what)
        return Reply(201, _shown(row))

    async def listed(self, call: Call) -> Reply:
        """One's passkeys."""
        self._login.session(call)
        account = await self._context.account_of(call.user())
        return Reply(200, {"items": [_shown(row) for row in await self._of(account)]})

    async def rename(self, call: Call) -> Reply:
        """Calls a passkey something else."""
        self._login.session(call)
        context, what = self._context, "A passkey of your account was renamed"
        account = await context.account_of(call.user())
        row = one_of(await self._of(account), call.place[0], "there is no such passkey")

        async def kept(db: Database) -> Any:
            return await db.update(row, name=call.body["name"])

        row = await context.noted("factor_changed", call, kept, call.user(), what)
        return Reply(200, _shown(row))

    async def end(self, call: Call) -> Reply:
        """Forgets a passkey."""
        self._login.fresh(call)
        context, what = self._context, "A passkey of your account was removed"
        account = await context.account_of(call.user())
        row = one_of(await self._of(account), call.place[0], "there is no such passkey")
        await context.noted("factor_changed", call, lambda db: db.delete(row), call.user(), what)
        context.tell_factor(call, account, what)
        return Reply(204)

    async def challenge(self, call: Call) -> Reply:
        """What a browser logs in by, whoever its user is."""
        context = self._context
        await context.throttle.spend(("challenge", context.address(call)[1]))
        options = generate_authentication_options(
            rp_id=self._site, user_verification=UserVerificationRequirement.REQUIRED
        )
        challenge = bytes_to_base64url(options.challenge)
        token = await self._codes.make(ENTER, "", "", MINUTES, challenge=challenge)
        return Reply(200, {"token": token, "options": orjson.loads(options_to_json(options))})

    async def enter(self, call: Call) -> Reply:
        """A session for who holds the passkey, and has shown it their finger or number."""
        context, body = self._context, call.body
        kind = body.get("session", "cookie")
        self._login.check_origin(call, kind)
        code = await self._codes.find(ENTER, body["token"])
        async with context.throttle.trying(context.address(call)):
            row = await self._known(body["credential"])
            account = await self._verified(row, body["credential"], code)
        await self._codes.use(context.db, code)
        return await self._login.opened(call, account, kind, ["passkey"])

    async def _known(self, credential: dict[str, Any]) -> Any:
        model = self._context.models.factor
        try:
            handle = _handle(base64url_to_bytes(credential["rawId"]))
        except _UNREADABLE:
            raise bad_passkey() from None
        found = await self._context.db.list(
            model, lambda row: row.handle == handle, expand=("account",), limit=1
        )
        if not found or found[0].account.disabled:
            raise bad_passkey()
        return found[0]

    async def _verified(self, row: Any, credential: dict[str, Any], code: Any) -> Any:
        """The account of the passkey, if it signed this challenge, here, and isn't a copy."""
        try:
            proof = verify_authentication_response(
                credential=credential,
                expected_challenge=base64url_to_bytes(code.data["challenge"]),
                expected_rp_id=self._site,
                expected_origin=self._origin,
                credential_public_key=base64url_to_bytes(row.secret.partition(" ")[2]),
                credential_current_sign_count=row.step,
                require_user_verification=True,
            )
        except _UNREADABLE:
            raise bad_passkey() from None
        await self._context.db.update(row, step=proof.new_sign_count)
        return await self._context.account_of(self._context.sessions.subject(row.account))


_UNREADABLE = (WebAuthnException, ValueError, TypeError, KeyError, AttributeError)
"""What the library raises of what a client may have made up."""


def _handle(credential_id: bytes) -> str:
    return sha256(credential_id).hexdigest()


def _shown(row: Any) -> dict[str, Any]:
    return {"id": str(row.id), "name": row.name, "created": show_datetime(row.created)}
