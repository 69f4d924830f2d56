"""A run's shards in the formats of other trainers, token for token; ``docs/exports.md`` says which.

``corpus_parts.py`` opens the shards, ``write.py`` makes the folder, the other modules each write a
family of formats. Nothing here imports the packages that the formats belong to.
"""
