"""Makes the files of this folder with compressed-tensors 0.20.0 and PyTorch 2.13.0; see README.md."""

from pathlib import Path

import numpy as np
import torch
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import (
    QuantizationArgs,
    QuantizationConfig,
    QuantizationScheme,
    apply_quantization_config,
)
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).resolve().parent
ROWS, COLUMNS = 300, 160
KINDS = {
    "fp8_tensor": ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "tensor"}),
    "fp8_row": ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "channel"}),
    "fp8_block": (
        "float-quantized",
        {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]},
    ),
    "int8_row": ("int-quantized", {"num_bits": 8, "type": "int", "strategy": "channel"}),
}


def scales(weight: torch.Tensor, shape: torch.Size, largest: float) -> torch.Tensor:
    """The largest magnitude of each part, over the largest number the type has."""
    if len(shape) < 2 or shape[0] == ROWS:
        parts = weight.abs().amax(dim=1, keepdim=True) if shape[0] == ROWS else weight.abs().max().reshape(1)
        return parts / largest
    found = torch.empty(shape)
    for row in range(shape[0]):
        for column in range(shape[1]):
            block = weight[128 * row : 128 * row + 128, 128 * column : 128 * column + 128]
            found[row, column] = block.abs().max() / largest
    return found


for name, (form, arguments) in KINDS.items():
    torch.manual_seed(20)
    model = nn.ModuleDict({"embed_tokens": nn.Embedding(ROWS, COLUMNS)}).to(torch.bfloat16)
    weights = QuantizationArgs(**arguments, symmetric=True)
    config = QuantizationConfig(
        config_groups={"g": QuantizationScheme(targets=["Embedding"], weights=weights)}, format=form
    )
    apply_quantization_config(model, config)
    table = model["embed_tokens"]
    largest = 448.0 if "fp8" in name else 127.0
    table.weight_scale.data = scales(table.weight.data.float(), table.weight_scale.shape, largest).to(torch.bfloat16)
    compressor = ModelCompressor(quantization_config=config)
    compressor.compress_model(model)
    stored = {f"model.{key}": value.contiguous() for key, value in model.state_dict().items()}
    print(name, {key: (str(value.dtype), list(value.shape)) for key, value in stored.items()})
    save_file(stored, HERE / f"{name}.safetensors")
    compressor.decompress_model(model)
    some = model.state_dict()["embed_tokens.weight"][[0, 1, 127, 128, 299]].float().numpy()
    np.save(HERE / f"{name}.npy", some)

for kind in (torch.float8_e4m3fn, torch.float8_e5m2):
    every = torch.arange(256, dtype=torch.uint8).view(kind)
    np.save(HERE / f"{str(kind).removeprefix('torch.')}.npy", every.float().numpy())
