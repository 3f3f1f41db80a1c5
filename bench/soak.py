"""LOAD-2: mixed traffic for an hour; memory, files and connections of the server must stay flat.

`script/soak --minutes 60 --rate 100 --database sqlite:///soak.db`
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.server import Server

KEPT = 2_000
"""Posts that are stored at a time."""
WARM = 0.5
"""The part of the time in which caches of plans and pages fill up; it isn't judged."""
FLAT = 0.03
"""The rise over the judged time, as a part of the whole, that is taken for noise."""
FEW = 10
"""Open files more or less that are taken for noise: a pool of connections fills as it is needed."""
OPERATORS = {"content-type": "application/vnd.abaft.operators+json"}


@dataclass
class Sample:
    """What the server holds at a moment."""

    at: float
    memory: int
    mapped: int
    files: int
    stored: int


@dataclass
class Soak:
    """The traffic: who sends what, and what came of it."""

    client: httpx.AsyncClient
    draw: random.Random
    number: int = 0
    oldest: int = 0
    shapes_there: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    async def step(self) -> None:
        """One request of a kind that is drawn."""
        name, _ = self.draw.choices(*zip(*KINDS, strict=True))[0], None
        try:
            status = await getattr(self, name)()
        except httpx.HTTPError as error:
            status = type(error).__name__
        self.answers[f"{name} {status}"] += 1

    def some(self) -> int:
        return self.draw.randint(self.oldest + 1, max(self.number, self.oldest + 1))

    async def create(self) -> int:
        tags = self.draw.sample(["a", "b", "c"], 2)
        body = {"title": f"sea {self.number} storm", "author": "ann", "tags": tags}
        answer = await self.client.post("/api/posts", json=body)
        if answer.status_code == 201:
            self.number = max(self.number, answer.json()["number"])
        if self.number - self.oldest > KEPT:
            self.oldest += 1
            await self.client.delete(f"/api/posts/{self.oldest}")
        return answer.status_code

    async def read(self) -> int:
        return (await self.client.get(f"/api/posts/{self.some()}?expand=author")).status_code

    async def page(self) -> int:
        query = "limit=20&sort=-views&expand=author,tags&count=exact"
        where = f"filter=views >= {self.draw.randrange(50)} and any(tags, name = 'a')"
        return (await self.client.get(f"/api/posts?{query}&{where}")).status_code

    async def search(self) -> int:
        words = f"storm {self.some()}"
        return (await self.client.get("/api/posts", params={"search": words})).status_code

    async def groups(self) -> int:
        query = "aggregate=count,sum(views)&group=author,month(created)"
        return (await self.client.get(f"/api/posts?{query}")).status_code

    async def increment(self) -> int:
        body = {"views": {"increment": 1}}
        key = {"idempotency-key": f"{self.draw.random()}"} if self.draw.random() < 0.3 else {}
        path = f"/api/posts/{self.some()}"
        answer = await self.client.patch(path, json=body, headers=OPERATORS | key)
        return answer.status_code

    async def many(self) -> int:
        query = f"number={self.some()}&limit=5"
        return (await self.client.patch(f"/api/posts?{query}", json={"views": 3})).status_code

    async def wrong(self) -> int:
        # Made-up shapes must not fill the memory either.
        name = f"nothing{self.draw.randrange(10**6)}"
        return (await self.client.get(f"/api/posts?{name}=1&sort=-{name}")).status_code

    async def shapes(self) -> int:
        return await self.shape(self.draw.choice(SHAPES[: self.shapes_there]))

    async def shape(self, names: tuple[str, ...]) -> int:
        query = f"fields={','.join(names)}&sort={','.join(names[:3])}&limit=3"
        return (await self.client.get(f"/api/posts?{query}")).status_code

    async def every_shape(self) -> None:
        """Each there is, on all connections to the database: what is judged isn't their keeping."""
        for names in SHAPES[: self.shapes_there]:
            await asyncio.gather(*(self.shape(names) for _ in range(16)))

    async def cut(self) -> int:
        headers = {"accept": "application/x-ndjson"}
        async with self.client.stream("GET", "/api/posts", headers=headers) as answer:
            async for _ in answer.aiter_bytes(4096):
                break
            return answer.status_code


NAMES = ["number", "title", "views", "author", "created", "updated"]
SHAPES = [*itertools.permutations(NAMES, 4)]
"""So many plans are kept for good: fewer than the bound, which tests/test_kept.py is about."""
KINDS = [
    ("create", 20),
    ("read", 40),
    ("page", 15),
    ("search", 5),
    ("groups", 2),
    ("increment", 20),
    ("many", 3),
    ("wrong", 4),
    ("shapes", 4),
    ("cut", 2),
]

USUAL = {f"{kind} 200" for kind, _ in KINDS} | {"create 201", "wrong 400"}
# What was deleted in between.
USUAL |= {"read 404", "increment 404"}


async def run(soak: Soak, rate: float, until: float) -> None:
    """Sends at a steady rate, 16 requests under way at the most."""
    places = asyncio.Semaphore(16)
    tasks: set[asyncio.Task[None]] = set()

    async def one() -> None:
        try:
            await soak.step()
        finally:
            places.release()

    while time.monotonic() < until:
        await places.acquire()
        task = asyncio.create_task(one())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(soak.draw.expovariate(rate))
    await asyncio.gather(*tasks)


def look(pid: int, folder: Path, begun: float) -> Sample:
    """What the process holds now; Linux tells by /proc."""
    status = Path(f"/proc/{pid}/status").read_text()
    rows = dict(line.split(":", 1) for line in status.splitlines())
    # Pages of the database's file are the system's, not the process's own.
    memory, mapped = (int(rows[name].split()[0]) for name in ("RssAnon", "RssFile"))
    files = len(os.listdir(f"/proc/{pid}/fd"))
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 1024
    return Sample(time.monotonic() - begun, memory, mapped, files, stored)


def slope(samples: list[Sample], name: str) -> float:
    """Growth an hour as a part of the mean, by least squares."""
    times = [sample.at / 3600 for sample in samples]
    values = [float(getattr(sample, name)) for sample in samples]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times) or 1.0
    rise = sum((at - middle) * (v - mean) for at, v in zip(times, values, strict=True)) / spread
    return rise / mean if mean else 0.0


async def soaked(minutes: float, rate: float, shapes: int, database: str, folder: Path) -> int:
    """Runs it and prints what it found; 1 where something grows."""
    samples: list[Sample] = []
    with Server("bench.soak_app:app", database, folder) as server:
        # Well below the 5 s after which the server closes: both at once would lose a request.
        limits = httpx.Limits(keepalive_expiry=2.0)
        base = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=base, limits=limits) as client:
            soak = Soak(client, random.Random(1), shapes_there=shapes)
            await client.put("/api/people/ann", json={})
            for name in "abc":
                await client.put(f"/api/tags/{name}", json={})
            await soak.every_shape()
            begun, until = time.monotonic(), time.monotonic() + minutes * 60
            traffic = asyncio.create_task(run(soak, rate, until))
            while not traffic.done():
                await asyncio.wait({traffic}, timeout=max(2.0, minutes * 60 / 200))
                samples.append(look(server.pid, folder, begun))
            await traffic
    return report(soak, samples, minutes)


def report(soak: Soak, samples: list[Sample], minutes: float) -> int:
    """Prints the outcome; 1 where it isn't flat or a request failed."""
    judged = [sample for sample in samples if sample.at > minutes * 60 * WARM] or samples
    grown = []
    print(f"{minutes:g} minutes, {sum(soak.answers.values())} requests, {len(judged)} samples")
    for name, unit in (("memory", "kB"), ("mapped", "kB"), ("files", ""), ("stored", "kB")):
        first, last = getattr(judged[0], name), getattr(judged[-1], name)
        found = slope(judged, name)
        print(f"  {name:8} {first} to {last} {unit}, {found:+.1%} an hour")
        rise = found * (judged[-1].at - judged[0].at) / 3600
        noise = FLAT if name == "memory" else FEW / max(1, first)
        if name in ("memory", "files") and rise > noise:
            grown.append(name)
    for kind, count in sorted(soak.answers.items()):
        print(f"  {count:8} {kind}")
    failed = [kind for kind in soak.answers if kind not in USUAL]
    if grown or failed:
        print(f"not flat: {', '.join(grown) or 'none'}; failed: {', '.join(failed) or 'none'}")
    return 1 if grown or failed else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument(
        "--shapes", type=int, default=len(SHAPES), help="so many lists that differ in their fields"
    )
    parser.add_argument("--database", default="", help="its URL; a new SQLite file otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="abaft-soak-") as folder:
        database = options.database or f"sqlite:///{folder}/soak.db"
        done = soaked(options.minutes, options.rate, options.shapes, database, Path(folder))
        sys.exit(asyncio.run(done))


if __name__ == "__main__":
    main()
