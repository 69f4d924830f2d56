"""Exports of a run's shards to the formats of other trainers, which ``docs/exports.md`` lists.

``corpus_parts.py`` opens the shards, ``write.py`` makes the folder, and each other module writes a
family of formats. The packages that define the formats are not imported.
"""
