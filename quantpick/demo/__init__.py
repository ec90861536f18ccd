"""A Hub on loopback, for ``quantpick demo`` and the tests: small, but in the real Hub's words."""
