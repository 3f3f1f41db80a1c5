"""Pages that stand alone: without the style sheet of /account, which an app may have turned off."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from abaft.auth.calls import Call, Reply
from abaft.auth.page_words import Words
from abaft.base.settings import Settings
from abaft.guard.headers import new_nonce, of_page


class PagesAlone:
    """Draws them in the browser's language; a folder of the application's own comes first."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.page_templates

    @cached_property
    def words(self) -> Words:
        return Words(self._folder)

    @cached_property
    def _templates(self) -> Environment:
        own: list[Any] = [FileSystemLoader(self._folder)] if self._folder else []
        loader = ChoiceLoader([*own, PackageLoader("abaft.auth", "pages")])
        return Environment(autoescape=True, loader=loader, undefined=StrictUndefined)

    def draw(self, call: Call, name: str, status: int = 200, **values: Any) -> Reply:
        """The page of this name."""
        language, texts = self.words.of(call.headers.get("accept-language", ""))
        nonce = new_nonce()
        text = self._templates.get_template(name).render(
            language=language, t=texts, nonce=nonce, **values
        )
        headers = (*of_page(nonce), ("content-language", language))
        return Reply(status, None, headers, text)
