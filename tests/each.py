"""A table of cases that one app answers, made once for all, as none changes what it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from scenarios import Api

Test = Callable[..., Awaitable[None]]


def each(names: str | tuple[str, ...], rows: Iterable[Any]) -> Callable[[Test], Test]:
    """As `parametrize` does, but on one `api`; each row that fails is told by itself."""
    one = isinstance(names, str)
    named = (names,) if isinstance(names, str) else names

    def decorate(test: Test) -> Test:
        async def whole(api: Api, subtests: pytest.Subtests) -> None:
            for row in rows:
                given = dict(zip(named, (row,) if one else row, strict=True))
                with subtests.test(**given):
                    await test(api, **given)

        whole.__name__, whole.__qualname__ = test.__name__, test.__qualname__
        whole.__module__, whole.__doc__ = test.__module__, test.__doc__
        return whole

    return decorate
