"""The words that messages share."""

import msgspec
import pytest

from picluster.schema.cluster_file import ClusterFile
from picluster.wording import counted, in_words, yaml_in_words


def test_one_of_a_thing_is_one_and_several_are_several() -> None:
    assert [counted(number, "node") for number in (0, 1, 2, 1234)] == ["0 nodes", "1 node", "2 nodes", "1,234 nodes"]
    assert counted(2, "class", "classes") == "2 classes"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("{", "it is no JSON: it ends too early"),
        ("{\n\n!}", "it is no JSON: line 3 cannot be understood"),
        ('{"user": 3}', "user must be a text, and is a whole number"),
        ('{"usr": ""}', "'usr' is unknown"),
        ('{"user": "pi"}', "'key' is missing"),
        ('{"user": "pi", "network": {"prefix": "24"}}', "network.prefix must be a whole number, and is a text"),
        ('{"user": "pi", "nodes": {"pi1": null}}', "nodes.… must be a text, and is nothing"),
    ],
)
def test_what_a_reader_of_json_finds_is_told_in_plain_words(text: str, told: str) -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(text, type=ClusterFile)
    assert in_words(caught.value, text) == told


def test_what_is_wrong_with_yaml_is_told_by_what_a_person_did() -> None:
    assert "a tab" in yaml_in_words(r"found character '\t' that cannot start any token")
    assert yaml_in_words("something new") == "it cannot be understood"
