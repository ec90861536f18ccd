"""Bytes from the Hub: resumable, verified. Nothing is here yet."""
