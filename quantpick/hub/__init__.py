"""Facts from the Hub: refs, trees, configs and cards, and their cache."""
