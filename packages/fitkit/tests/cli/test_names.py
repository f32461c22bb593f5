"""Names of any kind: printed whole, and taken as they are."""

import pytest

MARKUP = ("jes[eta]", "mu[/pb]", "[bold]x", "100 % [fb]", "a:pi:", "{0}", "n\\[x]")
# Every table that holds names, with their command.
TABLES = [
    ("inspect",),
    ("validate", "--all"),
    ("fit", "--correlation", "--interval", "mu[[]fb]"),
    ("yields",),
    ("scan", "--points", 3),
    ("contour", "mu[fb]", "jes[eta]", "--angles", 8),
    ("ranking", "--group", "all [x]=*"),
    ("limit",),
    ("hypotest",),
    ("significance",),
    ("toys", "--toys", 5),
]


@pytest.fixture
def odd(small, saved):
    """A document whose channel, samples and parameters have odd names."""
    document = small(poi="mu[fb]", names=MARKUP, channel="SR [/red]")
    document["channels"][0]["samples"][1]["name"] = "Z [ll] :b:"
    document["channels"][0]["samples"][1]["modifiers"][0]["data"] = {
        "lo": 0.3,
        "hi": 2.5,
    }
    document["measurements"][0]["name"] = "[m]"
    return saved("odd.json", document)


@pytest.mark.parametrize("command", TABLES, ids=lambda command: command[0])
def test_tables_print_names_as_they_are(printed, odd, command):
    name, *options = command
    text = printed(name, odd, *options)
    if name in ("inspect", "fit"):
        assert all(each in text for each in (*MARKUP, "mu[fb]"))
    expected = {
        "inspect": ["[m]", "SR [/red]", "Z [ll] :b:"],
        "validate": ["SR [/red] / Z [ll] :b: / jes[eta]"],
        "yields": ["SR [/red]", "Z [ll] :b:"],
        "contour": ["mu[fb] from", "jes[eta] from"],
        "ranking": ["jes[eta]", "all [x] together"],
    }.get(name, ["mu[fb]"])
    assert all(each in text for each in expected)


def test_messages_print_names_as_they_are(error, odd, small, saved):
    assert "'[/x]'" in error("fit", odd, "--fix", "[/x]")
    assert "'[/x]'" in error("prune", odd, "--channel", "[/x]")
    file = saved("odd_poi.json", small(poi="mu[/pb]"))
    assert "--free 'mu[/pb]'" in error("limit", file, "--fix", "mu[/pb]")


def test_patch_sets_print_names_as_they_are(printed, patchset, saved):
    content = patchset("0")
    content["metadata"]["labels"] = ["m [GeV]", "[/x]"]
    content["metadata"]["description"] = "[red]all[/]"
    content["patches"][0]["metadata"]["name"] = "S[1]"
    text = printed("patchset", "inspect", saved("odd_set.json", content))
    assert all(each in text for each in ("m [GeV]", "[/x]", "[red]all[/]", "S[1]"))


# --- exact names come before patterns -------------------------------------------------
@pytest.fixture
def two_channels(small, saved):
    document = small(channel="SR[1]")
    other = small(channel="SR1", names=("m",))
    for key in ("channels", "observations"):
        document[key] += other[key]
    return saved("two.json", document)


def test_a_mask_takes_the_channel_of_that_name(answer, two_channels):
    channels = answer("inspect", two_channels, "--mask", "SR[1]")["channels"]
    assert [(c["name"], c["observed"]) for c in channels] == [
        ("SR[1]", [None]),
        ("SR1", [53.0]),
    ]
    channels = answer("inspect", two_channels, "--mask", "SR[12]")["channels"]
    assert [c["observed"] for c in channels] == [[53.0], [None]]


@pytest.mark.parametrize(
    "option", ["--fix", "--free", "--init", "--bounds", "--interval"]
)
def test_a_parameter_of_that_name_comes_first(answer, run, small, saved, option):
    settings = [{"name": n, "fixed": True} for n in ("n[1]", "n1")] * (
        option == "--free"
    )
    file = saved("brackets.json", small(names=("n[1]", "n1"), settings=settings))
    value = {"--init": "=0.25", "--bounds": "=0.125:3"}.get(option, "")
    given = [option, f"n[1]{value}"]
    if option == "--init":
        found = answer("fit", file, *given, "--fix", "n*")["parameters"]
        assert [each["value"] for each in found[1:]] == [0.25, 0.0]
        return
    found = answer("fit", file, *given)
    if option == "--interval":
        assert [each["name"] for each in found["intervals"]] == ["n[1]"]
        return
    status = [each["status"] for each in found["parameters"][1:]]
    expected = {
        "--fix": ["fixed", "free"],
        "--free": ["free", "fixed"],
        "--bounds": ["at its lower bound", "free"],
    }
    assert status == expected[option]


# --- an equals sign may belong to a name ----------------------------------------------
@pytest.mark.parametrize(
    ("options", "value", "status"),
    [
        (["--fix", "sigma=1"], 0.0, "fixed"),
        (["--fix", "sigma=1=0.5"], 0.5, "fixed"),
        (["--fix", "sigma=*"], 0.0, "fixed"),
        (["--init", "sigma=1=0.5", "--fix", "sigma=1"], 0.5, "fixed"),
        (["--bounds", "sigma=1=0.75:1"], 0.75, "at its lower bound"),
    ],
)
def test_an_equals_sign_in_a_name(answer, small, saved, options, value, status):
    file = saved("sigma.json", small(names=("sigma=1",)))
    found = answer("fit", file, *options)["parameters"][1]
    assert (found["value"], found["status"]) == (value, status)


# --- numbers are whole ---------------------------------------------------------------
def test_a_narrow_terminal_cuts_no_number(capsys, monkeypatch):
    from fitkit._cli import show

    monkeypatch.setattr(show, "width", lambda: 40)
    table = show.table("sample", *map(str, range(12)))
    numbers = [f"{1000.5 + i:.6g}" for i in range(12)]
    table.add_row("a background with a long name", *numbers)
    show.print_table(table)
    text = capsys.readouterr().out
    assert all(number in text for number in numbers)


def test_yields_of_many_bins_go_below_each_other(printed, monkeypatch, small, saved):
    from fitkit._cli import show

    monkeypatch.setattr(show, "width", lambda: 60)
    counts = [1000.0 + i for i in range(12)]
    document = small(signal=counts, background=counts, counts=counts)
    text = printed("yields", saved("wide.json", document), "--prefit")
    assert max(map(len, text.splitlines())) <= 60
    assert all(f"{count:g}" in text for count in counts)
