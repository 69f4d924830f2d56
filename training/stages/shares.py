"""The shares of sources and domains in a stage, from its weights or a mixture of the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from training.data.files import Files
from training.data.manifest import Manifest, manifest_name, parse_manifest
from training.data.uncollected import uncollected
from training.stages.stage_file import Stage, Weights, nearest
from training.stages.staged_mixture import Shares, shards_digest


class StageShares(NamedTuple):
    """What a stage draws, of each in parts that add up to one. What it does not draw is absent."""

    proportions: Shares  # of sources
    domains: dict[str, Shares]  # of the domains of divided sources


class Manifests:
    """The manifests of a corpus's mixtures, each read once."""

    def __init__(self, files: Files, where: str, run_mixture: str | None) -> None:
        """Take the mixture of the run for stages that name none; None: the newest."""
        self._files, self._where, self._run_mixture = files, where, run_mixture
        self._read: dict[str | None, Manifest] = {}

    def of(self, mixture: str | None) -> Manifest:
        """Return the manifest of a mixture. Raises ValueError where it cannot be read.

        A mixture of other shards than those of the newest manifest is refused, too.
        """
        wanted = mixture or self._run_mixture
        newest = self._manifest(None)
        manifest = self._manifest(wanted)
        if shards_digest(manifest.shards) != shards_digest(newest.shards):
            raise ValueError(f"{self._where}: the mixture {wanted} is of shards that are no more")
        return manifest

    def _manifest(self, mixture: str | None) -> Manifest:
        if mixture not in self._read:
            name = manifest_name(mixture)
            with uncollected():
                try:
                    manifest = parse_manifest(self._files.read_manifest(name), "train")
                except ValueError as error:
                    raise ValueError(f"{self._where}/{name}: {error}") from None
            self._read[mixture] = manifest
        return self._read[mixture]


def shares_of(stage: Stage, manifests: Manifests) -> StageShares:
    """Return the shares of a stage. Raises ValueError for what the corpus does not have."""
    manifest = manifests.of(stage.mixture)
    if stage.weights is None:
        return _drawn(manifest.proportions, manifest.domains)
    return _weighted(stage.weights, manifest)


def _weighted(weights: Weights, manifest: Manifest) -> StageShares:
    sources = {shard.source for shard in manifest.shards}
    of_sources: dict[str, Fraction] = {}
    domains = dict(manifest.domains)
    for source, weight in weights.items():
        if source not in sources:
            raise ValueError(f"weights: no source {source!r}{nearest(source, sources)}")
        if not isinstance(weight, Mapping):
            of_sources[source] = Fraction(str(weight))
            continue
        if source not in manifest.domains:
            raise ValueError(f"weights: {source} is not divided into domains")
        for domain in weight:
            if domain not in manifest.domains[source]:
                raise ValueError(
                    f"weights: {source} has no domain {domain!r}"
                    f"{nearest(domain, manifest.domains[source])}"
                )
        of_domains = {domain: Fraction(str(one)) for domain, one in weight.items()}
        of_sources[source] = sum(of_domains.values(), Fraction(0))
        domains[source] = of_domains
    if not sum(of_sources.values()):
        raise ValueError("weights: all are 0")
    return _drawn(of_sources, domains)


def _drawn(
    of_sources: Mapping[str, Fraction], domains: Mapping[str, Mapping[str, Fraction]]
) -> StageShares:
    """Scale weights so that they add up to one, without those of nothing."""
    proportions = _scaled(of_sources)
    drawn = {name: _scaled(of) for name, of in sorted(domains.items()) if name in proportions}
    if without := sorted(name for name, shares in drawn.items() if not shares):
        raise ValueError(f"weights: {without[0]}: give weights of its domains, for it has none")
    return StageShares(proportions, drawn)


def _scaled(weights: Mapping[str, Fraction]) -> Shares:
    total = sum(weights.values(), Fraction(0))
    return {name: weight / total for name, weight in sorted(weights.items()) if weight}
