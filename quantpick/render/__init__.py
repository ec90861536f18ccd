"""What people and scripts see: tables, JSON documents, one-line errors."""
