"""A table of cases that one app answers, made once for all, as none changes what it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from inspect import Parameter, signature
from typing import Any

import pytest

Test = Callable[..., Awaitable[None]]


def each(names: str | tuple[str, ...], rows: Iterable[Any]) -> Callable[[Test], Test]:
    """As `parametrize` does, but the test's fixtures are made once for all rows; each row that
    fails is told by itself."""
    one = isinstance(names, str)
    named = (names,) if isinstance(names, str) else names

    def decorate(test: Test) -> Test:
        async def whole(subtests: pytest.Subtests, **fixtures: Any) -> None:
            for row in rows:
                given = dict(zip(named, (row,) if one else row, strict=True))
                with subtests.test(**given):
                    await test(**fixtures, **given)

        asked = [name for name in signature(test).parameters if name not in named]
        parameters = [Parameter(name, Parameter.KEYWORD_ONLY) for name in (*asked, "subtests")]
        whole.__signature__ = signature(whole).replace(parameters=parameters)  # type: ignore[attr-defined]
        whole.__name__, whole.__qualname__ = test.__name__, test.__qualname__
        whole.__module__, whole.__doc__ = test.__module__, test.__doc__
        return whole

    return decorate
