"""The mailbox of development: what would have been sent, to look at on this machine."""

from __future__ import annotations

import ipaddress
import re
from html import escape
from typing import Any

from typing_extensions import TypedDict

from abaft.auth.calls import Call, Reply
from abaft.auth.context import Context
from abaft.base.errors import NotFound
from abaft.guard.headers import new_nonce, of_page

_STYLE = """
:root { color-scheme: light dark; background: Canvas; color: CanvasText }
body { margin: 0 auto; padding: 2rem 1rem; max-width: 45rem; font: 1rem/1.5 system-ui, sans-serif }
article { border-top: 1px solid #8884; padding: .5rem 0 } h2 { margin: .5rem 0 0; font-size: 1rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0 }
p { margin: 0; color: #595959 }
@media (prefers-color-scheme: dark) { p { color: #aaa } }
"""
_ADDRESS = re.compile(r"https?://[^\s<>]+")
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
        self._context = context

    async def look(self, call: Call) -> Reply:
        """The last mails, the newest first; as a page for who wants HTML."""
        if not _local(call.address):
            raise NotFound("the mailbox is for this machine alone")
        shown = [_shown(mail) for mail in reversed(self._context.mailer.box)]
        if "text/html" in call.headers.get("accept", ""):
            nonce = new_nonce()
            return Reply(200, None, of_page(nonce), _page(shown, nonce))
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


def _linked(text: str) -> str:
    """The text with its addresses as links, which is what they are in a mail program."""
    escaped = escape(text)
    return _ADDRESS.sub(r'<a href="\g<0>">\g<0></a>', escaped)


def _page(mails: list[dict[str, Any]], nonce: str) -> str:
    found = "".join(
        f"<article><h2>{escape(mail['subject'])}</h2><p>to {escape(mail['to'])}</p>"
        f"<pre>{_linked(mail['text'])}</pre></article>"
        for mail in mails
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailbox</title>'
        f'<style nonce="{nonce}">{_STYLE}</style><main><h1>Mailbox</h1>'
        f"{found or '<p>No mail yet.</p>'}</main></html>"
    )
