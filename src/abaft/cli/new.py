"""`abaft new`: a small project to begin with."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from abaft.base import ids
from abaft.base.extras import installed
from abaft.cli.console import done, err, fail, note

APP = '''"""A blog: posts with tags, which their authors publish when they are done."""

from abaft import App, Db, Many, Me, Model, Ref, User, allow, field, me


class Tag(Model):
    """A word to find posts by."""

    name: str = field(max_length=40, unique=True)

    @allow("read")
    def everyone(tag, me: Me) -> bool:
        return True


class Post(Model):
    """Something worth reading."""

    title: str = field(max_length=200)
    body: str = field(search=True)
    published: bool = False
    author: Ref[User] = field(default=me, on_delete="cascade")
    tags: Many[Tag]

    @allow("read")
    def published_or_mine(post, me: Me) -> bool:
        return post.published | (post.author == me)

    @allow("create", "update", "delete")
    def mine(post, me: Me) -> bool:
        return post.author == me


app = App({users}Tag, Post, title="{title}")


@app.get("/feed")
async def feed(db: Db, me: Me) -> list[Post]:
    """The newest posts."""
    return await db.list(Post, where=lambda post: post.published, sort="-created", limit=20)
'''

IGNORE = """.venv/
__pycache__/
.env
*.db
*.db-*
"""

ENV = """# Read by the abaft command. Keep it out of version control.
ABAFT_SECRET_KEY={secret}
# A bearer token that stands above all rules:
ABAFT_ADMIN_TOKEN={token}
"""

README = """# {title}

```console
$ abaft dev          # http://localhost:8000, and again after every change
$ abaft routes       # what is served, and who may do what
$ abaft query posts 'published and any(tags, name = "sea")' --sort -created
$ abaft load app.py tags.csv && abaft export app.py posts -o posts.csv
$ abaft shell        # Python with the models, `db` and `await` at the prompt
```

The models and their rules are in `app.py`; the data is in `abaft.db`. {people}

As the administrator:

```console
$ . ./.env
$ curl -H "Authorization: Bearer $ABAFT_ADMIN_TOKEN" -H "Content-Type: application/json" \\
    -d '{{"name": "first"}}' http://localhost:8000/api/tags
```

In production set `ABAFT_MODE=production`, `ABAFT_SECRET_KEY` and `ABAFT_DATABASE`, and run
`abaft serve app.py --workers 4`.
"""


PEOPLE = """People
make an account at <http://localhost:8000/account/join>; while there is no mail server, what would
be mailed to them is at <http://localhost:8000/api/auth/mailbox>."""
NOBODY = """Nobody can
log in yet: `pip install 'abaft[accounts]'` and give `User` to `App`."""


def new(
    name: Annotated[str, typer.Argument(help="The folder to make; its name is the project's.")],
) -> None:
    """Make a small project: a blog with its rules, settings with fresh secrets, a README."""
    folder = Path(name)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._ -]{0,63}", folder.name):
        raise typer.BadParameter(
            f"{folder.name!r}: begin with a letter and go on with letters, digits, - and _",
            param_hint="NAME",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fail(f"{name} is there already and isn't empty", "choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    title = folder.name.replace("_", " ").replace("-", " ").capitalize()
    people = installed("accounts")
    app = APP.format(title=title, users="User, " if people else "")
    (folder / "app.py").write_text(app, "utf-8")
    (folder / ".gitignore").write_text(IGNORE, "utf-8")
    readme = README.format(title=title, people=PEOPLE if people else NOBODY)
    (folder / "README.md").write_text(readme, "utf-8")
    _write_secret(folder / ".env", ENV.format(secret=ids.secret(), token=ids.secret()))
    done(f"{name} is made")
    if not people:
        note("people can log in once you pip install 'abaft[accounts]' and give User to App")
    err.print(f"  [cyan]cd {escape(shlex.quote(name))} && abaft dev[/]")


def _write_secret(path: Path, text: str) -> None:
    """A file that its owner alone can read, from its first moment on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
