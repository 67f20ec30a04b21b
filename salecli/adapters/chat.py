"""Which chat a model's file speaks: ChatML, rendered by our own rules, or the template in its metadata."""

from __future__ import annotations

from typing import Protocol

from salecli.adapters.chatml import START, Chat
from salecli.adapters.template import TemplateChat, Vocabulary

AnyChat = Chat | TemplateChat
_DIGITS = "012345"


class Holder(Protocol):
    """A loaded model."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def template(self) -> str:
        """The chat template in the file's metadata, empty where there is none."""


def chat_of(model: Holder) -> AnyChat:
    """The chat of a loaded model; LookupError where it has none, or no tokens to mark with."""
    vocabulary, template = model.vocabulary, model.template
    # A vocabulary may know ChatML's marks where its model was trained to another template.
    own = template and START not in template
    chat = TemplateChat.of(vocabulary, template) if own else Chat.of(vocabulary)
    if any(len(option(chat, digit)) != 1 for digit in _DIGITS):
        raise LookupError("it has no single tokens for the digits 0 to 5, which marks are read from")
    return chat


def option(chat: AnyChat, text: str) -> list[int]:
    """The ids that stand for an option where it comes next; one of them, where it is a single token."""
    ids = chat.text(text)
    if len(ids) != 1:
        # Some vocabularies write a space before what begins a text.
        lead, led = chat.text("\n"), chat.text("\n" + text)
        ids = led[len(lead) :] if led[: len(lead)] == lead else ids
    return ids
