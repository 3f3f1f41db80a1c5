"""What the document says of accounts is what they do, for requests right and wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.python.asgi import shutdown_lifespans

from abaft import App, Settings, User
from abaft.login_with import OIDC, Discord
from accounts import Note
from scenarios import ADMIN_TOKEN, SECRET_KEY
from times import times

CASES = times(12)
OTHERS = [
    # Nobody listens there: a log-in goes no further than the beginning.
    OIDC("http://127.0.0.1:9", client_id="client", response_mode="form_post"),
    Discord(client_id="client"),
]
APP: dict[str, Any] = {}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("accounts") / "test.db"
    given_ = Settings(database=f"sqlite:///{path}", secret_key=SECRET_KEY, admin_token=ADMIN_TOKEN)
    app = App(User, Note, settings=given_, sinks=(), login_with=OTHERS)
    limits = app.accounts.context.throttle
    limits._limits = {name: [] for name in limits._limits}
    asyncio.run(app.start())
    asyncio.run(app.stop())
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    shutdown_lifespans()


def labels() -> list[str]:
    given_ = Settings(database="sqlite:///", secret_key=SECRET_KEY)
    app = App(User, Note, settings=given_, sinks=(), login_with=OTHERS)
    return [
        f"{method.upper()} {path}"
        for path, item in app.openapi()["paths"].items()
        for method in item
        if path.startswith("/api/auth/")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("label", labels())
@pytest.mark.parametrize("who", ["nobody", "admin"])
def test_val_1_accounts_answer_as_documented(described: Any, label: str, who: str) -> None:
    [found] = [row.ok() for row in described.get_all_operations() if row.ok().label == label]
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}"} if who == "admin" else {}

    @settings(
        max_examples=CASES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(case=found.as_strategy())
    def held(case: Any) -> None:
        if who == "nobody":
            case.headers.pop("Authorization", None)
        answer = case.call(headers=headers)
        assert answer.status_code < 500, answer.text
        found.validate_response(answer)
        assert str(answer.status_code) in found.definition.raw["responses"], answer.text

    held()
