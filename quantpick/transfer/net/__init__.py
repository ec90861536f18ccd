"""How a line behaves."""
