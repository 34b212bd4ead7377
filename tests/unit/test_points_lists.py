"""Points lists as engineers keep them: spreadsheets, templates, other units, other countings."""

from __future__ import annotations

import csv
import importlib.util
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
import pytest

from controller.cli import main
from facility.loading import load_site, parse_site
from facility.loading.points_csv import read_points, write_points
from facility.loading.problems import Problem
from facility.points import Table
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts
from tests.planning_plant import reference_site

Sheets = Mapping[str, Sequence[Sequence[object]]]
FAMILIES = ("tcs_supply_temperature", "tcs_return_temperature", "tcs_flow", "leak")


@pytest.fixture(scope="module")
def campus() -> Mapping[str, str]:
    return texts(DESIGNS["campus"](), 15000)


@pytest.fixture
def folder(campus: Mapping[str, str], tmp_path: Path) -> Path:
    for name, text in campus.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def workbook(path: Path, sheets: Sheets) -> Path:
    book = openpyxl.Workbook()
    del book["Sheet"]
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def cdu_family(points: str) -> Sheets:
    """The campus's CDUs as one template and a row each; all else row by row."""
    rows = rows_of(points)
    head = [*rows[0], "template", "limit_unit"]
    sheet: list[list[object]] = [list(head)]
    cdus = ("cdu1", "cdu2", "cdu3", "cdu4")
    limits = ("minimum", "maximum", "dead_band", "tolerance")
    for row in rows:
        if row["device"] not in cdus:
            unit = row["unit"] if any(row[name] for name in limits) else ""
            sheet.append([*row.values(), "", unit])
        elif row["device"] == "cdu1":
            cells = {name: cell.replace("cdu1", "{id}") for name, cell in row.items()}
            cells["address"] = f"{{base}}+{row['address']}"
            if row["quantity"] == "tcs_flow_setpoint":
                cells |= {"minimum": "{least}", "maximum": "{most}"}
                cells |= {"dead_band": "{dead}", "tolerance": "{off}"}
            unit = "L/s" if "flow" in row["quantity"] and row["role"] == "setpoint" else ""
            sheet.append([*cells.values(), "cdu", unit])
    instances: list[list[object]] = [["template", "id", "base", "least", "most", "dead", "off"]]
    for cdu in cdus:
        own = next(r for r in rows if r["tag"] == f"{cdu}.tcs_flow_setpoint")
        instances.append(["cdu", cdu, 0, *(float(own[name]) for name in limits)])
    return {"points": sheet, "instances": instances}


def test_a_family_of_devices_is_one_template_and_a_row_each(
    folder: Path, campus: Mapping[str, str]
) -> None:
    before = load_site(folder)
    book = workbook(folder / "list.xlsx", cdu_family(campus["points.csv"]))
    assert main(["points", "import", str(book), "--site", str(folder)]) == 0
    assert dict(load_site(folder).points) == dict(before.points)


def test_what_was_imported_imports_again_and_differs_in_nothing(
    folder: Path, campus: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    site = parse_site(campus["site.toml"], campus["points.csv"])
    text = write_points(list(site.points.values()))
    problems: list[Problem] = []
    again = read_points(text, problems)
    assert problems == []
    assert {item.point.tag: item.point for item in again} == dict(site.points)
    entered = folder / "entered.csv"
    rows = list(csv.reader(io.StringIO(text)))
    with entered.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)  # as a European spreadsheet saves it
    assert main(["points", "diff", str(folder), str(entered)]) == 0
    assert "0 added, 0 removed, 0 changed" in capsys.readouterr().err


HEAD = "tag,device,equipment,quantity,role,table,address,data_type,unit,access,{more}\n"


def one_point(more: str, cells: str, *, table: str = "holding", address: str = "1") -> object:
    problems: list[Problem] = []
    row = f"t,d,e,tcs_supply_temperature,sensor,{table},{address},int16,degF,r,{cells}\n"
    found = read_points(HEAD.format(more=more) + row, problems)
    return found[0].point if not problems else [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("base", "table", "address", "found"),
    [
        ("", "holding", "10", (Table.HOLDING, "10")),
        ("0", "input", "10", (Table.INPUT, "10")),
        ("1", "input", "10", (Table.INPUT, "9")),
        ("modicon", "", "40001", (Table.HOLDING, "0")),
        ("modicon", "", "30108", (Table.INPUT, "107")),
        ("modicon", "", "400448", (Table.HOLDING, "447")),
    ],
)
def test_register_numbers_are_counted_as_the_manual_counts(
    base: str, table: str, address: str, found: tuple[Table, str]
) -> None:
    point = one_point("address_base", base, table=table, address=address)
    assert (getattr(point, "table", point), getattr(point, "address", "")) == found


@pytest.mark.parametrize(
    ("base", "table", "address", "said"),
    [
        ("modicon", "", "50001", "no register number of a manual"),
        ("modicon", "", "40000", "no register number of a manual"),
        ("modicon", "input", "40001", "40001 is a holding register, not 'input'"),
        ("1", "input", "0", "counted from 1 there is no 0"),
        ("2", "input", "5", "there is no base '2'"),
    ],
)
def test_a_count_that_cannot_be_is_named(base: str, table: str, address: str, said: str) -> None:
    assert said in str(one_point("address_base", base, table=table, address=address))


def test_limits_are_converted_where_they_enter() -> None:
    # 70 °F is 21.11 °C, and a width of 1.8 °F is 1 K: NIST SP 811, B.8.
    point = one_point(
        "limit_unit,minimum,maximum,dead_band,tolerance,divide_by", "degF,70,90,1.8,0.9,10"
    )
    assert getattr(point, "minimum", point) == pytest.approx(21.1111, abs=1e-4)
    assert getattr(point, "maximum", point) == pytest.approx(32.2222, abs=1e-4)
    assert getattr(point, "dead_band", point) == pytest.approx(1.0)
    assert getattr(point, "tolerance", point) == pytest.approx(0.5)
    assert getattr(point, "scale", point) == 0.1
    assert "no unit of tcs_supply_temperature" in str(one_point("limit_unit,minimum", "kW,1"))
    assert "has a scale too" in str(one_point("scale,divide_by", "0.1,10"))


def mistakes(
    folder: Path, capsys: pytest.CaptureFixture[str], sheets: Sheets
) -> tuple[int, list[str]]:
    book = workbook(folder / "list.xlsx", sheets)
    before = (folder / "points.csv").read_bytes(), (folder / "site.toml").read_bytes()
    status = main(["points", "import", str(book), "--site", str(folder)])
    assert ((folder / "points.csv").read_bytes(), (folder / "site.toml").read_bytes()) == before
    return status, capsys.readouterr().err.splitlines()


def test_every_mistake_is_told_at_once_with_sheet_row_field_and_mend(
    folder: Path, campus: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    sheets = {name: [list(row) for row in rows] for name, rows in
              cdu_family(campus["points.csv"]).items()}  # fmt: skip
    points, instances = sheets["points"], sheets["instances"]
    head = [str(name) for name in points[0]]
    flow = next(row for row in points if "{id}.tcs_flow_setpoint" in str(row[0]))
    flow[head.index("limit_unit")] = ""
    points[3][head.index("unit")] = "#REF!"
    points[5][head.index("address")] = "{bse}+3"
    instances[2][3] = ""
    instances[3][0] = "cdus"
    status, said = mistakes(folder, capsys, sheets)
    assert status == 1
    text = "\n".join(said)
    assert "list.xlsx, sheet points" in text
    assert "could be in L/min or in L/s. Write 'L/min' or 'L/s' into limit_unit." in text
    assert "the cell holds the error #REF!" in text
    assert "there is no column of the instances 'bse'. Did you mean 'base'?" in text
    assert "for cdu2 (row 3 (cdu2)), minimum: the instance leaves 'least' empty" in text
    assert "sheet instances, row 4 (cdu3), template: there is no template 'cdus'" in text


def test_a_formula_that_was_never_calculated_is_no_empty_cell(
    folder: Path, campus: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    sheets = {name: [list(row) for row in rows] for name, rows in
              cdu_family(campus["points.csv"]).items()}  # fmt: skip
    sheets["instances"][1][2] = "=1+1"
    status, said = mistakes(folder, capsys, sheets)
    assert status == 1
    assert any("the formula =1+1 was never calculated" in line for line in said)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"PK\x03\x04 nothing", "list.xlsx", "it is no workbook"),
        (b"tag,device\n", "list.csv", "Add a column 'quantity'"),
        (b"\xff\xfe", "list.csv", "it is not UTF-8 text"),
        (b"x", "list.pdf", "it is neither .xlsx nor .csv"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_words(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes, name: str, said: str
) -> None:
    (folder / name).write_bytes(content)
    assert main(["points", "check", str(folder / name), "--site", str(folder)]) == 1
    assert said in capsys.readouterr().err


def test_devices_of_a_list_go_into_site_toml_and_its_comments_stay(folder: Path) -> None:
    toml = (folder / "site.toml").read_text()
    (folder / "site.toml").write_text(toml.replace("[[devices]]", "# panel 7\n[[devices]]", 1))
    sheets: dict[str, Sequence[Sequence[object]]] = {
        "points": [["tag", "device", "equipment", "quantity", "role", "table", "address",
                    "data_type", "unit"],
                   ["gw.dry", "gw", "outdoor", "dry_bulb_temperature", "sensor", "input", 7.0,
                    "int16", "degC"]],
        "devices": [["id", "template", "host", "port", "protocol", "hand_back", "release",
                     "watchdog_s", "scan_s"],
                    ["cdu1", "", "127.0.0.1", 15999, "", "", "", "", ""],
                    ["{id}", "gateways", "127.0.0.1", "{port}", "modbus", "air", "ramp", 20, 10]],
        "instances": [["template", "id", "port"], ["gateways", "gw", 16001]],
    }  # fmt: skip
    points = (folder / "points.csv").read_text()
    kept = [line for line in points.splitlines() if "dry_bulb" not in line]
    (folder / "points.csv").write_text("\n".join(kept) + "\n")
    book = workbook(folder / "list.xlsx", sheets)
    assert main(["points", "import", str(book), "--site", str(folder), "--merge"]) == 0
    site = load_site(folder)
    assert site.devices["gw"].port == 16001
    assert site.devices["cdu1"].port == 15999
    assert site.devices["cdu1"].watchdog_s == 4.0
    assert site.points["gw.dry"].address == "7"
    assert "# panel 7" in (folder / "site.toml").read_text()


def test_a_dry_run_tells_and_writes_nothing(
    folder: Path, campus: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    changed = campus["points.csv"].replace("int16,degC,r,0.1", "int16,degC,r,0.01", 1)
    (folder / "new").mkdir()
    (folder / "new" / "points.csv").write_text(changed)
    text = write_points([item.point for item in read_points(changed, [])])
    (folder / "new" / "points.csv").write_text(text)
    command = ["points", "import", str(folder / "new" / "points.csv"), "--site", str(folder)]
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "~ cdu1.tcs_supply_temperature: scale 0.1 -> 0.01" in said.out
    assert (folder / "points.csv").read_text() == campus["points.csv"]


def test_the_brick_graph_uses_classes_and_relations_that_brick_has(folder: Path) -> None:
    """Held against the ontology that the Brick consortium's own package ships."""
    from rdflib import RDF

    from controller.points.brick import BRICK, REC, graph

    package = importlib.util.find_spec("brickschema")
    if package is None or package.origin is None:
        pytest.skip("needs the package brickschema, for the ontology in it")
    ontology = Path(package.origin).parent / "ontologies" / "1.4" / "Brick.ttl"
    # A whole parse takes seconds: a subject starts its paragraph, and nothing else does.
    text = ontology.read_text()
    known = {
        paragraph.split(maxsplit=1)[0]
        for paragraph in text.split("\n\n")
        if paragraph.startswith(("brick:", "rec:")) and "owl:deprecated true" not in paragraph
    }
    known |= set(re.findall(r"owl:equivalentProperty (rec:\w+)", text))
    for site in (load_site(folder), reference_site("campus-storage")):
        found = graph(site)
        used = {*found.objects(None, RDF.type), *found.predicates()}
        names = {found.qname(str(n)) for n in used if str(n).startswith((str(BRICK), str(REC)))}
        assert len(names) > 20
        assert names <= known
        owned = [*found.subjects(BRICK.isPointOf), *found.subjects(REC.isPointOf)]
        assert len(owned) == len(site.points)
