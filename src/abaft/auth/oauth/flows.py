"""Logging in with others: puts its parts together, and is the table of its endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from abaft.auth.calls import Endpoint
from abaft.auth.codes import Codes
from abaft.auth.context import Context
from abaft.auth.joining import JoiningFlows
from abaft.auth.login import FactorAsked, LoggedIn, LoginFlows
from abaft.auth.oauth.apps import AppFlows
from abaft.auth.oauth.asked import (
    AppCode,
    AppLogin,
    Begin,
    ByMail,
    Came,
    Leads,
    LinkTo,
    ProviderList,
)
from abaft.auth.oauth.browser import BrowserFlows
from abaft.auth.oauth.entering import Entering
from abaft.auth.oauth.identities import Identities, IdentityList
from abaft.auth.oauth.parties import Parties
from abaft.auth.oauth.providers import Provider
from abaft.auth.oauth.state import Flows


class LoginWith:
    """What accounts have beside passwords, where providers are named."""

    def __init__(
        self,
        context: Context,
        codes: Codes,
        login: LoginFlows,
        joining: JoiningFlows,
        providers: Sequence[Provider],
    ) -> None:
        self.parties = Parties(providers, context.settings)
        self.identities = Identities(context, login, self.parties.providers)
        self._entering = Entering(context, codes, login, joining, self.identities)
        self._apps = AppFlows(codes, login, self.parties, self._entering, self.identities)
        self._browser = BrowserFlows(
            context,
            self.parties,
            Flows(context, codes),
            self._entering,
            login,
            self._apps,
        )

    def rows(self) -> list[Endpoint]:
        """The endpoints; none where nobody is named to log in with."""
        if not self.parties.providers:
            return []
        return [*self._browsers(), *self._programs()]

    def _browsers(self) -> list[Endpoint]:
        browser = self._browser
        return [
            Endpoint(
                "GET", "with/*", browser.begin, "Log in with a provider", status=303, query=Begin,
                known=False, raised=(400, 403, 429),
            ),
            Endpoint(
                "GET", "with/*/callback", browser.callback, "Come back from a provider",
                status=303, query=Came, known=False, raised=(400, 401, 403, 409, 422, 429),
            ),
            Endpoint(
                "POST", "with/*/callback", browser.posted, "Come back by a form", Came,
                status=303, form=True, known=False,
            ),
        ]  # fmt: skip

    def _programs(self) -> list[Endpoint]:
        apps, identities = self._apps, self.identities
        also = ((202, FactorAsked), (201, LoggedIn))
        return [
            Endpoint(
                "GET", "providers", self.parties.listed, "Who one can log in with",
                answer=ProviderList, known=False,
            ),
            Endpoint(
                "POST", "with/token", apps.enter, "Log in by an app's code", AppLogin, LoggedIn,
                known=False, raised=(401, 403, 409, 429), also=also,
            ),
            Endpoint(
                "GET", "identities", identities.listed, "One's identities", answer=IdentityList
            ),
            Endpoint(
                "POST", "identities", self._browser.link, "Begin to link an identity", LinkTo,
                Leads, raised=(429,),
            ),
            Endpoint(
                "POST", "identities/code", apps.link, "Link an identity by an app's code", AppCode,
                status=204, raised=(409,),
            ),
            Endpoint(
                "POST", "identities/confirm", self._entering.confirm, "Link an identity by mail",
                ByMail, LoggedIn, known=False, raised=(401, 403), also=also,
            ),
            Endpoint(
                "DELETE", "identities/*", identities.unlink, "Unlink an identity", status=204,
                raised=(409,),
            ),
        ]  # fmt: skip
