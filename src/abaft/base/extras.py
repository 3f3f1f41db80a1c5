"""What is installed apart, and how a URL names an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from abaft.base.errors import SettingError

_EXTRAS = {
    "postgres": ("PostgreSQL needs its driver", ("asyncpg",)),
    "mysql": ("MySQL and MariaDB need their driver", ("asyncmy",)),
    "mongo": ("MongoDB needs its driver", ("pymongo", "bson")),
    "accounts": (
        "accounts need their libraries",
        (
            "argon2",
            "authlib",
            "httpx",
            "joserfc",
            "cryptography",
            "nacl",
            "pyotp",
            "webauthn",
            "aiosmtplib",
            "jinja2",
            "segno",
        ),
    ),
    "html": ("fields of HTML or Markdown need their libraries", ("nh3", "markdown_it")),
    "redis": ("counts in Redis need its libraries", ("redis",)),
    "migrate": ("this needs Alembic", ("alembic", "greenlet")),
}
"""Who needs each extra, and the packages that it brings."""

_SCHEMES = {
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mongodb": "mongodb",
}


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Imports what an extra brings. SettingError, with what to install, where it isn't there."""
    who, packages = _EXTRAS[extra]
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise SettingError(f"{who}: pip install 'abaft[{extra}]'") from error


def installed(extra: str) -> bool:
    """Whether all that it brings is there."""
    try:
        return all(find_spec(name) is not None for name in _EXTRAS[extra][1])
    except ModuleNotFoundError:  # a finder that is asked before Python's own may refuse
        return False


def engine_of(url: str) -> str:
    """The engine of a database's URL. SettingError where there is none of that name."""
    scheme = url.partition(":")[0].partition("+")[0]
    engine = _SCHEMES.get(scheme)
    if engine is None:
        raise SettingError(
            f"there is no database of kind {scheme!r}: write sqlite:///FILE, "
            "postgresql://USER@HOST/NAME, mysql://USER@HOST/NAME or mongodb://HOST/NAME"
        )
    return engine
