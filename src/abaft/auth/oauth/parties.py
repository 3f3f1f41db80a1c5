"""The providers that an app takes, as they are spoken to, and where they send browsers back."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from abaft.auth.calls import Call, Reply
from abaft.auth.oauth.exchange import Exchange
from abaft.auth.oauth.fetch import Fetcher
from abaft.auth.oauth.presets import providers_of
from abaft.auth.oauth.providers import Provider
from abaft.base.errors import NotFound, SettingError, nearest
from abaft.base.settings import Settings
from abaft.guard.addresses import LOOPBACK, is_local_path, redirect_fault, same_redirect


class Parties:
    """By their names; those given in code come before those of the settings."""

    def __init__(self, given: Sequence[Provider], settings: Settings) -> None:
        self._settings = settings
        if settings.login_page and not is_local_path(settings.login_page):
            raise SettingError(f"login_page is {settings.login_page!r}: write it like '/login'")
        if not settings.provider_timeout:
            raise SettingError("provider_timeout is 0: a provider may take some seconds, not none")
        self.fetcher = Fetcher(settings)
        self.providers: dict[str, Provider] = {}
        for provider in (*given, *providers_of(settings.login_with)):
            provider.check(settings.production)
            if provider.name in self.providers:
                raise SettingError(f"two providers are called {provider.name}: give one a name=…")
            self.providers[provider.name] = provider
        self._exchanges = {
            name: Exchange(provider, self.fetcher, settings.production)
            for name, provider in self.providers.items()
        }
        self._redirects = [row.strip() for row in settings.app_redirects.split(",") if row.strip()]
        for uri in self._redirects:
            reason = redirect_fault(uri)
            if reason:
                raise SettingError(f"app_redirects has {uri!r}: {reason}")

    def of(self, name: str) -> Exchange:
        """The provider of this name. Raises NotFound."""
        found = self._exchanges.get(name)
        if found is None:
            raise NotFound("there is no such provider", hint=nearest(name[:80], self.providers))
        return found

    def takes(self, redirect_uri: str) -> bool:
        """Whether apps may be sent there."""
        return any(same_redirect(redirect_uri, allowed) for allowed in self._redirects)

    def path(self, name: str) -> str:
        """Where a log-in with this provider begins."""
        return f"{self._settings.api_prefix}/auth/with/{name}"

    def callback(self, call: Call, name: str) -> str:
        """Where the provider sends browsers back to: by settings, never by what a request says.

        In development this machine may be called by several names, and has any port.
        """
        base = self._settings.base_url
        if not base:
            host = call.headers.get("host", "")
            try:
                own = urlsplit(f"//{host}").hostname in LOOPBACK
            except ValueError:
                own = False
            base = f"http://{host}" if own else "http://localhost:8000"
        return f"{base}{self.path(name)}/callback"

    def buttons(self) -> list[tuple[str, str]]:
        """What each is called, and where a log-in with it begins."""
        return [(row.shown, self.path(name)) for name, row in self.providers.items()]

    async def listed(self, call: Call) -> Reply:
        """For the buttons of a page."""
        rows = [
            {"name": name, "title": provider.shown, "url": self.path(name)}
            for name, provider in self.providers.items()
        ]
        return Reply(200, {"items": rows}, (("cache-control", "public, max-age=300"),))
