"""Commands: each module parses the arguments of some, calls the code for them, and prints."""
