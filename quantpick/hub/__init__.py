"""Facts from the Hub: refs, trees, configs and cards, and their cache.

Its client reads the environment on import, and raises if it cannot.
"""

from quantpick.errors import UsageError

try:
    from huggingface_hub.utils import get_session  # noqa: F401
except ValueError as error:
    raise UsageError(
        f"the Hub's client cannot read its environment: {error}", hint="check HF_ENDPOINT and the other HF_ variables"
    ) from error
