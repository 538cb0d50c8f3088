"""Random charts with unique words, so that the rendered text itself identifies its source.

Keys written by templates are `k1`, `k2`, ...; constants of templates `lit1`; values are `v1` or numbers of six digits,
keys of values files that may be rendered `y1`. A line of a template that prints such keys has a comment that names
them. Never renders and never asserts.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml


class TemplateScope(msgspec.Struct, frozen=True):
    """Expressions for the values and the root at some position of a template."""

    values: str
    root: str
    indent: int

    def deeper(self, by: int = 2) -> TemplateScope:
        return msgspec.structs.replace(self, indent=self.indent + by)

    def rebind(self) -> TemplateScope:
        """Return the expressions after the dot was rebound; the root is still `$`."""
        if self.root == ".":
            return msgspec.structs.replace(self, values="$.Values", root="$")
        return (
            self
            if self.root.startswith("$")
            else msgspec.structs.replace(self, values=f"$.{self.values[1:]}", root=f"${self.root}")
        )


class ChartMaker:
    """One chart: templates by file name, helpers, values, and values that a command line file overrides."""

    def __init__(self, seed: int, prefix: str = "") -> None:
        self.random = random.Random(f"{seed}{prefix}")
        self.prefix = prefix
        self.values: dict[str, Any] = {}
        self.over: dict[str, Any] = {}
        self.globals: dict[str, Any] = {}
        self.helpers: list[str] = [_RENDER.replace("common.", f"{prefix}common.")]
        self.count = 0
        self.depth = 0

    def new(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.prefix}{self.count}x"

    def scalar(self) -> Any:
        if self.random.random() < 0.2:
            self.count += 1
            return 100_000 + self.count * 10 + (5 if self.prefix else 0)
        return self.new("v")

    def set_entry(self, value: Any, over: Any = None) -> list[str]:
        """Add a path with `value` to the values; `over` is the override of the command line."""
        path = [self.random.choice("abcde") for _ in range(self.random.choice((0, 0, 1, 2)))] + [self.new("p")]
        for tree, what in ((self.values, value), (self.over, over)):
            if what is not None:
                below = tree
                for step in path[:-1]:
                    below = below.setdefault(step, {})
                below[path[-1]] = what
        return path

    def ref(self, path: list[str], scope: TemplateScope) -> str:
        if self.random.random() < 0.15:
            return f"(index {scope.values} {' '.join(f'{chr(34)}{step}{chr(34)}' for step in path)})"
        return ".".join((scope.values, *path))

    def leaf(self, scope: TemplateScope) -> str:
        over = self.scalar() if self.random.random() < 0.25 else None
        if self.random.random() < 0.1:
            return self.everywhere(over, scope)
        return self.ref(self.set_entry(self.scalar(), over), scope)

    def everywhere(self, over: Any, scope: TemplateScope) -> str:
        """Add a global value; `over` is the override of the parent chart."""
        name = self.new("g")
        self.values.setdefault("global", {})[name] = self.scalar()
        if over is not None:
            self.globals[name] = over
        return f"{scope.values}.global.{name}"

    def mapping(self, depth: int = 2) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for _ in range(self.random.randint(1, 3)):
            choice = self.random.random()
            if depth and choice < 0.25:
                entries[self.new("y")] = self.mapping(depth - 1)
            elif depth and choice < 0.5:
                entries[self.new("y")] = [
                    self.mapping(depth - 1) if self.random.random() < 0.5 else self.scalar() for _ in range(2)
                ]
            else:
                entries[self.new("y")] = self.scalar()
        return entries

    def block(self, scope: TemplateScope) -> list[str]:
        """Write a few constructs in sequence."""
        lines: list[str] = []
        for _ in range(self.random.randint(1, 3)):
            lines += self.construct(scope)
            if self.random.random() < 0.1:
                lines.append(self.random.choice(("", "# a note", f"{' ' * scope.indent}{{{{- /* note }} */}}}}")))
        return lines

    def construct(self, scope: TemplateScope) -> list[str]:
        simple = [self.literal, self.plain, self.plain, self.to_yaml, self.scalars, self.maps, self.entries]
        simple += [self.variable, self.with_scalar, self.text, self.flow, self.merged, self.mixed, self.named_scalar]
        nested = [self.condition, self.with_map, self.helper, self.helper, self.below, self.computed, self.empty]
        self.depth += 1
        try:
            return self.random.choice(simple + (nested if self.depth < 4 else []))(scope)
        finally:
            self.depth -= 1

    def literal(self, scope: TemplateScope) -> list[str]:
        return [f"{' ' * scope.indent}{self.new('k')}: {self.new('lit')}"]

    def plain(self, scope: TemplateScope) -> list[str]:
        one, two, lit, root = self.leaf(scope), self.leaf(scope), self.new("lit"), scope.root
        value = self.random.choice(
            (
                f"{{{{ {one} }}}}",
                f"{{{{{one}}}}}",
                f"{{{{ {one} | quote }}}}",
                f'"{{{{ {one} }}}}"',
                f"{{{{ quote {one} }}}}",
                f'{{{{ {one} | default "{lit}" }}}}',
                f'{{{{ default "{lit}" {one} }}}}',
                f'{{{{ default "{lit}" {scope.values}.missing }}}}',
                f'{{{{ printf "%v:%v" {one} {two} }}}}',
                f"{{{{ {one} }}}}/{{{{ {two} }}}}",
                f"{lit}-{{{{ {one} }}}}",
                f"{{{{ tpl (toString {one}) {root} }}}}",
                f"{{{{ coalesce {scope.values}.missing {one} }}}}",
                f'{{{{ required "needed" {one} }}}}',
                f"{{{{ ({one}) }}}}",
                f'{{{{ ternary {one} "{lit}" true }}}}',
                f'{{{{ {one} | toString | trunc 63 | trimSuffix "-" }}}}',
                f'{{{{ dig "no" "way" {one} (dict "a" "b") }}}}',
                f"{{{{ or {scope.values}.missing {one} }}}}",
                f"{{{{ print {one} }}}}",
                f"{{{{- /* x */}}}} {{{{ {one} }}}}",
                f"{{{{ first (list {one} {two}) }}}}",
            )
        )
        return [f"{' ' * scope.indent}{self.new('k')}: {value}"]

    def tagged(self, value: Any) -> str:
        """Write a comment that names the keys printed by the line."""
        return "{{/* " + " ".join(f"T-{key}" for key in _keys(value)) + " */}}"

    def to_yaml(self, scope: TemplateScope) -> list[str]:
        value: Any = self.mapping()
        over = self.mapping() if self.random.random() < 0.2 else None
        ref = self.ref(self.set_entry(value, over), scope)
        pad, indent, key = " " * scope.indent, scope.indent + 2, self.new("k")
        tag = self.tagged(value) + (self.tagged(over) if over else "")
        rendered = f'include "{self.prefix}common.render" (dict "value" {ref} "context" {scope.root})'
        return self.random.choice(
            (
                [f"{pad}{key}:", f"{pad}  {{{{- toYaml {ref} | nindent {indent} }}}}{tag}"],
                [f"{pad}{key}: {{{{ toYaml {ref} | nindent {indent} }}}}{tag}"],
                [f"{pad}{key}:", f"{{{{ toYaml {ref} | indent {indent} }}}}{tag}"],
                [f"{pad}{key}:", f"{pad}  {{{{- {ref} | toYaml | trim | nindent {indent} }}}}{tag}"],
                [f"{pad}{key}:", f"{pad}  {{{{- tpl (toYaml {ref}) {scope.root} | nindent {indent} }}}}{tag}"],
                [
                    f"{pad}{{{{- with {ref} }}}}",
                    f"{pad}{key}:",
                    f"{pad}  {{{{- toYaml . | nindent {indent} }}}}{tag}",
                    f"{pad}{{{{- end }}}}",
                ],
                [
                    f"{pad}{{{{- if {ref} }}}}",
                    f"{pad}{key}: {{{{- {rendered} | nindent {indent} }}}}{tag}",
                    f"{pad}{{{{- end }}}}",
                ],
                [f"{pad}{key}: {{{{ toJson {ref} }}}}{tag}"],
            )
        )

    def scalars(self, scope: TemplateScope) -> list[str]:
        ref, pad = self.ref(self.set_entry([self.scalar() for _ in range(3)]), scope), " " * scope.indent
        element = self.random.choice(("{{ . }}", "{{ . | quote }}", '"{{ . }}"'))
        loop, shown = self.random.choice(
            ((ref, element), (f"$one := {ref}", "{{ $one }}"), (f"$i, $one := {ref}", "{{ $one }}"))
        )
        return [f"{pad}{self.new('k')}:", f"{pad}{{{{- range {loop} }}}}", f"{pad}- {shown}", f"{pad}{{{{- end }}}}"]

    def maps(self, scope: TemplateScope) -> list[str]:
        name, other = self.new("q"), self.new("q")
        value = [{name: self.scalar(), other: self.mapping(1)} for _ in range(2)]
        ref, pad, inner = self.ref(self.set_entry(value), scope), " " * scope.indent, scope.rebind()
        loop, dot = self.random.choice(
            ((ref, ""), (f"$one := {ref}", "$one"), (f"$i, $one := {ref}", "$one"), (f"$_, $one := {ref}", ""))
        )
        tag = "".join(self.tagged(entry[other]) for entry in value)
        skip = (
            [f'{pad}{{{{- if eq (toString {dot}.{name}) "never" }}}}{{{{ continue }}}}{{{{ end }}}}']
            if self.random.random() < 0.3
            else []
        )
        return [
            f"{pad}{self.new('k')}:",
            f"{pad}{{{{- range {loop} }}}}",
            *skip,
            f"{pad}  - {self.new('k')}: {{{{ {dot}.{name} }}}}",
            f"{pad}    {self.new('k')}: {{{{ $.Values.none | default {dot}.{name} }}}}" if inner.root == "$" else "",
            f"{pad}    {self.new('k')}:",
            f"{pad}      {{{{- toYaml {dot}.{other} | nindent {scope.indent + 6} }}}}{tag}",
            *self.construct(msgspec.structs.replace(inner, indent=scope.indent + 4)),
            f"{pad}{{{{- end }}}}",
        ]

    def entries(self, scope: TemplateScope) -> list[str]:
        value = {self.new("y"): self.scalar() for _ in range(3)}
        ref, pad = self.ref(self.set_entry(value), scope), " " * scope.indent
        key, shown = self.random.choice(
            (("$name, $value", "{{ $name }}: {{ $value | quote }}"), ("$k, $v", "{{ $k }}: {{ tpl (toString $v) $ }}"))
        )
        return [
            f"{pad}{self.new('k')}:",
            f"{pad}  {{{{- range {key} := {ref} }}}}",
            f"{pad}  {shown}{self.tagged(value)}",
            f"{pad}  {{{{- end }}}}",
        ]

    def variable(self, scope: TemplateScope) -> list[str]:
        pad, name, key = " " * scope.indent, self.new("var"), self.new("k")
        one, two, field = self.leaf(scope), self.leaf(scope), self.new("q")
        table = self.ref(self.set_entry({field: self.scalar()}), scope)
        return self.random.choice(
            (
                [f"{pad}{{{{- ${name} := {one} }}}}", f"{pad}{key}: {{{{ ${name} }}}}"],
                [
                    f"{pad}{{{{- ${name} := {table} -}}}}",
                    f"{pad}{{{{ print }}}}",
                    f"{pad}{key}: {{{{ ${name}.{field} | quote }}}}",
                ],
                [
                    f"{pad}{{{{- ${name} := {one} }}}}",
                    f"{pad}{{{{- if {two} }}}}",
                    f"{pad}{{{{- ${name} = {two} }}}}",
                    f"{pad}{{{{- end }}}}",
                    f"{pad}{key}: {{{{ ${name} }}}}",
                ],
                [
                    f"{pad}{{{{- ${name} := {one} }}}}",
                    f"{pad}{{{{- if {two} }}}}",
                    f"{pad}{{{{- ${name} := {two} }}}}{{{{ toString ${name} | trunc 0 }}}}",
                    f"{pad}{{{{- end }}}}",
                    f"{pad}{key}: {{{{ ${name} }}}}",
                ],
                [
                    f'{pad}{{{{- ${name} := dict "a" {one} "b" {two} }}}}',
                    f'{pad}{{{{- $_ := set ${name} "c" {table} }}}}',
                    f"{pad}{key}: {{{{ ${name}.b }}}}",
                    f"{pad}{self.new('k')}: {{{{ ${name}.c.{field} }}}}",
                ],
            )
        )

    def with_scalar(self, scope: TemplateScope) -> list[str]:
        pad = " " * scope.indent
        form, shown = self.random.choice(((self.leaf(scope), "."), (f"$w := {self.leaf(scope)}", "$w")))
        return [
            f"{pad}{{{{- with {form} }}}}",
            f"{pad}{self.new('k')}: {{{{ {shown} }}}}",
            f"{pad}{{{{- else }}}}",
            *self.literal(scope),
            f"{pad}{{{{- end }}}}",
        ]

    def text(self, scope: TemplateScope) -> list[str]:
        pad = " " * scope.indent
        return [f"{pad}{self.new('k')}: |", f"{pad}  some text", f"{pad}  with {{{{ {self.leaf(scope)} }}}} in it"]

    def flow(self, scope: TemplateScope) -> list[str]:
        key, text, plain, quoted = self.new("k"), self.new("lit"), self.leaf(scope), self.leaf(scope)
        return [f"{' ' * scope.indent}{key}: [{text}, {{{{ {plain} }}}}, {{{{ {quoted} | quote }}}}]"]

    def merged(self, scope: TemplateScope) -> list[str]:
        one, two, pad, key, lit = self.mapping(1), self.mapping(1), " " * scope.indent, self.new("y"), self.new("lit")
        first, second = self.ref(self.set_entry(one), scope), self.ref(self.set_entry(two), scope)
        expression = self.random.choice(
            (
                f"merge (deepCopy {first}) {second}",
                f"mergeOverwrite (deepCopy {first}) {second}",
                f'merge (dict "{key}" "{lit}") {first} {second}',
            )
        )
        tag = self.tagged({**one, **two, key: ""})
        return [f"{pad}{self.new('k')}:", f"{pad}  {{{{- toYaml ({expression}) | nindent {scope.indent + 2} }}}}{tag}"]

    def mixed(self, scope: TemplateScope) -> list[str]:
        pad, value = " " * scope.indent, [self.mapping(1), self.mapping(1)]
        ref = self.ref(self.set_entry(value), scope)
        tag = self.tagged(value[0]) + self.tagged(value[1])
        return [
            f"{pad}{self.new('k')}:",
            f"{pad}  - {self.new('k')}: {self.new('lit')}",
            f"{pad}  {{{{- toYaml {ref} | nindent {scope.indent + 2} }}}}{tag}",
        ]

    def named_scalar(self, scope: TemplateScope) -> list[str]:
        name, inner = self.new("name"), TemplateScope(".Values", ".", 0)
        one, two = self.leaf(inner), self.leaf(inner)
        body = self.random.choice(
            (
                f"{{{{- {one} }}}}",
                f'{{{{- default "{self.new("lit")}" {one} -}}}}',
                f"{{{{- if {one} -}}}}{{{{ {two} }}}}{{{{- else -}}}}none{{{{- end -}}}}",
                (
                    f"{{{{- if .Values.missing -}}}}{{{{ {two} }}}}"
                    f'{{{{- else -}}}}{{{{ printf "%v-%v" {one} {two} }}}}{{{{- end -}}}}'
                ),
            )
        )
        self.helpers.append(f'{{{{- define "{name}" -}}}}\n{body}\n{{{{- end -}}}}')
        pipe = self.random.choice(("", " | quote", ' | toString | trunc 63 | trimSuffix "-"', " | trim"))
        return [f'{" " * scope.indent}{self.new("k")}: {{{{ include "{name}" {scope.root}{pipe} }}}}']

    def condition(self, scope: TemplateScope) -> list[str]:
        pad, yes = " " * scope.indent, self.random.random() < 0.5
        test = self.random.choice(
            (
                self.leaf(scope),
                f"eq 1 {1 if yes else 2}",
                f"not {scope.values}.missing",
                f"and {self.leaf(scope)} (ne {scope.values}.missing true)",
            )
        )
        middle = (
            [f"{pad}{{{{- else if {self.leaf(scope)} }}}}", *self.block(scope)] if self.random.random() < 0.4 else []
        )
        return [
            f"{pad}{{{{- if {test} }}}}",
            *self.block(scope),
            *middle,
            f"{pad}{{{{- else }}}}",
            *self.literal(scope),
            f"{pad}{{{{- end }}}}",
        ]

    def with_map(self, scope: TemplateScope) -> list[str]:
        name, pad = self.new("q"), " " * scope.indent
        ref = self.ref(self.set_entry({name: self.scalar()}), scope)
        return [
            f"{pad}{{{{- with {ref} }}}}",
            f"{pad}{self.new('k')}: {{{{ .{name} }}}}",
            *self.block(scope.rebind()),
            f"{pad}{{{{- end }}}}",
        ]

    def helper(self, scope: TemplateScope) -> list[str]:
        name, pad, field = self.new("name"), " " * scope.indent, self.new("q")
        ref = self.ref(self.set_entry({field: self.scalar()}), scope)
        with_dict = self.random.random() < 0.5
        inner = TemplateScope("$.root.Values", "$.root", 0) if with_dict else TemplateScope(".Values", ".", 0)
        own = [f"{self.new('k')}: {{{{ .cfg.{field} }}}}"] if with_dict else self.literal(inner)
        dashes = self.random.choice(("", "-"))
        body = "\n".join([*own, *self.block(inner)])
        self.helpers.append(f'{{{{- define "{name}" {dashes}}}}}\n{body}\n{{{{- end }}}}')
        dot = f'(dict "root" {scope.root} "cfg" {ref})' if with_dict else scope.root
        pipes = [f'{pad}{{{{- include "{name}" {dot} | trim | nindent {scope.indent} }}}}']
        if dashes:
            pipes += [
                f'{pad}{{{{- include "{name}" {dot} | nindent {scope.indent} }}}}',
                f'{{{{ include "{name}" {dot} | indent {scope.indent} }}}}',
                f'{pad}{{{{- nindent {scope.indent} (include "{name}" {dot}) }}}}',
            ]
            if not scope.indent:
                pipes.append(f'{{{{ template "{name}" {dot} }}}}')
        if dashes and self.random.random() < 0.3:
            return self.held_text(name, dot, scope.indent)
        return [self.random.choice(pipes)]

    def held_text(self, name: str, dot: str, indent: int) -> list[str]:
        """Write a helper's text through a variable or the dot."""
        pad, var = " " * indent, self.new("var")
        return self.random.choice(
            (
                [
                    f'{pad}{{{{- ${var} := include "{name}" {dot} | trim }}}}',
                    f"{pad}{{{{- ${var} | nindent {indent} }}}}",
                ],
                [
                    f'{pad}{{{{- ${var} := "" }}}}',
                    f"{pad}{{{{- if true }}}}",
                    f'{pad}{{{{- ${var} = include "{name}" {dot} }}}}',
                    f"{pad}{{{{- end }}}}",
                    f"{{{{ ${var} | indent {indent} }}}}",
                ],
                [
                    f'{pad}{{{{- with include "{name}" {dot} }}}}',
                    f"{pad}{{{{- . | nindent {indent} }}}}",
                    f"{pad}{{{{- end }}}}",
                ],
                [
                    f'{pad}{{{{- with (include "{name}" {dot}) }}}}',
                    f"{pad}{{{{- if . }}}}",
                    f"{pad}{{{{- nindent {indent} (.) }}}}",
                    f"{pad}{{{{- end }}}}",
                    f"{pad}{{{{- range tuple 1 }}}}{{{{ . | toString | trunc 0 }}}}{{{{ end }}}}",
                    f"{pad}{{{{- end }}}}",
                ],
            )
        )

    def below(self, scope: TemplateScope) -> list[str]:
        return [f"{' ' * scope.indent}{self.new('k')}:", *self.literal(scope.deeper()), *self.block(scope.deeper())]

    def computed(self, scope: TemplateScope) -> list[str]:
        """Write a helper whose YAML output is parsed again."""
        name, pad, var, key = self.new("name"), " " * scope.indent, self.new("var"), self.new("q")
        value = self.leaf(TemplateScope(".Values", ".", 0))
        self.helpers.append(f'{{{{- define "{name}" -}}}}\n{key}: {{{{ {value} }}}}\n{{{{- end }}}}')
        return [
            f'{pad}{{{{- ${var} := include "{name}" {scope.root} | fromYaml }}}}',
            f"{pad}{self.new('k')}: {{{{ ${var}.{key} }}}}",
        ]

    def empty(self, scope: TemplateScope) -> list[str]:
        ref, pad = self.ref(self.set_entry({}), scope), " " * scope.indent
        return [
            f"{pad}{self.new('k')}: {{{{ toYaml {ref} }}}}",
            f"{pad}{self.new('k')}:",
            f"{pad}  {{{{- with {ref} }}}}",
            f"{pad}  {{{{- toYaml . | nindent {scope.indent + 2} }}}}",
            f"{pad}  {{{{- end }}}}",
        ]

    def template(self) -> str:
        """Write a file with one to three objects."""
        documents = []
        for _ in range(self.random.randint(1, 3)):
            head = [
                f"apiVersion: {self.new('lit')}/v1",
                "kind: Thing",
                "metadata:",
                f"  name: {self.new('lit')}",
                "spec:",
            ]
            body = self.block(TemplateScope(".Values", ".", 2)) + self.block(TemplateScope(".Values", ".", 2))
            lines = [*head, *body, *self.literal(TemplateScope("", "", 0))]
            if self.random.random() < 0.3:
                lines = [f"{{{{- if {self.leaf(TemplateScope('.Values', '.', 0))} }}}}", *lines, "{{- end }}"]
            documents.append("\n".join(lines))
        return self.random.choice(("---\n", "", "# Licence\n", "{{/* head */}}\n")) + "\n---\n".join(documents) + "\n"

    def write(self, folder: Path, name: str, dependencies: str = "") -> None:
        """Write the chart's files to a folder."""
        (folder / "templates").mkdir(parents=True)
        for number in range(self.random.randint(1, 3)):
            (folder / "templates" / f"t{number}.yaml").write_text(self.template())
        (folder / "templates" / "_helpers.tpl").write_text("\n\n".join(self.helpers) + "\n")
        (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n{dependencies}")
        (folder / "values.yaml").write_text(yaml.safe_dump(self.values, sort_keys=False))


_DEPENDENCIES: Final = """dependencies:
- {name: sub, version: 1.0.0, alias: one, condition: one.enabled}
- {name: sub, version: 1.0.0, alias: two, condition: two.enabled}
- {name: other, version: 1.0.0}
"""


def write(folder: Path, seed: int) -> Path:
    """Write a chart with two sub-charts, one of them under two aliases; returns a values file for the command line."""
    above, below, other = ChartMaker(seed), ChartMaker(seed, "s"), ChartMaker(seed, "o")
    below.write(folder / "charts" / "sub", "sub")
    other.write(folder / "charts" / "other", "other")
    off = above.random.choice(("one", "two", "none"))
    above.values |= {
        "one": {"enabled": off != "one", **below.over},
        "two": {"enabled": off != "two"},
        "other": other.over,
    }
    above.values["global"] = {**below.globals, **other.globals}
    above.write(folder, "chart", _DEPENDENCIES)
    over = folder.with_name("over.yaml")
    over.write_text(yaml.safe_dump({**above.over, "global": above.globals}))
    return over


_RENDER: Final = """{{- define "common.render" -}}
{{- $value := typeIs "string" .value | ternary .value (.value | toYaml) }}
{{- if contains "{{" (toJson .value) }}
{{- tpl $value .context }}
{{- else }}
  {{- $value }}
{{- end }}
{{- end -}}"""


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [key for name, below in value.items() for key in (name, *_keys(below))]
    return [key for entry in value for key in _keys(entry)] if isinstance(value, list) else []
