"""What it costs to quantize operators, as the page and the summary say it."""

from __future__ import annotations

import dataclasses

from sample import sample_report

from compress.report.html import render_html
from compress.report.markdown import render_markdown
from compress.values import NodeCost


def test_costs_of_classes_stand_below_the_ledger() -> None:
    text, page = render_markdown(sample_report()), render_html([sample_report()])
    assert text.index("## Where accuracy went") < text.index("Most costly to quantize, each alone")
    assert "Conv `/stem/conv/Conv` 0.013 nats" in text
    assert "KL (nats)" in page
    assert "on 512 validation samples; what calibrates is in neither validation nor test" in page


def test_costs_of_embeddings_need_no_ledger() -> None:
    cost = NodeCost(
        node="encoder.layer.0", operator="block", loss=0.00123, changed=0.25, samples=100,
        operators=6, outputs="embeddings",
    )  # fmt: skip
    report = dataclasses.replace(sample_report(), ledger=(), added=(), node_costs=(cost,))
    text, page = render_markdown(report), render_html([report])
    for told in (text, page):
        assert "Where accuracy went" not in told
        assert "What quantization costs" in told
    assert "each block alone: block `encoder.layer.0` 0.0012 of cosine." in text
    assert "Cosine lost" in page
    assert "KL (nats)" not in page
