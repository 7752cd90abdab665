"""The status page: an aiohttp application, one template, and a few static files. No build chain, nothing from elsewhere."""

from ._app import make_app

__all__ = ["make_app"]
