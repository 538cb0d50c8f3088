"""Values by layers: the strongest layer that sets a path, with the key as written in its file."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.sources.helm.trace.values_layers import ABSENT, ValueRef, ValuesLayer, ValuesLayers
from tests.sources.helm.trace.charts import parse_document


def yaml(file: str, text: str, scope: tuple[str, ...] = (), root: tuple[str, ...] = ()) -> ValuesLayer:
    value, source_map = parse_document(text)
    return ValuesLayer(scope, file, value, source_map, root)


LAYERS = ValuesLayers(
    [
        yaml(
            "charts/redis/values.yaml", "image: {tag: '5', name: redis}\nglobal: {zone: own, tier: own}\n", ("redis",)
        ),
        yaml(
            "values.yaml",
            "a:\n  b: 1\n  list: [x, y]\n  gone: 1\nredis:\n  image:\n    tag: '6'\nglobal:\n  zone: all\n",
        ),
        yaml("charts/lib/values.yaml", "exports:\n  data:\n    shared: 7\n", (), ("exports", "data")),
        yaml("prod.yaml", "a:\n  list: [z]\n  gone: null\n  deep: text\n"),
        ValuesLayer((), "--set", {"a": {"set": True}}),
    ]
)


@pytest.mark.parametrize(
    ("scope", "path", "value", "setting"),
    [
        ((), ("a", "b"), 1, "values.yaml:2 a.b"),
        ((), ("a", "list", 0), "z", "prod.yaml:2 a.list[0]"),
        ((), ("a", "list", 1), ABSENT, None),
        ((), ("a", "gone"), ABSENT, "prod.yaml:3 a.gone"),
        ((), ("a", "deep", "er"), ABSENT, "prod.yaml:4 a.deep"),
        ((), ("a", "b", "none"), ABSENT, None),
        ((), ("a", "set"), True, "--set a.set"),
        ((), ("a", "none"), ABSENT, None),
        ((), ("shared",), 7, "charts/lib/values.yaml:3 exports.data.shared"),
        (("redis",), ("image", "tag"), "6", "values.yaml:7 redis.image.tag"),
        (("redis",), ("image", "name"), "redis", "charts/redis/values.yaml:1 image.name"),
        (("redis",), ("global", "zone"), "all", "values.yaml:9 global.zone"),
        (("redis",), ("global", "tier"), "own", "charts/redis/values.yaml:2 global.tier"),
        ((), ("redis", "image", "name"), "redis", "charts/redis/values.yaml:1 image.name"),
    ],
)
def test_strongest_layer_sets_value(
    scope: tuple[str, ...], path: tuple[str | int, ...], value: Any, setting: str | None
) -> None:
    ref = ValueRef(scope, path)
    assert LAYERS.get_value(ref) == value
    actual = LAYERS.find_setting(ref)
    assert (str(actual) if actual else None) == setting
