"""All settings in one frozen table; each is read from `ABAFT_<NAME>` unless given in code."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from abaft.base.errors import SettingError

SECRET_BITS = 256
_ORIGIN = re.compile(r"https?://[^/?#\s@]+")


def setting(default: Any, text: str, *, secret: bool = False) -> Any:
    """A row of the table: its default, what it is for, and whether it must never be shown."""
    return dataclasses.field(default=default, metadata={"help": text, "secret": secret})


def bits(secret: str) -> int:
    """How many random bits a text of this length and these characters can hold at most."""
    kinds = (
        (r"[0-9]*", 10), (r"[0-9a-f]*|[0-9A-F]*", 16), (r"[a-z2-7]*|[A-Z2-7]*=*", 32),
        (r"[\w+/=-]*", 64),
    )  # fmt: skip
    letters = next((count for form, count in kinds if re.fullmatch(form, secret)), 95)
    # Few different characters are a sample or a stuck key, whatever their number.
    letters = min(letters, 2 ** max(0, len(set(secret)) - 1))
    return int(len(secret.rstrip("=")) * math.log2(letters)) if letters > 1 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, with its default. A value in code wins over the environment."""

    mode: Literal["development", "production"] = setting(
        "development", "production checks the schema instead of changing it, and needs a secret_key"
    )
    database: str = setting(
        "sqlite:///abaft.db",
        "where the data lives: sqlite:///FILE, postgresql://…, mysql://… or mongodb://…",
        secret=True,
    )
    schema_check: Literal["strict", "warn"] = setting(
        "strict",
        "what production does where the database isn't as the models say: stop, or tell and go on",
    )
    replicas: str = setting(
        "", "URLs of replicas of the database, with commas between; they are only read", secret=True
    )
    replica_lag: float = setting(
        10.0, "seconds by which a replica may be behind and still be read; at least 1"
    )
    secret_key: str = setting(
        "",
        "signs cursors and watermarks; at least 32 characters, the same in every worker",
        secret=True,
    )
    previous_secret_keys: str = setting(
        "",
        "secret keys of before, with commas between: what they signed holds until it ends",
        secret=True,
    )
    admin_token: str = setting(
        "", "a bearer token that stands above all rules; empty: none", secret=True
    )
    api_prefix: str = setting("/api", "where the collections are served")
    docs: bool = setting(True, "serve /docs, /openapi.json and the page at /")
    server_timing: bool = setting(False, "tell each stage's time in the Server-Timing header")
    connections: int = setting(8, "connections to the database a worker may open")
    query_timeout: float = setting(5.0, "seconds a query may take")
    queue_limit: int = setting(2000, "requests a worker may have in progress before it sheds load")
    queue_timeout: float = setting(
        5.0, "seconds a request may wait for its turn at the database; 0: no limit"
    )
    drain_timeout: int = setting(10, "seconds a stopping worker gives to requests in progress")
    requests_per_minute: int = setting(
        6_000, "requests an address, or a network of IPv6, may send a minute; 0: no limit"
    )
    account_requests_per_minute: int = setting(
        6_000, "requests an account may send a minute; 0: no limit"
    )
    key_requests_per_minute: int = setting(
        6_000, "requests an API key may send a minute; 0: no limit"
    )
    route_limits: str = setting(
        "",
        "requests an address may send to routes a minute, such as POST /api/posts 60; GET /x* 600",
    )
    rate_exempt_addresses: str = setting(
        "127.0.0.0/8, ::1", "addresses and networks that aren't counted by address"
    )
    rate_exempt_roles: str = setting("", "roles whose requests aren't counted by account or key")
    head_timeout: float = setting(
        10.0, "seconds a client may take to send a request's line and headers; 0: no limit"
    )
    body_timeout: float = setting(
        30.0, "seconds a client may take for each 64 KiB of a body; 0: no limit"
    )
    max_head_bytes: int = setting(65_536, "bytes of a request's line and headers")
    max_body_bytes: int = setting(1_048_576, "bytes of a request's body")
    max_answer_bytes: int = setting(
        67_108_864, "bytes of an answer that is made as a whole; a stream has no such limit"
    )
    max_url_bytes: int = setting(8_192, "bytes of a request's path and query")
    default_limit: int = setting(30, "records on a page when `limit` is not given")
    max_limit: int = setting(1_000, "records on a page")
    max_offset: int = setting(100_000, "records that `offset` may skip; a cursor has no such limit")
    max_count: int = setting(100_000, "how far `count=N` may count")
    max_filters: int = setting(50, "filter parameters in a request")
    max_filter_depth: int = setting(4, "relations in a row in a filter or sort")
    max_filter_length: int = setting(4_096, "characters of `filter`")
    max_filter_nesting: int = setting(16, "how deep the parts of `filter` are nested, up to 24")
    max_filter_terms: int = setting(100, "fields and functions that `filter` may name")
    max_in_values: int = setting(1_000, "values of an `in` or `nin` filter")
    max_sort_fields: int = setting(8, "fields of `sort`")
    max_aggregates: int = setting(20, "members of `group` and `aggregate`, together")
    max_expand_paths: int = setting(20, "relations that `expand` may name")
    max_expand_depth: int = setting(4, "relations in a row in `expand`")
    max_expand_items: int = setting(100, "records of a to-many relation that `expand` shows")
    max_expand_records: int = setting(
        20_000, "records that `expand` may show with one record, at all depths together"
    )
    idempotency_hours: int = setting(
        24, "hours that the answer to an `Idempotency-Key` is kept; 0: for ever"
    )
    max_streams: int = setting(2, "lists a worker may stream at once, as NDJSON or CSV")
    stream_timeout: float = setting(600.0, "seconds a stream may take as a whole; 0: no limit")
    stream_stall: float = setting(30.0, "seconds a client may leave an answer unread; 0: no limit")
    compress_from: int = setting(2_048, "bytes from which an answer is compressed; 0: never")
    max_operations: int = setting(100, "operations of a batch")
    batch_timeout: float = setting(
        15.0, "seconds from which no further operation of a batch is begun; 0: no limit"
    )
    max_nested_depth: int = setting(4, "how deep records may be nested in a body")
    max_batch: int = setting(1_000, "records that one request may write")
    max_search_length: int = setting(500, "characters of `search`")
    max_search_words: int = setting(32, "words of `search`")
    base_url: str = setting(
        "", "where people reach the app, as https://example.org: links in mails lead there"
    )
    local_url: str = setting(
        "http://localhost:8000",
        "where development is reached while there is no base_url; abaft dev and serve say it",
    )
    allowed_hosts: str = setting(
        "", "names by which it may be asked, with commas between; empty: that of base_url"
    )
    cors_origins: str = setting(
        "", "origins whose pages may call, with commas between; *: any, without credentials"
    )
    cors_credentials: bool = setting(False, "pages of cors_origins may send cookies along")
    cors_max_age: int = setting(600, "seconds for which a browser keeps what it may send")
    content_security_policy: str = setting(
        "default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'",
        "what pages of the application's own code may load, unless they say so themselves",
    )
    hsts_days: int = setting(
        365, "days for which browsers come by https alone, in production; 0: not told"
    )
    hsts_subdomains: bool = setting(
        False, "hsts_days holds for all names below the one of base_url too"
    )
    log_refusals: int = setting(
        10, "refused requests that a worker tells the log of in a second; 0: none"
    )
    registration: Literal["open", "invited", "closed"] = setting(
        "open", "who may make an account: anybody, who was invited, or nobody"
    )
    email_verification: bool = setting(
        True, "an account is made only by who has the mail that was sent to its address"
    )
    session_days: int = setting(30, "days after which one has to log in again in any case")
    session_idle_hours: int = setting(168, "hours without a request that end a session")
    session_recheck: float = setting(
        0.0, "seconds a worker may go by what it knows of a session, where databases are shared"
    )
    access_minutes: float = setting(10.0, "minutes that an access token is valid")
    refresh_grace: float = setting(
        10.0, "seconds in which a refresh token that came twice doesn't end its session"
    )
    code_minutes: float = setting(30.0, "minutes that a code or link of a mail is valid")
    breached_passwords: str = setting(
        "", "a list of breached passwords that is asked by five digits of a digest; empty: none"
    )
    password_words: str = setting(
        "", "words that nobody's password may mostly be, with commas between: your product's name"
    )
    password_threads: int = setting(2, "passwords a worker may hash at once, of 19 MiB each")
    throttle_storage: str = setting(
        "memory://",
        "where requests and failed log-ins are counted: memory:// or redis://…",
        secret=True,
    )
    smtp: str = setting(
        "", "the mail server, as smtp://USER:PASSWORD@HOST:587; smtps:// for TLS", secret=True
    )
    mail_from: str = setting("", "the sender of mails, such as App <no-reply@example.org>")
    mail_link: str = setting(
        "/account/{purpose}#{token}", "where links in mails lead, below base_url"
    )
    mail_templates: str = setting("", "a folder of templates that come before abaft's own")
    audit_retention_days: int = setting(365, "days that the audit trail is kept; 0: for ever")
    login_with: str = setting(
        "", "who people may log in with, as google://ID:SECRET@, with commas between", secret=True
    )
    login_page: str = setting(
        "", "a page of yours to log in at: ?next=PATH is where to go then, ?error=CODE what failed"
    )
    app_redirects: str = setting(
        "", "where apps may be sent after a log-in with others, exactly, with commas between"
    )
    provider_timeout: float = setting(10.0, "seconds a provider may take for one answer")
    max_provider_bytes: int = setting(262_144, "bytes of a provider's answer")
    account_pages: bool = setting(True, "serve pages at /account to log in, register and the like")
    page_templates: str = setting("", "a folder of templates and texts before those of /account")
    security_contact: str = setting(
        "", "whom to tell of a hole, as mailto: or https:, with commas between: security.txt"
    )
    security_policy: str = setting("", "the address of what security.txt calls the policy")
    change_password_url: str = setting(
        "", "where /.well-known/change-password leads, if not to the page of abaft's own"
    )
    change_retention_days: int = setting(30, "days that the change feed is kept; 0: for ever")

    def __post_init__(self) -> None:
        for row in dataclasses.fields(self):
            value = getattr(self, row.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                if not math.isfinite(value):
                    raise SettingError(f"{row.name} is {value}: write a number")
                if value < 0:
                    raise SettingError(f"{row.name} is {value}: it can't be below zero")
        if self.max_filter_nesting > 24:
            raise SettingError("max_filter_nesting is over 24: databases go no deeper")
        if self.replica_lag < 1:
            raise SettingError("replica_lag is below 1: replicas are looked at twice a second")
        for name, key in [
            ("secret_key", self.secret_key),
            *(("previous_secret_keys", key) for key in self.former_keys),
        ]:
            if key and len(key) < 32:
                raise SettingError(f"{name} is shorter than 32 characters: make one by `abaft new`")
        if self.production and self.secret_key and bits(self.secret_key) < SECRET_BITS:
            raise SettingError(
                f"secret_key has less than {SECRET_BITS} bits: make one by"
                ' python -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        if self.mode == "production" and not self.secret_key:
            raise SettingError("production needs a secret_key: set ABAFT_SECRET_KEY")
        if self.admin_token and len(self.admin_token) < 32:
            raise SettingError("admin_token is shorter than 32 characters: it opens every door")
        if self.base_url and not _ORIGIN.fullmatch(self.base_url):
            raise SettingError(f"base_url is {self.base_url!r}: write it like https://example.org")
        check_origins(self)
        if not self.api_prefix.startswith("/") or self.api_prefix.endswith("/"):
            raise SettingError(f"api_prefix is {self.api_prefix!r}: write it like '/api'")

    def __repr__(self) -> str:
        rows = (
            f"{row.name}={'***' if row.metadata['secret'] else repr(getattr(self, row.name))}"
            for row in dataclasses.fields(self)
        )
        return f"Settings({', '.join(rows)})"

    @property
    def former_keys(self) -> tuple[str, ...]:
        """Secret keys that are used no more, the latest first."""
        found = (key.strip() for key in self.previous_secret_keys.split(","))
        return tuple(key for key in found if key)

    @property
    def production(self) -> bool:
        return self.mode == "production"

    @property
    def limits_requests(self) -> bool:
        """Whether a request may be one too many of its minute."""
        own = self.account_requests_per_minute or self.key_requests_per_minute
        return bool(self.requests_per_minute or own or self.route_limits)

    @property
    def tolerates_differences(self) -> bool:
        """Whether a start goes on where the database isn't as the models say."""
        return self.production and self.schema_check == "warn"


def check_origins(settings: Settings) -> None:
    """SettingError for origins that no browser would send."""
    for name in filter(None, map(str.strip, settings.cors_origins.split(","))):
        if name == "*" and settings.cors_credentials:
            raise SettingError("cors_credentials needs cors_origins by name, and they have a *")
        if name != "*" and not _ORIGIN.fullmatch(name):
            raise SettingError(f"cors_origins has {name!r}: write it like https://example.org")


def load(given: Mapping[str, Any] | None = None) -> Settings:
    """The settings from code, then from the environment, then the defaults.

    Raises SettingError, naming the variable, where a value can't be read.
    """
    values = dict(given or {})
    hints = get_type_hints(Settings)
    for row in dataclasses.fields(Settings):
        name = f"ABAFT_{row.name.upper()}"
        if row.name not in values and name in os.environ:
            values[row.name] = _read(name, os.environ[name], hints[row.name])
    unknown = set(values) - set(hints)
    if unknown:
        raise SettingError(f"unknown setting: {', '.join(sorted(unknown))}")
    return Settings(**values)


def share(**values: str) -> None:
    """Sets settings in the environment: for this process and the workers that it starts."""
    os.environ.update({f"ABAFT_{name.upper()}": value for name, value in values.items()})


def read_env_file(path: Path) -> None:
    """Adds to the environment what lines of NAME=value say; what is already set there wins.

    Raises SettingError, naming the line, where one can't be read.
    """
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingError(f"{path}, line {number}: write NAME=value")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        os.environ.setdefault(name.strip(), value)


def _read(name: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise SettingError(f"{name} is {text!r}: write one of {', '.join(get_args(kind))}")
        return text
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if text.lower() not in words:
            raise SettingError(f"{name} is {text!r}: write true or false")
        return words[text.lower()]
    try:
        return kind(text)
    except ValueError:
        raise SettingError(f"{name} is {text!r}: write a number") from None
