"""What each answer looks like, as a page; an answer a file."""
