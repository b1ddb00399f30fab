"""The documentation as static HTML: `packaging/docs` runs this.

In: README.md, CHANGELOG.md, leasewatch/*.md, packaging/man, packaging/varlink, the docstrings of
all packages, the headers of csrc, and a terminal recording.
Out: one folder of pages, one style sheet and one picture. A page needs no script and no other host.

- `sources` makes a page of each source: `markdown` renders Markdown, `manual` calls mandoc.
- `start` is the start page, `recording` its terminal; both take their text from the sources.
- `layout` puts each body into layout.html, with the navigation.
- `links` checks every link of the result.
"""
