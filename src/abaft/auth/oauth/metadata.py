"""What OpenID providers publish of themselves: where they are asked, and their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey, import_key

from abaft.auth.oauth.fetch import Away, Fetcher
from abaft.auth.oauth.providers import OIDC, BadAnswer, members, url_fault
from abaft.base import clock

ALGORITHMS = frozenset(
    {f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)}
    | {"EdDSA", "Ed25519", "Ed448"}
)
"""Signatures by keys that only the provider has: a shared secret or none at all proves nothing."""
FRESH, STALE, AGAIN, FAILED = 3600.0, 86_400.0, 60.0, 5.0
"""Seconds: for how long it is current, may stand in for one that fails, isn't asked for anew even
where a key is missing, and isn't asked for after a failure."""
MOST_KEYS = 50
_BITS, _MOST_BITS = 2_048, 16_384
"""Of an RSA key: fewer are too weak, and with more no library verifies."""

T = TypeVar("T")


class Kept(Generic[T]):
    """Something fetched: asked for once, however many wait for it, and kept for a while."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._task: asyncio.Task[T] | None = None
        self._value: T | None = None
        self._at = self._failed = self._forced = -STALE
        self._why = ""

    async def get(self, renew: bool = False) -> T:
        """The value; `renew` has it asked for anew, once in a while. Raises Away."""
        now = clock.ticks() / 1e9
        age = now - self._at
        renew = renew and now - self._forced >= AGAIN
        if self._value is not None and age < FRESH and not renew:
            return self._value
        if now - self._failed < FAILED:
            return self._stood_in(age, Away(self._why))
        if renew:
            self._forced = now
        if self._task is None:
            self._task = asyncio.create_task(self._renewed())
            self._task.add_done_callback(_looked_at)
        task = self._task
        try:
            # Who goes away doesn't take it from the others.
            return await asyncio.shield(task)
        except Away as fault:
            return self._stood_in(age, fault)

    def _stood_in(self, age: float, fault: Away) -> T:
        if self._value is None or age >= STALE:
            raise fault
        return self._value

    async def _renewed(self) -> T:
        try:
            self._value = await self._fetch()
            self._at = clock.ticks() / 1e9
            return self._value
        except BadAnswer as fault:
            self._failed, self._why = clock.ticks() / 1e9, str(fault)
            raise Away(str(fault)) from fault
        except Away as fault:
            self._failed, self._why = clock.ticks() / 1e9, fault.reason
            raise
        finally:
            self._task = None


def _looked_at(task: asyncio.Task[Any]) -> None:
    """All who waited may have gone away: then nobody else takes note of a failure."""
    if not task.cancelled():
        task.exception()


@dataclass(frozen=True, slots=True)
class Metadata:
    """What of a provider's metadata is used (OpenID Connect Discovery, RFC 8414)."""

    authorize_url: str
    token_url: str
    keys_url: str
    userinfo_url: str
    algorithms: frozenset[str]
    client_auth: str
    tells_issuer: bool
    issuer: str


class Published:
    """The metadata and keys of one provider."""

    def __init__(self, provider: OIDC, fetcher: Fetcher, production: bool) -> None:
        self._provider, self._fetcher, self._production = provider, fetcher, production
        self.metadata = Kept(self._metadata)
        self.keys = Kept(self._keys)

    async def _metadata(self) -> Metadata:
        own = self._provider
        url = own.issuer.rstrip("/") + "/.well-known/openid-configuration"
        found = members(await self._fetcher.get(url, internal=own.internal))
        issuer = found.get("issuer")
        if not isinstance(issuer, str) or not own.issuers(issuer):
            raise BadAnswer(f"{url} is of another issuer")
        auth = found.get("token_endpoint_auth_methods_supported")
        posts = isinstance(auth, list) and "client_secret_post" in auth
        said = found.get("id_token_signing_alg_values_supported")
        known = {row for row in said if isinstance(row, str)} if isinstance(said, list) else set()
        return Metadata(
            self._url(found, "authorization_endpoint"),
            self._url(found, "token_endpoint"),
            self._url(found, "jwks_uri"),
            self._url(found, "userinfo_endpoint") if "userinfo_endpoint" in found else "",
            ALGORITHMS & known if known else frozenset({"RS256"}),
            own.client_auth or ("client_secret_post" if posts else "client_secret_basic"),
            found.get("authorization_response_iss_parameter_supported") is True,
            issuer,
        )

    def _url(self, found: Mapping[str, Any], name: str) -> str:
        url = found.get(name)
        reason = url_fault(url, self._production)
        if reason:
            raise BadAnswer(f"its {name} can't be used: {reason}")
        return str(url)

    async def _keys(self) -> KeySet:
        metadata = await self.metadata.get()
        found = members(
            await self._fetcher.get(metadata.keys_url, internal=self._provider.internal)
        )
        rows = found.get("keys")
        if not isinstance(rows, list) or len(rows) > MOST_KEYS:
            raise BadAnswer("its JWKS is none, or far too long")
        keys = [key for row in rows if (key := _key(row)) is not None]
        if not keys:
            raise BadAnswer("its JWKS has no key that could sign")
        return KeySet([*keys])


def _key(row: Any) -> RSAKey | ECKey | OKPKey | None:
    """A public key that signs; None for any other, such as those for encryption."""
    if not isinstance(row, dict) or row.get("use", "sig") != "sig":
        return None
    if row.get("kty") not in ("RSA", "EC", "OKP") or "d" in row:
        return None
    if row["kty"] == "RSA" and not _BITS <= len(str(row.get("n"))) * 6 <= _MOST_BITS + 6:
        return None
    try:
        key = import_key(row)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, (RSAKey, ECKey, OKPKey)) else None
