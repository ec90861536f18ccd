"""The use cases, one a file. Facts are fetched here for core to decide on, and what it decides may become an error."""
