"""Models that anybody may do anything with: for tests that are not about permissions."""

from __future__ import annotations

from abaft import Me, Model, allow


class Open(Model, abstract=True):
    @allow("read", "create", "update", "delete")
    def everyone(record, me: Me) -> bool:
        return True
