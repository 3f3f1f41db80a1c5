"""Models with a field of every kind that operators take; one of them with hooks."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from abaft import Many, Me, Model, User, after, allow, before, field
from apps.open import Open

MEDIA = {"content-type": "application/vnd.abaft.operators+json"}


class Tag(Model, key="name", stamps=False):
    name: str = field(max_length=20)
    secret: bool = False

    @allow("read")
    def shown(tag, me: Me) -> bool:
        return ~tag.secret


class Reckoned(Open, abstract=True):
    title: str = field(default="", max_length=9)
    views: int | None
    stock: int = field(default=0, ge=-5, lt=10)
    price: Decimal | None = field(max_digits=6, decimal_places=2, gt=-5, le=Decimal("99.995"))
    ratio: float | None
    took: timedelta | None
    at: datetime | None
    day: date | None
    hour: time | None
    labels: list[str] | None
    anything: list | None  # type: ignore[type-arg]
    extra: dict[str, int] | None


class Thing(Reckoned):
    tags: Many[Tag]


SEEN: list[Any] = []


class Hooked(Reckoned):
    """Its hooks look at the record, so operators are reckoned before the statement."""

    @before("update")
    async def look(hooked) -> None:
        SEEN.append(hooked.views)

    @after("update")
    async def tell(hooked) -> None:
        SEEN.append(hooked.views)


MODELS = (User, Tag, Thing, Hooked)
