"""The use cases, one per file. Facts are fetched here for core to decide on; its decision may become an error."""
