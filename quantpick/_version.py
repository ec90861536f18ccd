"""The version, written once: packaging, ``--version``, the Python API and requests all take it from here.

>>> USER_AGENT == f"quantpick/{VERSION}"
True
"""

from typing import Final

VERSION: Final = "0.1.0"
USER_AGENT: Final = f"quantpick/{VERSION}"
"""What each request to a Hub, mirror or CDN begins its User-Agent with."""
