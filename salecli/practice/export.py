"""A trained network as a GGUF file of architecture qwen3, and back: Q8_0 matrices, F32 norms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from salecli.practice import tokenizer as tokenizers
from salecli.practice.render import ENDOFTEXT, IM_END, SPECIAL

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

    from salecli.practice.network import Network

_NORMAL, _CONTROL = 1, 3
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write(network: Network, tokenizer: Tokenizer, name: str, path: Path) -> None:
    """Write the network and its tokenizer to `path`, whole or not at all."""
    # Optional dependencies of the extra `train`.
    import gguf
    import numpy as np

    from salecli.practice.network import CONTEXT, EPSILON, HEAD

    shape = network.shape
    partial = path.with_name(path.name + ".part")
    out = gguf.GGUFWriter(str(partial), "qwen3")
    out.add_name(name)
    out.add_license("MIT")
    out.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    out.add_quantization_version(gguf.GGML_QUANT_VERSION)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(shape.width)
    out.add_block_count(shape.blocks)
    out.add_feed_forward_length(shape.inner)
    out.add_head_count(shape.heads)
    out.add_head_count_kv(shape.kv_heads)
    out.add_key_length(HEAD)
    out.add_value_length(HEAD)
    out.add_layer_norm_rms_eps(EPSILON)
    out.add_rope_freq_base(float(network.rope_base))
    tokens, merges = tokenizers.parts(tokenizer)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("qwen2")
    out.add_token_list(tokens)
    out.add_token_types([_CONTROL if token in SPECIAL else _NORMAL for token in tokens])
    out.add_token_merges(merges)
    out.add_eos_token_id(IM_END)
    out.add_bos_token_id(ENDOFTEXT)
    out.add_pad_token_id(ENDOFTEXT)
    out.add_add_bos_token(False)
    out.add_chat_template(CHAT_TEMPLATE)
    for key, weight in network.state_dict().items():
        if key.startswith(("line_right", "rope_base")):
            continue
        data = weight.detach().float().cpu().numpy().astype(np.float32)
        if data.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            out.add_tensor(key, gguf.quants.quantize(data, kind), raw_dtype=kind)
        else:
            out.add_tensor(key, data)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    partial.replace(path)


def read(path: Path) -> tuple[dict[str, torch.Tensor], Tokenizer]:
    """The weights and the tokenizer of a file that `write` made; what is not exported is missing."""
    import gguf
    import torch

    reader = gguf.GGUFReader(path)
    weights = {
        tensor.name: torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        for tensor in reader.tensors
    }
    weights["rope_base"] = torch.tensor(float(reader.fields["qwen3.rope.freq_base"].parts[-1][0]))

    def strings(key: str) -> list[str]:
        field = reader.fields[key]
        return [bytes(field.parts[at]).decode() for at in field.data]

    tokens, merges = strings("tokenizer.ggml.tokens"), strings("tokenizer.ggml.merges")
    return weights, tokenizers.of_parts(tokens, merges)
