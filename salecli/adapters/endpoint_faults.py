"""What can go wrong with a server, in words: what is wrong, and what to type next. No message holds a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from salecli.core.text import clean
from salecli.errors import ContextFull, ModelError, ModelTimeout

if TYPE_CHECKING:
    from salecli.adapters.endpoint_line import Address

_LONGEST = 200
"""Characters of a server's own words that are repeated."""
_FULL = (
    "exceed_context_size",
    "context_length_exceeded",
    "maximum context length",
    "longer than the maximum model",
)


class Unusable(Exception):
    """An answer that is none: HTML, a stream cut short, a shape that the API does not have."""


def explained(error: Exception, address: Address) -> tuple[ModelError, bool]:
    """The error of a request as a ModelError, and whether it speaks against the server itself.

    A request that the server refuses for what it asks is none of its failures.
    """
    import openai

    where = f"endpoint {address.name} ({address.url})"
    table = f"[endpoints.{address.name}]"
    match error:
        case openai.APITimeoutError():
            return ModelTimeout(
                f"{where} did not answer within {address.seconds:g} s",
                f"look at the server, or allow more: {table} seconds",
            ), True
        case openai.APIConnectionError():
            why = words(error.__cause__ or error, address)
            return ModelError(
                f"{where} cannot be reached, or broke off: {why}",
                f"start the server, or mend {table} base_url",
            ), True
        case openai.APIStatusError():
            return _refused(error, address, where, table)
        case openai.APIError():
            return ModelError(f"{where} says: {words(error, address)}", "look at the server's log"), True
        case Unusable():
            return ModelError(
                f"{where} {words(error, address)}", f"is {table} base_url right? It ends in /v1"
            ), True
        case json.JSONDecodeError() | UnicodeDecodeError():
            return ModelError(
                f"{where} answers something else than JSON", f"is {table} base_url right?"
            ), True
        case _:
            kind = type(error).__name__
            return ModelError(
                f"{where} failed: {kind}: {words(error, address)}", "look at the server's log"
            ), True


def _refused(error: Any, address: Address, where: str, table: str) -> tuple[ModelError, bool]:
    """What a status of 300 and above means."""
    status, said = error.status_code, _said(error, address)
    if status in (401, 403) and not address.key:
        hint = f'export KEY=..., and say so: {table} key_env = "KEY"'
        return ModelError(f"{where} needs a key ({status})", hint), False
    if status in (401, 403):
        return ModelError(
            f"{where} refuses the key ({status}){said}", f"mend what {table} names as key"
        ), False
    if status == 404:
        return ModelError(
            f"{where} has no such address or model (404){said}", f"mend {table} base_url, or model"
        ), False
    if status in (400, 413, 422) and any(sign in str(error.body) + str(error) for sign in _FULL):
        return ContextFull(
            f"the prompt does not fit into the context of {where}{said}", "serve it with a larger context"
        ), False
    if status == 429:
        return ModelError(f"{where} is too busy (429){said}", "try again later, or run fewer jobs"), True
    if status < 400:
        return ModelError(
            f"{where} sends elsewhere ({status}), which is not followed", f"mend {table} base_url"
        ), False
    if status < 500:
        return ModelError(f"{where} refuses the request ({status}){said}", "look at the server's log"), False
    return ModelError(f"{where} failed ({status}){said}", "look at the server's log"), True


def _said(error: Any, address: Address) -> str:
    """The server's own words, where it has some that are for people."""
    body = error.body
    inner = body.get("error", body) if isinstance(body, dict) else None
    said = inner.get("message") if isinstance(inner, dict) else inner
    return f": {words(said, address)}" if isinstance(said, str) and said else ""


def words(said: object, address: Address) -> str:
    """Words from outside on one line, shortened, and without the key."""
    text = str(said)
    if address.key:
        text = text.replace(address.key, "***")
    text = " ".join(clean(text, newlines=False).split())
    return f"{text[:_LONGEST]}..." if len(text) > _LONGEST else text or type(said).__name__
