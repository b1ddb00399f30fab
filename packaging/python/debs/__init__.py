"""What packaging/debian/rules and packaging/deb do in Python, with the standard library alone.

In: pyproject.toml, CHANGELOG.md, wheels, and what apt knows of the release of Debian it runs on.
Out: parts of the Debian packages.

- `dependencies` decides which requirement Debian serves, and which a wheel.
- `tree` makes /usr/lib/nss-pyvirt, and `script` the programs that use it.
- `changelog` writes debian/changelog.
"""
