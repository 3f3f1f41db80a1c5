"""Names that Python and abaft can have, made of those that a database has."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Collection

from abaft.model.build import RESERVED
from abaft.model.distinct import OWN_COLLECTIONS
from abaft.model.names import plural, snake

LONGEST = 60
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe"})
_IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "mice": "mouse",
    "feet": "foot",
    "data": "data",
    "media": "media",
    "news": "news",
    "series": "series",
    "species": "species",
    "status": "status",
    "address": "address",
}
# A field of this name would hide what other lines of its class need.
_USED = {"field", "by_database", "everybody", "self"}
_CLASSES = {"App", "Existing", "Many", "Me", "Model", "Ref", "User", *dir(builtins)}
_CLASSES |= {"Decimal", "UUID", "Literal", "JsonValue", "Batch", "BatchResults", "Problem"}
_FORMS = ("Part", "Create", "Patch", "Operators", "Replace")
"""What OpenAPI calls a model's forms ends so: OrderPart is part of an Order."""


def words(name: str) -> str:
    """The name in lower case, its words parted by underscores: `Order Details` → order_details."""
    parted = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    plain = parted.encode("ascii", "ignore").decode()
    joined = re.sub(r"[^A-Za-z0-9]+", "_", plain)
    return re.sub(r"_+", "_", snake(joined)).strip("_")


def singular(word: str) -> str:
    """The last part of a name as it is of one thing."""
    head, _, last = word.rpartition("_")
    prefix = f"{head}_" if head else ""
    if last in _IRREGULAR:
        return prefix + _IRREGULAR[last]
    return prefix + _singular(last)


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ss|us|is|as)$", word) or not word.endswith("s") or len(word) < 4:
        return word
    if re.search(r"(sses|shes|ches|xes|zzes)$", word):
        return word[:-2]
    return word[:-1]


def class_name(table: str, taken: Collection[str], prefix: str = "") -> str:
    """`order_details` → OrderDetail; another of the same name has its schema's before it."""
    made = _camel(singular(words(table))) or "Table"
    if made in _CLASSES or made in taken:
        made = f"{_camel(words(prefix))}{made}" if prefix else f"{made}Record"
    made = f"Table{made}" if made[0].isdigit() else made
    forms = {f"{name}{form}" for name in taken for form in _FORMS}
    if made in forms or any(f"{made}{form}" in taken for form in _FORMS):
        made += "Record"
    return _free(made[:LONGEST], {*taken, *forms, *_CLASSES})


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def field_name(column: str, taken: Collection[str], used: Collection[str] = ()) -> str:
    """`Unit Price` → unit_price, `class` → class_; `used` are words of the class's annotations."""
    made = words(column)[: LONGEST - 4].strip("_") or "column"
    made = f"column_{made}" if made[0].isdigit() else made
    if keyword.iskeyword(made) or made in {*RESERVED, *_USED, *used}:
        made += "_"
    return _free(made, taken)


def relation_name(
    columns: tuple[str, ...], target: str, taken: Collection[str], used: Collection[str]
) -> str:
    """`customer_id` → customer, `ReportsTo` → reports_to; of several columns, the target's."""
    name = words(columns[0]) if len(columns) == 1 else singular(words(target))
    short = re.sub(r"(^|_)(id|key|fk)$", "", name) or singular(words(target))
    made = field_name(short, (), used)
    return made if made not in taken else field_name(name, taken, used)


def many_name(source: str, by: str, plain: bool, taken: Collection[str]) -> str:
    """`films`, or where several relations lead here, `films_by_original_language`."""
    name = plural(snake(source))
    return field_name(name if plain else f"{name}_by_{by.rstrip('_')}", taken)


def collection_name(model: str, table: str, taken: Collection[str]) -> str | None:
    """The path where it isn't the one made of the model's name; a plural stays as it was."""
    taken = {*taken, *OWN_COLLECTIONS}
    usual, own = plural(snake(model)), words(table)
    if usual not in taken and (own == usual or singular(own) == own):
        return None
    made = own if own and own not in taken and not own[0].isdigit() else usual
    return _free(made, taken)


def _free(name: str, taken: Collection[str]) -> str:
    made, number = name, 2
    while made in taken:
        parted = "" if made[:1].isupper() else "_"
        made = f"{name.rstrip('_')}{parted}{number}"
        number += 1
    return made


def usual_collection(model: str) -> str:
    """The path that a model has by itself."""
    return plural(snake(model))


def text(value: str) -> str:
    """The text as Python spells it, in double quotes unless single ones need fewer escapes."""
    quote = "'" if value.count('"') > value.count("'") else '"'
    return quote + "".join(_spelt(char, quote) for char in value) + quote


def _spelt(char: str, quote: str) -> str:
    if char in ("'", '"'):
        return f"\\{char}" if char == quote else char
    return repr(char)[1:-1]
