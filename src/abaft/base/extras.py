"""What is installed apart, and how a URL names an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from urllib.parse import urlsplit

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

_FORMS = (
    "sqlite:///FILE, postgresql://USER@HOST/NAME, mysql://USER@HOST/NAME or mongodb://HOST/NAME"
)


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
    """The engine of a database's URL. SettingError for what isn't one, or names no engine of ours.

    What may be wrong further on is for the engine's own driver to tell.
    """
    kind, colon, rest = url.partition(":")
    scheme = kind.partition("+")[0]
    engine = _SCHEMES.get(scheme)
    if engine is None:
        named = f"there is no database of kind {scheme[:40]!r}" if colon else "this is no URL"
        raise SettingError(f"{named}: write {_FORMS}")
    if not rest.startswith("///" if engine == "sqlite" else "//"):
        # No more of it is shown: what is written wrongly may have a password in any place.
        raise SettingError(
            f"a database's URL that begins with {kind}: has another form: write {_FORMS}"
        )
    if engine in ("postgres", "mysql"):
        _check_port(url)
    return engine


def _check_port(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = None if "," in parts.netloc else parts.port  # several hosts are PostgreSQL's to read
    except ValueError:
        raise SettingError(
            "the database's URL can't be read: after the host's colon there is a port from 1 to "
            "65535, and :, /, ? and @ within a password are written %3A, %2F, %3F and %40"
        ) from None
