"""abaft as `pip install abaft` leaves it: nothing of the extras, of the tests or of the machine."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
ALONE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

ABSENT = set(sys.argv.pop().split())
sys.meta_path.insert(0, Missing())
"""
COMMAND = "from abaft.cli import main; sys.argv[0] = 'abaft'; sys.exit(main())"
APP = """
import asyncio
from abaft import Actor, App, Me, Model, Settings, User, allow, field

class Post(Model):
    title: str
    {more}

    @allow("read", "create")
    def everyone(post, me: Me) -> bool:
        return True

app = App({users}Post, settings=Settings(database="sqlite:///{file}"), sinks=())

async def answered():
    await app.start()
    db = app.db(Actor(system=True))
    await db.create(Post, title="x")
    print([post.title for post in await db.list(Post)])
    await app.stop()
"""


def closure(names: list[str]) -> set[str]:
    """What these requirements bring, and what that brings."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        row = waiting.pop()
        name = canonicalize_name(row.name)
        if name in found or not (row.marker is None or row.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        asked = metadata.requires(name) or []
        waiting += [Requirement(one) for one in asked if "extra ==" not in one]
        for extra in row.extras:
            waiting += [
                Requirement(one.partition(";")[0])
                for one in asked
                if (marker := Requirement(one).marker) and marker.evaluate({"extra": extra})
            ]
    return found


@pytest.fixture(scope="module")
def absent() -> str:
    """The modules of all that is installed here, and not by abaft alone."""
    core = closure(tomllib.loads(PROJECT.read_text("utf-8"))["project"]["dependencies"])
    kept = core | {"abaft"}
    modules = metadata.packages_distributions().items()
    return " ".join(
        name
        for name, owners in modules
        if not kept & {canonicalize_name(owner) for owner in owners}
    )


def alone(script: str, *arguments: str, absent: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ALONE + script, *arguments, absent],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_is_absent_is_all_that_the_extras_bring(absent: str) -> None:
    """Else the tests below would show nothing."""
    assert {"asyncpg", "cryptography", "jinja2", "nacl", "nh3", "pytest"} <= set(absent.split())
    assert not {"apsw", "fastapi", "pydantic"} & set(absent.split())


def test_an_app_without_extras_serves(absent: str, tmp_path: Path) -> None:
    script = APP.format(users="", more="", file=tmp_path / "a.db")
    done = alone(script + "asyncio.run(answered())", absent=absent, cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("['x']\n", "", 0)


@pytest.mark.parametrize(
    ("users", "more", "says"),
    [
        ("User, ", "", "pip install 'abaft[accounts]'"),
        ("", 'body: str = field(format="html")', "pip install 'abaft[html]'"),
    ],
)
def test_what_an_extra_is_for_names_it(
    users: str, more: str, says: str, absent: str, tmp_path: Path
) -> None:
    script = APP.format(users=users, more=more, file=tmp_path / "a.db")
    done = alone(script, absent=absent, cwd=tmp_path)
    assert says in done.stderr.splitlines()[-1]


def test_the_command_works_without_extras(absent: str, tmp_path: Path) -> None:
    made = alone(COMMAND, "new", "blog", absent=absent, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    for verb in (["routes"], ["query", "posts"], ["export", "posts"], ["matrix"]):
        done = alone(COMMAND, *verb, absent=absent, cwd=tmp_path / "blog")
        assert done.returncode == 0, (verb, done.stderr)


def test_new_without_accounts_says_how_people_could_log_in(absent: str, tmp_path: Path) -> None:
    made = alone(COMMAND, "new", "blog", absent=absent, cwd=tmp_path)
    assert "pip install 'abaft[accounts]'" in made.stderr
    assert "App(Tag, Post" in (tmp_path / "blog" / "app.py").read_text("utf-8")
    assert "Nobody can" in (tmp_path / "blog" / "README.md").read_text("utf-8")
