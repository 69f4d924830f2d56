"""The companion of the pipeline: trains LLaMA on its token shards. Imports no Beam."""
