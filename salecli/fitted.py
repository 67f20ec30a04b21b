"""A pool's local models as this machine has room for them."""

from __future__ import annotations

from salecli.adapters import machine, measured
from salecli.adapters.fit import Place, Room, Wish, place
from salecli.adapters.llama import LlamaModel
from salecli.adapters.residency import Residency
from salecli.config import Settings
from salecli.errors import ModelError
from salecli.pool import AgentSpec, PoolSpec, model_identity

_GPU_SHARE = 0.95
"""Part of a GPU's free memory that models may take: drivers round up."""


def check_pulled(spec: PoolSpec) -> None:
    """Raise ModelError, with all that are missing in one line, where a hub's files are not there yet."""
    missing = [one for one in spec.agents if one.pull and not one.path.exists()]
    if missing:
        raise ModelError(
            f"pool {spec.name}: the models of {', '.join(one.name for one in missing)} are not here yet",
            missing[0].pull,
        )


def room(settings: Settings) -> Room:
    """What models may take now, of memory and of GPUs."""
    devices = machine.devices()
    vram = sum(device.free for device in devices)
    return Room(settings.models.budget_bytes(machine.free_memory()), int(vram * _GPU_SHARE), devices)


def residency_of(settings: Settings) -> Residency:
    """A budget for the models of this process."""
    have = room(settings)
    return Residency(have.memory, vram=have.vram)


def placed(settings: Settings, agent: AgentSpec, have: Room) -> Place:
    """How `agent`'s model is loaded.

    Raises:
        ModelError: the file is missing or no whole text model, or was not trained for such a context.
    """
    model = LlamaModel(agent.path, name=agent.name, context=agent.context)
    layers = agent.gpu_layers
    if layers is None and settings.models.gpu_layers >= 0:
        layers = settings.models.gpu_layers
    return place(Wish(agent.name, model.header, model.context, agent.kv, layers), have)


def local(settings: Settings, agent: AgentSpec, residency: Residency) -> tuple[LlamaModel, list[str]]:
    """`agent`'s model, not loaded yet: fitted into the budget, with the threads measured to be best.

    With it, for the user, what of it is less than its pool asks for, so that it fits.

    Raises:
        ModelError: as `placed`.
    """
    fits = placed(settings, agent, Room(residency.budget, residency.vram, machine.devices()))
    known = None if settings.models.threads else seen(agent)
    model = LlamaModel(
        agent.path,
        name=agent.name,
        context=fits.context,
        threads=known.threads if known else settings.models.threads or None,
        threads_prefill=known.threads_prefill if known else None,
        kv=fits.kv,
        gpu_layers=fits.gpu_layers,
        residency=residency,
    )
    return model, [fits.less] if fits.less else []


def seen(agent: AgentSpec) -> measured.Measured | None:
    """What `sale models bench` measured of `agent`'s model on this machine; None where it has not."""
    return measured.read(model_identity(agent.path))
