"""The commands, one a file: parse options into nouns, call the workflow, hand the answer to render."""
