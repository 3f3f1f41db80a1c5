"""Brings a folder of posts in: Markdown with front matter, a file a post; again is no harm.

python examples/blog/publish.py examples/blog/posts --author ann@example.org
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]
from app import Category, Post, app  # type: ignore[import-not-found]

from abaft import Actor, Fault, User

KNOWN = {"title", "description", "date", "categories", "published"}


class Unreadable(Exception):
    """A file that is no post; the message says why."""


def read_post(path: Path) -> dict[str, Any]:
    """The values of a post. Raises Unreadable."""
    text = path.read_text(encoding="utf-8").removeprefix("\ufeff")
    parts = text.split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        raise Unreadable("it should begin with front matter between two lines of ---")
    try:
        front = yaml.safe_load(parts[1])
    except yaml.YAMLError as error:
        raise Unreadable(f"its front matter is no YAML: {error}") from None
    if not isinstance(front, dict) or not KNOWN.issuperset(front):
        raise Unreadable(f"its front matter may have {', '.join(sorted(KNOWN))}")
    if lacking := {"title", "date"}.difference(front):
        raise Unreadable(f"its front matter lacks {', '.join(sorted(lacking))}")
    return {"slug": path.stem, "published": False, **front, "body": parts[2].strip()}


async def publish(files: Sequence[Path], author: str) -> int:
    """How many of these files could not be taken; each is told with the reason."""
    wrong = 0
    await app.start()
    try:
        db = app.db(Actor(system=True, label="publish"))
        found = await db.list(User, lambda user: user.email == author, limit=1)
        writer = found[0] if found else await db.create(User, email=author)
        for path in files:
            try:
                values = read_post(path)
                names = values.pop("categories", [])
                for name in names:
                    await db.upsert(Category, on="name", name=name)
                values["categories"] = [Category(name=name) for name in names]
                await db.upsert(Post, on="slug", author=writer, **values)
            except (Unreadable, Fault) as error:
                wrong += 1
                print(f"{path}: {error}", file=sys.stderr)  # noqa: T201
    finally:
        await app.stop()
    return wrong


if __name__ == "__main__":
    words = argparse.ArgumentParser(description="Brings a folder of posts in.")
    words.add_argument("folder", type=Path)
    words.add_argument("--author", default="editor@example.org", help="their address")
    given = words.parse_args()
    files = sorted(given.folder.glob("*.md"))
    sys.exit(1 if asyncio.run(publish(files, given.author)) else 0)
