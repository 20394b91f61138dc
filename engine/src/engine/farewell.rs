//! How an engine ends that was told to: kernel programs stop sending first, then what it holds leaves.

use std::io;

use super::Engine;
use netpersona_port::clock::Clock;
use netpersona_port::tap::Port;

/// Longest that it goes on for packets that keep their time.
const DRAIN_NS: u64 = 500_000_000;
/// A kernel program that read the heartbeat just before has handed over its packet by then.
const GRACE_NS: u64 = 5_000_000;
/// How often it looks for packets that came meanwhile.
const STEP_NS: u64 = 1_000_000;

impl<P: Port, C: Clock> Engine<P, C> {
    /// Takes the heartbeat back and gives out what is held: at once where the persona fails open,
    /// since the packets behind go undelayed; at its own time where it fails closed, and what is
    /// due later than `DRAIN_NS` is dropped. `wait` sleeps until a packet comes or the time is there.
    ///
    /// # Errors
    /// What the port or `wait` says.
    pub fn leave(&mut self, mut wait: impl FnMut(u64) -> io::Result<()>) -> io::Result<()> {
        self.leaving = true;
        self.memory.beat(0);
        let start = self.clock.now();
        loop {
            self.hurry();
            let wake = self.turn()?.until;
            let now = self.clock.now();
            let read_all = wake > now && now >= start + GRACE_NS;
            if now >= start + DRAIN_NS || read_all && self.is_settled() {
                break;
            }
            wait(wake.min(now + STEP_NS))?;
        }
        self.give_up();
        Ok(())
    }

    fn hurry(&mut self) {
        let now = self.clock.now();
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes[index].as_deref_mut() else {
                continue;
            };
            if !lane.fails_closed(&self.memory, now) {
                lane.drain(now);
                self.schedule(index, now);
            }
        }
    }

    fn is_settled(&self) -> bool {
        let mut lanes = self.lanes.iter().flatten();
        lanes.all(|lane| lane.is_settled(&self.memory))
    }

    fn give_up(&mut self) {
        let now = self.clock.now();
        self.lanes
            .iter_mut()
            .flatten()
            .for_each(|lane| lane.flush(now));
        self.next_tick = now;
        self.tick(now, true);
    }
}
