"""An authorization server: puts its parts together, and is the table of its endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from abaft.auth.calls import Endpoint
from abaft.auth.codes import Codes
from abaft.auth.context import Context
from abaft.auth.login import LoginFlows
from abaft.auth.server import forms
from abaft.auth.server.about import AboutFlows, AppFlows, metadata
from abaft.auth.server.authorize import AuthorizeFlows
from abaft.auth.server.device import DeviceFlows
from abaft.auth.server.leaving import LeavingFlows
from abaft.auth.server.registry import RegistryFlows
from abaft.auth.server.scopes import Scopes
from abaft.auth.server.sign_in import SignIn
from abaft.auth.server.tokens import Clients, TokenFlows, misread
from abaft.base.errors import SettingError
from abaft.guard.id_tokens import IdTokens


class Server:
    """Signs people in to apps of others."""

    def __init__(
        self, context: Context, codes: Codes, login: LoginFlows, made: IdTokens, given: SignIn
    ) -> None:
        if not context.settings.base_url:
            raise SettingError("sign_in needs a base_url: it is the name that apps know you by")
        self._place = f"{context.settings.api_prefix}/auth/oauth"
        self._given, self.made = given, made
        self.scopes = Scopes(context.pipeline.schema, given.scopes)
        clients = Clients(context)
        self._tokens = TokenFlows(context, codes, clients, made, self.scopes.names)
        self._authorize = AuthorizeFlows(context, codes, clients, self.scopes, self._place)
        self._device = DeviceFlows(context, clients, self.scopes, self._place)
        self._about = AboutFlows(context, clients, self.scopes, self._tokens)
        self._leaving = LeavingFlows(context, clients, made, self._place)
        self._registry = RegistryFlows(context, self.scopes)
        self._apps = AppFlows(context, login)
        issuer = context.settings.base_url
        self.metadata = metadata(issuer, self._place, self.scopes, given.registration)

    def rows(self) -> Sequence[Endpoint]:
        """Their endpoints."""
        return [*self._pages(), *self._machines(), *self._managed(), *self._own()]

    def _pages(self) -> list[Endpoint]:
        page = partial(Endpoint, known=False, raised=(403, 429))
        return [
            page(
                "GET", "oauth/authorize", self._authorize.ask, "Ask to sign in",
                query=forms.Authorize,
            ),
            page(
                "POST", "oauth/authorize", self._authorize.answered, "Allow an app, or not",
                forms.Consented, form=True,
            ),
            page("GET", "oauth/verify", self._device.look, "Connect a device",
                 query=forms.UserCode),
            page(
                "POST", "oauth/verify", self._device.answered, "Allow a device, or not",
                forms.Verified, form=True,
            ),
            page("GET", "oauth/logout", self._leaving.ask, "Log out, as asked by an app",
                 query=forms.LogoutQuery),
            page(
                "POST", "oauth/logout", self._leaving.answered, "Log out, or not",
                forms.LogoutForm, form=True,
            ),
        ]  # fmt: skip

    def _machines(self) -> list[Endpoint]:
        wrong = ((400, forms.OAuthError), (401, forms.OAuthError))
        asked = partial(Endpoint, known=False, raised=(429,), also=wrong, form=True,
                        misread=misread("invalid_request"))  # fmt: skip
        info: dict[str, Any] = {"answer": forms.Claims, "raised": (401, 403)}
        found = [
            asked(
                "POST", "oauth/token", self._tokens.token, "Tokens for an app", forms.TokenForm,
                forms.Issued,
            ),
            asked("POST", "oauth/revoke", self._about.revoke, "End a token", forms.OfToken, Any),
            asked(
                "POST", "oauth/introspect", self._about.introspect, "Look at a token",
                forms.OfToken, Any,
            ),
            asked(
                "POST", "oauth/device", self._device.begin, "Codes for a device",
                forms.DeviceForm, forms.DeviceCodes,
            ),
            Endpoint("GET", "oauth/userinfo", self._about.userinfo, "Who the user is", **info),
            Endpoint("POST", "oauth/userinfo", self._about.userinfo, "Who the user is", **info),
        ]  # fmt: skip
        if self._given.registration:
            found.append(
                Endpoint(
                    "POST", "oauth/register", self._registry.register, "Register an app",
                    forms.Metadata, Any, 201, known=False, raised=(429,),
                    misread=misread("invalid_client_metadata"), also=((400, forms.OAuthError),),
                )
            )  # fmt: skip
        return found

    def _managed(self) -> list[Endpoint]:
        registry = self._registry
        return [
            Endpoint("GET", "clients", registry.listed, "All clients", answer=forms.ClientList),
            Endpoint(
                "POST", "clients", registry.make, "Register a client", forms.NewClient,
                forms.ClientShown, 201,
            ),
            Endpoint(
                "POST", "clients/*/secret", registry.renew, "Another secret for a client",
                answer=forms.ClientShown, raised=(404,),
            ),
            Endpoint("DELETE", "clients/*", registry.end, "End a client", status=204),
        ]  # fmt: skip

    def _own(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "apps", self._apps.listed, "Apps one has allowed",
                     answer=forms.AppList),
            Endpoint("DELETE", "apps/*", self._apps.end, "Take back what an app was allowed",
                     status=204, raised=(404,)),
        ]  # fmt: skip
