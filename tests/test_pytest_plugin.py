"""The pytest plugin, in separate sessions: what passes, what fails, and what a failure says."""

from __future__ import annotations

from pathlib import Path

import pytest
from makers import edit_config, make_base_model, make_checkpoint, tiny_model

from roberta_inspect import CheckError, diff, inspect
from roberta_inspect.records import OutputMap

pytest_plugins = ["pytester"]

NAMES = {0: "bad", 1: "fair", 2: "good"}
ONE_LINE = "def test_outputs(output_contract): output_contract('film')"
LIVE = """
from transformers import AutoTokenizer, RobertaForSequenceClassification

def test_live(output_contract):
    model = RobertaForSequenceClassification.from_pretrained("film")
    tokenizer = AutoTokenizer.from_pretrained("film")
    output_map = output_contract(model, texts=["a film"], tokenizer=tokenizer)
    assert output_map.predictions[0].text.first == "a film"
"""
TWICE = """
def test_twice(output_contract):
    output_contract("film")
    output_contract("other", path="test_film.test_twice.json")
"""
LIGHT = """
import sys

def test_light():
    assert not {"torch", "transformers", "roberta_inspect.api"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> OutputMap:
    folder = tmp_path_factory.mktemp("right")
    return inspect(make_checkpoint(folder, tokenizer=True), texts=["a film"])


@pytest.fixture
def project(
    pytester: pytest.Pytester, pytestconfig: pytest.Config, right: OutputMap
) -> pytest.Pytester:
    """A folder with the checkpoint `film`.

    pytester forgets what a session imported, and torch cannot be imported twice: so the first
    inspection, which imports all that they need, is made before the sessions.
    """
    assert right.ok
    assert pytestconfig.pluginmanager.has_plugin("roberta_inspect"), "install the project anew"
    make_checkpoint(pytester.path / "film", tiny_model(id2label=NAMES), tokenizer=True)
    return pytester


def session(project: pytest.Pytester, source: str, *options: str) -> tuple[int, str]:
    """The exit code and the output of a session over `test_film.py`."""
    project.makepyfile(test_film=source)
    done = project.runpytest_inprocess("-p", "no:cacheprovider", *options)
    return int(done.ret), done.stdout.str()


def test_a_renamed_label_fails_a_test_of_one_line(project: pytest.Pytester) -> None:
    assert session(project, ONE_LINE, "--update-contracts")[0] == 0
    assert session(project, ONE_LINE)[0] == 0
    edit_config(project.path / "film", id2label={**NAMES, 2: "superb"})
    code, output = session(project, ONE_LINE)
    assert code == 1
    assert "label-names  checkpoint: label 2 was good, is superb" in output
    assert "pytest_plugin.py" not in output, "a failure shows no code of the plugin"


def test_what_changed_on_purpose_is_written_anew(project: pytest.Pytester) -> None:
    assert session(project, ONE_LINE, "--update-contracts")[0] == 0
    edit_config(project.path / "film", id2label={**NAMES, 2: "superb"})
    assert session(project, ONE_LINE, "--update-contracts")[0] == 0
    assert session(project, ONE_LINE)[0] == 0


def test_without_a_contract_the_failure_says_how_to_write_one(project: pytest.Pytester) -> None:
    code, output = session(project, ONE_LINE)
    assert code == 1
    assert "there is no test_film.test_outputs.json" in output
    assert "pytest --update-contracts" in output


def test_an_error_fails_and_no_contract_is_written(project: pytest.Pytester) -> None:
    make_base_model(project.path / "film")
    code, output = session(project, ONE_LINE, "--update-contracts")
    assert code == 1
    assert "the model has an error, so no contract was written:" in output
    assert "head-not-in-checkpoint: " in output
    assert not list(project.path.glob("*.json"))


@pytest.mark.parametrize("options", [[], ["--update-contracts"]])
def test_a_model_that_cannot_be_inspected_is_a_sentence_and_a_hint(
    project: pytest.Pytester, options: list[str]
) -> None:
    assert session(project, ONE_LINE, "--update-contracts")[0] == 0
    code, output = session(project, ONE_LINE.replace("'film'", "'./flim'"), *options)
    assert code == 1
    assert "____\n./flim does not exist\nHint: Did you mean film?\n====" in output


def test_a_contract_of_the_command_line_keeps_its_setup(project: pytest.Pytester) -> None:
    contract = project.path / "contracts" / "film.json"
    contract.parent.mkdir()
    contract.write_text(inspect("film", attention="eager").to_json(), encoding="utf-8")
    source = """
    def test_path(output_contract):
        output_map = output_contract("film", path="contracts/film.json")
        assert output_map.setup.attention == "eager"
    """
    assert session(project, source)[0] == 0


def test_a_live_model_and_texts(project: pytest.Pytester) -> None:
    assert session(project, LIVE, "--update-contracts")[0] == 0
    assert session(project, LIVE)[0] == 0


def test_a_contract_that_was_just_written_is_compared(project: pytest.Pytester) -> None:
    """The second call with the same contract must not overwrite the first one's."""
    make_checkpoint(project.path / "other", tiny_model(id2label={0: "bad", 1: "good"}))
    code, output = session(project, TWICE, "--update-contracts")
    assert code == 1
    assert "num_labels was 3 (bad, fair and good), is 2" in output


def test_the_tests_of_a_parameter_have_contracts_of_their_own(project: pytest.Pytester) -> None:
    source = """
    import pytest

    @pytest.mark.parametrize("labels", [None, [0, 1]])
    def test_labels(output_contract, labels): output_contract("film", labels=labels)
    """
    assert session(project, source, "--update-contracts")[0] == 0
    assert sorted(path.name for path in project.path.glob("*.json")) == [
        "test_film.test_labels-None.json",
        "test_film.test_labels-labels1.json",
    ]


def test_nothing_heavy_is_imported_for_a_session_that_does_not_ask(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(LIGHT)
    assert pytester.runpytest_subprocess("-p", "roberta_inspect").ret == 0


@pytest.mark.slow
def test_the_workers_of_xdist_write_and_compare(project: pytest.Pytester) -> None:
    project.makepyfile(test_film=ONE_LINE, test_other=ONE_LINE)
    for options in (["--update-contracts"], []):
        done = project.runpytest_subprocess("-n", "2", *options)
        assert done.ret == 0, done.stdout.str()
    assert len(list(project.path.glob("*.json"))) == 2


def test_check_hands_a_right_map_back(right: OutputMap) -> None:
    assert right.ok
    assert right.check() is right


def test_check_raises_with_every_reason(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match=r"^head-not-in-checkpoint: 4 tensors .*\nHint: Train"):
        inspect(make_base_model(tmp_path)).check()


def test_a_comparison_has_a_check_too(right: OutputMap) -> None:
    from roberta_inspect.api import report

    relabelled = inspect(tiny_model(id2label={0: "bad", 1: "good"}))
    with pytest.raises(CheckError, match=r"^num-labels: checkpoint: num_labels was 3"):
        report(right, relabelled).check()
    assert report(right, right).check().reasons == tuple(map(str, diff(right, right)))
