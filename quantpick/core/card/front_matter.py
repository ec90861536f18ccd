"""The YAML between two ``---`` above a card."""


def read_front_matter(lines: list[str]) -> tuple[dict[str, tuple[str, ...]], int]:
    """The top-level keys of the YAML between two ``---``, and the index of the first line behind it.

    Not a YAML reader: nested values are skipped, and the first mention of a key counts.
    """
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines) or lines[start].strip() != "---":
        return {}, 0
    end = next((i for i in range(start + 1, len(lines)) if lines[i] in ("---", "...")), 0)
    return (_read_keys(lines[start + 1 : end]), end + 1) if end else ({}, 0)


def _read_keys(lines: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    values: list[str] = []
    quote = ""
    for raw in lines:
        line = raw.strip()
        if quote:
            quote = "" if line.endswith(quote) else quote
        elif line.startswith("- "):
            values.append(_unquote(line[2:]))
        elif line and not raw[0].isspace() and ":" in line:
            key, _, value = line.partition(":")
            value, quote = _open_quote(value.strip())
            values = _read_values(value)
            found.setdefault(key.strip(), values)
    return {key: tuple(values) for key, values in found.items()}


def _open_quote(value: str) -> tuple[str, str]:
    """A value and the quote it leaves open for the lines that follow, or ``""``."""
    opens = value[:1] in ("'", '"') and (len(value) == 1 or not value.endswith(value[0]))
    return ("", value[0]) if opens else (value, "")


def _read_values(value: str) -> list[str]:
    if value.startswith("[") and value.endswith("]"):
        return [_unquote(item) for item in value[1:-1].split(",") if item.strip()]
    return [] if value[:1] in ("", "|", ">", "#") else [_unquote(value)]


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1].replace("''", "'")
    return value
