"""Generation: continue a text with an exported model, with a key-value cache.

    python -m training.generate DIR "prompt" [--max_tokens 100] [--temperature 0.8] [--top_p 0.95]

Shapes: T tokens of the prompt, V vocabulary.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import torch
from safetensors.torch import load_file
from torch import Tensor

from tokenizer.checking import FILES_OF_FOLDER
from tokenizer.opening import Encoder, encoder_of
from training.export import exported_config, hugging_face_name
from training.model import KeyValueCache, Llama


class Exported(NamedTuple):
    """A model that ``training.export`` wrote, with its tokenizer."""

    model: Llama
    encoder: Encoder
    begin: list[int]  # the tokens with which the documents of its training begin
    end: int | None  # the token that ends a text, None where the tokenizer has none


def load_exported(folder: Path, device: torch.device) -> Exported:
    """Load a model that ``training.export`` wrote. Raises ValueError where there is none."""
    try:
        settings = json.loads((folder / "config.json").read_bytes())
        of_tokenizer = json.loads((folder / "tokenizer_config.json").read_bytes())
        begins, splits = of_tokenizer["add_bos_token"], of_tokenizer["split_special_tokens"]
        encoder = _encoder(folder, special_in_text=not splits)
    except OSError as error:
        raise ValueError(f"{folder}: no exported model there ({error})") from None
    with torch.device("meta"):
        model = Llama(exported_config(settings))
    weights: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        weights |= load_file(path, device=str(device))
    names = list(model.state_dict())
    if missing := [name for name in names if hugging_face_name(name) not in weights]:
        raise ValueError(f"{folder}: the weights {', '.join(missing[:3])} are missing")
    model.load_state_dict({name: weights[hugging_face_name(name)] for name in names}, assign=True)
    begin = [settings["bos_token_id"]] if begins else []
    return Exported(model, encoder, begin, settings["eos_token_id"])


def _encoder(folder: Path, *, special_in_text: bool) -> Encoder:
    """Return the encoder of a folder: SentencePiece's, where the export has its model."""
    for name in reversed(FILES_OF_FOLDER):
        if (path := folder / name).exists():
            return encoder_of(path.read_bytes(), name, special_in_text=special_in_text)
    raise FileNotFoundError(f"no {' or '.join(FILES_OF_FOLDER)}")


@torch.inference_mode()
def generate(
    model: Llama,
    prompt: Sequence[int],
    *,
    max_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
    end: int | None,
) -> Iterator[int]:
    """Yield the tokens that follow a prompt, up to the token ``end``, if any, which is not yielded.

    With ``temperature`` 0 the most probable token is taken. Otherwise a token is drawn from the
    most probable tokens that together have ``top_p`` of the probability (nucleus sampling, arXiv
    1904.09751).
    """
    device = model.head.weight.device
    generator = torch.Generator(device).manual_seed(seed)
    caches = [KeyValueCache() for _ in model.blocks]
    tokens_1T = torch.tensor([list(prompt)], device=device)
    for _ in range(max_tokens):
        logits_V = model(tokens_1T, caches=caches)[0, -1].float()
        token = _draw(logits_V, temperature, top_p, generator)
        if token == end:
            return
        yield token
        tokens_1T = torch.tensor([[token]], device=device)


def _draw(logits_V: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits_V.argmax())
    probabilities_V, tokens_V = (logits_V / temperature).softmax(0).sort(descending=True)
    # A token stays if the tokens before it have less than top_p together. The first always stays.
    before_V = probabilities_V.cumsum(0) - probabilities_V
    probabilities_V[before_V >= top_p] = 0
    return int(tokens_V[torch.multinomial(probabilities_V, 1, generator=generator)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the prompt and its continuation; return the exit status, 2 for a mistake."""
    parser = argparse.ArgumentParser("python -m training.generate")
    parser.add_argument("model", metavar="DIR", type=Path, help="folder that training.export wrote")
    parser.add_argument("prompt", help="a text to continue")
    parser.add_argument("--max_tokens", type=int, default=100, help="most tokens (default: 100)")
    parser.add_argument("--temperature", type=float, default=0.8,
                        help="0: always the most probable token (default: 0.8)")  # fmt: skip
    parser.add_argument("--top_p", type=float, default=0.95, help="default: 0.95")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    options = parser.parse_args(arguments)
    if options.temperature < 0 or not 0 < options.top_p <= 1:
        parser.error("--temperature must not be negative, --top_p lies above 0 and up to 1")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        model, encoder, begin, end = load_exported(options.model, device)
        ids, _ = encoder.encode(pa.array([options.prompt]), bos=False, eos=False)
        prompt = [*begin, *ids.tolist()]
        if not prompt:
            raise ValueError(
                "an empty prompt: documents began with no token of their own; give some text"
            )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    tokens = generate(
        model,
        prompt,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        seed=options.seed,
        end=end,
    )
    print(encoder.decode([*prompt[len(begin) :], *tokens]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
