"""The plain data of the whole tool: no tensors, no modules, no formatting.

A fact that follows from other facts is a property here, and is computed nowhere else.
`None` means "does not apply" or "is not known", as the docstring of each field says.
"""

from roberta_inspect.records.call import (
    UNNAMED,
    Call,
    CallSpec,
    Failure,
    Fingerprint,
    Item,
    Origin,
    Slot,
    Stage,
    StageSlot,
    ValueKind,
    item_at,
)
from roberta_inspect.records.consumers import Consumer, ConsumerReport, Part, Suggested
from roberta_inspect.records.input import (
    Field,
    Function,
    Input,
    Labels,
    Prediction,
    Score,
    Text,
    Tokenizer,
)
from roberta_inspect.records.output_map import OutputMap
from roberta_inspect.records.place import Place
from roberta_inspect.records.product import SCHEMA, Product
from roberta_inspect.records.proof import LEVELS, Finding, Level, Method, Proof, Status, finite
from roberta_inspect.records.setting import (
    Checkpoint,
    LabelSources,
    ProblemType,
    Renaming,
    Setup,
    Verdict,
    Versions,
    Weights,
)
from roberta_inspect.records.tree import ModuleTree, Node, Returned

__all__ = [
    "LEVELS",
    "SCHEMA",
    "UNNAMED",
    "Call",
    "CallSpec",
    "Checkpoint",
    "Consumer",
    "ConsumerReport",
    "Failure",
    "Field",
    "Finding",
    "Fingerprint",
    "Function",
    "Input",
    "Item",
    "LabelSources",
    "Labels",
    "Level",
    "Method",
    "ModuleTree",
    "Node",
    "Origin",
    "OutputMap",
    "Part",
    "Place",
    "Prediction",
    "ProblemType",
    "Product",
    "Proof",
    "Renaming",
    "Returned",
    "Score",
    "Setup",
    "Slot",
    "Stage",
    "StageSlot",
    "Status",
    "Suggested",
    "Text",
    "Tokenizer",
    "ValueKind",
    "Verdict",
    "Versions",
    "Weights",
    "finite",
    "item_at",
]
