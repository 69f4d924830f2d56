"""Which stream each position draws from, in exact proportions of sources and their domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from training.data.order import Int64s, Schedule, exact_shares
from training.data.streams import Stream


class StreamDraws:
    """The streams of the positions 0 to ``n_samples - 1``.

    The samples are divided among the sources by largest remainder, and then those of each source
    among its domains. Both are spread evenly (:class:`training.data.order.Schedule`).
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        n_samples: int,
        proportions: Mapping[str, Fraction],
        domains: Mapping[str, Mapping[str, Fraction]],
        where: str,
    ) -> None:
        """Divide samples among streams, which are sorted by source.

        ``proportions`` are those of sources, and ``domains`` those of the domains of divided
        sources; both add up to one. ``where`` begins messages. Raises ValueError for a source or
        domain without tokens.
        """
        self.sources = sorted({stream.source for stream in streams})
        if without := sorted(set(proportions) - set(self.sources)):
            raise ValueError(
                f"{where}: the recipe samples {', '.join(without)}, which has no training tokens"
            )
        shares = [proportions.get(source, Fraction(0)) for source in self.sources]
        self.samples_of_source = exact_shares(n_samples, shares)
        self._schedule = Schedule(self.samples_of_source)
        self.samples_of_stream: list[int] = []
        self._first_streams: list[int] = []  # of each source, whose streams are neighbours
        self._schedules: list[Schedule | None] = []  # of a source's domains, if it is divided
        for source, of_source in zip(self.sources, self.samples_of_source, strict=True):
            self._first_streams.append(len(self.samples_of_stream))
            counts = [of_source]
            if of_domain := domains.get(source):
                names = [stream.domain for stream in streams if stream.source == source]
                counts = _domain_samples(of_source, names, of_domain, f"{where}: {source}")
            self._schedules.append(Schedule(counts) if source in domains else None)
            self.samples_of_stream += counts

    def of(self, positions: Int64s) -> tuple[Int64s, Int64s]:
        """Return each position's stream, and the number of earlier positions with that stream.

        Which source a position draws from does not depend on how the source is divided.
        """
        source, earlier = self._schedule.draws(positions)
        stream = np.array(self._first_streams, np.int64)[source]
        for number, schedule in enumerate(self._schedules):
            here = np.flatnonzero(source == number) if schedule is not None else ()
            if schedule is not None and len(here):
                domain, earlier[here] = schedule.draws(earlier[here])
                stream[here] += domain
        return stream, earlier


def _domain_samples(
    n_samples: int, names: Sequence[str | None], shares: Mapping[str, Fraction], where: str
) -> list[int]:
    """Divide a source's samples among its domains. Raises ValueError for one without tokens."""
    if without := sorted(name for name, share in shares.items() if share and name not in names):
        raise ValueError(f"{where}: its mixture samples {', '.join(without)}, which has no tokens")
    return exact_shares(n_samples, [shares.get(name or "", Fraction(0)) for name in names])
