"""What must never be done twice; it dies where a test wants it to, between commit and answer."""

import os
import signal
from pathlib import Path

from abaft import App, Me, Model, after, allow, field

TRAP = "ABAFT_TEST_TRAP"


def spring() -> None:
    trap = Path(os.environ.get(TRAP) or "/nowhere")
    if trap.exists():
        trap.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class Payment(Model):
    amount: int = field(ge=1)
    note: str = field(default="", max_length=20)

    @allow("read", "create", "update", "delete")
    def everyone(payment, me: Me) -> bool:
        return True

    @after("create")
    async def die(payment) -> None:
        spring()


app = App(Payment)
