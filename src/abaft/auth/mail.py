"""Mails: text and HTML from templates, by SMTP, or in development into a mailbox to look at."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import aiosmtplib
from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
)
from jinja2.loaders import BaseLoader

from abaft.base import clock
from abaft.base.errors import SettingError
from abaft.base.settings import Settings
from abaft.observe.events import MailFailed, Observer

KEPT = 50
TRIES, WAIT, TIMEOUT = 3, 2.0, 20.0
_SCHEMES = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})?")


@dataclass(frozen=True, slots=True)
class Server:
    """The mail server of a URL; `smtp` goes on only with TLS, `smtp+plain` is for this machine."""

    host: str
    port: int
    scheme: str
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"

    @classmethod
    def of(cls, url: str) -> Server:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise SettingError("smtp can't be read: write smtp://USER:PASSWORD@HOST:587")
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        port = parts.port or _SCHEMES[parts.scheme]
        return cls(parts.hostname, port, parts.scheme, user, password)

    async def send(self, message: EmailMessage) -> None:
        """Hands it over."""
        secure = self.scheme != "smtp+plain"
        await aiosmtplib.send(
            message,
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            use_tls=self.scheme == "smtps",
            start_tls=secure and self.scheme == "smtp",
            timeout=TIMEOUT,
        )


class Mailer:
    """Writes mails and sends them beside the request, so that its time tells nothing."""

    def __init__(self, settings: Settings, title: str, observer: Observer) -> None:
        self._settings, self.title, self._observer = settings, title, observer
        self._server = Server.of(settings.smtp) if settings.smtp else None
        self._sender = _sender(settings.mail_from, title)
        own: dict[str, BaseLoader] = {"abaft": PackageLoader("abaft.auth", "mails")}
        if settings.mail_templates:
            own = {"own": FileSystemLoader(settings.mail_templates), **own}
        self._places = tuple(own)
        # By the place too: what is an app's own comes first in whatever language it is.
        loader = ChoiceLoader([*own.values(), PrefixLoader(own)])
        strict: dict[str, Any] = {"loader": loader, "undefined": StrictUndefined}
        self._html = Environment(autoescape=True, **strict)
        self._text = Environment(autoescape=False, keep_trailing_newline=True, **strict)  # noqa: S701
        self._sending: set[asyncio.Task[None]] = set()
        self.box: deque[EmailMessage] = deque(maxlen=KEPT)
        """What was written where there is no mail server: for the page of development."""

    def link(self, purpose: str, token: str) -> str:
        """Where a mail's link leads: never to where a request's Host says."""
        base = self._settings.base_url or self._settings.local_url
        return base + self._settings.mail_link.format(
            purpose=purpose.replace("_", "-"), token=quote(token)
        )

    def send(self, to: str, name: str, languages: str = "", **values: Any) -> None:
        """Begins to send the mail of this name; `languages` is an Accept-Language."""
        message = self._written(to, name, accepted(languages), values)
        if self._server is None:
            self.box.append(message)
            return
        task = asyncio.create_task(self._sent(self._server, message, name))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _written(
        self, to: str, name: str, languages: Sequence[str], values: Mapping[str, Any]
    ) -> EmailMessage:
        minutes = round(self._settings.code_minutes)
        known = {"app": self.title, "minutes": minutes, **values}
        texts = _in_turn(name, languages)
        text = self._text.select_template(
            [f"{place}/{row}.txt" for place in self._places for row in texts]
        )
        chosen = (text.name or "").rpartition("/")[2].removesuffix(".txt")
        language = chosen.removeprefix(name).strip(".") or "en"
        subject, _, body = text.render(known).partition("\n")
        message = EmailMessage()
        message["From"], message["To"] = self._sender, _address(to)
        message["Subject"] = " ".join(subject.split())
        message["Date"] = format_datetime(clock.now())
        message["Message-ID"] = make_msgid(domain=self._sender.domain)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body.strip() + "\n")
        html = self._html.select_template([f"{chosen}.html", f"{name}.html"])
        page = html.render({**known, "subject": subject, "language": language})
        message.add_alternative(page, subtype="html")
        return message

    async def _sent(self, server: Server, message: EmailMessage, name: str) -> None:
        for attempt in range(TRIES):
            try:
                await server.send(message)
                return
            except (aiosmtplib.SMTPException, OSError) as error:
                failure: Exception = error
            await asyncio.sleep(WAIT * 2**attempt)
        self._observer.emit(MailFailed(name, failure))

    async def close(self) -> None:
        """Waits for what is being sent."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=TIMEOUT)


def _in_turn(name: str, languages: Sequence[str]) -> list[str]:
    """The templates of a mail for a reader of these languages; without a language it is English."""
    found = []
    for language in languages:
        found.append(f"{name}.{language}")
        if language == "en":
            break
    return [*found, name]


def _sender(given: str, title: str) -> Address:
    """The sender of all mails. SettingError where it can't be read."""
    if not given:
        return Address(title, "no-reply", "localhost")
    name, address = parseaddr(given)
    user, at, domain = address.rpartition("@")
    if not (at and user and domain):
        raise SettingError(f"mail_from is {given!r}: write App <no-reply@example.org>")
    return Address(name, user, domain)


def _address(text: str) -> Address:
    """The stored address as a header: nothing in it ends the line."""
    user, _, domain = text.rpartition("@")
    return Address(username=user, domain=domain)


def accepted(header: str) -> list[str]:
    """The languages of an Accept-Language, as they are in it; few, and only what is one.

    After one of a region comes the language itself (RFC 4647, 3.4).
    """
    found = [part.partition(";")[0].strip().lower() for part in header[:200].split(",")]
    known = [word for word in found if _LANGUAGE.fullmatch(word)][:5]
    both = (name for word in known for name in (word, word.partition("-")[0]))
    return list(dict.fromkeys(both))
