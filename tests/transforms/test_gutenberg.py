"""Project Gutenberg's frames of all years, on real books, and on forms that these lack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers.books import decode_book
from transforms.documents import documents
from transforms.gutenberg import (
    MAX_FRAME_CHARS,
    header_fields,
    strip_gutenberg,
    without_frame,
)

BOOK = "CHAPTER I\n\n" + "It was a dark night.\n" * 30 + "\n\nCHAPTER II\n\nIt was day."
LICENCE = "\n".join(["You may copy it, give it away or re-use it under this licence."] * 300)
START = "*** START OF THE PROJECT GUTENBERG EBOOK NIGHT ***"
END = "*** END OF THE PROJECT GUTENBERG EBOOK NIGHT ***"
SMALL_PRINT = "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*"

# The first and last words of each book in the printed editions.
REAL = {
    "pg11-": (r"ALICE.S ADVENTURES IN WONDERLAND", "THE END"),
    "pg120-": (r"TREASURE ISLAND", r"Pieces of eight!\W*"),
    "pg1342-1342": (r"PRIDE AND PREJUDICE", r"had been the means of\s+uniting them\."),
    "pg158-": (r"EMMA", "FINIS"),
    "pg1661-": (r"THE ADVENTURES OF SHERLOCK HOLMES", r"she has met with\s+considerable success\."),
    "pg174-": (r"The Picture of Dorian Gray", r"recognized who it was\."),
    "pg20170-": (r"\[Illustration:\s+G\.W\.R: The Line to Legend Land", r"Vol\. One Back End\]"),
    "pg219-": (r"HEART OF DARKNESS", r"heart of an\s+immense\s+darkness\."),
    "pg35-": (r"The Time Machine", r"still\s+lived\s+on in the heart\s+of man\."),
    "pg44157-": (r"Au lecteur\.", r"vensterbank\.\)"),
    "pg5200-": (r"Copyright \(C\) 2002 (?:by )?David Wyllie", r"stretch out her young body\."),
    "pg76-": (r"ADVENTURES\s+OF\s+HUCKLEBERRY FINN", r"YOURS TRULY, _?HUCK FINN_?\."),
    "pg84-": (r"Frankenstein[;,]", r"lost in darkness and distance\."),
    "pg98-98": (r"A TALE OF TWO CITIES", r"than I have ever known\.\W"),
    "pg98-old": (r"by Charles Dickens", r"than I have ever known\.\W"),
}


@pytest.mark.slow
def test_real_books(shared_data: Path):
    seen = 0
    for path in sorted((shared_data / "books").glob("*.txt")):
        text = decode_book(path.read_bytes()).text
        book = without_frame(text)
        if "pandp09" in path.name:  # not a book: the listing of a folder
            assert book == text.replace("\r\n", "\n")
            continue
        (expected,) = (edges for name, edges in REAL.items() if path.name.startswith(name))
        assert re.match(rf"\s*{expected[0]}", book, re.IGNORECASE), path.name
        assert re.search(rf"{expected[1]}\Z", book), (path.name, book[-80:])
        frame = r"\b(gutenberg|ebook|etext|small print|donations|proofread)|^produced by"
        assert not re.search(frame, book, re.IGNORECASE | re.MULTILINE), path.name
        assert "\r" not in book and book == book.strip("\n")
        assert without_frame(book) == book
        # At most header and licence are removed.
        assert len(text.replace("\r\n", "\n")) - len(book) < 45_000
        assert book in text.replace("\r\n", "\n")
        seen += 1
    assert seen == 37


@pytest.mark.parametrize(
    "text",
    [
        f"Project Gutenberg's Night\n\n{START}\n\n{BOOK}\n\n{END}\n\n{LICENCE}",
        f"Title: Night\n\n***START OF THE PROJECT GUTENBERG EBOOK NIGHT***\n{BOOK}\n\n"
        f"***END OF THE PROJECT GUTENBERG EBOOK NIGHT***\n{LICENCE}",
        "*** START OF THE PROJECT GUTENBERG EBOOK A NIGHT AND\nTHE DAY BEHIND IT ***\n\n"
        f"{BOOK}\n\n*** END OF THE PROJECT GUTENBERG EBOOK A NIGHT AND\nTHE DAY BEHIND IT ***\nL",
        f"Small print\n{SMALL_PRINT}\n\n{BOOK}\n\nEnd of The Project Gutenberg Etext of Night\n",
        f"Small print\n{SMALL_PRINT}\n\n{BOOK}\n",
        f"Small print\n*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*\n\n"
        f"Produced by A. B.\n\n\n{BOOK}\n\n\n\nEnd of Project Gutenberg's Night, by A. Writer\n",
        f"{START}\n\n{BOOK}\n\n{END}\n\n{LICENCE}\n*END*THE SMALL PRINT! FOR X*Ver.02*END*\nX.",
        f"*** START OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK, NIGHT ***\n{BOOK}\n"
        f"*** END OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK, NIGHT ***\n{LICENCE}",
        f"{START}\n\n{BOOK}\n\nEnd of the Project Gutenberg EBook of Night, by\nA. B.\n\n{END}\n",
        f"{START}\n\n{BOOK}\n\nEnde dieses Projekt Gutenberg Etextes Nacht\n\n{LICENCE}",
        f"{START}\n\nE-text prepared by A. B.\nand the Team\n\n\n"
        "Note: Project Gutenberg also has an HTML version of this file.\n      See 1-h.htm.\n\n"
        "Transcriber's note:\n      Italics stand between _lines_.\n\n\n"
        f"{BOOK}\n\n\n\nTRANSCRIBER'S NOTES\n\nPage 4: nihgt is now night.\n\nPage 5: the same.\n"
        f"\n{END}\n{LICENCE}".replace("TRANSCRIBER'S NOTES", "TRANSCRIBER’S NOTES"),
        f"{START}\n\nTRANSCRIBER'S NOTE:\n\nItalics stand between _lines_.\n\n{BOOK}\n\n{END}",
        f"{START}\n\nProduced by A. B., C. D. and the Online Distributed\nProofreading Team\n\n"
        f"[Transcriber's Note: one paragraph.\n\nAnd another.]\n\n{BOOK}\n\n{END}\n",
        f"{START}\nThis etext was typed by A. B.\n\nThe Project Gutenberg Etext of Night\n\n"
        f"{BOOK}\n\n{END}\n\nThis etext was typed by A. B.\n\n{LICENCE}",
        f"Header of the first volume\n{LICENCE}\n{START}\n\n{BOOK}\n".replace("\n", "\r\n"),
        f"{BOOK}\n\nEnd of Project Gutenberg's Night\n\n{LICENCE}",
    ],
)
def test_frames_of_all_years(text: str):
    assert without_frame(text) == BOOK


CREDITS = [
    "Special thanks are due to A Volunteer for extensive\nproofreading of this etext.",
    "Many thanks to the Internet Archive for the page scans.",
    "We would like to thank A. B., who scanned this book.",
    "Text file produced by A Volunteer and a team.",
    "HTML file produced by A Volunteer",
    "Text and HTML versions by A. B.",
    "Etext by A Volunteer",
    "E-text was kindly provided by A. B.",
    "This eBook was produced by A Volunteer",
    "The electronic text was prepared for Project Gutenberg by A. B.",
    "Scanned, OCR'd and proofread by A. B. <ab@example.org>",
    "Typed and formatted by A. B.",
    "Produced from page images at the Internet Archive.",
    "Images generously made available by a library.",
    "(This file was produced from images made available by a library.)",
    "[Most recently updated: May 5, 2020]",
    "Credits: A. B. and the team",
    "HTML version by A. B.",
    "Etext prepared by A. B., and typed by C. D.",
]


@pytest.mark.parametrize("credit", CREDITS)
def test_credits_of_all_forms_go(credit: str):
    assert without_frame(f"Header\n\n{START}\n\n{credit}\n\n\n{BOOK}\n\n{END}\nL") == BOOK
    assert without_frame(f"Header\n\n{START}\n\n{BOOK}\n\n\n{credit}\n\n{END}\nL") == BOOK
    assert without_frame(f"{START}\n\n{CREDITS[3]}\n\n{credit}\n\n{BOOK}\n\n{END}") == BOOK


@pytest.mark.parametrize(
    "text",
    [
        "Special thanks are due to my wife, who bore with me.",
        "Thanks to the rain we stayed at home.",
        "I thank you for the letter, said he.",
        "Edited by A. Writer",
        "Text by A. Writer. Pictures by B. Painter.",
        "The text was by his hand.",
        "Author's Preface",
        "Title: it was none.",
    ],
)
def test_a_books_own_words_stay(text: str):
    book = f"{text}\n\n\n{BOOK}"
    assert without_frame(f"Header\n\n{START}\n\n{book}\n\n{END}\nL") == book


HEADER_OF_2001 = """\
The Project Gutenberg EBook of Night, by A. Writer
#12 in our series by A. Writer

Copyright laws are changing all over the world. Be sure to check the
copyright laws for your country before downloading.

This header should be the first thing seen when viewing this Project
Gutenberg file.  Please do not remove it.

**Welcome To The World of Free Plain Vanilla Electronic Texts**

**EBooks Readable By Both Humans and By Computers, Since 1971**

*****These EBooks Were Prepared By Thousands of Volunteers!*****


Title: Night

Author: A. Writer

Release Date: May, 2004  [EBook #5200]
[Yes, we are more than one year ahead of schedule]

Edition: 10

Language: English

Character set encoding: ASCII
"""
FOOTER_OF_2001 = (
    "*****This file should be named night10.txt or night10.zip*****\n\n"
    + LICENCE[:3_000]
    + "\n\n**The Legal Small Print**\n\n\n***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN EBOOKS**"
    "START***\n" + LICENCE[:5_000] + "\n\n*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*"
    "Ver.02/11/02*END*\n"
)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER_OF_2001}\n\n\n{BOOK}\n\n\nEnd of Project Gutenberg's Night\n\n{FOOTER_OF_2001}",
        f"{HEADER_OF_2001}\n\nProduced by A. B.\n\n{BOOK}\n\n\n{FOOTER_OF_2001}\n",
        f"{HEADER_OF_2001}\n{START}\n\n{BOOK}\n\n\n{FOOTER_OF_2001}",
        f"Title: Night\n\n{START}\n\n{BOOK}\n\n{SMALL_PRINT}\n",
        f"The Project Gutenberg Etext of Night\n\n{FOOTER_OF_2001}\n\n{BOOK}\n\nEnd of Project "
        "Gutenberg's Night\n",
    ],
)
def test_header_without_an_end_and_small_print_behind_a_story(text: str):
    assert without_frame(text) == BOOK
    assert without_frame(text.replace("\n", "\r\n")) == BOOK


def test_several_framed_books_in_one_file():
    another = "CHAPTER I\n\nAnother."
    text = f"{START}\n{BOOK}\n\n{END}\n{LICENCE}\n{START}\n\n{another}\n\n{END}\n{LICENCE}"
    assert without_frame(text) == f"{BOOK}\n\n\n{another}"


def test_text_longer_than_any_licence_behind_an_end_stays():
    volume = "A line of the second volume.\n" * (MAX_FRAME_CHARS // 20)
    text = f"{START}\n\n{BOOK}\n\nEnd of Project Gutenberg's Night, Volume I\n\n{volume}"
    assert without_frame(text) == f"{BOOK}\n\n\n{volume}".rstrip("\n")
    assert without_frame(f"{volume}\n{START}\n\n{BOOK}").startswith("A line of the second volume.")


def test_notes_within_the_text():
    text = f"{START}\n\n{BOOK}\n\n[Transcriber's note: a page is missing.]\n\nMore.\n\n{END}"
    assert without_frame(text) == f"{BOOK}\n\n\nMore."
    shakespeare = (
        f"{START}\n{BOOK}\n<<THIS ELECTRONIC VERSION OF THE COMPLETE WORKS IS\nX.>>\nMore."
    )
    assert without_frame(shakespeare) == f"{BOOK}\nMore."


@given(st.text(st.sampled_from("abG \n\r*[]."), max_size=200))
def test_other_texts_stay(text: str):
    assert without_frame(text) == re.sub("\r\n?", "\n", text)


def test_texts_about_gutenberg_stay():
    text = (
        "Produced by A. B.\n\nI got it from Project Gutenberg.\n\nTranscriber's note: none.\n"
        "Copyrighted by the author. THE SMALL PRINT is on page 9. END OF PROJECT."
    )
    assert without_frame(text) == text


@given(
    st.lists(
        st.sampled_from(
            [START, END, SMALL_PRINT, BOOK, "End of Project Gutenberg's Night", LICENCE, "", "["]
        ),
        max_size=8,
    )
)
def test_any_order_of_marks(pieces: list[str]):
    book = without_frame("\n".join(pieces))
    assert "PROJECT GUTENBERG" not in book
    assert without_frame(book) == book


def test_the_step_keeps_rows_and_drops_those_of_a_frame_alone():
    batch = documents(
        ["b/1#0", "b/2#0", "b/3#0"], [f"{START}\n{BOOK}\n{END}", f"{START}\n{END}", "a"]
    )
    after = strip_gutenberg(batch)
    assert after["id"].to_pylist() == batch["id"].to_pylist()
    assert after["text"].to_pylist() == [BOOK, "", "a"]
    assert after["dropped_by"].to_pylist() == [None, "empty", None]


def test_header_fields():
    assert header_fields(
        "The Project Gutenberg eBook of Night\r\n\r\nTitle: Night\r\n       and Day\r\n\r\n"
        "Author: A. Writer\r\n\r\nRelease date: May 1, 2020 [eBook #123]\r\n\r\n"
        f"Language: English\r\n\r\n{START}\r\nTitle: not this\r\n"
    ) == {
        "title": "Night and Day",
        "author": "A. Writer",
        "gutenberg_number": 123,
        "language": "English",
    }
    old = (
        "The Project Gutenberg Etext of Night, by A. Writer\n#2 in our series\n\nMay [Etext #12]\n"
    )
    assert header_fields(old) == {"title": "Night", "author": "A. Writer", "gutenberg_number": 12}
    assert header_fields("Title: Night\nAuthor: A. Writer\n") == {}
