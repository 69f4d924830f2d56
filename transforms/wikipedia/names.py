"""Names of namespaces and templates in the 20 languages of LLaMA's Wikipedia.

Namespaces are those of MediaWiki's localisation, with aliases. Every language also understands the
English names. Citation templates are those in use on each Wikipedia.
"""

from __future__ import annotations

FILE_NAMES = {
    "bg": "Файл|Картинка",
    "ca": "Fitxer|Imatge",
    "cs": "Soubor|Obrázek",
    "da": "Fil|Billede",
    "de": "Datei|Bild",
    "en": "",
    "es": "Archivo|Imagen",
    "fr": "Fichier",
    "hr": "Datoteka|Slika",
    "hu": "Fájl|Kép",
    "it": "Immagine",
    "nl": "Bestand|Afbeelding",
    "pl": "Plik|Grafika",
    "pt": "Ficheiro|Imagem|Arquivo",
    "ro": "Fișier|Fişier|Imagine",
    "ru": "Файл|Изображение",
    "sl": "Slika|Datoteka",
    "sr": "Датотека|Слика|Datoteka|Slika",
    "sv": "Fil|Bild",
    "uk": "Файл|Зображення|Изображение",
}
"""Names of the file namespace by language, without the English names."""

CATEGORY_NAMES = {
    "bg": "Категория",
    "ca": "Categoria",
    "cs": "Kategorie",
    "da": "Kategori",
    "de": "Kategorie",
    "en": "",
    "es": "Categoría",
    "fr": "Catégorie",
    "hr": "Kategorija",
    "hu": "Kategória",
    "it": "Categoria",
    "nl": "Categorie",
    "pl": "Kategoria",
    "pt": "Categoria",
    "ro": "Categorie",
    "ru": "Категория",
    "sl": "Kategorija",
    "sr": "Категорија|Kategorija",
    "sv": "Kategori",
    "uk": "Категорія|Категория",
}
"""Names of the category namespace by language, without the English name."""

CITATION_TEMPLATES = {
    "bg": "цитат|цитиране",
    "ca": "citar|ref-",
    "cs": "citace",
    "da": "kilde",
    "de": "internetquelle|literatur",
    "en": "",
    "es": "cita |citar|obra citada",
    "fr": "lien web|lien brisé|ouvrage|article|chapitre|périodique",
    "hr": "citiranje|citiraj|citat|navedi",
    "hu": "cit",
    "it": "cita",
    "nl": "citeer",
    "pl": "cytuj",
    "pt": "citar|referência a",
    "ro": "citat|citare",
    "ru": "книга|статья|публикация|source",
    "sl": "navedi|navajanje",
    "sr": "наведи|навод|citat|cite",
    "sv": "webbref|bokref|tidningsref|tidskriftsref",
    "uk": "книга|стаття|публікація",
}
"""Beginnings of the names of citation templates by language, in lower case."""

COMMON_CITATION_TEMPLATES = "cite|citation"


def names_of(table: dict[str, str], language: str | None, common: str) -> frozenset[str]:
    """Return a language's names from a table and the ``common`` names, in lower case."""
    local = table.get(language or "", "")
    return frozenset(f"{common}|{local}".lower().split("|")) - {""}
