"""The texts of pages of accounts, in the languages that there are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from abaft.auth.mail import accepted
from abaft.base.errors import Fault

Texts = Mapping[str, str]
_OWN = files("abaft.auth") / "pages"


class Words:
    """Texts of abaft's own, and of a folder's above them; what is missing is English."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None
        self._known: dict[str, dict[str, str]] = {}
        self._known["en"] = self._read("en")

    def of(self, header: str) -> tuple[str, Texts]:
        """The first language of an Accept-Language that there are texts of, and these."""
        for language in accepted(header):
            texts = self._known.get(language) or self._read(language)
            if texts:
                self._known[language] = texts
                return language, texts
        return "en", self._known["en"]

    def _read(self, language: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for folder in (_OWN, self._folder):
            path = None if folder is None else folder / "texts" / f"{language}.json"
            if path is not None and path.is_file():
                found |= json.loads(path.read_text("utf-8"))
        return {**self._known.get("en", {}), **found} if found else {}


def said(texts: Texts, fault: Fault) -> tuple[str, list[tuple[str, str]]]:
    """What a page says of a fault: the whole, and of each field what is wrong."""
    whole = texts.get(f"fault.{fault.code}") or fault.detail or fault.title
    rows = [
        (row.pointer.rpartition("/")[2], texts.get(f"fault.{row.code}") or row.detail)
        for row in fault.errors
    ]
    return whole, rows


def of_code(texts: Texts, code: str) -> str:
    """What `?error=` stands for; of what is unknown only that something went wrong."""
    return (texts.get(f"fault.{code}") or texts["fault"]) if code else ""
