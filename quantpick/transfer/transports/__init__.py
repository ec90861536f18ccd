"""How the bytes of one file come."""
