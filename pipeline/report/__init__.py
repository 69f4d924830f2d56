"""What a run made, for people: the report and the data card."""
