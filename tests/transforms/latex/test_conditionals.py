"""Conditionals that are decided in LaTeX sources, and commands that leave no trace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.growth import assert_linear
from transforms.latex.macros import expanded


def expand(text: str) -> str:
    return expanded(text, max_expansions=1_000, max_growth=4.0)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        # Switches, their scope, and what turns them.
        (r"\newif\ifa \ifa A\else B\fi c", "Bc"),
        (r"\newif\ifa\atrue\ifa A\else B\fi{} c", "A{} c"),
        (r"\newif\ifa{\atrue\ifa A\fi}\ifa A\else B\fi", "{A}B"),
        (r"\newif\ifa{\global\atrue}\ifa A\else B\fi", "{}A"),
        (r"\let\ifa=\iftrue\ifa A\else B\fi\let\ifb\ifa\ifb C\fi", "AC"),
        (r"\let\ifa\iffalse\ifa A\else B\fi", "B"),
        (r"\newif\ifa\ifa\iftrue A\else B\fi\else C\fi", "C"),
        (r"\newif\ifa\atrue\ifa\if01A\else B\fi\else C\fi", "B"),
        ("a\n\\newif\\ifa\n\\ifa\nA\n\\else\nB\n\\fi\nc", "a\nB\nc"),
        (r"\newif\ifa\ifa\ifx xyA\else B\fi\fi c", "c"),
        # Comparisons of characters and of numbers.
        ("a\n\\if 0\nB\n\\fi\nc", "a\nc"),
        ("a\\if0\nB\\else C\\fi d", "aCd"),
        (r"\if00A\else B\fi\if01A\else B\fi", "AB"),
        ("\\if1\nA\\else B\\fi", "B"),
        (r"\ifnum 1<2 A\else B\fi\ifnum1>2 A\else B\fi\ifodd3 A\fi", "ABA"),
        # Packages' commands.
        (r"\newboolean{a}\setboolean{a}{true}\ifthenelse{\boolean{a}}{A}{B}", "A"),
        (r"\newboolean{a}\ifthenelse{\not\boolean{a}}{A}{B}\ifthenelse{\equal{x}{y}}{A}{B}", "AB"),
        (r"\newtoggle{a}\toggletrue{a}\iftoggle{a}{A}{B}\togglefalse{a}\iftoggle{a}{A}{B}", "AB"),
        (r"\newbool{a}\ifbool{a}{A}{B}\setbool{a}{true}\ifbool{a}{A}{B}\ifa C\fi", "BAC"),
        (r"\ifblank{ }{A}{B}\notblank{x}{A}{B}\ifstrequal{x}{x}{A}{B}", "AAA"),
        # A macro's body takes one branch.
        (
            r"\newif\ifa\newcommand{\add}[1]{\ifa\textcolor{blue}{#1}\else #1\fi}"
            r"\add{x}, \atrue\add{y}",
            r"x, \textcolor{blue}{y}",
        ),
        (r"\def\f#1{\if#1xA\else B\fi}\f x\f y", "AB"),
        (r"\newcommand\f[1][]{\ifthenelse{\equal{#1}{}}{A}{(#1)}}\f\f[b]", "A(b)"),
        (
            r"\def\m{\ifmmode x\else $x$\fi}\m, $\m$, \(\m\), $\mbox{\m}$",
            "$x$, $x$, \\(x\\), $\\mbox{$x$}$",
        ),
        (
            r"\def\m{\ifmmode x\else y\fi}\begin{align*}\m\end{align*}\m",
            r"\begin{align*}x\end{align*}y",
        ),
        ("\\def\\m{\\ifmmode x\\else y\\fi}A $5 note\n\nB \\m", "A $5 note\n\nB y"),
        (
            r"\newif\ifa\newenvironment{e}{\ifa A\else B\fi}{C}\begin{e}x\end{e}",
            r"\begingroup BxC\endgroup",
        ),
    ],
)
def test_conditional_gives_the_branch_that_is_taken(source: str, result: str) -> None:
    assert expand(source) == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (r"\ifpdf A\else B\fi", None),
        (r"\ifx\a\b A\else B\fi", None),
        (r"\newif\ifa\ifa A", r"\ifa A"),
        (r"\ifthenelse{\equal{\x}{y}}{A}{B}", None),
        # Both branches of a conditional are read, so a switch in it is not known behind it.
        (r"\newif\ifa\ifpdf\atrue\fi\ifa A\else B\fi", r"\ifpdf\fi\ifa A\else B\fi"),
        (
            r"\newbool{a}\ifcsdef{x}{\booltrue{a}}{\boolfalse{a}}\ifbool{a}{A}{B}",
            r"\ifcsdef{x}{}{}\ifbool{a}{A}{B}",
        ),
        (
            r"\newbool{a}\IfFileExists{x}{\booltrue{a}}{\boolfalse{a}}\ifbool{a}{A}{B}",
            r"\IfFileExists{x}{}{}B",
        ),
        # A macro whose branch is not known is not expanded, never to both.
        (r"\def\f#1{\ifx#1\x A\else B\fi}\f{c}", r"\f{c}"),
        (r"\def\f#1{\ifdef{#1}{A}{B}}\def\g{c}\f\g", r"\f c"),
        (r"\newenvironment{e}{\ifpdf A\fi}{C}\begin{e}x\end{e}", r"\begin{e}x\end{e}"),
        (r"\def\f{\iftrue}\f A\fi", r"\f A\fi"),
        (
            r"\begin{verbatim}\iftrue\end{verbatim}\iftrue\verb|\fi|\fi",
            r"\begin{verbatim}\iftrue\end{verbatim}\verb|\fi|",
        ),
    ],
)
def test_what_only_tex_can_tell_stays(source: str, result: str | None) -> None:
    assert expand(source) == (source if result is None else result)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (r"\def\x{\ensuremath{\alpha_0}}$\x y$ \x", r"$\alpha_0y$ \ensuremath{\alpha_0}"),
        (r"\begin{equation}\ensuremath{a}b\end{equation}", r"\begin{equation}ab\end{equation}"),
        (
            r"$\hat\ensuremath{a}\text{\ensuremath{b}}$",
            r"$\hat\ensuremath{a}\text{\ensuremath{b}}$",
        ),
        (
            r"\def\x{\ensuremath{\alpha}\xspace}\x is $\x\beta$ and \x.",
            r"\ensuremath{\alpha} is $\alpha\beta$ and \ensuremath{\alpha}.",
        ),
        ("a\n\\relax\nb\\relax c", "a\nbc"),
        (r"\def\f{x\relax}\f y\protect\g\ignorespaces z", r"xy\g z"),
        (r"\hskip 1pt\relax plus", r"\hskip 1pt\relax plus"),
        (r"\ifx\f\relax A\fi", r"\ifx\f\relax A\fi"),
    ],
)
def test_commands_that_show_nothing_leave_no_trace(source: str, result: str) -> None:
    assert expand(source) == result


_PIECES = [
    "\\newif\\ifa",
    "\\atrue",
    "\\ifa",
    "\\else ",
    "\\fi",
    "\\if0 ",
    "{",
    "}",
    "$",
    "x",
    "\n",
    "\\def\\f#1{\\ifa#1\\else y\\fi}",
    "\\f{z}",
    "\\begin{e}",
    "\\end{e}",
    "\\ensuremath{u}",
    "\\relax",
    "\\(",
    "\\ifx",
    "\\ifthenelse{\\boolean{a}}{p}{q}",
    "\\iffalse",
    "%c\n",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=40))
def test_any_text_ends(pieces: list[str]) -> None:
    expand("".join(pieces))


def test_time_is_linear() -> None:
    for hostile in ("\\iftrue ", "\\if0 \\else ", "\\newif\\ifa\\ifa{", "$\n\n", "\\ifblank{"):
        assert_linear(lambda n, hostile=hostile: expand(hostile * n), 2_500)
