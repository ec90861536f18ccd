"""The commands, one per file: parse options into nouns, call the workflow, hand the answer to render."""
