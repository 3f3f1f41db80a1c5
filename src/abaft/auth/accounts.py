"""Accounts: puts their parts together, and is the table of their endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from abaft.auth.admin_flows import (
    AccountChange,
    AccountShown,
    AdminFlows,
    Events,
    Standing,
)
from abaft.auth.calls import Call, Endpoint, Reply
from abaft.auth.choosing import ChoosingFlows
from abaft.auth.codes import Codes
from abaft.auth.context import KEEPER
from abaft.auth.declared import Declared
from abaft.auth.devices import Devices
from abaft.auth.ended import Ended
from abaft.auth.epoch import epoch_of
from abaft.auth.export import Export, ExportFlows
from abaft.auth.factor_flows import Begun, Code, FactorFlows, FactorState, Recovery
from abaft.auth.factors import Factors
from abaft.auth.joining import Finish, Invite, JoiningFlows, Mailed, Register, RegisterAtOnce
from abaft.auth.keys import KeyFlows, KeyList, Keys, KeyShown, NewKey, NewService
from abaft.auth.live import Live
from abaft.auth.login import (
    Bearer,
    Confirm,
    Ending,
    FactorAsked,
    LoggedIn,
    Login,
    LoginFlows,
    Mine,
    Proof,
    Refresh,
    SecondFactor,
    SessionList,
)
from abaft.auth.mailbox import Mailbox, Mails
from abaft.auth.mailed import MailedFlows
from abaft.auth.members import Members
from abaft.auth.models import OwnModels
from abaft.auth.oauth.flows import LoginWith
from abaft.auth.oauth.providers import Provider
from abaft.auth.pages_flow import Pages
from abaft.auth.passkeys import PasskeyFlows
from abaft.auth.password import Change, Forgot, PasswordFlows, Reset
from abaft.auth.server.flows import Server
from abaft.auth.server.sign_in import SignIn
from abaft.auth.standing import at_newest, check, made_context
from abaft.auth.tenants import tenants_of
from abaft.base import clock
from abaft.base.errors import NotFound
from abaft.base.settings import Settings
from abaft.guard.id_tokens import IdTokens
from abaft.guard.keyring import Keyring
from abaft.guard.signing_keys import SigningKeys, derived
from abaft.observe.events import Observer
from abaft.pipeline import Pipeline

_KEY_DAYS = 7
"""For how long one key signs: as long again it verifies."""


class Accounts:
    """What an App has that declares a model of users."""

    call = Call

    def __init__(
        self,
        pipeline: Pipeline,
        settings: Settings,
        observer: Observer,
        secrets: Sequence[bytes],
        models: OwnModels,
        title: str,
        declared: Declared,
    ) -> None:
        check(settings)
        keys = tuple(derived(secret, "accounts") for secret in secrets)
        ended = Ended(pipeline, KEEPER, models)
        epoch = epoch_of(pipeline.store, settings.database, settings.session_recheck, ended)
        self.live = Live(epoch)
        self.keys = SigningKeys(keys, _KEY_DAYS * 86_400)
        self.context = made_context(
            pipeline, settings, observer, models, title, Keyring(keys), self.live, self.keys
        )
        self.authenticator = self.context.authenticator
        self.authenticator.keys = Keys(self.context).seat
        self.codes = Codes(self.context)
        self.tenants = tenants_of(pipeline, epoch)
        self._make_flows(declared.login_with)
        self.server = self._server(keys, declared.sign_in)
        self.endpoints: Sequence[Endpoint] = [
            replace(row, handle=at_newest(row.handle)) for row in self._rows()
        ]
        own = settings.account_pages
        self.pages = Pages(self.context, self.endpoints, self.tenants) if own else None
        if self.pages is not None:
            self.pages.drawing.others = self._others.parties.buttons()

    def _make_flows(self, providers: Sequence[Provider]) -> None:
        context, codes = self.context, self.codes
        devices, factors = Devices(context), Factors(context)
        self._login = LoginFlows(context, devices, codes, factors)
        self._joining = JoiningFlows(context, codes, self._login)
        self._password = PasswordFlows(context, codes, self._login, self._joining)
        self._mailed = MailedFlows(context, codes, devices, self._login, self._joining)
        self._factors = FactorFlows(context, factors, self._login)
        self._keys = KeyFlows(context, self._login)
        self._admin = AdminFlows(context, factors)
        self._export = ExportFlows(context, self._login)
        self._passkeys = PasskeyFlows(context, codes, self._login)
        self.members = Members(context, codes, self._login)
        self._choosing = ChoosingFlows(context, self._login, self.tenants)
        self._others = LoginWith(context, codes, self._login, self._joining, providers)

    def _server(self, keys: Sequence[bytes], given: SignIn | None) -> Server | None:
        """The authorization server, where apps of others may have people sign in."""
        if given is None:
            return None
        made = IdTokens(keys, self.context.settings.base_url, _KEY_DAYS * 86_400)
        return Server(self.context, self.codes, self._login, made, given)

    def _rows(self) -> list[Endpoint]:
        return [
            *self._joins(),
            *self._table(),
            *self._mailed.rows(),
            *self._guards(),
            *self._passkeys.rows(),
            *self._others.rows(),
            *self._choosing.rows(),
            *self.members.rows(),
            *(self.server.rows() if self.server is not None else []),
            *self._above(),
            *self._local(),
        ]

    async def jwks(self, call: Call) -> Reply:
        """The public keys of tokens, for other services."""
        found = [*self.keys.published()["keys"]]
        if self.server is not None:
            found += self.server.made.published()
        return Reply(200, {"keys": found}, (("cache-control", "public, max-age=3600"),))

    def _table(self) -> list[Endpoint]:
        login, password = self._login, self._password
        return [
            Endpoint(
                "POST", "login", login.login, "Log in", Login, LoggedIn,
                known=False, raised=(401, 403, 429), also=((202, FactorAsked),),
            ),
            Endpoint(
                "POST", "login/factor", login.second, "Log in, the second part", SecondFactor,
                LoggedIn, known=False, raised=(401, 429),
            ),
            Endpoint("POST", "logout", login.logout, "Log out", status=204),
            Endpoint("GET", "me", login.mine, "Who is logged in", answer=Mine),
            Endpoint(
                "POST", "refresh", login.refresh, "New tokens for an app", Refresh, Bearer,
                known=False, raised=(401, 409),
            ),
            Endpoint(
                "POST", "confirm", login.confirm, "Prove once more who one is", Confirm, LoggedIn,
                raised=(429,),
            ),
            Endpoint("GET", "export", self._export.export, "One's own data", answer=Export),
            Endpoint("GET", "sessions", login.list, "Where one is logged in", answer=SessionList),
            Endpoint("DELETE", "sessions", login.end_all, "Log out everywhere", status=204,
                     query=Ending),
            Endpoint("DELETE", "sessions/*", login.end, "End a session", status=204, raised=(404,)),
            Endpoint(
                "POST", "password", password.change, "Change the password", Change, LoggedIn,
                raised=(429,),
            ),
            Endpoint(
                "POST", "leave", password.leave, "Delete one's account", Proof, status=204,
                raised=(409, 429),
            ),
            Endpoint(
                "POST", "password/forgot", password.forgot, "Have a password reset",
                Forgot, Mailed, 202, known=False, raised=(429,),
            ),
            Endpoint(
                "POST", "password/reset", password.reset, "Reset a password",
                Reset, status=204, known=False, raised=(401,),
            ),
            Endpoint("GET", "jwks", self.jwks, "Keys of access tokens", answer=Any, known=False),
        ]  # fmt: skip

    def _guards(self) -> list[Endpoint]:
        factors, keys = self._factors, self._keys
        return [
            Endpoint(
                "GET", "totp", factors.state, "Whether there is a second factor",
                answer=FactorState,
            ),
            Endpoint(
                "POST", "totp", factors.begin, "Begin a second factor", Proof, Begun, 201,
                raised=(409, 429),
            ),
            Endpoint(
                "POST", "totp/confirm", factors.confirm, "Confirm the second factor", Code,
                Recovery, raised=(429,),
            ),
            Endpoint(
                "POST", "totp/remove", factors.remove, "Remove the second factor", Proof,
                status=204, raised=(429,),
            ),
            Endpoint("GET", "keys", keys.listed, "One's API keys", answer=KeyList),
            Endpoint(
                "POST", "keys", keys.make, "Make an API key", NewKey, KeyShown, 201, raised=(409,)
            ),
            Endpoint("DELETE", "keys/*", keys.end, "End an API key", status=204),
        ]  # fmt: skip

    def _above(self) -> list[Endpoint]:
        """Those of administrators."""
        admin, keys = self._admin, self._keys
        return [
            Endpoint(
                "POST", "services", keys.service, "Make an account of a service", NewService,
                KeyShown, 201,
            ),
            Endpoint(
                "GET", "accounts/*", admin.look, "Look at an account", answer=AccountShown
            ),
            Endpoint(
                "PATCH", "accounts/*", admin.change, "Change an account", AccountChange,
                AccountShown,
            ),
            Endpoint(
                "DELETE", "accounts/*/sessions", admin.end_sessions, "End all sessions of somebody",
                status=204,
            ),
            Endpoint(
                "POST", "accounts/*/impersonation", admin.impersonate, "Act in somebody's name",
                answer=Bearer, status=201,
            ),
            Endpoint("GET", "events", admin.events, "The audit trail", answer=Events),
            Endpoint("GET", "events/check", admin.standing, "Check the trail", answer=Standing),
        ]  # fmt: skip

    @property
    def links(self) -> list[tuple[str, str]]:
        """What a person opens in a browser, by name."""
        settings = self.context.settings
        found = [("Log in", "/account/login")] if self.pages is not None else []
        box = [("Mailbox", f"{settings.api_prefix}/auth/mailbox")] if _has_mailbox(settings) else []
        return [*found, *box]

    def _local(self) -> list[Endpoint]:
        """What only development has."""
        if not _has_mailbox(self.context.settings):
            return []
        look = Mailbox(self.context).look
        return [Endpoint("GET", "mailbox", look, "Unsent mails", answer=Mails, known=False)]

    def _joins(self) -> list[Endpoint]:
        settings, flows = self.context.settings, self._joining
        if settings.registration == "closed":
            return []
        finish = Endpoint(
            "POST", "register/finish", flows.finish, "Finish a registration", Finish, LoggedIn, 201,
            known=False, raised=(401, 403),
        )  # fmt: skip
        invite = Endpoint(
            "POST", "invitations", flows.invite, "Invite somebody", Invite, Mailed, 202,
            raised=(403, 429),
        )  # fmt: skip
        if settings.registration == "invited":
            return [finish, invite]
        if settings.email_verification:
            register = Endpoint(
                "POST", "register", flows.register, "Make an account", Register, Mailed, 202,
                known=False, raised=(429,),
            )  # fmt: skip
        else:
            register = Endpoint(
                "POST", "register", flows.at_once, "Make an account", RegisterAtOnce, LoggedIn, 201,
                known=False, raised=(403, 409, 429),
            )  # fmt: skip
        return [register, finish, invite]

    async def user_gone(self, user: Any) -> None:
        """Ends the sessions of a user who was deleted; that the account is gone ends them too."""
        context = self.context
        try:
            account = await context.account_of(user.__written__)
        except NotFound:
            pass  # and its sessions with it
        else:
            await context.whole(lambda db: context.sessions.over(db, account.id))
        await context.sessions.tell()

    async def provider_tokens(self, user: str, provider: str) -> dict[str, Any] | None:
        """What a provider with `keep_tokens` gave when this user last logged in with it."""
        return await self._others.identities.tokens(user, provider)

    async def prune(self) -> None:
        """Deletes codes and sessions that are over, and events past their retention."""
        context = self.context
        await self.codes.prune()
        await context.sessions.prune()
        days = context.settings.audit_retention_days
        if days:
            await context.trail.prune(clock.now() - timedelta(days=days))

    async def start(self) -> None:
        """Takes what workers share, and the key of what is kept."""
        vault = self.context.vault
        await vault.open()
        if vault.renewed:
            await self.context.trail.begin_anew()
        await self.live.epoch.open()

    async def stop(self) -> None:
        """Lets threads, mails under way and shared memory go."""
        await self._others.parties.fetcher.close()
        await self.context.mailer.close()
        await self.context.breaches.close()
        self.context.passwords.close()
        await self.context.throttle.close()
        await self.live.epoch.close()


def _has_mailbox(settings: Settings) -> bool:
    return not (settings.production or settings.smtp)
