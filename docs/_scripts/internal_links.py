"""Every link of the built site that stays within it leads somewhere.

    python docs/_scripts/internal_links.py docs/_build/html

Files and the places in them, whatever tag names them, and the pages that `llms.txt`
names. Ends with 1 where one is missing.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Python gives the methods of a NamedTuple a module of this name, which the list of all
# sources (sphinx.ext.viewcode) takes for one that exists.
MADE_UP = "namedtuple_"


class Page(HTMLParser):
    """The places of a page, and where its links lead."""

    def __init__(self, text: str):
        super().__init__()
        self.places: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what one tag names."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.places.add(value)
            if name in ("href", "src", "srcset") and value:
                self.links.add(value)


def missing(site: Path) -> list[str]:
    """The links that lead nowhere, with their pages."""
    pages = {path.resolve(): Page(path.read_text()) for path in site.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or parts.path.startswith(MADE_UP):
                continue
            target = path.parent / unquote(parts.path) if parts.path else path
            target = target.resolve()
            known = pages.get(target)
            place = unquote(parts.fragment)
            if not target.exists() or (known and place and place not in known.places):
                found.append(f"{path.relative_to(site.resolve())}: {link}")
    index = (site / "llms.txt").read_text()
    named = re.findall(r"\]\(([^)#]+)\)", index)
    found += [f"llms.txt: {name}" for name in named if not (site / name).exists()]
    return sorted(found)


if __name__ == "__main__":
    broken = missing(Path(sys.argv[1]))
    sys.exit("\n".join(broken) if broken else 0)
