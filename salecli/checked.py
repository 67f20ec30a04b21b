"""Checks the values of a file against a pydantic model, and complains in the words of that file."""

from __future__ import annotations

import re
import reprlib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from salecli.errors import ConfigError
from salecli.toml import Key, dotted, nearest


class Section(BaseModel):
    """A table of a configuration file: nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def formed(pattern: str, wanted: str) -> AfterValidator:
    """Of text that has to match `pattern` as a whole; else the complaint says what is wanted."""

    def same(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {wanted}, not {_value(text)}")
        return text

    return AfterValidator(same)


SectionT = TypeVar("SectionT", bound=Section)


def check(model: type[SectionT], values: Mapping[str, Any], where: Callable[[Key], str]) -> SectionT:
    """`values` as a `model`; `where` says in which file and line a key stands.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a missing key, a wrong type or value.
    """
    for key in unknown(model, values):
        name = _shown(dotted(key))
        names = known(model)
        siblings = _level(names, _parent(key))
        elsewhere = [other for other in names if other.rpartition(".")[2] == key[-1]]
        near = nearest(name, elsewhere) or nearest(name, siblings) or nearest(name, names)
        meant = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(f"{where(key)}: unknown key '{name}'{meant}", f"known here: {', '.join(siblings)}")
    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
        key = tuple(part for part in error["loc"] if not _is_branch(part))
        name = _shown(dotted(key)) or "the file"
        if error["type"] == "missing":
            raise ConfigError(
                f"{where(key)}: '{name}' is missing", f"add {name.rpartition('.')[2]} = ..."
            ) from None
        if error["type"] == "extra_forbidden":  # in a table of tables; its value may be a secret
            raise ConfigError(
                f"{where(key)}: unknown key '{name}'", "`sale init` and the README show the known ones"
            ) from None
        raise ConfigError(f"{where(key)}: {name} {expected(error)}", "mend the value") from None


def _level(names: list[str], above: str) -> list[str]:
    """The keys and tables right below `above`, in their order."""
    prefix = f"{above}." if above else ""
    below = [name.removeprefix(prefix).partition(".")[0] for name in names if name.startswith(prefix)]
    return [prefix + name for name in dict.fromkeys(below)]


def _parent(key: Key) -> str:
    return dotted(tuple(part for part in key[:-1] if isinstance(part, str)))


def _is_branch(part: str | int) -> bool:
    """Whether a part of pydantic's location names a branch of a union instead of a key."""
    return isinstance(part, str) and (part in ("int", "float", "str", "bool") or "[" in part)


def unknown(model: type[BaseModel], values: Mapping[str, Any], above: Key = ()) -> Iterator[Key]:
    """Every key of `values` that `model` and the models inside it do not have."""
    for name, value in values.items():
        if name not in model.model_fields:
            yield (*above, name)
            continue
        inner = _section(model.model_fields[name].annotation)
        if inner is not None and isinstance(value, Mapping):
            yield from unknown(inner, value, (*above, name))
        elif inner is not None and isinstance(value, list):
            for index, part in enumerate(value):
                if isinstance(part, Mapping):
                    yield from unknown(inner, part, (*above, name, index))


def known(model: type[BaseModel], above: str = "") -> list[str]:
    """Every key of `model` and of the models inside it, dotted, in their order."""
    names = []
    for name, field in model.model_fields.items():
        inner = _section(field.annotation)
        if inner is None:
            names.append(above + name)
        else:
            names.extend(known(inner, f"{above}{name}."))
    return names


def _section(annotation: object) -> type[BaseModel] | None:
    """The model inside an annotation: `M`, `M | None` or `tuple[M, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (tuple, list, typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            found = _section(argument)
            if found is not None:
                return found
    return None


_EXPECTED = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "is_instance_of": "must be a path in quotes",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
}


def expected(error: ErrorDetails) -> str:
    """What a value should have been, and what it is: "must be a whole number, not 'two'"."""
    context = error.get("ctx", {})
    kind = error["type"]
    if kind == "literal_error":
        wanted = f"must be {context['expected']}"
    elif kind == "greater_than_equal":
        wanted = f"must be at least {context['ge']:g}"
    elif kind == "less_than_equal":
        wanted = f"must be at most {context['le']:g}"
    elif kind == "less_than":
        wanted = f"must be less than {context['lt']}"
    elif kind == "greater_than":
        wanted = f"must be more than {context['gt']:g}"
    elif kind == "value_error":
        return str(context["error"])
    elif kind in ("too_short", "too_long"):
        wanted = "has too few entries" if kind == "too_short" else "has too many entries"
    else:
        wanted = _EXPECTED.get(kind, error["msg"])
    return f"{wanted}, not {_value(error['input'])}" if kind != "too_short" else wanted


_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = 200


def _value(value: object) -> str:
    """A value as a message shows it: on one line, and no longer than a person reads."""
    try:
        return _brief.repr(value)
    except ValueError:  # Python does not write out a number of more than 4,300 digits
        return "a number of thousands of digits"


def _shown(name: str) -> str:
    """A key as a message shows it: without control characters, shortened."""
    name = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name[:200])
    return name if len(name) < 200 else f"{name[:200]}..."
