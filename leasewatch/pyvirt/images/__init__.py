"""Images: the disks that domains start from, which pyvirt owns.

In: a file of the host's owner, packed or not. Out: `Image`, and its file, which never changes.

- An image is identified by the SHA-256 digest of its content: `sha256-HEX.qcow2` or `.raw`.
- `index.json` holds every name and what is known about each image. It is replaced in one step.
- A file gets its digest's name once it is complete, checked and on disk (`store`).
- A command that copies or uses an image locks its file, so that no other command removes it.
- An image without a name goes with the last domain that uses it; a named one stays.
- QEMU reads no file through an image but the image itself: no backing file, no external data.
"""
