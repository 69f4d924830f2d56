"""Removal of comments from LaTeX sources, and cutting of papers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.documents import documents
from transforms.latex.cut import body_of_paper
from transforms.latex.steps import cut_latex, remove_latex_comments, without_comments


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("a\n% note\nb\n", "a\nb\n"),
        ("a\n  % note\n  b", "a\n  b"),
        ("a % note\nb", "a\nb"),
        ("multi% note\n  line", "multiline"),
        ("a% note\n%only\n  b% c\nd", "abd"),
        ("a% note\n\nb", "a\n\nb"),
        (r"100\% of it % note", "100\\% of it\n"),
        ("a\\\\% note\nb", "a\\\\\nb"),
        ("\\foo% note\nbar", "\\foo\nbar"),
        ("a\\ % note\nb", "a\\ \nb"),
        ("é%", "é"),
        ("% note\n% note\n", ""),
        (r"\verb|%| a % b", "\\verb|%| a\n"),
        (r"\url{http://a/%20b} % c", "\\url{http://a/%20b}\n"),
        (r"\lstinline{%}\mintinline{c}{%d}% c", r"\lstinline{%}\mintinline{c}{%d}"),
        (
            "\\begin{verbatim}\n% a\n\\end{verbatim}\n% b",
            "\\begin{verbatim}\n% a\n\\end{verbatim}\n",
        ),
        ("a\n\\begin{comment}\n% b \\iffalse\n\\end{comment}\nc", "a\nc"),
        ("a\n%\\begin{verbatim}\nc% d\n", "a\nc"),
        ("a\\iffalse b\\fi c", "ac"),
        ("a\n\\iffalse\n\\ifx x\\else y\\fi\n% \\fi\nb\n\\fi\nc", "a\nc"),
        (r"a\iffalse b\else c\fi d", r"ac" + "d"),
        (r"\let\ifx\iffalse a\newcommand{\h}{\iffalse}b\fi", None),
        (r"a\iffalse $x \iff y$ \ifthenelse{a}{b}{c}\fi d", "ad"),
        (r"\excludecomment{hid}a\begin{hid}b\end{hid}c", r"\excludecomment{hid}ac"),
    ],
)
def test_comments_go_and_the_rest_reads_as_before(source: str, result: str | None) -> None:
    assert without_comments(source) == (source if result is None else result)


_PIECES = st.sampled_from(
    [
        "%",
        "\\",
        "a",
        " ",
        "\n",
        "{",
        "}",
        r"\%",
        r"\verb|",
        "|",
        r"\iffalse ",
        r"\else ",
        r"\fi ",
        r"\ifx",
        r"\begin{comment}",
        r"\end{comment}",
        r"\begin{verbatim}",
        r"\end{verbatim}",
        r"\url{",
        r"\let\a",
        "\t",
        r"\begin{document}",
        r"\end{document}",
        r"\section{",
        r"\appendix",
        r"\title{",
        r"\begin{abstract}",
        r"\end{abstract}",
        r"\begin{thebibliography}",
        r"\end{thebibliography}",
        r"\bibliography{a}",
        "{\\bf References}",
        "\\hypertarget{a}{",
    ]
)


@given(st.lists(_PIECES, max_size=50).map("".join), st.booleans(), st.booleans())
def test_anything_is_cleaned(source: str, keep: bool, drop: bool) -> None:
    cleaned = without_comments(source)
    assert len(cleaned) <= len(source) + source.count("%")
    body_of_paper(cleaned, keep_title_and_abstract=keep, drop_appendix=drop)


@given(st.text(alphabet="ab%\\\n {}", max_size=60))
def test_no_comment_is_left(source: str) -> None:
    left = re.sub(r"\\[\s\S]", "", without_comments(source))
    assert "%" not in left


PAPER = r"""\documentclass{article}
\title[short]{A {nested} title}
\begin{document}
\maketitle
\begin{abstract}
The abstract.
\end{abstract}
\section*{Keywords}
words
\section{One}
Text.



More.
\bibliographystyle{plain}
\section*{References}
\bibliography{refs}
\providecommand{\natexlab}[1]{#1}
\begin{thebibliography}{9}
\bibitem{a} A.
\end{thebibliography}

\appendix
\section{Proofs}
Proof.
\end{document}
junk
"""


def _body(text: str, keep: bool = False, drop: bool = False) -> str:
    return body_of_paper(text, keep_title_and_abstract=keep, drop_appendix=drop)


def test_body_of_a_paper() -> None:
    body = "\\section{One}\nText.\n\nMore.\n"
    appendix = "\n\\appendix\n\\section{Proofs}\nProof.\n"
    front = (
        "\\title[short]{A {nested} title}\n\n\\begin{abstract}\nThe abstract.\n\\end{abstract}\n\n"
    )
    assert _body(PAPER) == body + appendix
    assert _body(PAPER, drop=True) == body
    assert _body(PAPER, keep=True, drop=True) == front + body


def test_letter_without_sections_keeps_its_text() -> None:
    letter = (
        r"\documentclass{revtex4}\begin{document}\title{T}\begin{abstract}A.\end{abstract}"
        "\\maketitle\nText of the letter.\n\\section*{Acknowledgements}\nThanks.\n\\end{document}"
    )
    assert _body(letter) == "Text of the letter.\n\\section*{Acknowledgements}\nThanks.\n"
    assert _body(letter, keep=True).startswith("\\title{T}\n\n\\begin{abstract}A.\\end{abstract}\n")


@pytest.mark.parametrize(
    "heading",
    [
        r"{\bf References}",
        r"\section*{References}",
        r"\noindent\textbf{REFERENCES}",
        r"\begin{center}{\bf REFERENCES}\end{center}",
        "\\begin{center}\n{\\large\\bf References}\n\\end{center}",
        r"\bigskip\noindent{\large {\bf Bibliography:}}\\",
        r"\centerline{\textsc{Literature cited}}",
        r"\vskip 2mm\centerline{\bf References}",
        r"\subsection*{References}\label{refs}",
    ],
)
def test_list_of_references_made_by_hand_goes(heading: str) -> None:
    body = (
        "\\section{One}\nText of some length here, and then more of it" + ", and more" * 9 + ".\n"
    )
    assert _body(f"{body}\n{heading}\n\n1. A.\n\n2. B.\n") == body


def test_centred_heading_of_a_bibliography_goes_with_it() -> None:
    body = "\\section{One}\nText.\n"
    made = "\\begin{thebibliography}{9}\n\\bibitem{a} A.\n\\end{thebibliography}\n"
    assert _body(body + "\\begin{center}\n{\\bf References}\n\\end{center}\n" + made) == body
    assert "References" in _body(body + "{\\bf References}\nText.\n" + made)


@pytest.mark.parametrize("heading", [r"\subsection{Literature}", r"\section*{Literature}"])
def test_section_of_literature_goes_if_it_is_a_list(heading: str) -> None:
    body = "\\section{One}\n" + "Text of some length here. " * 40 + "End.\n"
    entries = "".join(
        f"\n[{i}] A. Author, A title of it, Journal {i} (19{i}0).\n" for i in range(5)
    )
    assert _body(f"{body}{heading}\n{entries}") == body
    survey = f"{heading}\nThe problem was first seen by A (1990). " + "It is well known. " * 40
    assert _body(f"{body}{survey}\n") == f"{body}{survey.strip()}\n"


def test_letter_with_methods_behind_its_text_keeps_the_text() -> None:
    text = "A sentence of the letter, which has no sections. " * 50
    methods = "\\section*{Methods}\nThey are these.\n"
    front = "\\begin{document}\\title{T}\\maketitle\n"
    assert _body(f"{front}{text}\n{methods}") == f"{text}\n{methods}"
    assert _body(f"{front}Authors.\n{methods}") == methods
    assert _body(f"{front}{text}\n\\section{{Results}}\nx\n") == "\\section{Results}\nx\n"


def test_section_that_is_verbatim_or_in_a_comment_does_not_count() -> None:
    text = (
        "\\begin{document}\\verb|\\section{a}|\n% \\section{b}\nx\n\\section{c}\ny\n\\end{document}"
    )
    assert _body(text) == "\\section{c}\ny\n"


def test_section_in_a_hypertarget_begins_with_it() -> None:
    text = "front\n\\hypertarget{a}{\\section{A}\\label{a}}\nText"
    assert _body(text) == "\\hypertarget{a}{\\section{A}\\label{a}}\nText\n"


def test_steps_drop_what_is_left_empty() -> None:
    batch = documents(["a#0", "a#1"], ["% nothing\n", "text % c\n"])
    result = remove_latex_comments(batch)
    assert result["dropped_by"].to_pylist() == ["empty", None]
    only_front = documents(["a#0"], [r"\begin{document}\title{T}\maketitle\end{document}"])
    cut = cut_latex(only_front, keep_title_and_abstract=False, drop_appendix=False)
    assert cut["dropped_by"].to_pylist() == ["empty"]
