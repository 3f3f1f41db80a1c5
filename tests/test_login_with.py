"""Logging in with others: the way there and back, and everything that may be wrong on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from abaft.base import clock
from accounts import World, world
from oidc_provider import Provider, Tab, provider, providers
from scenarios import pointers

pytestmark = pytest.mark.named

QUICK = {"provider_timeout": 0.6, "max_provider_bytes": 50_000}
Wrong = Callable[[Provider], Any]


async def test_a_new_person_comes_by_a_provider(database_url: str) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        ann = found.stranger("ann@example.org")
        [button] = (await ann.auth("GET providers")).json()["items"]
        assert button == {"name": "idp", "title": "Idp", "url": "/api/auth/with/idp"}
        answer = await Tab(ann.client).login(idp, next="/notes?page=2")
        assert (answer.status_code, answer.headers["location"]) == (303, "/notes?page=2")
        me = (await ann.auth("GET me")).json()
        assert (me["user"]["name"], me["user"]["email"]) == ("Ann Smith", ann.email)
        [row] = (await ann.auth("GET identities")).json()["items"]
        assert (row["provider"], row["title"], row["email"]) == ("idp", "Idp", ann.email)
        assert found.told() == ["joined", "login"]
        other = found.stranger("ann@example.org")
        await Tab(other.client).login(idp)
        assert (await other.auth("GET me")).json()["user"] == me["user"]
        [session, _] = (await other.auth("GET sessions")).json()["items"]
        assert session["methods"] == ["with.idp"]


async def test_oauth_1_what_goes_along_with_the_browser(database_url: str) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        # However little the provider says that it can.
        idp.metadata["code_challenge_methods_supported"] = ["plain"]
        begun = await Tab(found.stranger().client).begin()
        asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
        assert asked["code_challenge_method"] == "S256"
        assert (len(asked["code_challenge"]), len(asked["nonce"])) == (43, 43)
        assert asked["scope"] == "openid email profile"
        assert asked["redirect_uri"] == "http://localhost:8000/api/auth/with/idp/callback"
        assert "a secret" not in begun.headers["location"]
        cookie = begun.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        # Neither the nonce nor what the challenge was made of can be read off the cookie.
        assert asked["nonce"] not in cookie
        assert found.told() == []


def claims(**values: Any) -> Wrong:
    return lambda idp: idp.wrong.update(claims=values)


def answer(**values: Any) -> Wrong:
    return lambda idp: idp.wrong.update(answer=values)


def path(name: str, status: int, body: Any) -> Wrong:
    return lambda idp: idp.wrong.update({name: (status, body)})


def header(**values: Any) -> Wrong:
    return lambda idp: idp.wrong.update(header=values)


def forged(idp: Provider) -> None:
    idp.wrong["signed_by"] = idp.keys[0]
    kid = idp.keys[0].kid
    idp.rotate()
    idp.wrong["header"] = {"kid": idp.keys[0].kid}
    assert kid != idp.keys[0].kid


def metadata(**values: Any) -> Wrong:
    return lambda idp: idp.metadata.update(values)


def short_key(idp: Provider) -> None:
    with pytest.warns(SecurityWarning):
        idp.keys = [RSAKey.generate_key(1024, {"kid": "short"})]


REFUSED: dict[str, tuple[Wrong, str]] = {
    "nonce of another log-in": (claims(nonce="x" * 43), "provider_refused"),
    "no nonce": (claims(nonce=None), "provider_refused"),
    "another issuer": (claims(iss="https://evil.example"), "provider_refused"),
    "no issuer": (claims(iss=None), "provider_refused"),
    "for another client": (claims(aud="another"), "provider_refused"),
    "for nobody": (claims(aud=None), "provider_refused"),
    "for several": (claims(aud=["client", "another"]), "provider_refused"),
    "asked for by another": (claims(azp="another"), "provider_refused"),
    "over": (claims(exp=1_700_000_000), "provider_refused"),
    "never over": (claims(exp=None), "provider_refused"),
    "no number": (claims(exp="tomorrow"), "provider_refused"),
    "not yet": (claims(nbf=4_000_000_000), "provider_refused"),
    "of another access token": (claims(at_hash="x" * 22), "provider_refused"),
    "of nobody": (claims(sub=None), "provider_refused"),
    "of an empty subject": (claims(sub=""), "provider_refused"),
    "of a number": (claims(sub=7), "provider_refused"),
    "of U+0000": (claims(sub="a\0b"), "provider_refused"),
    "alg none": (header(alg="none"), "provider_refused"),
    "alg confusion": (header(alg="HS256"), "provider_refused"),
    "an alg that isn't offered": (header(alg="PS256"), "provider_refused"),
    "signed by another": (forged, "provider_refused"),
    "a key that isn't published": (header(kid="unknown"), "provider_refused"),
    "a header that must be known": (header(crit=["x"], x=1), "provider_refused"),
    "a short key": (short_key, "provider_unavailable"),
    "another issuer's answer": (answer(iss="https://evil.example"), "provider_refused"),
    "no code": (answer(code=""), "provider_refused"),
    "a made-up code": (answer(code="made up"), "provider_refused"),
    "cancelled": (answer(error="access_denied", code=""), "login_cancelled"),
    "its own error": (answer(error="invalid_scope"), "provider_refused"),
    "its own failure": (answer(error="server_error"), "provider_unavailable"),
    "no ID token": (path("/token", 200, {"access_token": "x"}), "provider_refused"),
    "a token that isn't one": (path("/token", 200, {"access_token": 7}), "provider_refused"),
    "a MAC token": (
        path("/token", 200, {"access_token": "x", "token_type": "mac"}),
        "provider_refused",
    ),
    "a list": (path("/token", 200, []), "provider_refused"),
    "an ID token of three letters": (
        path("/token", 200, {"access_token": "x", "id_token": "a.b.c"}),
        "provider_refused",
    ),
    "token: 500": (path("/token", 500, {}), "provider_unavailable"),
    "token: a redirect": (path("/token", 307, {}), "provider_unavailable"),
    "token: HTML": (path("/token", 200, b"<html>"), "provider_unavailable"),
    "keys: 404": (path("/keys", 404, {}), "provider_unavailable"),
    "keys: a redirect": (path("/keys", 302, {}), "provider_unavailable"),
    "keys: none": (path("/keys", 200, {"keys": []}), "provider_unavailable"),
    "keys: odd": (path("/keys", 200, {"keys": [7, {}, {"kty": "oct", "k": "eA"}]}),
                  "provider_unavailable"),
    "keys: too many": (path("/keys", 200, {"keys": [{}] * 51}), "provider_unavailable"),
    "keys: huge": (lambda idp: idp.wrong.update(huge=["/keys"]), "provider_unavailable"),
    "keys: slow": (lambda idp: idp.wrong.update(slow=["/keys"]), "provider_unavailable"),
    "token: slow": (lambda idp: idp.wrong.update(slow=["/token"]), "provider_unavailable"),
    "token: huge": (lambda idp: idp.wrong.update(huge=["/token"]), "provider_unavailable"),
}  # fmt: skip


@asynccontextmanager
async def several(url: str, wrongs: Iterable[Wrong]) -> AsyncIterator[tuple[World, list[Provider]]]:
    """An app whose providers are wrong in one way each; they are named by their numbers."""
    every = list(wrongs)
    async with providers(len(every)) as idps:
        known = [idp.settings(name=f"idp{number}") for number, idp in enumerate(idps)]
        async with world(url, login_with=known, settings=QUICK) as found:
            for idp, wrong in zip(idps, every, strict=True):
                wrong(idp)
            yield found, idps


async def test_oauth_1_what_comes_back_wrong_opens_nothing(
    database_url: str, subtests: pytest.Subtests
) -> None:
    async with several(database_url, [wrong for wrong, _ in REFUSED.values()]) as (found, idps):
        for number, (name, (_, code)) in enumerate(REFUSED.items()):
            with subtests.test(name=name):
                found.events.clear()
                # From elsewhere each time: who fails ten times has to wait.
                ann = found.stranger("ann@example.org", f"192.0.2.{number}")
                said = await Tab(ann.client).login(idps[number], f"idp{number}")
                assert said.status_code in (401, 403, 503)
                assert f"<code>{code}</code>" in said.text
                assert said.headers["content-security-policy"].startswith("default-src 'none'")
                assert "session" not in ann.client.cookies
                assert not await ann.known()
                assert {*found.told()} <= {"login_with_failed"}


DISCOVERED: dict[str, Wrong] = {
    "404": path("/.well-known/openid-configuration", 404, {}),
    "500": path("/.well-known/openid-configuration", 500, {}),
    "a redirect": path("/.well-known/openid-configuration", 301, {}),
    "HTML": path("/.well-known/openid-configuration", 200, b"<html>"),
    "a list": path("/.well-known/openid-configuration", 200, []),
    "another issuer": metadata(issuer="https://evil.example"),
    "no issuer": metadata(issuer=None),
    "keys over http": metadata(jwks_uri="http://example.org/keys"),
    "a token endpoint of a file": metadata(token_endpoint="file:///etc/passwd"),
    "no place to send browsers": metadata(authorization_endpoint=None),
    "a script to send browsers to": metadata(authorization_endpoint="javascript:alert(1)"),
    "slow": lambda idp: idp.wrong.update(slow=["/.well-known/openid-configuration"]),
    "huge": lambda idp: idp.wrong.update(huge=["/.well-known/openid-configuration"]),
}


async def test_oauth_6_a_provider_that_cant_be_found_is_told_and_holds_up_nobody(
    database_url: str, subtests: pytest.Subtests
) -> None:
    async with several(database_url, DISCOVERED.values()) as (found, idps):
        for number, (name, idp) in enumerate(zip(DISCOVERED, idps, strict=True)):
            with subtests.test(name=name):
                await _isnt_found(found, idp, f"idp{number}", f"192.0.2.{number}")


async def _isnt_found(found: World, idp: Provider, name: str, address: str) -> None:
    ann = found.stranger(address=address)
    begun = clock.ticks()
    tabs = [Tab(found.stranger(address=address).client) for _ in range(5)]
    waiting = asyncio.gather(*(tab.begin(name) for tab in tabs))
    await asyncio.sleep(0.05)
    # Others are answered meanwhile.
    assert (await ann.auth("GET providers")).status_code == 200
    said = await waiting
    assert {row.status_code for row in said} == {503}
    assert all("<code>provider_unavailable</code>" in row.text for row in said)
    assert said[0].headers["retry-after"] == "5"
    assert (clock.ticks() - begun) / 1e9 < 5
    assert idp.requests.count("/.well-known/openid-configuration") == 1
    # A program is told by a problem.
    answer = await ann.auth(f"GET with/{name}")
    assert answer.json()["code"] == "provider_unavailable"
    assert idp.url not in answer.text


async def test_oauth_6_what_is_published_is_fetched_once_and_new_keys_when_needed(
    database_url: str,
) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        for _ in range(3):
            assert (await Tab(found.stranger().client).login(idp)).status_code == 303
        assert idp.requests.count("/.well-known/openid-configuration") == 1
        assert idp.requests.count("/keys") == 1
        idp.rotate()
        assert (await Tab(found.stranger().client).login(idp)).status_code == 303
        assert idp.requests.count("/keys") == 2
        # Who makes up key ids doesn't have them fetched again and again.
        idp.wrong["header"] = {"kid": "unknown"}
        for _ in range(3):
            assert (await Tab(found.stranger().client).login(idp)).status_code == 401
        assert idp.requests.count("/keys") == 2


async def states(found: World, idp: Provider) -> tuple[Tab, dict[str, str]]:
    """A tab whose user has agreed, and what it is to bring back."""
    tab = Tab(found.stranger().client)
    begun = await tab.begin(next="/notes")
    return tab, idp.visit(begun.headers["location"])


async def test_oauth_1_a_state_is_good_once_and_in_one_browser(database_url: str) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        tab, back = await states(found, idp)
        kept = dict(tab.client.cookies)
        refused = [
            await Tab(found.stranger().client).back(back),
            await tab.back({**back, "state": back["state"][:-1] + "x"}),
            await tab.back({name: text for name, text in back.items() if name != "state"}),
            await tab.back({**back, "state": "é" * 44}),
        ]
        assert (await tab.back(back)).headers["location"] == "/notes"
        tab.client.cookies.clear()
        tab.client.cookies.update(kept)
        refused.append(await tab.back(back))
        refused.append(await tab.back({**back, "code": "another"}))
        for said in refused:
            assert said.status_code == 400
            assert "<code>bad_state</code>" in said.text
        assert len(idp.posts) == 1


async def test_oauth_1_of_twenty_answers_at_once_one_is_gone_on_with(database_url: str) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        tab, back = await states(found, idp)
        statuses = [row.status_code for row in await asyncio.gather(*[tab.back(back)] * 1)]
        assert statuses == [303]
        tab, back = await states(found, idp)
        rows = await asyncio.gather(*(tab.back(back) for _ in range(9)))
        assert sorted(row.status_code for row in rows) == [303] + [400] * 8
        assert len(idp.posts) == 2


async def test_several_tabs_log_in_beside_each_other(database_url: str) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        tab = Tab(found.stranger().client)
        begun = [await tab.begin(next=f"/{number}") for number in range(4)]
        for number in (2, 0, 3, 1):
            back = idp.visit(begun[number].headers["location"])
            assert (await tab.back(back)).headers["location"] == f"/{number}"
        for _ in range(9):
            await tab.begin()
        assert len([name for name in tab.client.cookies if name.startswith("login-")]) == 4


async def test_oauth_3_answers_of_one_provider_arent_taken_by_another(database_url: str) -> None:
    async with provider() as good, provider() as evil:
        both = [good.settings(name="good"), evil.settings(name="evil")]
        async with world(database_url, login_with=both) as found:
            tab = Tab(found.stranger().client)
            begun = await tab.begin("good")
            theirs = good.visit(begun.headers["location"])
            # What `good` said, brought to where `evil` is heard, and the other way around.
            said = await tab.back(theirs, "evil")
            assert "<code>bad_state</code>" in said.text
            said = await tab.back({**theirs, "iss": evil.url}, "good")
            assert "<code>provider_refused</code>" in said.text
            begun = await tab.begin("good")
            back = good.visit(begun.headers["location"])
            said = await tab.back({"state": back["state"], "code": back["code"]}, "good")
            assert "<code>provider_refused</code>" in said.text
            assert (good.posts, evil.posts) == ([], [])
            # An ID token of `evil`, given out by `good`.
            good.keys, good.wrong["claims"] = evil.keys, {"iss": evil.url}
            assert "provider_refused" in (await tab.login(good, "good")).text


async def test_oauth_1_a_code_of_anothers_log_in_is_worth_nothing(database_url: str) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        _, stolen = await states(found, idp)
        tab, own = await states(found, idp)
        said = await tab.back({**own, "code": stolen["code"]})
        assert "<code>provider_refused</code>" in said.text
        assert "invalid_grant" in found.events[-1].detail


ELSEWHERE = [
    "//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/a\nb", "/\t/evil",
    "javascript:alert(1)", "/é", "/ a", "\\/evil", "/" + "a" * 1_100,
]  # fmt: skip


async def test_oauth_4_nobody_is_sent_elsewhere_after_a_log_in(
    database_url: str, subtests: pytest.Subtests
) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        ann = found.stranger()
        for then in ELSEWHERE:
            with subtests.test(then=then):
                said = await Tab(ann.client, "*/*").begin(next=then)
                assert said.status_code == 400
                assert [place for place, _ in pointers(said)] == ["?next"]
                assert idp.requests == []
                assert "set-cookie" not in said.headers


async def test_faults_of_browsers_lead_to_a_page_of_the_apps_own(database_url: str) -> None:
    chosen = {"login_page": "/account/login?from=others"}
    async with (
        provider() as idp,
        world(database_url, login_with=[idp.settings()], settings=chosen) as found,
    ):
        tab = Tab(found.stranger().client)
        idp.wrong["answer"] = {"error": "access_denied"}
        said = await tab.login(idp, next="/notes")
        page = "/account/login?from=others&error=login_cancelled&next=%2Fnotes"
        assert (said.status_code, said.headers["location"]) == (303, page)
        said = await tab.begin("nobody")
        assert said.headers["location"] == "/account/login?from=others&error=not_found"
        frame = {"accept": "text/html", "sec-fetch-dest": "iframe"}
        said = await tab.client.get("/api/auth/with/idp", headers=frame)
        assert said.headers["location"] == "/account/login?from=others&error=csrf"


async def test_authn_4_too_many_failures_are_throttled(database_url: str) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        tab = Tab(found.stranger().client)
        said = [await tab.back({"state": "made up"}) for _ in range(12)]
        assert [row.status_code for row in said] == [400] * 10 + [429] * 2
        assert int(said[-1].headers["retry-after"]) > 0


async def test_what_is_no_query_or_form_is_told(database_url: str) -> None:
    async with provider() as idp, world(database_url, login_with=[idp.settings()]) as found:
        api = found.api
        said = await api.ask("GET /api/auth/with/idp?next=/a&next=/b&more=1")
        assert said.status_code == 400
        assert pointers(said) == [("?next", "repeated_parameter"), ("?more", "unknown_parameter")]
        said = await api.ask("GET /api/auth/with/idp/callback?state=%ff")
        assert (said.status_code, said.json()["code"]) == (400, "bad_request")
        said = await api.ask("POST /api/auth/with/idp/callback", json={})
        assert said.status_code == 415
        form = {"content-type": "application/x-www-form-urlencoded"}
        said = await api.ask("POST /api/auth/with/idp/callback", content=b"code=1", headers=form)
        assert said.status_code == 404
