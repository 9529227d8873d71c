"""Whether a test may have a copy of this system to itself: an overlay in a mount namespace of its own."""
import os, subprocess

# Bash, in such a namespace: a copy at $root, whose changes are in memory, below the directory $top.
COPY = r"""
set -e
mount --make-rprivate /
mkdir "$top/layers"
mount -t tmpfs tmpfs "$top/layers"
mkdir "$top/layers/upper" "$top/layers/work" "$top/layers/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/layers/upper,workdir=$top/layers/work" "$top/layers/root"
root=$top/layers/root
mount -t proc proc "$root/proc"
"""
PROBE = r"""
    set -e
    mount --make-rprivate /
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/lower /mnt/upper /mnt/work /mnt/both
    mount -t overlay overlay -o lowerdir=/mnt/lower:/usr /mnt/both
    umount /mnt/both
    mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/both
"""


def missing():
    """What it lacks, in words; None when it can be had."""
    if os.getuid() != 0:
        return "this takes root"
    p = subprocess.run(["unshare", "--mount", "sh", "-c", PROBE], capture_output=True, text=True)
    return f"this takes overlays in a mount namespace: {(p.stderr.strip().splitlines() or ['?'])[-1]}" if p.returncode else None
