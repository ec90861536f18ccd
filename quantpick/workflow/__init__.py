"""The use cases, one per file: fetch facts, let core decide, and turn its decision into a result or an error."""
