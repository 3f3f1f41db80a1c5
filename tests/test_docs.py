"""The docs are tests: blocks of code run, links lead on, settings that are named are there.

In README.md and docs/*.md the blocks of one file share a namespace, in order:

* ```python runs; `await` may stand anywhere. A block that defines `app` has it served from then on.
* ```pycon is `>>> ` and what is shown for it, as in a doctest; "..." stands for anything.
* ```http is a request (line, headers, empty line, body), then `→ 200`, and what the answer must
  have: headers, then JSON. An object may have more members than are told; "…" stands for
  any value, and "{post}" for one that is kept and put in wherever {post} stands again. Of an
  answer that isn't JSON each line is told.
* ```console runs `$ curl` where an answer is told, by the same rules.
* ```shell runs `$ ` and what follows by a shell, and holds what it says, "..." for anything. A
  ```python block that begins with `# app.py` is there as that file.
"""

import ast
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from doctest import ELLIPSIS, DocTestParser, OutputChecker
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

import abaft
from abaft import App, Settings
from conftest import fresh_database

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ALL_PAGES = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
HEADER = re.compile(r"([A-Za-z-]+): (.+)")
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """A fenced block, and where its first line of text stands."""

    kind: str
    text: str
    page: Path
    line: int

    @property
    def place(self) -> str:
        return f"{named(self.page)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in BLOCK.finditer(text):
        yield Block(found[1], found[2], page, text.count("\n", 0, found.start(2)) + 1)


def is_of_sqlite(block: Block) -> bool:
    """Whether it runs with SQLite whatever the engine."""
    runs = block.kind in ("python", "pycon")
    return block.kind == "shell" or (runs and "sqlite" in block.text)


@dataclass
class Exchange:
    """A request and the answer that the page promises."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    status: int = 200
    wanted_headers: dict[str, str] = field(default_factory=dict)
    wanted: str = ""


def parse_http(text: str) -> Iterator[Exchange]:
    """The exchanges of a block; an answer ends where the next request line begins."""
    for part in re.split(r"^(?=[A-Z]+ /)", text, flags=re.M):
        if not part.strip():
            continue
        request, _, answer = part.partition("\n→ ")
        first, headers, body = message(request)
        method, url = first.split(" ", 1)
        status, wanted_headers, wanted = message(answer)
        yield Exchange(method, url, headers, body, int(status[:3]), wanted_headers, wanted)


def message(text: str) -> tuple[str, dict[str, str], str]:
    """First line, headers, body."""
    first, *lines = text.strip().splitlines() or [""]
    headers: dict[str, str] = {}
    while lines and (found := HEADER.fullmatch(lines[0])):
        headers[found[1].lower()] = found[2]
        lines.pop(0)
    return first.strip(), headers, "\n".join(lines).strip()


def parse_console(text: str) -> Iterator[Exchange]:
    """Each `$ curl` that is followed by an answer."""
    for part in re.split(r"^\$ ", text, flags=re.M):
        command, _, answer = part.partition("\n")
        words = shlex.split(command)
        if not words or words[0] != "curl" or not answer.strip():
            continue
        options = {words[i]: words[i + 1] for i in range(1, len(words) - 1, 2)}
        url = "/" + words[-1].split("/", 3)[3]
        exchange = Exchange(options.get("-X", "GET"), url, wanted=answer)
        if "--json" in options:
            exchange.method = options.get("-X", "POST")
            exchange.body, exchange.status = options["--json"], 201
        if "-H" in options:
            name, value = options["-H"].split(": ", 1)
            exchange.headers[name.lower()] = value
        yield exchange


def same(wanted: Any, found: Any, kept: dict[str, str], path: str = "") -> list[str]:
    """How the answer differs from what was told of it."""
    if wanted == "…":
        return []
    if isinstance(wanted, str) and (hole := PLACEHOLDER.fullmatch(wanted)):
        wanted = kept.setdefault(hole[1], found)
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = [f"{path}/{name} is missing" for name in wanted if name not in found]
        return missing + [
            difference
            for name in wanted.keys() & found.keys()
            for difference in same(wanted[name], found[name], kept, f"{path}/{name}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [row for i, (w, f) in pairs for row in same(w, f, kept, f"{path}/{i}")]
    return [] if wanted == found else [f"{path} is {found!r}, not {wanted!r}"]


def mode(source: str) -> str:
    """How a line of a session is compiled: an expression has a value to show."""
    [step] = ast.parse(source).body
    return "eval" if isinstance(step, ast.Expr) else "exec"


class Page:
    """Runs the blocks of one page."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, database: Callable[[], str]
    ) -> None:
        self.folder = folder
        self.database = database
        self.monkeypatch = monkeypatch
        # Annotations that are texts are looked up in the module of their class.
        module = ModuleType("docs_page")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        self.names: dict[str, Any] = vars(module)
        self.kept: dict[str, str] = {}
        self.apps: list[App] = []
        self.mark = "?"

    async def run(self, block: Block) -> None:
        match block.kind:
            case "python":
                await self.python(block)
            case "pycon":
                await self.session(block)
            case "shell":
                self.shell(block)
            case "http" | "console":
                parse = parse_http if block.kind == "http" else parse_console
                for exchange in parse(block.text):
                    await self.exchange(exchange, block)

    async def python(self, block: Block) -> None:
        self.monkeypatch.setenv("ABAFT_DATABASE", self.database())
        if block.text.startswith("# app.py\n"):
            (self.folder / "app.py").write_text(block.text)
        lines = "\n" * (block.line - 1)
        await self.execute(lines + block.text, named(block.page), "exec")
        app = self.names.get("app")
        if isinstance(app, App) and app not in self.apps:
            self.apps.append(app)
            await app.start()

    def shell(self, block: Block) -> None:
        package = Path(abaft.__file__).parent.parent
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(package), "COLUMNS": "300"}
        for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
            command, _, wanted = part.partition("\n")
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            agrees = OutputChecker().check_output(wanted, done.stdout, ELLIPSIS)
            assert agrees, f"{block.place}: $ {command} says\n{done.stdout}"

    async def execute(self, text: str, name: str, mode: str) -> Any:
        code = compile(text, name, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        outcome = eval(code, self.names)  # noqa: S307
        return await outcome if inspect.isawaitable(outcome) else outcome

    async def session(self, block: Block) -> None:
        for example in DocTestParser().get_examples(block.text):
            source = example.source
            if ".sql(" in source:
                if not self.mark:
                    continue
                source = source.replace("= ?", f"= {self.mark}")
            try:
                value = await self.execute(source, block.place, mode(source))
                shown = "" if value is None else f"{value!r}\n"
            except Exception as error:
                shown = f"{type(error).__name__}: {error}\n"
            agrees = OutputChecker().check_output(example.want, shown, ELLIPSIS)
            assert agrees, f"{block.place}: {example.source}gives {shown}, not {example.want}"

    def filled(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda hole: self.kept.get(hole[1], hole[0]), text)

    async def exchange(self, wanted: Exchange, block: Block) -> None:
        transport = httpx.ASGITransport(self.apps[-1])
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {name: self.filled(value) for name, value in wanted.headers.items()}
            if wanted.body:
                headers.setdefault("content-type", "application/json")
            body = self.filled(wanted.body).encode()
            url = self.filled(wanted.url)
            answer = await client.request(wanted.method, url, headers=headers, content=body)
        said = f"{block.place}: {wanted.method} {url} → {answer.status_code}\n{answer.text}"
        assert answer.status_code == wanted.status, said
        differences = same(wanted.wanted_headers, dict(answer.headers), self.kept)
        if wanted.wanted and "json" in answer.headers["content-type"].partition("x-nd")[0]:
            differences += same(json.loads(wanted.wanted), answer.json(), self.kept)
        elif wanted.wanted:
            differences += same(wanted.wanted.splitlines(), answer.text.splitlines(), self.kept)
        assert not differences, "\n".join([said, *differences])


def _timed(page: Path) -> Any:
    """Pages with a shell take seconds: each command is a process."""
    marks = [pytest.mark.slow] if any(block.kind == "shell" for block in blocks(page)) else []
    return pytest.param(page, marks=marks, id=named(page))


@pytest.mark.parametrize("page", [_timed(page) for page in PAGES])
async def test_every_block_runs(
    page: Path,
    engine: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if engine != "sqlite" and any(is_of_sqlite(block) for block in blocks(page)):
        pytest.skip("it shows SQLite itself, or the command line with it")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABAFT_ADMIN_TOKEN", "an-admin-token-of-32-characters-or-more")
    with ExitStack() as stack:
        running = Page(
            tmp_path,
            monkeypatch,
            lambda: stack.enter_context(fresh_database(engine, request)),
        )
        running.mark = {"mongodb": "", "postgres": "$1"}.get(engine, "?")
        try:
            for block in blocks(page):
                await running.run(block)
        finally:
            for app in running.apps:
                await app.stop()


@pytest.mark.slow
def test_the_example_of_the_readme_is_strictly_typed(tmp_path: Path) -> None:
    [example] = [block for block in blocks(ROOT / "README.md") if block.kind == "python"]
    (tmp_path / "app.py").write_text(example.text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(tmp_path / "app.py")]
    done = subprocess.run(
        [*command, "--cache-dir", str(ROOT / ".mypy_cache")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return BLOCK.sub("", page.read_text())


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(page), re.M)


def anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@pytest.mark.parametrize("page", ALL_PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{named(page)}: {link} leads nowhere"
        if fragment:
            anchors = [anchor(heading) for heading in headings(target)]
            assert fragment in anchors, f"{named(page)}: {link} names no heading"


@pytest.mark.parametrize("page", ALL_PAGES, ids=named)
def test_only_settings_that_there_are_are_named(page: Path) -> None:
    known = {row.name.upper() for row in fields(Settings)}
    for name in re.findall(r"ABAFT_([A-Z_]+)\b", page.read_text()):
        assert name in known or name.startswith("TEST_"), f"{named(page)}: no setting ABAFT_{name}"
