"""The report of a search, made of a real one."""

import json
import re
import shutil
from dataclasses import replace
from datetime import date

import optuna
import pytest
from typer.testing import CliRunner

from eyas.cli import app
from eyas.compare.plan import load_plan
from eyas.compare.statistics import Estimate
from eyas.core.errors import ConfigError, ResumeError
from eyas.core.language import LANGUAGES
from eyas.core.marks import FOUND
from eyas.report.document import Callout, Figure, Table
from eyas.tune.document import tune_document
from eyas.tune.final import earlier_comparisons, set_aside
from eyas.tune.pictures import DRAWERS, Scene
from eyas.tune.plan import load_plan as load_search
from eyas.tune.results import read_results
from eyas.tune.verdict import STANDINGS, Verdict, standing

ON = date(2026, 1, 2)


@pytest.fixture(scope="module", params=LANGUAGES)
def document(request, searched, tmp_path_factory):
    return tune_document(searched, request.param, tmp_path_factory.mktemp("pictures"), ON)


def blocks(document, kind):
    return [block for section in document.sections for block in section.blocks if isinstance(block, kind)]


def test_the_command_writes_both_forms(searched, tmp_path):
    arguments = ["report", str(searched), "--pdf", "--html", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "report-en.pdf").read_bytes().startswith(b"%PDF-")
    page = (tmp_path / "report-en.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert page.count("data:image/png") == len(DRAWERS)


def test_the_search_leaves_its_pictures(searched):
    assert [name for name in (*DRAWERS, "importance.json") if not (searched / name).exists()] == []


def test_it_says_what_was_found(searched, document):
    found = read_results(searched)
    assert len(document.sections) == 9
    (verdict,) = blocks(document, Callout)
    assert verdict.paragraphs == [Verdict.from_json(found["final"]).sentence(document.language)]
    if document.language == "en":
        assert verdict.paragraphs == [found["conclusion"]]
    tables = blocks(document, Table)
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    best, final, trials, cost, space, environment = tables
    assert [row[0] for row in best.rows] == [row[0] for row in space.rows] == list(found["space"])
    tuned = {row[0]: row[2] for row in best.rows}
    assert tuned["train.learning_rate"] == f"{found['best']['params']['train.learning_rate']:.4g}"
    assert {row[1] for row in final.rows} == {
        f"{arm['val_accuracy']['mean']:.4f}".replace(".", "," if document.language == "fr" else ".")
        for arm in found["final"]["arms"].values()
    }
    assert trials.rows[0][0] == str(found["best"]["number"])
    assert sum(int(row[4]) for row in cost.rows) == found["totals"]["epochs"]
    assert [row[1] for row in environment.rows] == list(found["environment"].values())
    assert [figure.file for figure in blocks(document, Figure)] == list(DRAWERS)
    assert all((document.folder / name).stat().st_size > 1000 for name in DRAWERS)


def test_the_results_name_the_version_of_the_samplers(searched):
    assert read_results(searched)["environment"]["optuna"] == optuna.__version__


def test_accuracy_over_classes_is_written_in_per_cent(searched):
    plan = load_search(searched)
    shares = {
        name: Scene(replace(plan, metric=name), [], "en").is_share
        for name in ("val_accuracy", "val_balanced_accuracy", "val_macro_f1", "val_loss", "val_ece")
    }
    assert [name for name, is_share in shares.items() if not is_share] == ["val_loss", "val_ece"]


def test_french_leaves_no_english_behind(document):
    said = str([block.to_json() for section in document.sections for block in section.blocks])
    said = said.replace("train.momentum", "").replace("val_accuracy", "")
    english = re.findall(
        r"\b(?:the|beyond|seeds|trials|epochs|which|noise)\b", re.sub(r"\w+\.epochs|epochs: 4", "", said)
    )
    assert (english == []) == (document.language == "fr")


def test_a_search_that_is_not_over_is_reported_as_such(searched, tmp_path):
    folder, found = tmp_path / "study", json.loads((searched / FOUND).read_text())
    folder.mkdir()
    shutil.copy(searched / "tune.yaml", folder)
    with pytest.raises(ConfigError, match=r"has no optimization_results.json yet; .* eyas tune --resume"):
        tune_document(folder, "en", tmp_path, ON)
    few = [one for one in found["trials"] if one["number"] < 2]
    (folder / FOUND).write_text(json.dumps(found | {"final": None, "trials": few, "conclusion": standing("open")}))
    said = blocks(tune_document(folder, "fr", tmp_path, ON), Callout)[0].paragraphs
    assert said == ["La recherche n'est pas terminée."]
    (folder / FOUND).write_text("{}")
    with pytest.raises(ResumeError, match="is damaged"):
        tune_document(folder, "en", tmp_path, ON)


def test_the_comparison_of_an_earlier_best_is_kept_and_counted(searched, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(searched, folder, ignore=shutil.ignore_patterns("runs"))
    plan = load_plan(folder / "final")
    set_aside(folder / "final", plan)  # the same: a comparison that goes on
    assert earlier_comparisons(folder) == 0
    set_aside(folder / "final", replace(plan, settings={"seed": 9}))
    set_aside(folder / "final", plan)  # nothing is there any more
    assert ((folder / "final-1" / "study.yaml").exists(), earlier_comparisons(folder)) == (True, 1)
    said = str(tune_document(folder, "en", tmp_path, ON).to_json())
    assert "Comparisons of an earlier best that this search has made before: 1." in said


def test_the_sentence_says_no_more_than_the_numbers():
    better, noise = Estimate(0.02, 0.01, 0.03, 0.0004), Estimate(0.02, -0.01, 0.05, 0.2)
    worse = Estimate(-0.02, -0.03, -0.01, 0.01)
    found = Verdict(val=better, test=better, seeds=3, diverged={})
    assert found.sentence("en") == (
        "Tuning beat the untuned baseline beyond noise: +2.00 points of accuracy "
        "(95 % interval +1.00 to +3.00, p < 0.001) on the test images, 3 seeds each."
    )
    assert found.beyond_noise
    unsure = replace(found, test=noise)  # the test images decide, whatever validation says
    assert not unsure.beyond_noise
    assert unsure.sentence("en").startswith("No difference between tuned and untuned beyond noise: +2.00 points")
    assert "p = 0,200" in unsure.sentence("fr")
    assert replace(found, test=worse).sentence("en").startswith("Tuning did worse than the untuned baseline")
    untested = replace(found, test=None, seeds=1)
    assert not untested.beyond_noise  # the validation images chose the winner
    assert untested.sentence("en") == (
        "Without test images, whether tuning helped is not known: +2.00 points of accuracy "
        "(95 % interval +1.00 to +3.00, p < 0.001) on the validation images, by which it was chosen: "
        "it is optimistic, 1 seed each."
    )
    assert "+2,00 points d'exactitude" in untested.sentence("fr")
    broken = Verdict(None, None, 3, {"tuned": "loss is nan"})
    assert broken.sentence("en") == "No comparison: the tuned configuration diverged (loss is nan)."
    assert not broken.beyond_noise
    assert len({standing(key, language) for key in STANDINGS for language in LANGUAGES}) == 6


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ("all", "compared in accuracy on test images that had chosen nothing"),
        ("val", "on the validation images that had chosen the best: the data have no test images"),
        ("none", "are then to be trained anew"),
    ],
)
def test_the_summary_names_the_images_that_there_are(searched, tmp_path, kept, says):
    folder = shutil.copytree(searched, tmp_path / "study")
    found = json.loads((folder / FOUND).read_text())
    better = Estimate(0.02, 0.01, 0.03, 0.0004).to_json()
    if kept == "none":
        found["final"] = None
    else:
        found["final"] |= {"val_difference": better, "test_difference": better if kept == "all" else None}
        for arm in found["final"]["arms"].values() if kept == "val" else ():
            arm["test_accuracy"] = None
    (folder / FOUND).write_text(json.dumps(found))
    (tmp_path / "pictures").mkdir()
    made = tune_document(folder, "en", tmp_path / "pictures", ON)
    assert says in str(made.sections[0].blocks[0].to_json())
    (verdict,) = blocks(made, Callout)
    assert verdict.tone == ("good" if kept == "all" else "note")
