"""What accounts stand on is put together, and refused where production lacks it."""

from __future__ import annotations

from urllib.parse import urlsplit

from abaft.auth.authenticate import AccountTokens
from abaft.auth.breaches import Breaches
from abaft.auth.calls import Call, Handle, Reply
from abaft.auth.closing import steps_of
from abaft.auth.context import KEEPER, Context
from abaft.auth.live import Live
from abaft.auth.mail import Mailer
from abaft.auth.models import OwnModels
from abaft.auth.oauth.providers import url_fault
from abaft.auth.sessions import Sessions
from abaft.auth.trail import Trail
from abaft.auth.vault import Vault
from abaft.base.errors import SettingError
from abaft.base.settings import Settings
from abaft.db import Database
from abaft.guard import cors
from abaft.guard.access_tokens import AccessTokens
from abaft.guard.keyring import Keyring
from abaft.guard.passwords import Passwords
from abaft.guard.signing_keys import SigningKeys
from abaft.guard.throttle import Throttle
from abaft.observe.events import Observer
from abaft.pipeline import Pipeline
from abaft.store.replicated import at_primary


def made_context(
    pipeline: Pipeline,
    settings: Settings,
    observer: Observer,
    models: OwnModels,
    title: str,
    keyring: Keyring,
    live: Live,
    keys: SigningKeys,
) -> Context:
    """What all flows stand on."""

    def database() -> Database:
        return Database(pipeline, KEEPER)

    vault = Vault(database, models, keyring, settings.production)
    sessions = Sessions(database, models, settings, vault, live, steps_of(pipeline.schema))
    issuer = settings.base_url or "http://localhost"
    tokens = AccessTokens(keys, issuer, int(settings.access_minutes * 60))
    return Context(
        pipeline,
        settings,
        models,
        vault,
        sessions,
        tokens,
        AccountTokens(sessions, tokens, settings.base_url, settings.production, _trusted(settings)),
        Passwords(settings.password_threads),
        Throttle(settings.throttle_storage),
        Mailer(settings, title, observer),
        Breaches(settings, observer),
        observer,
        Trail(pipeline, KEEPER, models, vault),
    )


def _trusted(settings: Settings) -> frozenset[str]:
    """The origins whose pages may send the cookie of a session along."""
    return cors.origins(settings) if settings.cors_credentials else frozenset()


def at_newest(handle: Handle) -> Handle:
    """The same, by what is newest: a replica may not know yet of a session, or of its end."""

    async def handled(call: Call) -> Reply:
        with at_primary():
            return await handle(call)

    return handled


def check(settings: Settings) -> None:
    """SettingError where production lacks what accounts need, or a setting can't be used."""
    reason = url_fault(settings.breached_passwords or "https://x", settings.production)
    if reason:
        raise SettingError(f"breached_passwords can't be asked: {reason}")
    if not settings.production:
        return
    if not settings.base_url:
        raise SettingError("accounts need a base_url in production: mails link to it")
    if urlsplit(settings.base_url).scheme != "https":
        raise SettingError("base_url must begin with https: cookies are sent by nothing else")
    mails = settings.registration != "closed" and settings.email_verification
    if mails and not settings.smtp:
        raise SettingError("accounts need smtp in production, or email_verification=false")
