"""Weights out of files that nobody vouches for: no code of a checkpoint is ever run.

read.py (what is called), sniff.py (which format a file has, or what else it is), archive.py
(torch's zip archives), pickle_data.py (pickles as plain data), foreign.py (names that no checkpoint
needs), tensors.py (claims checked, then mapped).
"""

from encoder.checkpoint.read import Checkpoint, check_finite, read_state

__all__ = ["Checkpoint", "check_finite", "read_state"]
