"""What is asked of a model, whatever it comes from: an input and a list of calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from roberta_inspect.errors import UsageError
from roberta_inspect.probe import Probe, from_texts, synthetic
from roberta_inspect.records import CallSpec


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of `inspect` that are about the input and the calls."""

    texts: tuple[str, ...] | None
    labels: Any
    batch_size: int
    sequence_length: int
    output_hidden_states: bool
    output_attentions: bool
    matrix: bool
    allow_missing_head: bool

    def probe(self, config: Any, tokenizer: Any) -> Probe:
        """The input for a model of this configuration."""
        if self.texts is None:
            return synthetic(
                config,
                batch_size=self.batch_size,
                sequence_length=self.sequence_length,
                labels=self.labels,
            )
        if tokenizer is None:
            raise UsageError(
                "texts need a tokenizer, and there is none",
                hint="Put the tokenizer files beside config.json, pass tokenizer=, or leave the "
                "texts out.",
            )
        return from_texts(config, tokenizer, self.texts, labels=self.labels)

    @property
    def main_calls(self) -> tuple[CallSpec, ...]:
        """return_dict on and off × labels absent and present."""
        return tuple(self._calls(self.output_hidden_states, self.output_attentions))

    @property
    def calls(self) -> tuple[CallSpec, ...]:
        """The main calls, then with `matrix` those of every other combination of the flags."""
        both = (True, False)
        others = [self._calls(hidden, weights) for hidden in both for weights in both]
        every = [call for calls in others for call in calls] if self.matrix else []
        return tuple(dict.fromkeys([*self.main_calls, *every]))

    @staticmethod
    def _calls(hidden_states: bool, attentions: bool) -> Iterator[CallSpec]:
        for return_dict in (True, False):
            for labels in (False, True):
                yield CallSpec(return_dict, labels, hidden_states, attentions)
