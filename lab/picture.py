"""The README's picture of a measured run: ``python -m lab.picture`` (needs root).

Left, the delays of single datagrams against the distribution asked for; right, the bandwidth
over time while the persona is switched twice.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from scipy import stats

from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow
from lab.traffic import Records, delays_ms, exchange, reordered, start

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

TARGET = Path(__file__).parent.parent / "docs" / "measured.svg"
LATENCY_MS, JITTER_MS = 20.0, 4.0
RATES_MBIT = (20, 60, 10)
SIZE, OVERHEAD = 1200, 42
STEP_S = 2.0
BIN_S = 0.05
OFFERED_MBIT = 100.0
MEASURED, ASKED = "#9ecae1", "#d94801"
STYLE: dict[RcKeyType, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e5e5",
    "legend.frameon": False,
}


def measured_delays(host: AttachedHost) -> Records:
    conditions = {"latency": f"{LATENCY_MS}ms", "jitter": f"{JITTER_MS}ms", "distribution": "normal"}
    host.put_on({"seed": 1, "egress": conditions})
    return exchange([flow(host.subject, host.peer, count=4_000, interval_s=0.002)])[0]


def rate_trace(host: AttachedHost) -> tuple[Records, list[float]]:
    """Datagrams offered at OFFERED_MBIT, and when the persona was switched (seconds)."""
    slots = [host.install({"egress": {"bandwidth": f"{rate}mbit"}}) for rate in RATES_MBIT]
    attachment = host.attachments[host.subject.host_interface]
    host.datapath.switch(attachment, slots[0])
    interval_s = 10 * (SIZE + OVERHEAD) * 8 / (OFFERED_MBIT * 1e6)
    count = int(len(RATES_MBIT) * STEP_S / interval_s) * 10
    load = start([flow(host.subject, host.peer, count=count, interval_s=interval_s, burst=10, size=SIZE)])
    switched = [time.time()]
    for slot in slots[1:]:
        time.sleep(STEP_S)
        host.datapath.switch(attachment, slot)
        switched.append(time.time())
    return load.collect()[0], switched


def draw(delayed: Records, shaped: Records, switched: list[float]) -> Figure:
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
        _draw_delays(left, delayed)
        _draw_rates(right, shaped, switched)
    return figure


def _draw_delays(axes: Axes, records: Records) -> None:
    delays = delays_ms(records)
    edges = np.linspace(LATENCY_MS - 4 * JITTER_MS, LATENCY_MS + 4 * JITTER_MS, 65)
    inside = delays[(delays >= edges[0]) & (delays <= edges[-1])]
    share = np.full(len(inside), 100 / len(delays))
    asked = 100 * np.diff(stats.norm(LATENCY_MS, JITTER_MS).cdf(edges))
    axes.hist(
        inside,
        edges.tolist(),
        weights=share,
        color=MEASURED,
        label=f"measured: {delays.mean():.2f} ± {delays.std():.2f} ms",
    )
    axes.plot(
        (edges[:-1] + edges[1:]) / 2,
        asked,
        color=ASKED,
        label=f"asked: normal, {LATENCY_MS:g} ± {JITTER_MS:g} ms",
    )
    axes.set_title(
        f"One-way delay of {len(delays):,} datagrams, {reordered(records)} out of order", loc="left"
    )
    axes.set(xlabel="delay, ms", ylabel=f"% of datagrams per {edges[1] - edges[0]:g} ms", xlim=edges[[0, -1]])
    axes.margins(y=0.2)
    axes.legend(loc="upper left")


def _draw_rates(axes: Axes, records: Records, switched: list[float]) -> None:
    arrived_s = records["received_ns"].astype(np.int64) / 1e9 - switched[0]
    end_s = len(RATES_MBIT) * STEP_S
    counts, edges = np.histogram(arrived_s, bins=np.arange(0, end_s + BIN_S / 2, BIN_S))
    axes.stairs(
        counts * (SIZE + OVERHEAD) * 8 / BIN_S / 1e6, edges, fill=True, color=MEASURED, label="measured"
    )
    moments = [*(moment - switched[0] for moment in switched), end_s]
    axes.stairs(RATES_MBIT, moments, color=ASKED, baseline=None, linewidth=1.8, label="asked")
    for rate, start_s in zip(RATES_MBIT, moments, strict=False):
        axes.annotate(f"{rate} Mbit/s", (start_s, rate), (4, 4), textcoords="offset points", color=ASKED)
    axes.set_title(f"Bandwidth under a load of {OFFERED_MBIT:g} Mbit/s, persona switched twice", loc="left")
    axes.set(
        xlabel="seconds", ylabel=f"Mbit/s, in bins of {BIN_S * 1000:g} ms", xlim=(0, end_s), ylim=(0, 75)
    )
    axes.legend(loc="upper right")


def save(figure: Figure) -> None:
    TARGET.parent.mkdir(exist_ok=True)
    with plt.rc_context({"svg.hashsalt": "netpersona"}):
        figure.savefig(TARGET, metadata={"Date": None})


def main() -> int:
    with attached_host() as host:
        delayed = measured_delays(host)
        shaped, switched = rate_trace(host)
    save(draw(delayed, shaped, switched))
    print(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
