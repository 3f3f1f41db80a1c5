"""MongoDB's wire protocol as bytes: OP_MSG, and the OP_QUERY that some drivers begin with."""

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
_CHECKSUM, _MORE_TO_COME = 1, 2
_HEADER = struct.Struct("<iiii")
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

Document = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """A command as it came; `answered` is false where nobody waits for the outcome."""

    number: int
    operation: int
    body: Document
    answered: bool = True


async def read_message(stream: asyncio.StreamReader) -> Message:
    """The next message. Raises IncompleteReadError at the end of the connection."""
    size, number, _, operation = _HEADER.unpack(await stream.readexactly(_HEADER.size))
    data = await stream.readexactly(size - _HEADER.size)
    if operation == OP_QUERY:
        start = data.index(0, 4) + 9
        return Message(number, operation, bson.decode(data[start:]))
    [flags] = struct.unpack_from("<I", data)
    end = len(data) - (4 if flags & _CHECKSUM else 0)
    return Message(number, operation, _sections(data, end), not flags & _MORE_TO_COME)


def _sections(data: bytes, end: int) -> Document:
    """The command with its sequences of documents in it; what is within keeps its bytes."""
    body: Document = {}
    sequences: dict[str, list[RawBSONDocument]] = {}
    at = 4
    while at < end:
        kind = data[at]
        [size] = struct.unpack_from("<i", data, at + 1)
        part = data[at + 1 : at + 1 + size]
        if kind == 0:
            body = dict(bson.decode(part, RAW))
        else:
            name, _, documents = part[4:].partition(b"\0")
            sequences[name.decode()] = bson.decode_all(documents, RAW)
        at += 1 + size
    return body | sequences


def message(answer: Mapping[str, Any], to: Message) -> bytes:
    """The bytes of an answer."""
    document = bson.encode(answer)
    if to.operation == OP_QUERY:
        data = struct.pack("<iqii", 8, 0, 0, 1) + document
        return _HEADER.pack(_HEADER.size + len(data), 0, to.number, OP_REPLY) + data
    data = struct.pack("<IB", 0, 0) + document
    return _HEADER.pack(_HEADER.size + len(data), 0, to.number, OP_MSG) + data
