"""The YAML of a recipe as plain values: variables anywhere, merges, and no key given twice."""

from __future__ import annotations

import re
from typing import Any

import yaml

from pipeline.errors import RecipeError

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_MARKED_VARIABLE = re.compile("\\$\ue000(\\w+)\ue001")
_MERGE = "tag:yaml.org,2002:merge"  # of the key "<<"


def parse_recipe(text: str) -> Any:
    """Return the values of a recipe's text.

    Variables may stand in lists within brackets, too (``[${data}/a.txt]``), where YAML takes their
    braces for mappings. Raises RecipeError for what is not YAML, and for a key given twice.
    """
    try:
        # Private characters stand for the braces meanwhile, one for one: places in messages hold.
        return yaml.load(_VARIABLE.sub("$\ue000\\1\ue001", text), _Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise RecipeError(f"not YAML: {_with_braces(' '.join(str(error).split()))}") from None


def _with_braces(text: str) -> str:
    return _MARKED_VARIABLE.sub(r"${\1}", text)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, except for variables, and that a key given twice is an error.

    Numbers are those of YAML 1.2 as well: PyYAML takes 1.4e12, without a sign, for text.
    """

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        return _with_braces(value) if isinstance(value, str) else value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise RecipeError(f"line {line}: the key {key!r} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
