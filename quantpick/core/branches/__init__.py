"""The sources of a branch made one, contradictions named."""
