"""The README's picture of a measured run: ``python -m lab.picture`` (needs root).

Left, the delays of single datagrams against the distribution asked for; right, the bandwidth
over time while the persona is switched twice.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lab.dressed import Dressed, dressed
from lab.measure import flow
from lab.traffic import Records, delays_ms, exchange, start

mpl.use("Agg")
from matplotlib import pyplot as plt

TARGET = Path(__file__).parent.parent / "docs" / "measured.svg"
LATENCY_MS, JITTER_MS = 20.0, 4.0
RATES_MBIT = (20, 60, 10)
SIZE, OVERHEAD = 1200, 42
STEP_S = 2.0


def measured_delays(host: Dressed) -> NDArray[np.float64]:
    conditions = {"latency": f"{LATENCY_MS}ms", "jitter": f"{JITTER_MS}ms", "distribution": "normal"}
    host.wear({"seed": 1, "egress": conditions})
    return delays_ms(exchange([flow(host.subject, host.peer, count=4_000, interval_s=0.002)])[0])


def rate_trace(host: Dressed) -> tuple[Records, list[float]]:
    """Datagrams offered at 100 Mbit/s, and when the persona was switched (seconds)."""
    slots = [host.install({"egress": {"bandwidth": f"{rate}mbit"}}) for rate in RATES_MBIT]
    attachment = host.attachments[host.subject.host_interface]
    host.datapath.switch(attachment, slots[0])
    interval_s = 10 * (SIZE + OVERHEAD) * 8 / 100e6
    count = int(len(RATES_MBIT) * STEP_S / interval_s) * 10
    load = start([flow(host.subject, host.peer, count=count, interval_s=interval_s, burst=10, size=SIZE)])
    switched = [time.time()]
    for slot in slots[1:]:
        time.sleep(STEP_S)
        host.datapath.switch(attachment, slot)
        switched.append(time.time())
    return load.collect()[0], switched


def draw(delays: NDArray[np.float64], records: Records, switched: list[float]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    grid = np.linspace(LATENCY_MS - 4 * JITTER_MS, LATENCY_MS + 4 * JITTER_MS, 200)
    left.hist(delays, bins=60, density=True, color="#9ecae1", label=f"measured, {len(delays)} datagrams")
    left.plot(
        grid, stats.norm(LATENCY_MS, JITTER_MS).pdf(grid), color="#08519c", label="asked: normal, 20 ± 4 ms"
    )
    left.set(xlabel="one-way delay, ms", ylabel="density", title="Delay, order kept, 500 packets a second")
    left.legend(frameon=False, fontsize="small")
    arrived_s = records["received_ns"].astype(np.int64) / 1e9 - switched[0]
    bin_s = 0.05
    counts, edges = np.histogram(arrived_s, bins=np.arange(0, len(RATES_MBIT) * STEP_S, bin_s))
    right.plot(
        edges[:-1],
        counts * (SIZE + OVERHEAD) * 8 / bin_s / 1e6,
        color="#08519c",
        label="measured, 50 ms bins",
    )
    asked_at = [*(moment - switched[0] for moment in switched), len(RATES_MBIT) * STEP_S]
    right.stairs(RATES_MBIT, asked_at, color="#e6550d", baseline=None, label="asked")
    right.set(
        xlabel="seconds", ylabel="Mbit/s", title="Bandwidth while the persona is switched", ylim=(0, 80)
    )
    right.legend(frameon=False, fontsize="small")
    TARGET.parent.mkdir(exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "netpersona"
    figure.savefig(TARGET, metadata={"Date": None})


def main() -> int:
    with dressed() as host:
        delays = measured_delays(host)
        records, switched = rate_trace(host)
    draw(delays, records, switched)
    print(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
