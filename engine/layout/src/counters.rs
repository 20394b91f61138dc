//! What all CPUs counted of one direction of one attachment, as one record.

use bytemuck::Zeroable;

use crate::bindings::is_newer;
use crate::{Counters, Tally};

/// The sum over CPUs; the proof of application is that of the newest generation any of them saw.
#[must_use]
pub fn sum(cpus: impl IntoIterator<Item = Counters>) -> Counters {
    cpus.into_iter().fold(Counters::zeroed(), |mut total, cpu| {
        add(&mut total, &cpu);
        total
    })
}

fn add(total: &mut Counters, cpu: &Counters) {
    tally(&mut total.passed, &cpu.passed);
    tally(&mut total.dropped_rule, &cpu.dropped_rule);
    tally(&mut total.dropped_default, &cpu.dropped_default);
    tally(&mut total.dropped_profile, &cpu.dropped_profile);
    tally(&mut total.dropped_fragment, &cpu.dropped_fragment);
    tally(&mut total.dropped_engine, &cpu.dropped_engine);
    tally(&mut total.too_big, &cpu.too_big);
    tally(&mut total.detoured, &cpu.detoured);
    tally(&mut total.bypassed, &cpu.bypassed);
    tally(&mut total.malformed, &cpu.malformed);
    total.flows_created += cpu.flows_created;
    total.flows_closed += cpu.flows_closed;
    total.flows_refused += cpu.flows_refused;
    total.expired += cpu.expired;
    add_proof(total, cpu);
}

fn tally(total: &mut Tally, cpu: &Tally) {
    total.packets += cpu.packets;
    total.bytes += cpu.bytes;
}

/// A CPU that decided no packet has nothing to say; generations wrap.
fn add_proof(total: &mut Counters, cpu: &Counters) {
    if cpu.generation_packets == 0 {
        return;
    }
    if total.generation_packets > 0 && total.generation == cpu.generation {
        total.generation_packets += cpu.generation_packets;
    } else if total.generation_packets == 0
        || is_newer(cpu.generation as u32, total.generation as u32)
    {
        total.generation = cpu.generation;
        total.generation_packets = cpu.generation_packets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(generation: u32, packets: u64) -> Counters {
        Counters {
            passed: Tally { packets, bytes: 64 },
            generation: generation.into(),
            generation_packets: packets,
            ..Counters::zeroed()
        }
    }

    fn proof(cpus: &[Counters]) -> (u64, u64) {
        let total = sum(cpus.iter().copied());
        (total.generation, total.generation_packets)
    }

    #[test]
    fn tallies_add_up() {
        let total = sum([cpu(2, 3), cpu(4, 5)]);
        assert_eq!((total.passed.packets, total.passed.bytes), (8, 128));
    }

    #[test]
    fn the_newest_generation_is_proved_by_all_that_saw_it() {
        assert_eq!(proof(&[cpu(4, 1), cpu(2, 9), cpu(4, 2)]), (4, 3));
    }

    #[test]
    fn a_generation_behind_the_wrap_is_newer() {
        let last = u32::MAX - 1;
        assert_eq!(proof(&[cpu(last, 9), cpu(0, 1)]), (0, 1));
        assert_eq!(proof(&[cpu(0, 1), cpu(last, 9)]), (0, 1));
    }

    #[test]
    fn a_cpu_that_saw_nothing_is_not_heard() {
        let last = u32::MAX - 1;
        assert_eq!(proof(&[cpu(0, 0), cpu(last, 9)]), (last.into(), 9));
        assert_eq!(proof(&[cpu(last, 9), cpu(0, 0)]), (last.into(), 9));
    }
}
