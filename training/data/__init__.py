"""What a training run reads: a corpus's manifest, its mixture, and the order of its samples."""
