"""What DocumentDB's engine refuses by, in MongoDB's words: its codes, names and labels."""

from typing import Any

import asyncpg

from servers.mongo_wire import Document

TRANSIENT = "TransientTransactionError"
NAMES = {
    2: "BadValue",
    8: "UnknownError",
    9: "FailedToParse",
    13: "Unauthorized",
    18: "AuthenticationFailed",
    26: "NamespaceNotFound",
    43: "CursorNotFound",
    48: "NamespaceExists",
    50: "MaxTimeMSExpired",
    59: "CommandNotFound",
    85: "IndexOptionsConflict",
    86: "IndexKeySpecsConflict",
    91: "ShutdownInProgress",
    112: "WriteConflict",
    121: "DocumentValidationFailure",
    251: "NoSuchTransaction",
    11000: "DuplicateKey",
    11600: "InterruptedAtShutdown",
}
STATES = {
    "M0003": 9,
    "M0008": 26,
    "M000F": 48,
    "M001C": 11000,
    "M0037": 17276,
    "M007U": 40324,
    "M00CO": 121,
    "23P01": 11000,
    "40001": 112,
    "40P01": 112,
    "57014": 50,
    "57P01": 11600,
}
"""MongoDB's codes of the engine's and PostgreSQL's states; of others it is BadValue."""


class Fault(Exception):
    """A command that failed."""

    def __init__(self, code: int, text: str, labels: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.labels = labels

    def document(self) -> Document:
        answer: Document = {"ok": 0.0, "errmsg": str(self), "code": self.code}
        answer["codeName"] = NAMES.get(self.code, "BadValue")
        return answer | ({"errorLabels": list(self.labels)} if self.labels else {})


def state(number: int) -> str:
    """The five letters that PostgreSQL packs into a number (MAKE_SQLSTATE)."""
    return "".join(chr((number >> shift & 63) + 48) for shift in range(0, 30, 6))


def code_of(number: int) -> int:
    """MongoDB's code of one that the engine tells in an answer."""
    return STATES.get(state(number), 2) if number > 2**20 else number


def fault_of(error: Exception, *, in_transaction: bool) -> Fault:
    """The fault of whatever went wrong."""
    if isinstance(error, Fault):
        code, text = error.code, str(error)
    elif isinstance(error, asyncpg.PostgresError):
        code, text = STATES.get(error.sqlstate or "", 2), f"{error} ({error.sqlstate})"
    else:
        code, text = 8, repr(error)
    transient = in_transaction and code in (112, 251, 11600)
    return Fault(code, text, (TRANSIENT,) if transient or code == 251 else ())


def mended(answer: Document) -> Document:
    """The answer with MongoDB's codes in it."""
    for error in answer.get("writeErrors", ()):
        error["code"] = code_of(error["code"])
        if error["code"] == 11000:
            error.setdefault("keyPattern", {})
    if answer.get("ok") == 0 and "code" in answer:
        answer["code"] = code_of(int(answer["code"]))
        answer["codeName"] = NAMES.get(answer["code"], "BadValue")
    raw: Any = answer.get("raw")
    if isinstance(raw, dict) and not answer.get("ok"):
        inner = next(iter(raw.values()))
        raise Fault(code_of(int(inner.get("code", 2))), str(inner.get("errmsg", raw)))
    return answer
