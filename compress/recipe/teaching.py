"""How a training gets what its loss reads of a teacher, told from the recipe alone. No torch."""

from __future__ import annotations

from compress.recipe.loss_needs import needs_scores, needs_teacher, taps_of
from compress.recipe.nodes import Distill


def asks_online(node: Distill) -> bool:
    """Whether the recipe's teacher answers in the training loop: where layers are compared, which
    no store holds, and where stored outputs are switched off."""
    if node.teach_by == "average" or not needs_teacher(node.loss):
        return False
    return bool(taps_of(node.loss)) or not node.reuse_teacher_outputs


def reads_stored(node: Distill) -> bool:
    """Whether it reads stored outputs."""
    return node.teach_by == "teacher" and needs_scores(node.loss) and not asks_online(node)
