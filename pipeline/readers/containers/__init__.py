"""What documents are packed in: compression, archives, lines, and files of columns."""
