"""The web application of ``corpus serve``, which shows a run's documents."""
