"""docs/serving.md says what is so."""

import configparser
import re
from pathlib import Path

import yaml
from running import Running

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_deployment_asks_for_addresses_and_metrics_that_exist(server: Running) -> None:
    deployment, service, scaler = yaml.safe_load_all(block("yaml"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server.ask("GET", container[probe]["httpGet"]["path"]).status == 200
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    (metric,) = scaler["spec"]["metrics"]
    told = server.ask("GET", "/metrics").body.decode()
    assert f"\n{metric['pods']['metric']['name']} " in told


def test_every_metric_and_address_that_is_named_exists(server: Running) -> None:
    told = server.ask("GET", "/metrics").body.decode()
    for name in re.findall(r"^\| `(inception_\w+)", PAGE, re.MULTILINE):
        assert name.removesuffix("_total") in told
    described = server.ask("GET", "/openapi.json").json["paths"]
    assert [path for path in described if f"`{path}" not in PAGE and f" {path}`" not in PAGE] == []


def test_the_unit_starts_the_server() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block("ini"))
    assert unit["Service"]["ExecStart"].split()[:2] == ["/opt/inception/bin/inception", "serve"]
