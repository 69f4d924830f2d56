"""File formats that contain documents: compression, archives, lines, and columnar files."""
