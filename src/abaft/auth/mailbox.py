"""The mailbox of development: what would have been sent, to look at on this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from markupsafe import Markup
from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.auth.page_alone import PagesAlone
from abaft.base.errors import NotFound

_ADDRESS = re.compile(r"(https?://[^\s<>]+)")
_TOKEN = re.compile(r"#(\S+)")


class MailShown(TypedDict):
    to: str
    subject: str
    text: str
    token: str | None


class Mails(TypedDict):
    items: list[MailShown]


class Mailbox:
    """Shows the last mails to who sits at this machine, and to nobody else."""

    def __init__(self, context: Context) -> None:
        self._context, self._alone = context, PagesAlone(context.settings)

    async def look(self, call: Call) -> Reply:
        """The last mails, the newest first; as a page for who wants HTML."""
        if not _local(call.address):
            raise NotFound("the mailbox is for this machine alone")
        shown = [_shown(mail) for mail in reversed(self._context.mailer.box)]
        if "text/html" in call.headers.get("accept", ""):
            return self._alone.draw(call, "mailbox.html", mails=[_linked(row) for row in shown])
        return Reply(200, {"items": shown})


def _local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _shown(mail: Any) -> dict[str, Any]:
    text = mail.get_body(("plain",)).get_content()
    token = _TOKEN.search(text)
    return {
        "to": str(mail["to"]),
        "subject": str(mail["subject"]),
        "text": text,
        "token": None if token is None else token[1],
    }


def _linked(shown: dict[str, Any]) -> dict[str, Any]:
    """With the addresses in its text as links, which is what they are in a mail program."""
    parts = _ADDRESS.split(shown["text"])
    # Every other part is an address: each is escaped by itself.
    text = Markup().join(
        Markup('<a href="{0}">{0}</a>').format(part) if number % 2 else part
        for number, part in enumerate(parts)
    )
    return {**shown, "text": text}
