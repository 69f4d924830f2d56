"""Disambiguation pages in the 20 languages, by their templates and titles.

Each Wikipedia listed its templates in the message ``MediaWiki:Disambiguationspage``; they have
``__DISAMBIG__`` in them today. There are dozens in some languages, whose names follow patterns.
"""

from __future__ import annotations

import re
from functools import cache

from transforms.wikipedia.names import names_of

DISAMBIGUATION_TEMPLATES = {
    "bg": "пояснение|пояснителна страница|омоними",
    "ca": "desambiguació|desambigua|desambiguacio|onomàstica|biografies homònimes|acrònims",
    "cs": "rozcestník|rozcestník - příjmení|rozcestník - místopisné jméno|rozcestník - jméno|rozc",
    "da": "flertydig|flertydigt efternavn|flertydigt personnavn",
    "de": "begriffsklärung|bkl|begriffsklärungsseite",
    "en": "dab|disam|disamb|hndis|geodis|numberdis|roaddis|schooldis|hospitaldis|mathdab"
    "|letter disambig|mil-unit-dis|human name disambiguation|place name disambiguation"
    "|letter-numbercombdisambig|letter-number combination disambiguation|mathdis|hndab|geodab"
    "|dab-cleanup|hndis-cleanup|geo-dis|geo-disambig|mathdisambig|tla|latindab|stationdis"
    "|callsigndis|wp disambig",
    "es": "desambiguación|desambiguacion|desambig|desambiguación iglesias|desamb|des",
    "fr": "homonymie|homonymes|paronymie|toponymie|patronymie|homonymie de personnes|patronyme"
    "|prénoms|sigles|internationalisation|isomérie|homophonie",
    "hr": "razdvojba|razdvojba1|disambigua|višeznačnost",
    "hu": "egyért|egyértelműsítő lap|egyértelműsítés|egyértelmű|személynév egyért",
    "it": "disambigua|disambiguazione|sigla3",
    "nl": "dp|dpintro|doorverwijspagina|dpp|dp afkorting",
    "pl": "ujednoznacznienie|strona ujednoznaczniająca|ujednoznacznienie-podstawowe",
    "pt": "desambiguação|desambig|desambig-topo|desambiguacao|dab",
    "ro": "dezambiguizare|dezambig|dez",
    "ru": "неоднозначность|многозначность|список однофамильцев|однофамильцы|полные тёзки"
    "|список полных тёзок|страница значений|множество населённых пунктов",
    "sl": "razločitev|razlocitev",
    "sr": "вишезначна одредница|višeznačna odrednica|вишезначна|višeznačna|вишезначност",
    "sv": "förgrening|gren|namnförgrening|ortnamnsförgrening|betydelselista|förgreningssida",
    "uk": "неоднозначність|багатозначність|багатозначні терміни|однофамільці|тезки|омоніми"
    "|список однофамільців|прізвища",
}
"""Templates that mark a disambiguation page by language, in lower case."""

_COMMON = "disambig|disambiguation|disambiguation page"

_WORD = r"[\w'’–-]{1,30}"
_PATTERNS = {
    "bg": rf"пояснителна(?: {_WORD}){{1,3}}",
    "ca": rf"desambiguació(?: {_WORD}){{1,3}}",
    "cs": rf"rozcestník(?: -)?(?: {_WORD}){{1,3}}",
    "da": rf"flertydigt?(?: {_WORD}){{1,3}}",
    "de": rf"begriffsklärung(?: {_WORD}){{1,2}}",
    "en": rf"(?!(?:for|see|no|redirect|link|needs|hatnote) )(?:{_WORD} ){{1,4}}disambig(?:uation)?"
    r"|disambig(?:uation)?(?: |-)cleanup",
    "es": rf"desambiguación(?: {_WORD}){{1,3}}",
    "fr": rf"homonymie(?: {_WORD}){{1,5}}|(?!voir |autres? )(?:{_WORD} ){{1,3}}homonymes",
    "hr": rf"(?:{_WORD} ){{1,2}}razdvojba|razdvojba(?: {_WORD}){{1,3}}",
    "it": rf"disambigua(?: {_WORD}){{1,3}}",
    "pl": rf"ujednoznacznienie(?: {_WORD}){{1,3}}",
    "pt": rf"desambig(?:uação)?(?: |-)(?!redir|link|pedido)(?:{_WORD} ?){{1,3}}",
    "ro": rf"dezambiguizare(?: {_WORD}){{1,3}}",
    "ru": rf"неоднозначность(?: {_WORD}){{1,3}}",
    "sl": rf"razločitev(?: {_WORD}){{1,3}}",
    "sr": rf"(?:вишезначна|višeznačna)(?: {_WORD}){{1,3}}",
    "sv": r"[\w-]{1,30}förgrening",
    "uk": rf"(?:неоднозначність|багатозначність)(?: {_WORD}){{1,3}}",
}
"""Patterns of further names by language: ``school disambiguation``, ``homonymie de clubs``."""

TITLES = {
    "bg": "пояснение",
    "ca": "desambiguació",
    "cs": "rozcestník",
    "da": "flertydig",
    "de": "Begriffsklärung",
    "en": "disambiguation",
    "es": "desambiguación",
    "fr": "homonymie",
    "hr": "razdvojba",
    "hu": "egyértelműsítő lap",
    "it": "disambigua",
    "nl": "doorverwijspagina",
    "pl": "ujednoznacznienie",
    "pt": "desambiguação",
    "ro": "dezambiguizare",
    "ru": "значения",
    "sl": "razločitev",
    "sr": "вишезначна одредница",
    "sv": "olika betydelser",
    "uk": "значення",
}
"""What stands in brackets at the end of a disambiguation page's title by language."""


def is_disambiguation(wikitext: str, title: str | None, language: str | None) -> bool:
    """Return whether a page lists the meanings of its title, by the title or by its templates."""
    ending = TITLES.get(language or "")
    if title and ending and title.endswith(f" ({ending})"):
        return True
    return bool(_templates(language).search(wikitext))


@cache
def _templates(language: str | None) -> re.Pattern[str]:
    names = names_of(DISAMBIGUATION_TEMPLATES, language, _COMMON)
    choices = [re.escape(name).replace(r"\ ", " ") for name in sorted(names)]
    choices.append(_PATTERNS.get(language or "", r"(?!)"))
    choice = "|".join(choices).replace(" ", "[ _]")
    return re.compile(rf"\{{\{{\s*(?:{choice})\s*(?:\||\}}\}})|__DISAMBIG__", re.IGNORECASE)
