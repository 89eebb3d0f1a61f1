"""Atom entries (RFC 4287), as far as a reader of events wants them. Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NS_ATOM: Final = "http://www.w3.org/2005/Atom"


def entry(element: Element) -> dict[str, Any] | None:
    """What an <entry/> says; None for any other element.

    `title`, `id`, `published`, `updated`, `author` (names, with commas), `summary` and `content` as text without its
    markup, `links` as objects with `href`, `rel`, `type`, `title`. What is not there is left out.
    """
    if element.tag != f"{{{NS_ATOM}}}entry":
        return None
    found: dict[str, Any] = {}
    for name in ("title", "id", "published", "updated", "summary", "content"):
        child = element.find(f"{{{NS_ATOM}}}{name}")
        if child is not None:
            text = _text(child)
            if text:
                found[name] = text
    names = [_text(each) for each in element.iterfind(f"{{{NS_ATOM}}}author/{{{NS_ATOM}}}name")]
    if any(names):
        found["author"] = ", ".join(name for name in names if name)
    links = [_link(link) for link in element.iterfind(f"{{{NS_ATOM}}}link")]
    if links:
        found["links"] = links
    return found


def _link(link: Element) -> dict[str, str]:
    # Section 4.2.7.2: a link without rel is an alternate.
    attributes = {"rel": "alternate", **link.attrib}
    return {name: attributes[name] for name in ("href", "rel", "type", "title") if name in attributes}


def _text(element: Element) -> str:
    """The text in it; of HTML (section 3.1.1.2), which is escaped markup, without the tags."""
    text = "".join(element.itertext())
    if element.get("type") in ("html", "text/html"):
        text = _without_tags(text)
    return text.strip()


def _without_tags(html: str) -> str:
    from html.parser import HTMLParser

    class Text(HTMLParser):
        def __init__(self) -> None:
            super().__init__(convert_charrefs=True)
            self.parts: list[str] = []

        def handle_data(self, data: str) -> None:
            self.parts.append(data)

    reader = Text()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)
