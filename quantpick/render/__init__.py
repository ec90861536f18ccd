"""What a person or a script sees: tables, JSON documents, one-line errors."""
