"""What each loader takes, by version."""
