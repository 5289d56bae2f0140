"""Checkpoints on the Hub: the real client, in a process of its own, and a server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import COMMIT, TOKEN, Hub, serving
from makers import edit_config, make_checkpoint, tiny_config, tiny_model

CLIENT = """
import json, os, sys
from importlib import import_module
from roberta_inspect.checkpoint import hub
from roberta_inspect.checkpoint.hub import has_weights
from roberta_inspect.checkpoint.locate import locate
from roberta_inspect.errors import InspectError
room = lambda name: import_module("roberta_inspect.checkpoint." + name)  # the heavy parts
try:
    print(json.dumps({expression}))
except InspectError as error:
    print(json.dumps({{"error": error.message, "hint": error.hint, "code": error.exit_code}}))
"""

WITHOUT_WAITING = "[setattr(__import__('time'), 'sleep', lambda seconds: None), {}][1]"
"""The client waits longer and longer before it tries again."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hub with `acme/tiny`, whole with a tokenizer, in safetensors and as a pickle."""
    folder = make_checkpoint(tmp_path / "model", tokenizer=True)
    torch.save(tiny_model().state_dict(), folder / "pytorch_model.bin")
    with serving(Hub(models={"acme/tiny": folder})) as server:
        yield server


@pytest.fixture
def ask(hub: Hub, tmp_path: Path) -> Any:
    """Evaluates an expression in a fresh process; its value, or the error's fields."""

    def evaluated(expression: str, **environment: str) -> Any:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        done = subprocess.run(
            [sys.executable, "-c", CLIENT.format(expression=expression)],
            env={
                **environ,
                "HF_ENDPOINT": hub.endpoint,
                "HF_HOME": str(tmp_path / "home"),
                "HF_HUB_DISABLE_TELEMETRY": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        (tmp_path / "stderr").write_text(done.stderr)
        return json.loads(done.stdout)

    return evaluated


def fetched(repo: str = "acme/tiny", revision: str | None = None) -> str:
    return f"sorted(p.name for p in hub.fetched(locate({repo!r}, revision={revision!r})).iterdir())"


def test_only_what_is_needed_travels(hub: Hub, ask: Any, tmp_path: Path) -> None:
    assert ask(fetched()) == ["config.json", "model.safetensors"]
    assert set(hub.sent) == {"config.json", "model.safetensors"}
    snapshots = tmp_path / "home/hub/models--acme--tiny/snapshots"
    assert [path.name for path in snapshots.iterdir()] == [COMMIT]
    assert (tmp_path / "stderr").read_text() == ""
    before = dict(hub.sent)
    assert ask(fetched()) == ["config.json", "model.safetensors"]
    assert hub.sent == before


@pytest.mark.parametrize("form", ["sharded", "bin", "sharded-bin"])
def test_the_other_forms(hub: Hub, ask: Any, tmp_path: Path, form: Any) -> None:
    folder = make_checkpoint(tmp_path / form, form=form)
    hub.models["acme/other"] = folder
    assert ask(fetched("acme/other")) == sorted(path.name for path in folder.iterdir())


def test_an_index_that_points_outside(hub: Hub, ask: Any, tmp_path: Path) -> None:
    hub.models["acme/outside"] = folder = make_checkpoint(tmp_path / "sharded", form="sharded")
    index = {"weight_map": {"a": "../../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "not a file of this directory" in ask(fetched("acme/outside"))["error"]
    assert not any("secret" in request for request in hub.requests)


def test_loading_from_the_hub(hub: Hub, ask: Any) -> None:
    loaded = ask(
        "[room('load').load(locate('acme/tiny', revision='v1')).weights.verdict,"
        " type(room('load').load_tokenizer(locate('acme/tiny'))).__name__[:16],"
        " has_weights(locate('acme/tiny'))]"
    )
    assert loaded == ["complete", "RobertaTokenizer", True]
    assert "pytorch_model.bin" not in hub.sent


def test_of_a_large_model_the_header_travels(hub: Hub, ask: Any, tmp_path: Path) -> None:
    large = make_checkpoint(
        tmp_path / "large",
        tiny_model(vocab_size=20_000, hidden_size=64, num_attention_heads=4),
    )
    hub.models["acme/large"] = large
    size = (large / "model.safetensors").stat().st_size
    verdict, count = ask(
        "(lambda bones: [bones.weights.verdict, len(bones.header)])"
        "(room('fake').skeleton(locate('acme/large')))"
    )
    assert (verdict, count) == ("complete", 41)
    assert size > 5_000_000
    assert hub.sent["model.safetensors"] <= 100_001
    assert set(hub.sent) == {"config.json", "model.safetensors"}


def test_outlines_of_the_other_forms(hub: Hub, ask: Any, tmp_path: Path) -> None:
    hub.models["acme/sharded"] = make_checkpoint(tmp_path / "sharded", form="sharded")
    hub.models["acme/bin"] = make_checkpoint(tmp_path / "bin", form="bin")
    hub.models["acme/config"] = tmp_path / "config"
    tiny_config().save_pretrained(tmp_path / "config")
    sharded, pickled, alone, has = ask(
        "[hub.fetched_headers(locate('acme/sharded'))[1:],"
        " hub.fetched_headers(locate('acme/bin'))[1:],"
        " hub.fetched_headers(locate('acme/config'))[1:], has_weights(locate('acme/config'))]"
    )
    assert len(sharded[0]) == 41
    assert len(sharded[1]) == 3
    assert pickled == [None, ["pytorch_model.bin"]]
    assert alone == [None, []]
    assert has is False
    assert "pytorch_model.bin" not in hub.sent


@pytest.mark.parametrize(
    ("repo", "revision", "sentence"),
    [
        ("acme/missing", None, "neither a directory here nor a model on the Hub"),
        ("roberta-base", None, "neither a directory here nor a model on the Hub"),
        ("acme/tiny", "v2", "acme/tiny has no revision v2"),
        ("acme/gated", None, "acme/gated is gated"),
        ("acme/empty", None, "lacks a file that is needed"),
    ],
)
def test_what_the_hub_does_not_hand_out(
    hub: Hub, ask: Any, tmp_path: Path, repo: str, revision: str | None, sentence: str
) -> None:
    hub.models |= {"acme/gated": hub.models["acme/tiny"], "acme/empty": tmp_path / "empty"}
    hub.gated.add("acme/gated")
    answer = ask(fetched(repo, revision))
    assert sentence in answer["error"]
    assert answer["error"].count("\n") == 0
    assert answer["hint"]
    assert answer["code"] == 3


def test_a_directory_that_is_spelt_otherwise(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "models" / "my-roberta").mkdir(parents=True)
    answer = ask(f"[os.chdir({str(tmp_path)!r}), {fetched('models/my-robrta')}]")
    assert answer["hint"] == "Did you mean models/my-roberta?"


def test_a_gated_model_with_a_token(hub: Hub, ask: Any) -> None:
    hub.gated.add("acme/tiny")
    assert ask(fetched(), HF_TOKEN=TOKEN) == ["config.json", "model.safetensors"]


def test_offline(hub: Hub, ask: Any) -> None:
    answer = ask(fetched(), HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in answer["error"]
    assert answer["hint"] == "Unset HF_HUB_OFFLINE, or give a directory."
    assert not hub.requests
    ask(fetched())
    hub.requests.clear()
    expression = f"[{fetched()}, has_weights(locate('acme/tiny')),"
    expression += " len(hub.fetched_headers(locate('acme/tiny'))[1])]"
    assert ask(expression, HF_HUB_OFFLINE="1") == [["config.json", "model.safetensors"], True, 41]
    assert not hub.requests


def test_no_answer(ask: Any) -> None:
    answer = ask(WITHOUT_WAITING.format(fetched()), HF_ENDPOINT="http://me:key@127.0.0.1:9")
    assert "the Hub did not answer" in answer["error"]
    assert answer["hint"] == (
        "Check the network (HF_ENDPOINT is http://127.0.0.1:9), or give a directory."
    )


def test_a_connection_that_is_cut(hub: Hub, ask: Any) -> None:
    hub.dropping.add("model.safetensors")
    answer = ask(WITHOUT_WAITING.format(fetched()))
    assert "the download of acme/tiny failed" in answer["error"]
    hub.dropping.clear()
    assert ask(fetched()) == ["config.json", "model.safetensors"]


def test_a_broken_header_on_the_hub(hub: Hub, ask: Any) -> None:
    (hub.models["acme/tiny"] / "model.safetensors").write_bytes(b"\xff" * 200)
    assert "cannot be read" in ask("hub.fetched_headers(locate('acme/tiny'))[1:]")["error"]


def test_a_broken_config_on_the_hub(hub: Hub, ask: Any) -> None:
    edit_config(hub.models["acme/tiny"], num_attention_heads=0)
    assert "num_attention_heads is 0" in ask("room('load').load(locate('acme/tiny'))")["error"]


# What a Hub answers that is in trouble, or is none

STATUSES = [
    (401, {}, "HF_TOKEN"),
    (403, {}, "the Hub answers 403 Forbidden on acme/tiny: it does not hand this model out"),
    (404, {}, "the Hub answers 404 Not Found on acme/tiny: there is nothing at that address"),
    (407, {}, "the Hub answers 407 Proxy Authentication Required on acme/tiny: a proxy asks"),
    (418, {}, "the Hub answers 418 I'm a Teapot on acme/tiny: which a Hub does not usually"),
    (429, {"Retry-After": "3000"}, "429 Too Many Requests on acme/tiny and asks to wait 3000 sec"),
    (500, {}, "the Hub answers 500 Internal Server Error on acme/tiny: it is in trouble itself"),
    (503, {}, "the Hub answers 503 Service Unavailable on acme/tiny: it is in trouble itself"),
    (599, {}, "the Hub answers 599 on acme/tiny: it is in trouble itself"),
    (200, {"Content-Type": "text/html"}, "acme/tiny/config.json was answered, but not by a Hub"),
]


@pytest.mark.parametrize(("status", "headers", "words"), STATUSES)
def test_a_status(hub: Hub, ask: Any, status: int, headers: dict[str, str], words: str) -> None:
    hub.answers["HEAD config.json"] = (status, headers, b"<html>Log in</html>")
    answer = ask(WITHOUT_WAITING.format(fetched()))
    assert words.lower() in f"{answer['error']} {answer['hint']}".lower()
    assert answer["code"] == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_is_said_and_passes(hub: Hub, ask: Any, tmp_path: Path, status: int) -> None:
    hub.answers["HEAD config.json"] = (status, {"Retry-After": "7"}, b"")
    ask(WITHOUT_WAITING.format(fetched()))
    lines = (tmp_path / "stderr").read_text().splitlines()
    lines = [line for line in lines if "[Retry" not in line]  # of clients that try again themselves
    assert len(lines) == 3
    assert all(
        line.endswith("on config.json of acme/tiny: trying again in 7 seconds") for line in lines
    )
    assert hub.requests["HEAD /acme/tiny/resolve/main/config.json"] >= 4


def test_the_cache_is_used_where_the_hub_is_busy(hub: Hub, ask: Any) -> None:
    ask(fetched())
    hub.answers["HEAD config.json"] = (503, {}, b"")
    assert ask(WITHOUT_WAITING.format(fetched())) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_download_that_takes_for_ever(hub: Hub, ask: Any, tmp_path: Path, name: str) -> None:
    hub.dripping.add(name)
    soon = "[setattr(room('hub'), 'LONGEST_ANSWER', 3), setattr(room('hub'), 'SLOWEST', 10**6),"
    soon += " setattr(room('patience'), 'FIRST_WORD', 1), {}][3]"
    answer = ask(soon.format(fetched()))
    assert f"the download of {name} of acme/tiny (" in answer["error"]
    assert "is not there after 3 seconds" in answer["error"]
    assert "Waiting for the download" in (tmp_path / "stderr").read_text()
    assert hub.sent["dripped"] < 10


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_json_is_bounded_before_it_is_fetched(hub: Hub, ask: Any, name: str) -> None:
    with (hub.models["acme/tiny"] / name).open("r+b") as opened:
        opened.truncate(2**30)
    expression = "hub.fetched_tokenizer(locate('acme/tiny'))[1]"
    assert (
        ask(expression)["error"] == f"acme/tiny/{name} is 1.0 GiB large; at most 16.0 MiB are read"
    )
    assert hub.sent[name] == 0


@pytest.mark.parametrize("header", ["etag", "commit"])
@pytest.mark.parametrize("value", ["../../../../escaped", "..", "/tmp/escaped", "a/b", "C:x"])
def test_headers_that_lead_out_of_the_cache(
    hub: Hub, ask: Any, tmp_path: Path, header: str, value: str
) -> None:
    setattr(hub, header, value)
    answer = ask(fetched())
    assert "would lead out of the cache" in answer["error"]
    assert not hub.sent
    assert not list(tmp_path.rglob("*escaped*"))


def test_an_index_of_too_many_shards(hub: Hub, ask: Any, tmp_path: Path) -> None:
    hub.models["acme/many"] = folder = make_checkpoint(tmp_path / "sharded", form="sharded")
    weight_map = {str(number): f"{number}.safetensors" for number in range(1001)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert "names 1,001 shards; at most 1,000 are read" in ask(fetched("acme/many"))["error"]


def test_an_outline_twice(hub: Hub, ask: Any, tmp_path: Path) -> None:
    hub.models["acme/sharded"] = make_checkpoint(tmp_path / "sharded", form="sharded")
    for _ in range(2):
        assert len(ask("hub.fetched_headers(locate('acme/sharded'))[1:]")[0]) == 41
