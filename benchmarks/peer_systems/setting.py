"""What every comparison needs: samples, models, the peers' Python, and how much to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer_systems.sides import Bench

SCRIPTS = Path(__file__).parent


@dataclass(frozen=True)
class Setting:
    """Where things are, and how much of them is run over."""

    data: Path
    models: Path
    scratch: Path
    python: Path  # the peers'
    lists: Path
    cores: tuple[int, ...]
    every_page: int  # WARC's pages, of which extraction takes its time
    every_wet_page: int  # of the web path
    every_text: int  # that near-duplicates are looked for in, and that are tokenised
    copies: int  # of these texts, each in other letters
    bench: Bench

    @property
    def tokenizer(self) -> Path:
        """The SentencePiece model that both sides encode with."""
        return self.models / "mistral-tokenizer.model.v1"

    @property
    def tokenizers(self) -> Path:
        """The folder of tokenizers that were made for other libraries."""
        return self.scratch / "tokenizers"

    @property
    def all_texts(self) -> Path:
        """The file of the texts that are tokenised."""
        return self.scratch / "all_texts.jsonl"

    @property
    def bytes_tokenizer(self) -> Path:
        """A byte-level tokenizer of Hugging Face's library."""
        return self.tokenizers / "bytes.json"

    def peer(self, script: str, *arguments: object) -> list[str]:
        """Return the command of a script that the peers' Python runs."""
        return [str(self.python), str(SCRIPTS / script), *map(str, arguments)]
