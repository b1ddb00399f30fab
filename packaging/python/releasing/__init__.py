"""What packaging/release knows of versions, of CHANGELOG.md and of what a release consists of.

In: the tree, its tags, and the files that were built. Out: the tree of the new version, or the list
of everything that ships (SBOM).

- `versions` and `changelog` are pure: text in, text out.
- `tree` reads and writes the files that have the version in them.
- `sbom` describes the built files in CycloneDX's JSON.
- Nothing here builds, commits or uploads. packaging/release does the first two.
"""
