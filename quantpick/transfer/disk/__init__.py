"""Where the bytes lie.

The Hub's client, whose cache this is, reads the environment when it is imported, and raises where it cannot.
"""

from quantpick.errors import UsageError

try:
    import huggingface_hub.constants  # noqa: F401
except ValueError as error:
    raise UsageError(
        f"the Hub's client cannot read its environment: {error}", hint="check HF_ENDPOINT and the other HF_ variables"
    ) from error
