"""What a model's process refused, as an error with what to do next."""

from __future__ import annotations

from pathlib import Path

from salecli.adapters import gguf_header
from salecli.adapters.residency import gib
from salecli.adapters.wire import Message
from salecli.errors import ContextFull, ModelError


def refusal(message: Message, label: str, file: Path, trained: int) -> ModelError:
    """The error of a `refused` message; `trained` is the context in tokens that the model was trained for."""
    reason = message.get("reason", "")
    match message["error"]:
        case "context":
            by = "the prompt and the thoughts take" if message["thinking"] else "the prompt takes"
            return ContextFull(
                f"{by} {message['tokens']} tokens, the context of {label} is {message['context']}",
                _more_context(message["context"], trained),
            )
        case "option":
            return ModelError(
                f"{message['option']!r} is {message['tokens']} tokens for {label}, not one",
                "choose options that are single tokens, such as digits",
            )
        case "import":
            return ModelError(
                f"llama-cpp-python cannot be loaded: {reason}", "install it: pip install llama-cpp-python"
            )
        case "vocabulary":
            return ModelError(
                f"{label} cannot take part: {reason}",
                "name a GGUF of an instruct model that has its chat template",
            )
        case "vram":
            wanted, free = gib(message["wanted"]), gib(message["free"])
            return ModelError(
                f"{label} needs about {wanted} on the GPU, and {free} is free there now",
                "end what else uses the GPU, or set gpu_layers lower; `sale models plan` shows what fits",
            )
        case "load":
            return ModelError(f"{file} cannot be loaded: {reason}", gguf_header.AGAIN)
        case _:
            return ModelError(f"{label}: {reason}", "try again, or use another model file")


def _more_context(context: int, trained: int) -> str:
    if context < trained:
        return f"set its context to more ({trained} is what it was trained for), or shorten the task"
    return "shorten the task, or use a model that was trained for a larger context"
