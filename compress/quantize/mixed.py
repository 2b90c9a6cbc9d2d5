"""Some operators of a network in int8, each in its form: what every scheme here is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from compress.errors import InputError
from compress.quantize.chain import chain_tensors, chained, is_transformer, round_chain
from compress.quantize.feeds import Batch
from compress.quantize.graph import Rewriter
from compress.quantize.linear import Form, Smoothed, round_products
from compress.quantize.products import Product, products
from compress.quantize.ranges import Method, Range, observe_ranges
from compress.quantize.residuals import unjoin_sums
from compress.quantize.scheme import Int8Scheme
from compress.quantize.smooth import smooth
from compress.quantize.tables import round_tables
from exporters.values import TensorSpec

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is rounded, and how.

    chain: names of nodes that hand integers on to each other. products: node of a matrix product
    -> its form. tables: embeddings too.
    """

    chain: tuple[str, ...] = ()
    products: Mapping[str, Form] = field(default_factory=dict)
    tables: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A float network and what was observed of it; enough to apply any plan."""

    model: ModelProto
    ranges: Mapping[str, Range]
    smoothed: Mapping[str, Smoothed]  # by source of a product
    scheme: Int8Scheme
    in_two: Mapping[str, Smoothed] = field(default_factory=dict)  # smoothed for two steps
    clipped: Mapping[str, Smoothed] = field(default_factory=dict)  # for one fixed range, narrowed

    @property
    def products(self) -> tuple[Product, ...]:
        """Those that are rounded one by one; none where the chain takes them."""
        return rounded_alone(self.model)


def rounded_alone(model: ModelProto) -> tuple[Product, ...]:
    return products(model) if is_transformer(model) else ()


def calibrate(
    model: ModelProto,
    batches: Iterable[Batch],
    *,
    inputs: tuple[TensorSpec, ...],
    scheme: Int8Scheme,
    scratch: Path,
    method: Method = "minmax",
    on_batch: Callable[[int], None] = lambda samples: None,
) -> Calibrated:
    """Observe all that a static plan may need. Raises as observe_ranges does."""
    found = rounded_alone(model)
    if found and iter(batches) is batches:
        what = "a transformer is calibrated in two readings, and an iterator gives samples once"
        raise InputError(what, cure="give a list, or an object that can be iterated again")
    sources = sorted({product.source for product in found})
    ranges, spread = observe_ranges(
        model,
        batches,
        inputs=inputs,
        tensors=chain_tensors(model, chained(model)),
        channels=sources,
        scratch=scratch,
        method=method,
        on_batch=on_batch,
    )
    smoothed, in_two, clipped = smooth(
        model, found, spread, batches, inputs=inputs, scheme=scheme, scratch=scratch, method=method
    )
    return Calibrated(
        model=model, ranges=ranges, smoothed=smoothed, in_two=in_two, clipped=clipped, scheme=scheme
    )


def applied(found: Calibrated, plan: Plan) -> ModelProto:
    """A new model with the plan carried out."""
    model = type(found.model)()
    model.CopyFrom(found.model)
    round_chain(model, plan.chain, found.ranges, scheme=found.scheme)
    rewriter = Rewriter(model)
    by_form: dict[Form, tuple[Product, ...]] = {}
    for product in products(model):
        form = plan.products.get(product.node)
        if form is not None:
            by_form[form] = (*by_form.get(form, ()), product)
    # Ranges that come with the data are never clipped, and 16 bits need no narrower one.
    chosen = {"static": {**found.smoothed, **found.clipped}, "twice": found.in_two}
    for form, wanted in by_form.items():
        smoothed = chosen.get(form, found.smoothed)
        round_products(rewriter, {form: wanted}, smoothed, scheme=found.scheme)
    if plan.tables:
        round_tables(rewriter)
    rewriter.finish()
    unjoin_sums(model)
    return model


def everything(model: ModelProto, *, form: Form = "static", but: Collection[str] = ()) -> Plan:
    """All that has an int8 form, in it. but: names of nodes that stay in float."""
    return Plan(
        chain=tuple(name for name in chained(model) if name not in but),
        products={p.node: form for p in rounded_alone(model) if p.node not in but},
    )
