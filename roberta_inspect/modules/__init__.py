"""The module tree: every module with its parameters, what it returns and which slots it feeds."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from roberta_inspect.checkpoint.fake import skeleton
from roberta_inspect.checkpoint.loading import Loaded, quiet
from roberta_inspect.checkpoint.location import locate
from roberta_inspect.findings import tree_findings
from roberta_inspect.modules.nodes import Nodes
from roberta_inspect.modules.seen import Seen
from roberta_inspect.records import ModuleTree
from roberta_inspect.releases import attention_of, versions


def module_tree(
    checkpoint_or_model: str | Path | nn.Module | None = None,
    *,
    revision: str | None = None,
    attention: str | None = None,
    allow_missing_head: bool = False,
) -> ModuleTree:
    """The modules of a `RobertaForSequenceClassification`, each with the slots it feeds.

    A checkpoint's model is laid out on fake tensors, from its configuration and the header of its
    weight file: no weight is read, and none is needed. A live model is called on a tiny input and
    is as before afterwards.

    Args:
        checkpoint_or_model: a directory, a Hub model id, `None` for the bundled demo, or a model.
        revision: branch, tag or commit of a Hub model id.
        attention: attention implementation; `None` for `eager`, which is the one that hands the
            attention weights back. A live model keeps its own.
        allow_missing_head: a head that is not in the checkpoint is a warning, no error.

    Raises:
        UsageError: the arguments do not fit together, or do not fit this checkpoint.
        CannotInspectError: no such checkpoint, an unreadable file, an unsupported architecture.
    """
    with quiet():
        if isinstance(checkpoint_or_model, nn.Module):
            made = Loaded.live(checkpoint_or_model, revision=revision, attention=attention)
        else:
            source = None if checkpoint_or_model is None else os.fspath(checkpoint_or_model)
            location = locate(source, revision=revision)
            made = skeleton(location, attention=attention or "eager")
        seen, made_with = Seen.of(made), versions()
        return ModuleTree(
            versions=made_with,
            checkpoint=made.record,
            root=Nodes(seen).node(made.model),
            attention=attention_of(made.model.config),
            findings=tree_findings(made.record, allow_missing_head, seen.observed.error, made_with),
        )
