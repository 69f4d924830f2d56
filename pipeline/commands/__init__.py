"""What is typed: each module parses one command's arguments, calls one thing below, and prints."""
