"""Dashboard, alerts and operations page know the metrics that there are, and all of them."""

import json
import re
from pathlib import Path

import pytest
import yaml

from trueodds_service.edge.metrics.process import ProcessMetrics
from trueodds_service.edge.metrics.replica import EngineState, ReplicaMetrics
from trueodds_service.edge.metrics.requests import RequestMetrics
from trueodds_service.edge.metrics.state import (
    STATES,
    GatewayState,
    Load,
    StateCollector,
    of_loads,
    of_state,
)
from trueodds_service.edge.quotas.account import OverQuota, Subject, What
from trueodds_service.watching import Answered

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "deploy" / "monitoring" / "alerts.yaml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
BOARD = json.loads((ROOT / "deploy" / "monitoring" / "dashboard.json").read_text())
QUERIES = {
    **{name: rule["expr"] for name, rule in ALERTS.items()},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in BOARD["panels"]
        for target in panel["targets"]
    },
}
# What PromQL has of its own, as far as it is used here.
WORDS = {
    "absent", "and", "by", "count", "histogram_quantile", "increase", "max", "min", "or", "rate",
    "sum",
}  # fmt: skip
TOKENS = re.compile(
    r"""\s*(?:(?P<name>[a-z_]+)|(?P<labels>\{[^}]*\})|(?P<range>\[(?:[0-9]+[smh]|\$__rate_interval)\])"""
    r"""|(?P<number>[0-9.]+)|(?P<operator>==|[()/<>,]))"""
)


def exposed():
    """The names of samples, with their labels, of a gateway and a replica that have done it all."""
    gateway, replica = ProcessMetrics("gateway-1"), ProcessMetrics("replica-1")
    requests = RequestMetrics(gateway.registry, tenants=1)
    requests.ended("m", "OK", "", "t", 0.1)
    requests.answered(Answered("m", calibrated=1, raw=0, failed={"WHY": 1}), "t")
    requests.over_quota(OverQuota(Subject("t"), What.REQUESTS, 1, 1))
    alerted = {("m", "too_high"): 1}
    state = GatewayState(
        {"m": "READY"}, {"m": 1}, {}, alerted, 0.1, is_stale=False, certificate_seconds={"cert": 1}
    )
    gateway.registry.register(StateCollector(lambda: of_state(state)))
    gateway.registry.register(StateCollector(lambda: of_loads({"m": Load()})))
    ReplicaMetrics(replica.registry, "m", lambda: EngineState(*range(7)))
    # The second is Prometheus' own, of each of the addresses that it asks.
    found = {"trueodds_process_up": {"process"}, "up": {"job"}}
    for line in (gateway.own() + replica.own()).decode().splitlines():
        if not line.startswith("#"):
            name, labels = re.fullmatch(r"(\w+)(?:\{(.*)\})? \S+", line).groups()
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    return found


SAMPLES = exposed()
METRICS = {re.sub("_(bucket|sum|count)$", "", name) for name in SAMPLES} - {"up"}


@pytest.mark.parametrize("title", QUERIES)
def test_a_query_is_made_of_metrics_and_labels_that_exist(title):
    query, place, used = QUERIES[title], 0, []
    while place < len(query):
        token = TOKENS.match(query, place)
        assert token, f"no PromQL at {query[place:]!r}"
        place, kind, text = token.end(), token.lastgroup, token[token.lastgroup]
        if kind == "name" and text not in WORDS | LABELS:
            assert text in SAMPLES
            used.append(text)
        elif kind == "labels":
            named = re.findall(r"(\w+)(?:=~|!=|=)", text)
            assert {*named} <= SAMPLES[used[-1]] | {"instance"}
    assert used
    assert query.count("(") == query.count(")")
    for label in re.findall(r"by \(([^)]*)\)", query):
        assert {*label.split(", ")} <= set.union(*(SAMPLES[each] for each in used)) | {"instance"}
    for state in re.findall(r'state[!=]+"(\w+)"', query):
        assert state in STATES


LABELS = {"instance", *set.union(*SAMPLES.values())}


def test_a_counter_is_never_shown_without_its_rate():
    for query in QUERIES.values():
        for name in re.findall(r"\w+(?:_total|_bucket)\b", query):
            assert re.search(rf"(rate|increase)\({name}", query), query


def test_the_page_tells_of_every_metric_and_of_no_other():
    told = {*re.findall(r"`((?:trueodds|process)_[a-z_]+)`", PAGE)}
    assert told == METRICS


def test_the_dashboard_shows_every_metric_of_ours():
    shown = " ".join(target["expr"] for panel in BOARD["panels"] for target in panel["targets"])
    assert [name for name in METRICS if name.startswith("trueodds") and name not in shown] == []


def test_the_page_tells_of_every_alert_and_of_no_other():
    assert {*re.findall(r"^\| `(Trueodds\w+)`", PAGE, re.MULTILINE)} == {*ALERTS}


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_an_alert_has_what_promtool_asks_for(rule):
    assert {*rule} <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch("[0-9]+[smh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in {"critical", "warning"}
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert re.search(rf"by \([^)]*\b{label}\b", rule["expr"]), "else it is empty"


def test_the_dashboard_is_one():
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    variables = {each["name"] for each in BOARD["templating"]["list"]}
    used = {*re.findall(r"\$\{?([a-z]+)\b", json.dumps(panels))}
    assert used <= variables
