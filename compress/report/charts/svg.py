"""SVG as text. Colours come from classes (`s0` teacher, `s1` student, ...), so that a page can be
light or dark; every text is escaped here and nowhere else.
"""

from __future__ import annotations

from html import escape

CHARACTER = 7.6  # px per character of the charts' 12 px text, bold, in the widest common font


def tag(name: str, *children: str, **attributes: str | float | None) -> str:
    """One element. class_ becomes class, underscores dashes, None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(children)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def label(x: float, y: float, content: str, *, anchor: str = "start", kind: str = "label") -> str:
    """Text; y is its baseline. kind: label, strong, muted, or these with a series class."""
    return tag("text", escape(content), x=x, y=y, text_anchor=anchor, class_=kind)


def line(x1: float, y1: float, x2: float, y2: float, *, kind: str) -> str:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def picture(width: float, height: float, *body: str, key: str, title: str, description: str) -> str:
    """A whole picture. key: unique on the page; title and description are for screen readers."""
    head = tag("title", escape(title), id=f"{key}-title") + tag(
        "desc", escape(description), id=f"{key}-desc"
    )
    return tag(
        "svg",
        head,
        *body,
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )


def diamond(x: float, y: float) -> str:
    """The teacher's mark: another shape, so that colour is never the only difference."""
    return tag("path", d=f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6Z", class_=f"dot {series_class(0)}")


def text_width(content: str) -> float:
    """Room that a text needs at most, in px."""
    return CHARACTER * len(content)


def shorten(content: str, width: float) -> str:
    """The text, or its beginning with an ellipsis, in `width` px."""
    room = max(1, int(width / CHARACTER))
    return content if len(content) <= room else content[: room - 1] + "\u2026"


def series_class(index: int) -> str:
    """Class of a subject: 0 teacher, 1 student, 2 to 5 controls, then again from 2."""
    return f"s{index if index < 6 else 2 + (index - 2) % 4}"


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
