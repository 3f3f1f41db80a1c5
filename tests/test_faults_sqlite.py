"""A disk that fails under SQLite: 503, no false 2xx, and the file stays whole (DUR-2)."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import httpx
import pytest

from servers.process import AppProcess
from servers.storm import Storm, prepare, reckon
from servers.strace import SYNCS, WRITES, failing, full_disk, need_strace


def check_integrity(path: Path) -> None:
    connection = apsw.Connection(str(path))
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert connection.execute("pragma foreign_key_check").fetchall() == []
    connection.close()


async def storm_through(
    server: AppProcess, storm: Storm, path: Path, fault: tuple[str, str, str]
) -> None:
    """A storm that begins before the fault and outlives it."""
    stop = asyncio.Event()
    blowing = asyncio.create_task(storm.blow([server.url], stop))
    await storm.reach(len(storm.answered) + 3)
    with failing(server.pid, *fault, path=path):
        await asyncio.sleep(0.15)
    await storm.reach(len(storm.answered) + 3)
    stop.set()
    await blowing


async def fail_at_calls(calls: list[tuple[str, str, str]]) -> None:
    need_strace()
    storm = Storm(writers=3)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.db"
        database = f"sqlite:///{path}"
        with AppProcess(database) as server:
            await prepare(server.url, storm.writers)
            for fault in calls:
                await storm_through(server, storm, Path(f"{path}-wal"), fault)
                assert storm.wrong == [], fault
        assert storm.codes.keys() & {"outcome_unknown", "database_busy"}, "no call failed"
        check_integrity(path)
        await reckon(storm, database)
        check_integrity(path)


@pytest.mark.slow
async def test_dur_2_whichever_call_fails_is_told_as_503() -> None:
    calls = [
        (call, error, when)
        for call, errors in ((SYNCS, ("EIO", "ENOSPC")), (WRITES, ("EIO", "ENOSPC")))
        for error in errors
        for when in ("1", "2", "3", "4", "5+3", "1+")
    ]
    await fail_at_calls(calls)


async def test_dur_2_nothing_is_answered_that_the_disk_has_not_got() -> None:
    """WAL with synchronous=FULL: each write waits for its own fsync, and fails with it."""
    need_strace()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.db"
        with AppProcess(f"sqlite:///{path}") as server:
            await prepare(server.url, 1)
            async with httpx.AsyncClient(base_url=server.url) as client:
                body = {"writer": 9, "n": 0, "text": "x"}
                with failing(server.pid, SYNCS, "EIO", "1+", path=Path(f"{path}-wal")):
                    for n in range(10):
                        answer = await client.post("/api/entries", json={**body, "n": n})
                        assert answer.status_code == 503, "it was answered without its fsync"
                        assert answer.json()["code"] in ("outcome_unknown", "database_busy")
                assert (await client.post("/api/entries", json=body)).status_code == 201
        connection = apsw.Connection(str(path))
        assert connection.pragma("journal_mode") == "wal"
        connection.close()


@pytest.mark.slow
async def test_dur_2_a_full_disk_refuses_writes_serves_reads_and_recovers() -> None:
    storm = Storm(writers=2)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "test.db"
        database = f"sqlite:///{path}"
        with AppProcess(database) as server:
            await prepare(server.url, storm.writers)
            async with httpx.AsyncClient(base_url=server.url) as client:
                with full_disk(server.pid, Path(f"{path}-wal")):
                    body = {"writer": 9, "n": 1, "text": "x"}
                    answer = await client.post("/api/entries", json=body)
                    assert answer.status_code == 503, answer.text
                    assert answer.headers["retry-after"] == "1"
                    assert (await client.get("/api/counters")).status_code == 200
                    again = await client.post("/api/entries", json=body)
                    assert again.status_code == 503
                answer = await client.post("/api/entries", json=body)
                assert answer.status_code == 201, answer.text
                storm.answered[9, 1] = answer.json()
        check_integrity(path)
