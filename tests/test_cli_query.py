"""`abaft query` and `abaft shell`: what they ask, show and refuse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from projects import PATIENCE, run, said, write_app

BLOG = """
from abaft import App, Many, Me, Model, Ref, User, allow, field

class Tag(Model, key="name", stamps=False):
    name: str

    @allow("read")
    def everyone(tag, me: Me) -> bool:
        return True

class Post(Model, key="slug", stamps=False):
    slug: str
    title: str
    rating: int | None = None
    author: Ref[User] | None = None
    tags: Many[Tag]

    @allow("read")
    def mine(post, me: Me) -> bool:
        return (post.author == me) | me.has_role("editor")

app = App(Tag, Post)
"""
SEED = """
ann = await db.create(User, name="Ann")
await db.create(Tag, name="sea")
for n in range(4):
    await db.create(Post, slug=f"p{n}", title=f"Post {n}", rating=n or None)

first = await db.get(Post, "p1")
await db.update(first, author=ann, tags=["sea"], title="=1+1 \\x1b[31m")
str(ann.id)
"""


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database with posts, to be copied, and Ann's id."""
    folder = tmp_path_factory.mktemp("seeded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABAFT_DATABASE", f"sqlite:///{folder}/blog.db")
        ann = shell(write_app(folder, BLOG), SEED).stdout.splitlines()[-1].strip("'")
    return folder / "blog.db", ann


@pytest.fixture
def blog(seeded: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    database, ann = seeded
    shutil.copy(database, tmp_path)
    monkeypatch.setenv("ABAFT_DATABASE", f"sqlite:///{tmp_path}/blog.db")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("ANN", ann)
    return write_app(tmp_path, BLOG)


def shell(app: str, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "abaft.cli", "shell", app, *options]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE)


def found(*arguments: str) -> Any:
    result = run("query", *arguments)
    assert result.exit_code == 0, said(result)
    return json.loads(result.stdout)


@pytest.mark.slow
def test_query_asks_in_the_filter_language(blog: str) -> None:
    rows = found(blog, "posts", "rating > 1 and slug != 'p9'", "--sort", "-rating")
    assert [row["slug"] for row in rows] == ["p3", "p2"]
    rows = found(
        blog, "Post", "author.name = 'Ann'", "--fields", "slug,author", "--expand", "author"
    )
    assert [(row["slug"], row["author"]["name"]) for row in rows] == [("p1", "Ann")]
    assert found(blog, "posts", "rating > 9") == []


@pytest.mark.slow
def test_query_stands_above_the_rules_or_asks_as_somebody(blog: str) -> None:
    assert len(found(blog, "posts")) == 4
    assert [row["slug"] for row in found(blog, "posts", "--as", os.environ["ANN"])] == ["p1"]
    nobody = "01900000-0000-7000-8000-000000000000"
    assert found(blog, "posts", "--as", nobody) == []
    assert len(found(blog, "posts", "--as", nobody, "--role", "editor")) == 4
    refused = run("query", blog, "posts", "--as", "anonymous")
    assert (refused.exit_code, "without logging in" in said(refused)) == (1, True)


@pytest.mark.slow
def test_query_shows_tables_lines_and_csv_and_counts(blog: str) -> None:
    fields = ("--fields", "slug,title,rating,tags", "--sort", "slug")
    table = run("query", blog, "posts", "rating <= 1 or rating is null", *fields, "-f", "table")
    assert "│ p1   │ =1+1 \\x1b[31m │" in table.stdout.replace("│p1", "│ p1")
    assert '["sea"]' in table.stdout
    assert "null" in table.stdout
    assert "\x1b[31m" not in table.stdout
    lines = run("query", blog, "posts", *fields, "-f", "ndjson").stdout.splitlines()
    assert [json.loads(line)["slug"] for line in lines] == ["p0", "p1", "p2", "p3"]
    cells = run("query", blog, "posts", "slug = 'p1'", *fields, "-f", "csv").stdout.splitlines()
    assert cells[0] == "slug,title,rating,tags"
    assert cells[1].startswith("p1,'=1+1")
    assert run("query", blog, "posts", "rating > 0", "--count").stdout == "3\n"
    nothing = run("query", blog, "posts", "rating > 9", "-f", "table")
    assert nothing.stdout == "nothing was found\n"


@pytest.mark.slow
def test_query_tells_that_there_is_more(blog: str) -> None:
    result = run("query", blog, "posts", "--limit", "2")
    assert len(json.loads(result.stdout)) == 2
    assert "--limit 0 all" in said(result)
    assert len(found(blog, "posts", "--limit", "0")) == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["posts", "ratin > 3"], "did you mean 'rating'? (column 1)\n  ratin > 3\n  ^"),
        (["posts", "rating >"], "  rating >\n          ^"),
        (["posts", "rating = 'x' and titel = 1"], "it can't be compared with a text"),
        (["postz"], "did you mean 'posts'?"),
        (["posts", "--sort", "ratin"], "did you mean 'rating'?"),
        (["posts", "--fields", "ratin"], "did you mean 'rating'?"),
        (["posts", "--expand", "authr"], "did you mean 'author'?"),
        (["posts", "--format", "jsno"], "did you mean 'json'?"),
        (["posts", "--role", "editor"], "--role goes with --as"),
        (["posts", "rating", ">", "3"], "put the condition in quotes"),
        (["posts", "--as", "ann"], "the actor's id is no uuid"),
    ],
)
@pytest.mark.slow
def test_query_refuses_with_a_mend(blog: str, words: list[str], told: str) -> None:
    result = run("query", blog, *words)
    assert result.exit_code == 1
    assert told in result.output, result.output


@pytest.mark.slow
def test_the_app_is_app_py_if_none_is_named(
    blog: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(blog).rename(tmp_path / "app.py")
    command = [sys.executable, "-m", "abaft.cli", "query", "posts", "rating > 2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert [row["slug"] for row in json.loads(done.stdout)] == ["p3"], done.stderr


@pytest.mark.slow
def test_shell_runs_what_comes_by_a_pipe(blog: str) -> None:
    asked = """
import asyncio
task = asyncio.create_task(db.count(Post))
[post.slug async for post in db.stream(Post, "rating > 1", sort="slug")]
await me_as(await db.get(User, ANN)).count(Post), await me_as(ANN, "editor").count(Post)
await task
app.schema.collections["posts"].cls is Post
""".replace("ANN", repr(os.environ["ANN"]))
    done = shell(blog, asked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['p2', 'p3']", "(1, 4)", "4", "True"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("await db.count(Post, 'ratin > 1')\n1", "did you mean 'rating'?"),
        ("await db.count(Post", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("await me_as().list(Post)", "without logging in"),
        ("return 1", "SyntaxError"),
    ],
)
@pytest.mark.slow
def test_shell_stops_at_what_fails(blog: str, text: str, told: str) -> None:
    done = shell(blog, "", "-c", text)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert "shell_console.py" not in done.stderr, "what ran it is of no interest"


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--plain"], []], ids=["python", "ipython"])
def test_shell_at_a_terminal(blog: str, options: list[str], tmp_path: Path) -> None:
    """At a real terminal: `await` at the prompt, the banner, an error that doesn't end it."""
    environment = {**os.environ, "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path), "TERM": "dumb"}
    environment["IPY_TEST_SIMPLE_PROMPT"] = "1"
    command = [sys.executable, "-m", "abaft.cli", "shell", blog, *options]
    child = pexpect.spawn(
        command[0], command[1:], env=environment, encoding="utf-8", timeout=PATIENCE
    )
    try:
        child.expect("on [Ss][Qq][Ll]ite: Tag, Post")
        for asked, told in [
            ("await db.count(Post, 'rating > 1')", r"\b2\b"),
            ("await db.count(Post, 'ratin > 1')", "did you mean 'rating'"),
            ("[tag.name for tag in (await db.get(Post, 'p1')).tags]", r"\['sea'\]"),
        ]:
            child.expect(r">>> |In \[\d+\]: ")
            child.sendline(asked)
            child.expect(told)
        child.expect(r">>> |In \[\d+\]: ")
        child.sendeof()
        if not options:
            child.sendline("y")
        child.expect(pexpect.EOF)
    finally:
        child.close()
    assert child.exitstatus == 0
