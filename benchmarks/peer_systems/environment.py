"""The environment of the systems that this project is compared with, apart from its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FOLDER = ROOT / "build" / "envs" / "peers"


def peers_python() -> Path:
    """Return the Python of the environment, which is made where it is not there or not up to date.

    Every package is pinned and taken as it is: CCNet's asks for a fastText and a KenLM that no
    registry has. They come from the package index alone, and are compiled as ours are.
    """
    python, stamp = FOLDER / "bin" / "python", FOLDER / ".installed"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return python
    uv = [sys.executable, "-m", "uv"]
    print("making build/envs/peers, which takes a few minutes ...", file=sys.stderr)
    subprocess.run(
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(FOLDER)], check=True
    )
    subprocess.run(
        [*uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode",
         "--python", str(python), "--requirements", str(REQUIREMENTS)],
        check=True,
    )  # fmt: skip
    stamp.write_text(REQUIREMENTS.read_text())
    return python


def lists_folder(folder: Path) -> Path:
    """Unpack FineWeb's lists of addresses, which datatrove's package holds, under our names."""
    (assets,) = FOLDER.glob("lib/python3*/site-packages/datatrove/assets")
    folder.mkdir(parents=True)
    (archive,) = assets.glob("url_filterblacklists*.tar.gz")
    subprocess.run(["tar", "xzf", str(archive), "-C", str(folder)], check=True)
    names = {
        "banned_words": "words",
        "banned_subwords": "subwords",
        "soft_banned_words": "soft_words",
    }
    for theirs, ours in names.items():
        (folder / f"{ours}.txt").write_bytes((assets / f"{theirs}.txt").read_bytes())
    for name in ("domains", "urls"):
        (folder / name).rename(folder / f"{name}.txt")
    return folder
