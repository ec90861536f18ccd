"""What each answer looks like, as a page; one answer per file."""
