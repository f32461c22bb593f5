"""JSON Patches against jsonpatch's own way, which copies the whole document."""

import copy

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitkit import WorkspaceError
from fitkit._workspace.patching import patched

DOCUMENT = {
    "channels": [
        {"name": "SR", "samples": [{"data": [1.0, 2.0]}, {"data": [3.0, 4.0]}]},
        {"name": "CR", "samples": []},
    ],
    "0": {"a/b": 1, "m~n": {"-": 2}},
    "": [],
}
# Places that are there, that are not, and that are no JSON Pointers.
KEYS = ["channels", "0", "1", "2", "01", "-", "-1", "", "samples", "data", "name", "٣"]
KEYS += ["a~1b", "m~0n", "m~n"]
POINTERS = st.one_of(
    st.lists(st.sampled_from(KEYS), max_size=5).map(
        lambda keys: "".join(f"/{key}" for key in keys)
    ),
    st.sampled_from(["channels/0", "/channels/0/samples/1/data/0", "/channels/-"]),
)
VALUES = st.sampled_from([5.0, None, [6.0], {"data": [7.0]}, [{"name": "VR"}]])
OPERATIONS = st.one_of(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "replace", "test"]),
            "path": POINTERS,
            "value": VALUES,
        }
    ),
    st.fixed_dictionaries({"op": st.just("remove"), "path": POINTERS}),
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["move", "copy"]),
            "from": POINTERS,
            "path": POINTERS,
        }
    ),
)


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(st.lists(OPERATIONS, max_size=4))
def test_as_jsonpatch_applies_it(patch):
    document, operations = copy.deepcopy((DOCUMENT, patch))
    try:
        expected = jsonpatch.apply_patch(DOCUMENT, patch)
    except Exception:  # of many kinds
        with pytest.raises(WorkspaceError):
            patched(document, operations)
    else:
        assert patched(document, operations) == expected
    assert (document, operations) == (DOCUMENT, patch), "neither is changed"
