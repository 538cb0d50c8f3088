"""Messages about charts that cannot be rendered: secret values are hidden, other words stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.helm.reading import read_chart, write_chart


@pytest.mark.parametrize(
    ("values", "template", "expected"),
    [
        (
            "token: token\npassword: grafana\n",
            '{{ fail "Either tokenSecretName or insecureTokenValue must be provided" }}',
            "Either tokenSecretName or insecureTokenValue must be provided",
        ),
        ("password: grafana\n", '{{ fail (printf "not %s!" .Values.password) }}', "not XXXXXX!"),
        ("password: Gr4fana\n", '{{ fail (printf "not a%sb" .Values.password) }}', "not aXXXXXXb"),
        ("password: grafana\n", "{{ fail (.Values.password | b64enc) }}", "XXXXXX"),
    ],
)
def test_messages_hide_secret_values_and_keep_other_words(
    values: str, template: str, expected: str, tmp_path: Path
) -> None:
    write_chart(tmp_path / "chart", {"templates/a.yaml": template, "values.yaml": values})
    _, unread = read_chart(tmp_path / "chart", None)
    (message,) = [part.message for part in unread]
    assert message == f"the chart cannot be rendered: {expected}"


def test_names_of_missing_dependencies_are_shown(tmp_path: Path) -> None:
    dependencies = "".join(
        f"- {{name: {name}, version: 1.0.0, repository: 'https://charts.example.com'}}\n"
        for name in ("jaeger", "grafana")
    )
    metadata = f"apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n{dependencies}"
    write_chart(
        tmp_path / "chart", {"Chart.yaml": metadata, "values.yaml": "password: jaeger\nadmin: {token: grafana}\n"}
    )
    _, unread = read_chart(tmp_path / "chart", None)
    assert any("jaeger, grafana" in part.message for part in unread), unread
