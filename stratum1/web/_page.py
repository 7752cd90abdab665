"""The page with a view's values in it, so that it says everything without a script too.

The template marks its places with attributes that the script uses as well: data-t (text), data-rows (a table's body or a list)
and data-if (a section that may be absent).
"""

import re
from html import escape

from ._view import Rows, View

__all__ = ["render_page"]

_TEXT = re.compile(r'data-t="([\w-]+)"[^>]*>')
_ROWS = re.compile(r'<(\w+) data-rows="([\w-]+)"[^>]*>')
_PART = re.compile(r'data-if="([\w-]+)"')


def render_page(template: str, view: View) -> str:
    """The page as HTML. Raises KeyError where the template names what the view has not."""
    page = _TEXT.sub(lambda place: place[0] + escape(view.texts[place[1]]), template)
    page = _ROWS.sub(lambda place: place[0] + _rows(place[1], view.rows[place[2]]), page)
    page = _PART.sub(lambda place: place[0] + ("" if view.shown[place[1]] else " hidden"), page)
    return page.replace('data-state=""', f'data-state="{escape(view.data["state"])}"', 1)


def _rows(parent: str, rows: Rows) -> str:
    if parent == "ul":
        return "".join(f"<li>{escape(row[0])}</li>" for row in rows)
    return "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
