"""Small literal rows of consumers, for tests of findings, differences and pages."""

from __future__ import annotations

from dataclasses import replace

from small_maps import BASE

from roberta_inspect.findings import consumer_findings
from roberta_inspect.records import Consumer, ConsumerReport, Failure, Part, Suggested

SCORE = Part(
    access='[0]["score"]',
    name="logits",
    identity="softmax(logits)[good]",
    shape=(),
    difference=0.0,
    tolerance=1e-4,
    function="softmax",
    label="good",
)
SIGMOID = replace(SCORE, identity="sigmoid(logits)[good]", function="sigmoid")
LOGITS = Part(access="predictions", name="logits", identity="logits", shape=(2, 3))
STATES = tuple(
    Part(
        access=f"predictions[1][{index}]",
        name="hidden_states",
        identity=f"hidden_states[{index}]",
        shape=(2, 16, 8),
        item=(index,),
        items_in_slot=3,
    )
    for index in range(3)
)
EMPTY = Part(access="predictions[2]", name="attentions", identity="()")

PIPELINE = Consumer(
    id="pipeline",
    title='pipeline("text-classification")(text)',
    status="called",
    container="list[dict]",
    parts=(SCORE,),
)
LABELLED = replace(PIPELINE, title="after labels", parts=(SIGMOID,), after_labels=True)
PAIR = replace(PIPELINE, title="a pair", container="dict")
FEATURES = Consumer(
    id="feature-extraction",
    title="features",
    status="called",
    container="list[list[float]]",
    parts=(replace(LOGITS, access="features"),),
)
PREDICT = Consumer(
    id="trainer", title="Trainer.predict", status="called", container="ndarray", parts=(LOGITS,)
)
TUPLE = replace(
    PREDICT,
    title="Trainer.predict with everything",
    container="tuple",
    parts=(replace(LOGITS, access="predictions[0]"), *STATES, EMPTY),
)
PADDED = replace(
    PREDICT,
    title="rows of unlike length",
    container="tuple",
    parts=(replace(STATES[1], padding=-100.0),),
)
MISSING = Consumer(
    id="trainer", title="Trainer.predict", status="not-installed", notes=("accelerate is missing",)
)
RAISED = Consumer(
    id="jit-trace",
    title="torch.jit.trace(model)",
    status="raised",
    error=Failure(type="RuntimeError", message="no dict\nand more"),
    notes=("a trace cannot hold a dict",),
)
GRAPH = Consumer(
    id="onnx",
    title="model.onnx",
    status="called",
    container="list[ndarray]",
    parts=tuple(
        replace(part, access=f"outputs[{index}]", declared=declared)
        for index, (part, declared) in enumerate(
            zip((LOGITS, *STATES), ("logits", "hidden_states", "attentions", "x"), strict=True)
        )
    ),
    suggested=Suggested(
        output_names=("logits", "hidden_states_0", "hidden_states_1", "hidden_states_2"),
        dynamic_shapes={"input_ids": {"0": "batch_size", "1": "sequence_length"}},
    ),
)
OFF = replace(
    GRAPH,
    parts=(replace(LOGITS, declared="logits", difference=0.2, tolerance=1e-3),),
    suggested=None,
)
UNKNOWN = replace(
    GRAPH, parts=(Part(access="outputs[0]", declared="logits", difference=0.4),), suggested=None
)


def report(*rows: Consumer) -> ConsumerReport:
    """These rows of the small map's checkpoint, with their findings."""
    return ConsumerReport(
        versions=BASE.versions,
        checkpoint=BASE.checkpoint,
        setup=BASE.setup,
        input=BASE.input,
        consumers=rows,
        findings=consumer_findings(BASE, rows),
    )
