"""Text that is HTML or Markdown: what would run in it is taken out on every way in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from abaft.base.errors import ModelError
from abaft.base.extras import needs
from abaft.model.kinds import Text

Format = Literal["html", "markdown"]


@dataclass(frozen=True, slots=True)
class RichText(Text):
    """Read, compared and searched as text is; `clean` is what values go through on the way in.

    What was stored before the field had its format is read as it is: only a write cleans it.
    """

    clean: Callable[[str], str] = str

    def python(self) -> Any:
        return Annotated[Text.python(self), AfterValidator(self._cleaned)]

    def _cleaned(self, text: str) -> str:
        found = self.clean(text)
        most = dict(self.limits).get("max_length")
        if most is not None and len(found) > most:
            # Characters such as & are written in more of them.
            raise PydanticCustomError(
                "string_too_long",
                "String should have at most {max_length} characters, as HTML writes them",
                {"max_length": most},
            )
        return found


def rich_text(where: str, kind: Any, format_: str) -> RichText:
    """The kind of a text with a format. Raises ModelError for what is no plain text."""
    if type(kind) is not Text or format_ not in ("html", "markdown"):
        raise ModelError(f"{where}: format is 'html' or 'markdown', of a field that is a str")
    with needs("html"):
        from abaft.guard.sanitise import clean_html, clean_markdown

    return RichText(clean=clean_html if format_ == "html" else clean_markdown)
