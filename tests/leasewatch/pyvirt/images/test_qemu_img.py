"""What qemu-img prints."""

from __future__ import annotations

import pytest

from leasewatch.pyvirt.images import qemu_img

_EXTERNAL = """{"format": "qcow2", "virtual-size": 1,
    "format-specific": {"type": "qcow2", "data": {"data-file": "/etc/shadow"}}}"""

LOCK = 'qemu-system-x86_64: -device virtio-blk-pci: Failed to get "write" lock'
USED = "Is another process using the image [/d/disk.qcow2]?"


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (f"{LOCK}\n{USED}\n", f"{LOCK}. {USED}"),
        (f"qemu-system-x86_64: warning: no SVM\n{LOCK}\n{USED}", f"{LOCK}. {USED}"),
        (
            f'qemu-img: Failed to get shared "write" lock\n{USED}\n',
            f'qemu-img: Failed to get shared "write" lock. {USED}',
        ),
        (f"{LOCK}\n{USED}\nqemu-system-x86_64: no more\n", "qemu-system-x86_64: no more"),
        ("qemu: one.\n\n  Two.\n", "qemu: one. Two"),
        ("sh: nonsense\nsetpriv: no such user\n", "setpriv: no such user"),
        ("\n", ""),
        ("", ""),
    ],
)
def test_an_error_of_several_lines_is_reported_whole(printed: str, said: str) -> None:
    assert qemu_img.complaint(printed) == said


@pytest.mark.parametrize(
    ("answer", "other"),
    [
        ('{"format": "raw", "virtual-size": 1024}', None),
        (
            '{"format": "qcow2", "virtual-size": 1, "backing-filename": "/etc/shadow"}',
            "/etc/shadow",
        ),
        (_EXTERNAL, "/etc/shadow"),
    ],
)
def test_an_image_tells_in_which_other_file_it_continues(answer: str, other: str | None) -> None:
    assert qemu_img.parse_info(answer).refers_to == other
