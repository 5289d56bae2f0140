"""Names in a weight file that transformers does not know, and the rule that makes them fit.

A rule is inferred from the names: a beginning or an inner part that many tensors have in place of
the class's. It counts only where the shapes agree too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from roberta_inspect.checkpoint.header import Header, Shapes
from roberta_inspect.records import Renaming
from roberta_inspect.text import listed, safe

NESTED = "/"
"""Between the key of a dictionary in a pickle and the names of the tensors in it."""

MOST_NAMES = 20_000
"""Names that are looked through; a large model has four hundred."""

MOST_RULES = 6

OUTSIDE = ("classifier.",)
"""Beginnings of names that have no base prefix in the class."""

ADAPTED = (".lora_A.", ".lora_B.", ".lora_embedding_A", ".modules_to_save.", ".base_layer.")
"""What PEFT writes into the names of a model that it wraps."""


def flattened(state: Mapping[str, Any], *, levels: int = 3) -> dict[str, Any]:
    """What a pickle holds by name; what dictionaries in it hold, under their keys."""
    flat: dict[str, Any] = {}
    for name, value in state.items():
        if levels and isinstance(value, dict) and all(isinstance(key, str) for key in value):
            inside = flattened(value, levels=levels - 1)
            flat |= {f"{name}{NESTED}{key}": inner for key, inner in inside.items()}
        else:
            flat[name] = value
    return flat


@dataclass(frozen=True)
class PrefixRule:
    """Replaces the beginning of a name."""

    old: str
    new: str

    def renamed(self, name: str) -> str:
        return self.new + name[len(self.old) :] if name.startswith(self.old) else name

    @property
    def words(self) -> str:
        *keys, old = self.old.split(NESTED)
        under = "".join(f"read what the file holds under `{safe(key)}`" for key in keys[-1:])
        if old or self.new:
            renamed = f"put `{self.new}` for `{safe(old)}`" if old else f"put `{self.new}` before"
            under += (
                f"{' and ' if under else ''}{renamed if self.new else f'take off `{safe(old)}`'}"
            )
        return under

    @property
    def code(self) -> str:
        old = self.old.split(NESTED)[-1]
        if not self.new:
            return f"name.removeprefix({old!r})"
        unchanged = (self.new, *OUTSIDE) if not old else ()
        test = f"not name.startswith({unchanged!r})" if unchanged else f"name.startswith({old!r})"
        return f"{self.new!r} + name.removeprefix({old!r}) if {test} else name"


@dataclass(frozen=True)
class PartRule:
    """Replaces or removes a part of a name between two dots."""

    old: str
    new: str

    def renamed(self, name: str) -> str:
        return f".{name}.".replace(f".{self.old}.", f".{self.new}." if self.new else ".")[1:-1]

    @property
    def words(self) -> str:
        old = safe(self.old)
        return f"put `{safe(self.new)}` for `{old}`" if self.new else f"take out `{old}`"

    @property
    def code(self) -> str:
        new = f".{self.new}." if self.new else "."
        return f"f'.{{name}}.'.replace({f'.{self.old}.'!r}, {new!r})[1:-1]"


Rule = PrefixRule | PartRule


def renaming_for(
    header: Header, shapes: Shapes, files: Sequence[str] = ("model.safetensors",)
) -> Renaming | None:
    """The names that would make tensors of `header` fit the class with `shapes`; `None` for none.

    `header` has the names of the class where transformers finds them; `files` is where they are.
    """
    missing = {name: shape for name, shape in shapes.items() if name not in header}
    unused = {name: shape for name, (_, shape) in header.items() if name not in shapes}
    if not missing or not unused or len(unused) > MOST_NAMES:
        return None
    search = _Search(missing, unused)
    search.run()
    if not search.rules or _is_partial(missing, search.fitting):
        return None
    adapted = any(part in f".{name}" for name in unused for part in ADAPTED)
    rules = listed([rule.words for rule in search.rules])
    return Renaming(
        rule=f"{rules}: PEFT wrote them" if adapted else rules,
        fitting=len(search.fitting),
        code=_merge_code() if adapted else _code(search.rules, files),
    )


def _is_partial(missing: Iterable[str], fitting: Set[str]) -> bool:
    """Whether some layer, the embeddings or the head would get only some of its tensors: then the
    file is of another architecture, and this is not a renaming."""
    parts = {_part_of(name) for name in missing if name in fitting}
    return any(_part_of(name) in parts for name in missing if name not in fitting)


def _part_of(name: str) -> str:
    """`roberta.encoder.layer.0`, `roberta.embeddings`, `classifier`."""
    words = name.split(".")
    number = next((index for index, word in enumerate(words) if word.isdecimal()), 0)
    return ".".join(words[: number + 1] if number else words[:-2])


@dataclass
class _Search:
    """Rules one after the other, the one that makes most tensors fit first."""

    missing: Shapes
    names: Shapes
    """The unused tensors under the names that the rules so far give them."""
    rules: list[Rule] = field(default_factory=list)
    fitting: set[str] = field(default_factory=set)
    """Tensors of the class that now have one."""

    def run(self) -> None:
        while len(self.rules) < MOST_RULES and len(self.fitting) < len(self.missing):
            rule = max(self._candidates(), key=self._worth, default=None)
            gained = set() if rule is None else self._gained(rule)
            if rule is None or not gained:
                return
            self.fitting |= gained
            self.names = {
                name if name in self.fitting else rule.renamed(name): shape
                for name, shape in self.names.items()
            }
            self.rules.append(rule)

    def _worth(self, rule: Rule) -> tuple[int, bool, int]:
        """How many tensors it makes fit; of equal rules the plainer, then the shorter is better."""
        plain = isinstance(rule, PrefixRule) and not rule.new
        return len(self._gained(rule)), plain, -len(rule.old + rule.new)

    def _gained(self, rule: Rule) -> set[str]:
        renamed = {rule.renamed(name): shape for name, shape in self._loose()}
        return {
            name
            for name, shape in renamed.items()
            if self.missing.get(name) == shape and name not in self.fitting
        }

    def _loose(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        return ((name, shape) for name, shape in self.names.items() if name not in self.fitting)

    def _candidates(self) -> list[Rule]:
        """The rules that most names suggest; more would cost time and find nothing."""
        votes: Counter[Rule] = Counter()
        missing = [name for name in self.missing if name not in self.fitting]
        beginnings, parts = _beginnings(missing), _masked_parts(missing)
        for name, _ in self._loose():
            votes.update(list(dict.fromkeys(_rules_for(name, beginnings, parts))))
        return [rule for rule, _ in votes.most_common(20)]


def _beginnings(names: Sequence[str]) -> dict[str, str | None]:
    """End of a name of the class → what stands before it; `None` where several have that end."""
    ends: dict[str, str | None] = {}
    for name in names:
        words = name.split(".")
        for start in range(len(words) - 1):
            end = ".".join(words[start:])
            ends[end] = None if end in ends else name[: len(name) - len(end)]
    return ends


def _masked_parts(names: Sequence[str]) -> dict[tuple[str, ...], str]:
    """A name of the class with one part left open → that part."""
    masked: dict[tuple[str, ...], str] = {}
    for name in names:
        words = name.split(".")
        for index, word in enumerate(words):
            if not word.isdecimal():
                masked[(*words[:index], "", *words[index + 1 :])] = word
    return masked


def _rules_for(
    name: str, beginnings: dict[str, str | None], parts: dict[tuple[str, ...], str]
) -> Iterator[Rule]:
    """The rules that would give one name of the file a name of the class."""
    words = name.replace(NESTED, f"{NESTED}.").split(".")
    plain = [word.removesuffix(NESTED) for word in words]
    for start in range(len(words) - 1):
        end = ".".join(plain[start:])
        if end in beginnings:
            if (new := beginnings[end]) is not None:
                yield PrefixRule(name[: len(name) - len(end)], new)
            break
    for index, word in enumerate(plain):
        around = (*plain[:index], "", *plain[index + 1 :])
        if index and around in parts and not word.isdecimal() and NESTED not in name:
            yield PartRule(word, parts[around])
        for length in (1, 2):
            dropped = [*plain[:index], *plain[index + length :]]
            if 0 < index < len(plain) - length and ".".join(dropped) in beginnings:
                yield PartRule(".".join(plain[index : index + length]), "")


def _code(rules: Sequence[Rule], files: Sequence[str]) -> str:
    """Lines of Python that save the file with the right names, to be run in its folder."""
    pickled = not files[0].endswith(".safetensors")
    nested = [part for rule in rules for part in rule.old.split(NESTED)[:-1]]
    read = "torch.load(file, weights_only=True)" if pickled else "load_file(file)"
    read += "".join(f"[{key!r}]" for key in nested)
    first = "pytorch_model.bin" if pickled else "model.safetensors"
    lines = [
        "import torch" if pickled else "from safetensors.torch import load_file, save_file",
        f"state = {{}}\nfor file in {list(files)}:\n    state |= {read}"
        if len(files) > 1
        else f"state = {read.replace('(file', f'({files[0]!r}')}",
    ]
    lines += [
        f"state = {{{rule.code}: tensor for name, tensor in state.items()}}"
        for rule in rules
        if rule.new or not rule.old.endswith(NESTED)
    ]
    lines.append(
        f"torch.save(state, {first!r})"
        if pickled
        else f"save_file(state, {first!r}, metadata={{'format': 'pt'}})"
    )
    return "\n".join(lines)


def _merge_code() -> str:
    """For a model with adapters: renaming alone would lose what they learned."""
    return "\n".join(
        [
            "model = model.merge_and_unload()  # the PeftModel that saved this file",
            "model.save_pretrained('merged')",
        ]
    )
