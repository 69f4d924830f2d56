"""FineWeb's recipe against FineWeb's published pipeline by datatrove, from WARC to what stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peer_systems.comparison import KEPT, Comparison, Row, agreement
from benchmarks.peer_systems.inputs import tiny_pages, web_pages
from benchmarks.peer_systems.our_outcomes import read_run
from benchmarks.peer_systems.setting import Setting
from benchmarks.peer_systems.sides import HERE, ROOT, Side, beam_runner, read_done

SOURCE = "commoncrawl"
NEAR = "near-duplicates"
OUR_STEPS = {
    "read": "no text", "filter_urls": "url", "identify_language": "language",
    "filter_gopher_repetition": "Gopher repetition", "filter_gopher_quality": "Gopher quality",
    "apply_c4_rules": "C4", "apply_fineweb_rules": "FineWeb", "deduplicate_near": NEAR,
}  # fmt: skip
THEIR_STEPS = {
    "url": "url", "language": "language", "repetition": "Gopher repetition",
    "quality": "Gopher quality", "c4": "C4", "fineweb": "FineWeb", "near": NEAR,
}  # fmt: skip


def ours(setting: Setting, cores: int, extractor: str) -> Side:
    """Return this project's side: the recipe as it is, tokens written, the report left out."""
    settings = {
        "models": setting.models,
        "lid": setting.models / "lid.176.ftz",
        "lists": setting.lists,
        "tokenizer.model": setting.tokenizer,
        f"sources.{SOURCE}.reader.warc.extractor": extractor,
    }
    recipe = ROOT / "recipes" / "fineweb.yaml"
    command = beam_runner(recipe, settings, source=SOURCE, cores=cores)
    return Side(f"{HERE}, {extractor}", command, lambda output: read_run(output, SOURCE))


def theirs(setting: Setting, cores: int) -> Side:
    """Return datatrove's side."""

    def command(source: Path, output: Path) -> list[str]:
        folder = source / SOURCE / "warc"
        return setting.peer("datatrove_side.py", "fineweb", folder, output, "--workers", cores,
                            "--tokenizer", setting.bytes_tokenizer,
                            "--lid", setting.models / "lid.176.ftz")  # fmt: skip

    return Side("datatrove, trafilatura", command, read_done)


def named(found: dict[str, Any], names: dict[str, str]) -> dict[str, str]:
    """Call steps by the names that both sides share."""
    return {key: names.get(step, step) for key, step in found["outcomes"].items()}


def before_near(outcomes: dict[str, str]) -> dict[str, str]:
    """Take near-duplicates for kept, as they are ahead of that step."""
    return {key: KEPT if step == NEAR else step for key, step in outcomes.items()}


def compare(setting: Setting) -> Comparison:
    """Run both on the same pages: whole recipes on one core and on two, resiliparse on one."""
    source, tiny = setting.scratch / "warc", setting.scratch / "tiny_warc"
    paths = sorted((setting.data / "commoncrawl" / "warc").glob("*.warc.gz"))
    given = web_pages(paths, source / SOURCE / "warc", setting.every_page, suffix=".warc.gz")
    tiny_pages(setting.data, tiny / SOURCE / "warc", suffix=".warc.gz", html=True)
    made = Comparison("FineWeb's recipe, from WARC to tokens, against datatrove's FineWeb pipeline")
    for cores in setting.cores:
        extractors = ("trafilatura", "resiliparse")
        sides = [*(ours(setting, cores, name) for name in extractors), theirs(setting, cores)]
        *here, there = setting.bench.compare(sides, source, cores, tiny)
        for extractor, one in zip(extractors, here, strict=True):
            made.rows.append(Row(f"FineWeb, {extractor} here", cores, given, one, there))
        if cores == setting.cores[0]:
            add_results(made, here[0].found, there.found, extractors[0])
            add_results(made, here[1].found, there.found, extractors[1])
            made.remarks.append(remark(given.documents, there.found))
    return made


def add_results(
    made: Comparison, here: dict[str, Any], there: dict[str, Any], extractor: str
) -> None:
    """Compare what stays ahead of near-duplicates, and after them."""
    outcomes = named(here, OUR_STEPS), named(there, THEIR_STEPS)
    what = f"FineWeb, {extractor} here"
    made.agreements.append(agreement(f"{what}: filters", *map(before_near, outcomes)))
    made.agreements.append(agreement(f"{what}: all", *outcomes))


def remark(n_pages: int, there: dict[str, Any]) -> str:
    """Say what datatrove's time went into, and how many pages it had the text of."""
    seconds, pages = there["seconds"], there["extraction"]
    failed = pages["clean_error"] + pages["broken_process"]
    share = seconds["filters"] / seconds["all"]
    return (
        f"Of datatrove's time {share:.0%} is over when the filters are done. Of {n_pages:,} pages "
        f"it took {pages['total']:,} for HTML that no list blocks; trafilatura had a text for "
        f"{pages['forwarded']:,}, ran out of time on {pages['timeout']:,} and failed on {failed:,}."
    )
