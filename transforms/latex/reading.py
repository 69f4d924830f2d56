"""The input of macro expansion: the source, and the bodies of the calls that are being read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transforms.latex.arguments import MAX_ARGUMENT_CHARS, Macro, Text, read_arguments, skip_space
from transforms.latex.scan import Branches, Span, brace_pairs, branches

_NEAR_CHARS = 500  # text that is looked at first for arguments


class Frame:
    """A text that is being read. Reading is at ``at``, and ``at_end`` is called after the end.

    ``no_groups`` holds the positions of opening braces that begin an argument but no group.
    ``skipped`` maps the begin of what is not read, of a conditional, to its end. Conditionals that
    are not decided reach to ``undecided_end``.
    """

    __slots__ = (
        "_branches",
        "_pairs",
        "_spans",
        "at",
        "at_end",
        "at_letter",
        "no_groups",
        "skipped",
        "text",
        "undecided_end",
    )

    def __init__(
        self,
        text: str,
        *,
        at_letter: bool,
        at_end: Callable[[], None] | None = None,
        pairs: dict[int, int] | None = None,
        spans: Sequence[Span] = (),
    ) -> None:
        self.text = text
        self.at = 0
        self.at_letter = at_letter
        self.at_end = at_end
        self.no_groups: set[int] = set()
        self.skipped: dict[int, int] = {}
        self.undecided_end = 0
        self._pairs = pairs
        self._spans = spans
        self._branches: dict[int, Branches] | None = None

    @property
    def source(self) -> Text:
        """The text with its pairs of braces."""
        if self._pairs is None:
            self._pairs = brace_pairs(self.text)
        return Text(self.text, self._pairs, self.at_letter)

    def branches(self, start: int) -> Branches | None:
        """Return the places of the conditional at ``start``, None if it has no ``\\fi``."""
        if self._branches is None:
            self._branches = branches(self.text, self._spans)
        return self._branches.get(start)

    def mark_arguments(self, count: int, *, may_be_skipped: bool) -> None:
        """Note that the next ``count`` arguments in braces are executed and are no groups.

        Where one of them ``may_be_skipped``, switches that they turn are not known behind them.
        """
        pairs = self.source.pairs
        at = self.at
        for _ in range(count):
            at = skip_space(self.text, at)
            if at not in pairs:
                return
            self.no_groups.add(at)
            at = pairs[at] + 1
        if may_be_skipped:
            self.undecided_end = max(self.undecided_end, at)


class Input:
    """A stack of texts. At the end of the innermost one, reading continues in the one outside."""

    def __init__(self, source: Frame) -> None:
        self.frames = [source]
        self.looked_ahead_chars = 0  # characters read beyond the innermost text for arguments
        self.open_options = 0  # brackets of optional arguments that were never closed

    def pop(self) -> None:
        """Leave the innermost text."""
        frame = self.frames.pop()
        if frame.at_end:
            frame.at_end()

    def ahead(self, chars: int) -> str:
        """Return the next ``chars`` characters, but not beyond a text that has an ``at_end``."""
        pieces: list[str] = []
        for frame in reversed(self.frames):
            pieces.append(frame.text[frame.at : frame.at + chars])
            chars -= len(pieces[-1])
            if chars <= 0 or frame.at_end:
                break
        return "".join(pieces)

    def consume(self, chars: int) -> None:
        """Skip ``chars`` characters."""
        for frame in reversed(self.frames):
            step = min(chars, len(frame.text) - frame.at)
            frame.at += step
            chars -= step
            if not chars:
                return

    def skip_space(self) -> None:
        """Skip the white space that TeX skips after a control word."""
        for frame in reversed(self.frames):
            frame.at = skip_space(frame.text, frame.at)
            if frame.at < len(frame.text) or frame.at_end:
                return

    def arguments(self, macro: Macro) -> list[str | None] | None:
        """Read a call's arguments. They may continue in the outer texts.

        Returns None where arguments are missing. Then nothing is skipped.
        """
        if not macro.parameters and not macro.prefix:
            return []
        frame = self.frames[-1]
        while len(self.frames) > 1 and frame.at_end is None and self._is_read(frame):
            self.frames.pop()
            frame = self.frames[-1]
        arguments = read_arguments(frame.source, frame.at, macro)
        if arguments:
            values, frame.at, open_options = arguments
            self.open_options += open_options
            return values
        if len(self.frames) == 1:
            return None
        for chars in (_NEAR_CHARS, MAX_ARGUMENT_CHARS):
            ahead = self.ahead(chars)
            self.looked_ahead_chars += len(ahead)
            arguments = read_arguments(Text(ahead, brace_pairs(ahead), frame.at_letter), 0, macro)
            if arguments:
                values, end, _ = arguments
                self.consume(end)
                return values
            if len(ahead) < chars:
                break
        return None

    def places(self) -> list[tuple[Frame, int]]:
        """Return the texts being read and where reading is, for :meth:`go_back`."""
        return [(frame, frame.at) for frame in self.frames]

    def go_back(self, places: list[tuple[Frame, int]]) -> None:
        """Read on at earlier ``places``."""
        self.frames[:] = [frame for frame, _ in places]
        for frame, at in places:
            frame.at = at

    def _is_read(self, frame: Frame) -> bool:
        return skip_space(frame.text, frame.at) >= len(frame.text)
