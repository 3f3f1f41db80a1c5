"""A browser in which whatever runs sings, and a look at what could still be made to run.

Policies of pages are off: they are the second line, and what is shown here is that the first holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from browser import chromium

SILENCE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
"""Nobody out there is asked for anything."""
_SINGS = """
window.sung = []
window.kept = []
for (const name of ["alert", "confirm", "prompt", "print"])
  window[name] = (...given) => { window.sung.push(name + given) }
document.addEventListener("securitypolicyviolation", event => {
  if (!event.effectiveDirective.startsWith("img")) window.kept.push(event.effectiveDirective)
})
"""
_ALIVE = """() => {
  const found = []
  const held = ["iframe", "frame", "object", "embed", "applet", "base", "portal", "math"]
  const leads = ["href", "src", "action", "formaction", "data", "xlink:href", "background", "ping"]
  const acts = text => {
    try { return ["javascript:", "vbscript:", "data:"].includes(new URL(text, location).protocol) }
    catch { return false }
  }
  const look = root => {
    for (const node of root.querySelectorAll("*")) {
      const wrong = [...node.attributes].filter(({ name, value }) =>
        name.startsWith("on") || name === "srcdoc" || leads.includes(name) && acts(value))
      if (held.includes(node.localName) || node.localName === "script" && !node.nonce ||
          node.localName === "meta" && node.httpEquiv === "refresh" || wrong.length)
        found.push(node.outerHTML.slice(0, 200))
      if (node.localName === "template") look(node.content)
      if (node.shadowRoot) look(node.shadowRoot)
    }
  }
  look(document)
  return { found, sung: window.sung, kept: window.kept, text: document.body.innerText }
}"""
LOADED = "[...document.images].every(image => image.complete)"
"""That pictures, which aren't there, have had their errors."""
RECKONED = str(6 * 7 * 1009)
"""What a template that is filled twice makes of some payloads."""


class Canary:
    """A page of the browser, and what has been wrong with any that it showed."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.dialogs: list[str] = []
        page.on("dialog", self._asked)

    async def _asked(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        await dialog.dismiss()

    async def go(self, url: str) -> str:
        """Shows the URL, and looks; the text that one reads there."""
        await self.page.goto(url)
        return await self.look(url)

    async def look(self, what: str) -> str:
        """Looks at what is shown; the text that one reads there."""
        seen = await self.page.evaluate(_ALIVE)
        for kind in ("found", "sung", "kept"):
            self.wrong += [f"{what[:300]}: {kind}: {row}" for row in seen[kind]]
        self.wrong += [f"{what[:300]}: a dialog: {row}" for row in self.dialogs]
        self.dialogs.clear()
        if RECKONED in seen["text"]:
            self.wrong.append(f"{what[:300]}: it reckons")
        return str(seen["text"])


@asynccontextmanager
async def canary(*, policies: bool = False) -> AsyncIterator[Canary]:
    """One page; with `policies` they are obeyed."""
    async with chromium(SILENCE) as found:
        assert found.context.browser is not None
        context = await found.context.browser.new_context(bypass_csp=not policies)
        await context.add_init_script(_SINGS)
        page = await context.new_page()
        page.set_default_timeout(15_000)
        yield Canary(page)
