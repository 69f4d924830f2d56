"""Expansion of macros: forms of definitions, scope, spaces, and limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.documents import documents
from transforms.latex.arguments import substitute
from transforms.latex.macros import expanded
from transforms.latex.steps import expand_macros

MAX_EXPANSIONS, MAX_GROWTH = 1_000, 4.0


def expand(text: str) -> str:
    return expanded(text, max_expansions=MAX_EXPANSIONS, max_growth=MAX_GROWTH)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        # LaTeX's definitions, with arguments and defaults.
        (r"\newcommand{\f}[2]{<#1|#2>}\f{x}{y}\f ab", "<x|y><a|b>"),
        (r"\newcommand\f[2][z]{<#1|#2>}\f{x}\f[q]{y} \f y.", "<z|x><q|y> <z|y>."),
        (r"\newcommand*{\f}[1]{<#1>}\f{\f{x}}", "<<x>>"),
        (r"\newcommand{\f}{a}\renewcommand{\f}{b}\f", "b"),
        (r"\newcommand{\f}{a}\providecommand{\f}{b}\providecommand{\g}{c}\f\g", "ac"),
        (r"\DeclareRobustCommand{\f}[1]{<#1>}\f x", "<x>"),
        (r"\newcommand{\f}[1][]{<#1>}\f x\f[]y\f[a{]}b]", "<>x<>y<a{]}b>"),
        (r"\DeclareMathOperator{\am}{arg\,min}$\am_x$", r"$\operatorname{arg\,min}_x$"),
        (r"\DeclareMathOperator*\am{max}\am_x", r"\operatorname*{max}_x"),
        (r"\newcommand{\pair}[1]{(#1, ##1)}\pair{x}", "(x, #1)"),
        # TeX's own.
        (r"\def\f#1#2{<#1|#2>}\f{x}y", "<x|y>"),
        (r"\def\p#1.#2;{(#1,#2)}\p a.{b};c", "(a,b)c"),
        (r"\def\p(#1){<#1>}\p(x)", "<x>"),
        (r"\def\p#1\end{<#1>}\p a{\end}b\end c", r"<a{\end}b>c"),
        (r"\long\def\f#1{<#1>}\global\def\g{h}\f\g", "<h>"),
        (
            r"\def\be{\begin{equation}}\def\ee{\end{equation}}\be x\ee",
            r"\begin{equation} x\end{equation}",
        ),
        (r"\let\a=\alpha \a x", r"\alpha x"),
        (r"\def\a{1}\let\b\a\def\a{2}\a\b", "21"),
        (r"\let\ov\vec\renewcommand{\vec}[1]{\ov{\mathbf{#1}}}\vec x", r"\vec{\mathbf{x}}"),
        (r"\let\proof\relax\proof", r"\proof"),
        # Environments.
        (
            r"\newenvironment{q}[1]{\begin{quote}#1:}{\end{quote}}\begin{q}{A}b\end{q}",
            r"\begin{quote}A:b\end{quote}",
        ),
        (
            r"\newenvironment{q}[1][d]{\it #1}{!}\begin{q}b\end{q}c",
            r"\begingroup\it db!\endgroup c",
        ),
        (r"\def\q{<}\def\endq{>}\begin{q}b\end{q}", r"\begingroup<b>\endgroup"),
        # xparse and mathtools.
        (
            r"\NewDocumentCommand\Z{s o m O{d}}{\IfBooleanTF{#1}{S}{N}\IfValueT{#2}{_{#2}}#3#4}"
            r"\Z a\Z*[b]{c}[e]",
            "NadS_{b}ce",
        ),
        (
            r"\NewDocumentEnvironment{e}{m}{\begin{x}{#1}}{\end{x}}\begin{e}{a}b\end{e}",
            r"\begin{x}{a}b\end{x}",
        ),
        (
            r"\DeclarePairedDelimiter{\abs}{\lvert}{\rvert}\abs{x}\abs*{y}",
            r"\lvert x \rvert\left\lvert y \right\rvert",
        ),
        (
            r"\makeatletter\newcommand{\f}{\@ifstar{\fs}{\fn}}\makeatother"
            r"\def\fs#1{s(#1)}\def\fn#1{n(#1)}\f*{a}\f{b}",
            r"\makeatletter\makeatother s(a)n(b)",
        ),
    ],
)
def test_definition_is_expanded_and_removed(source: str, result: str) -> None:
    assert expand(source) == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (r"{\def\x{1}\x}\x", r"{1}\x"),
        (r"\def\x{0}{\def\x{1}{\def\x{2}\x}\x}\x", "{{2}1}0"),
        (r"\def\x{0}\begin{a}\def\x{1}\x\end{a}\x", r"\begin{a}1\end{a}0"),
        (r"{\gdef\x{1}}\x", "{}1"),
        (r"\def\x{0}{{\def\x{1}\gdef\x{2}\x}\x}\x", "{{2}2}2"),
        (r"\def\x{0}\begingroup\def\x{1}\x\endgroup\x", r"\begingroup1\endgroup0"),
        (r"\x\def\x{1}\x", r"\x1"),
        (r"\AtBeginDocument{\def\x{1}}\x", r"\AtBeginDocument{}1"),
        (r"\def\a#1{\def\b{<#1>}}\a{x}\b\a{y}\b", "<x><y>"),
        (r"\def\a{\b}\def\b{1}\a\def\b{2}\a", "12"),
    ],
)
def test_definition_counts_to_the_end_of_its_group(source: str, result: str) -> None:
    assert expand(source) == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (r"\def\l{LSST}\l is \l{} x \l\ y", r"LSSTis LSST{} x LSST\ y"),
        ("\\def\\l{LSST}\\l\nis \\l\n\nnew", "LSSTis LSST\n\nnew"),
        (r"\newcommand\l{LSST\xspace}\l is (\l) \l, \l $x$", "LSST is (LSST) LSST, LSST $x$"),
        (r"\def\e{\varepsilon}$\e x\e2$", r"$\varepsilon x\varepsilon2$"),
        (r"\def\e{\alpha}\def\f#1{\mathbf#1x}\f y\f\e", r"\mathbf yx\mathbf\alpha x"),
        (r"\def\e{}a \e b", "a b"),
        ("a\n\\newcommand{\\x}{y}\nb\n\n\\x\nc", "a\nb\n\nyc"),
        ("a\n  \\def\\x{y}\n  \\def\\z{}\nb", "a\nb"),
        # A body that replaces one token stays one argument of the command before it.
        (
            r"\def\h{\frac12}\sqrt\h\frac\h\h\sqrt{\h}",
            r"\sqrt{\frac12}\frac{\frac12}{\frac12}\sqrt{\frac12}",
        ),
        (r"\def\v{\mathbf v}$\hat\v^\v$", r"$\hat{\mathbf v}^\mathbf v$"),
    ],
)
def test_spaces_and_braces_are_as_tex_has_them(source: str, result: str) -> None:
    assert expand(source) == result


@pytest.mark.parametrize(
    "text",
    [
        r"\verb|\x| \lstinline!\x! \url{a\x}",
        r"\begin{verbatim}\x\end{verbatim}",
        r"\begin{lstlisting}[a=b]\x\def\x{2}\end{lstlisting}",
        r"\xx\y",
        r"\section{a}\cite{b}",
    ],
)
def test_verbatim_text_and_other_commands_stay(text: str) -> None:
    assert expand(r"\def\x{1}" + text) == text


@pytest.mark.parametrize(
    "definition",
    [
        r"\def\x{\expandafter\y\csname z\endcsname}",
        r"\newcommand{\x}{\@startsection{section}}",
        r"\edef\x{\y}",
        r"\renewcommand{\section}[1]{\bf #1}",
    ],
)
def test_calls_of_what_programs_tex_stay(definition: str) -> None:
    assert expand(definition + r"\x \section{a}") == r"\x \section{a}"


def test_calls_without_their_arguments_stay() -> None:
    assert expand(r"\newcommand{\f}[2]{<#1#2>}{\f{a}} \f") == r"{\f{a}} \f"


def test_arguments_may_lie_behind_the_end_of_an_outer_macro() -> None:
    assert expand(r"\def\z{\y}\def\y#1{<#1>}\z{ab} \z c") == "<ab> <c>"


@pytest.mark.parametrize(
    "source",
    [
        r"\def\a{\a\a}",
        r"\def\a{x\a}",
        r"\def\a{\b}\def\b{\a\a}",
        r"\def\a#1{\a{#1#1}}",
        r"\newenvironment{e}{\begin{e}}{\end{e}}\def\a{\begin{e}}",
        "".join(rf"\def\{chr(97 + i)}{{\{chr(98 + i)}\{chr(98 + i)}}}" for i in range(24)),
    ],
)
def test_endless_and_exploding_calls_stay_and_cost_little(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(*given: Any) -> str | None:
        body = substitute(*given)
        made.append(len(body or ""))
        return body

    monkeypatch.setattr("transforms.latex.macros.substitute", counted)
    text = source + r"\def\ok{fine}" + r"\a. \ok. " * 2_000
    assert expand(text) == r"\a. fine. " * 2_000
    # Each call of \ok is an expansion. One call of \a is tried, and given up with the expansion
    # that is beyond a bound.
    max_chars = MAX_GROWTH * len(text) + 1_000
    assert len(made) <= 2_000 + MAX_EXPANSIONS + 1
    assert sum(made) <= 2_000 * len("fine") + 2 * max_chars


def test_nested_doubling_is_bounded() -> None:
    source = r"\newcommand\d[1]{#1#1}" + r"\d{" * 60 + "x" + "}" * 60
    assert len(expand(source)) < 10_000


def test_step_keeps_rows_and_refuses_bad_bounds() -> None:
    batch = documents(["a#0", "a#1"], [r"\def\x{1}\x", r"\def\x{1}"])
    result = expand_macros(batch, max_expansions=10, max_growth=2.0)
    assert result["text"].to_pylist() == ["1", ""]
    assert result["dropped_by"].to_pylist() == [None, "empty"]
    with pytest.raises(ValueError, match="max_growth"):
        expand_macros(batch, max_expansions=10, max_growth=0.5)


_PIECES = st.sampled_from(
    [
        r"\def\a{",
        r"\def\b#1{",
        r"\def\c#1.#2{",
        r"\newcommand{\d}[2][x]{",
        r"\let\a\b",
        r"\let\d=\c ",
        r"\newenvironment{e}[1]{",
        r"\begin{e}",
        r"\end{e}",
        r"\begin{",
        "}",
        "{",
        "}{",
        "#1",
        "##",
        "#",
        r"\a",
        r"\b",
        r"\c ",
        r"\d",
        r"\d[",
        "]",
        ".",
        " ",
        "\n",
        "\n\n",
        "x",
        "%",
        r"\%",
        "$",
        r"\verb|",
        "|",
        r"\xspace",
        r"\global",
        r"\gdef\c",
        r"\makeatletter",
        r"\@ifstar",
        "*",
        r"\sqrt",
        r"\begingroup",
        r"\endgroup",
        r"\iffalse",
        r"\fi",
        "\\",
        "é",
        r"\NewDocumentCommand\a{som}{",
        r"\IfValueTF{#1}",
        r"\begin{verbatim}",
        r"\end{verbatim}",
        r"\AtBeginDocument",
    ]
)


@given(st.lists(_PIECES, max_size=60).map("".join))
def test_anything_expands_within_bounds(source: str) -> None:
    result = expanded(source, max_expansions=50, max_growth=2.0)
    assert len(result) <= 4 * len(source) + 4_000


@given(st.text(alphabet="abc {}[]#$%&~^_.\n\t0*é", max_size=200))
def test_text_without_macros_stays(source: str) -> None:
    assert expand(source) == source


@pytest.mark.parametrize(
    "hostile",
    [
        r"\global" * 20_000 + r"\def\a{}",
        r"\newcommand{\a}[1][x]{#1}" + r"\a[" * 20_000,
        r"\NewDocumentCommand{\a}{o}{" + r"\IfValueTF{#1}{x}{y}" * 5_000 + r"}\a\a",
    ],
)
def test_prefixes_open_options_and_tests_without_an_end(hostile: str) -> None:
    assert len(expanded(hostile, max_expansions=1_000, max_growth=4)) <= 5 * len(hostile)
