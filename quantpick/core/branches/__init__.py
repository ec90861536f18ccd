"""The sources about a branch, merged, with their contradictions named."""
