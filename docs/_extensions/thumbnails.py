"""The pictures of other pages, small, each leading to the lines that draw it.

    ```{thumbnails} fitkit neoskit
    ```

The argument names the pages, from the folder of this one. Their pictures are there once
they are executed, so that the directive is filled in when all pages are read.
"""

from collections.abc import Iterator
from posixpath import dirname, join

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective


class thumbnails(nodes.General, nodes.Element):
    """The place that is filled in."""


class Thumbnails(SphinxDirective):
    """The directive."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Leave the place; pictures change without a change of this page."""
        self.env.note_reread()
        folder = dirname(self.env.docname)
        pages = [join(folder, name) for name in self.arguments[0].split()]
        return [thumbnails(pages=pages)]


def pictures(
    env: BuildEnvironment, page: str, address: str
) -> Iterator[nodes.paragraph]:
    """The first picture of each section, with its title, as a link to it."""
    seen = set()
    for image in env.get_doctree(page).findall(nodes.image):
        section = image.parent
        while not isinstance(section, nodes.section):
            section = section.parent
        place = section["ids"][0]
        if place in seen:
            continue
        seen.add(place)
        title = section.next_node(nodes.title).astext()
        small = image.deepcopy()
        small["alt"] = title
        to = f"{address}#{place}"
        link = nodes.reference("", "", small, nodes.inline("", title), refuri=to)
        yield nodes.paragraph("", "", link)


def fill_in(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the pictures in their place."""
    for node in list(doctree.findall(thumbnails)):
        grid = nodes.container(classes=["thumbnails"])
        for page in node["pages"]:
            address = app.builder.get_relative_uri(docname, page)
            grid.extend(pictures(app.env, page, address))
        node.replace_self(grid)


def setup(app: Sphinx) -> dict[str, bool]:
    """The directive, and the event after all pages are read."""
    app.add_node(thumbnails)
    app.add_directive("thumbnails", Thumbnails)
    app.connect("doctree-resolved", fill_in)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
