"""What a training run begins with."""
