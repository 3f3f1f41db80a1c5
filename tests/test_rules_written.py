"""Rules that look at several tables hold for what a write shows, too."""

from __future__ import annotations

import pytest

from abaft import Many, Me, Model, Ref, User, allow, field
from scenarios import Scenario, play, serving


class Board(Model, key="name", stamps=False):
    name: str
    owner: Ref[User] | None = None
    cards: Many[Card] = field(back="board")

    @allow("read")
    def everyone(board, me: Me) -> bool:
        return True


class Card(Model, key="name", stamps=False):
    """Has the names of its board's fields, so that a name alone would be another's."""

    name: str
    open: bool = True
    owner: Ref[User] | None = None
    board: Ref[Board]

    @allow("read")
    def of_open_boards(card, me: Me) -> bool:
        return card.board.cards.any(lambda other: other.open & (other.owner == me))

    @allow("create", "update")
    def anybody(card, me: Me) -> bool:
        return True


@pytest.mark.asyncio
async def test_authz_2_a_write_shows_what_a_read_would(database_url: str) -> None:
    async with serving(database_url, Board, Card, User) as api:
        ann, _ = await api.person("ann"), await api.person("ben")
        await api.db.create(Board, name="a", owner=ann)
        await api.db.create(Board, name="b", owner=ann)
        await api.db.create(Card, name="mine", board="a", owner=ann)
        made = ("create Card",)
        await play(
            api,
            [
                Scenario("POST /api/cards", 201, actor="ann", json={"name": "x", "board": "a"},
                         has=['"x"'], changes=made),
                Scenario("POST /api/cards", 201, actor="ben", json={"name": "y", "board": "a"},
                         has=["null"], lacks=['"y"'], changes=made),
                Scenario("POST /api/cards", 201, actor="ann", json={"name": "z", "board": "b"},
                         has=["null"], lacks=['"z"'], changes=made),
                Scenario("PATCH /api/cards/x", 200, actor="ann", json={"open": False},
                         changes=("update Card",)),
                Scenario("PATCH /api/cards/x", 204, actor="ann", json={"board": "b"},
                         changes=("update Card",)),
            ],
        )  # fmt: skip
