"""What a training step is made of besides the model: accumulation, pauses, times, traces."""
