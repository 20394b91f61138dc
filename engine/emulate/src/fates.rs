//! Decisions about the segments of each packet, drawn on arrival in arrival order.

use std::rc::Rc;

use crate::chance::ChanceChain;
use crate::delay::Independent;
use crate::loss::{LossModel, LossState};
use crate::rng::Stream;
use crate::settings::LinkSettings;

/// How a segment's time on the delay line is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// By the delay process when it enters the delay line; the packet's random bits.
    InOrder(u64),
    /// This long, ns, whatever is in front.
    Free(u64),
    /// Not at all: reordered past the delay line.
    Past,
}

/// Successive segments of a packet with one fate, or the copy of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub first: u32,
    pub count: u32,
    /// Takes its share of the rate and is lost behind the bottleneck.
    pub lost: bool,
    /// Random bits for the corruption.
    pub corrupt: Option<u64>,
    pub copy: bool,
    pub wait: Wait,
}

impl Piece {
    fn extends(&self, run: &Piece) -> bool {
        let whole = |piece: &Piece| piece.corrupt.is_none() && !piece.copy;
        whole(self) && whole(run) && self.lost == run.lost && self.wait == run.wait
    }
}

/// The decisions of one persona on one direction of one attachment.
///
/// Loss, duplication, corruption and reordering are independent. Both lost and
/// duplicated: the segment is lost, its copy is not. The copy is taken before
/// corruption, follows its original and has no fate of its own.
#[derive(Debug)]
pub struct Fates {
    pub generation: u32,
    pub link: Rc<LinkSettings>,
    pub seed: u64,
    plain: bool,
    loss: LossState,
    duplicate: ChanceChain,
    corrupt: ChanceChain,
    reorder: ChanceChain,
    delay: Independent,
    streams: Streams,
}

#[derive(Debug)]
struct Streams {
    loss: Stream,
    duplicate: Stream,
    corrupt: Stream,
    reorder: Stream,
    delay: Stream,
}

impl Streams {
    /// Directions of one seed are independent.
    fn new(seed: u64, direction: usize) -> Self {
        let stream = |decision: u64| Stream::new(seed, decision << 1 | direction as u64 & 1);
        Self {
            loss: stream(0),
            duplicate: stream(1),
            corrupt: stream(2),
            reorder: stream(3),
            delay: stream(4),
        }
    }
}

impl Fates {
    pub fn new(generation: u32, link: &Rc<LinkSettings>, seed: u64) -> Self {
        let mut streams = Streams::new(seed, link.direction);
        Self {
            generation,
            link: Rc::clone(link),
            seed,
            plain: is_plain(link),
            loss: LossState::new(&link.loss, &mut streams.loss),
            duplicate: ChanceChain::default(),
            corrupt: ChanceChain::default(),
            reorder: ChanceChain::default(),
            delay: Independent::default(),
            streams,
        }
    }

    /// Appends the fates of a packet's segments to `pieces`, in order.
    pub fn decide(&mut self, segments: u32, pieces: &mut Vec<Piece>) {
        let draw = self.draw();
        if self.plain {
            let wait = self.wait(draw);
            let whole = Piece {
                first: 0,
                count: segments,
                lost: false,
                corrupt: None,
                copy: false,
                wait,
            };
            return pieces.push(whole);
        }
        for segment in 0..segments {
            self.judge_segment(segment, draw, pieces);
        }
    }

    fn judge_segment(&mut self, segment: u32, draw: u64, pieces: &mut Vec<Piece>) {
        let link = Rc::clone(&self.link);
        let lost = self.loss.next(&link.loss, &mut self.streams.loss);
        let corrupt = self.corrupt.next(&link.corrupt, &mut self.streams.corrupt);
        let corrupt = corrupt
            .then(|| self.streams.corrupt.bits())
            .filter(|_| !lost);
        let past = self.reorder.next(&link.reorder, &mut self.streams.reorder);
        let wait = self.wait(draw);
        let piece = Piece {
            first: segment,
            count: 1,
            lost,
            corrupt,
            copy: false,
            wait: if past { Wait::Past } else { wait },
        };
        append(piece, pieces);
        if self
            .duplicate
            .next(&link.duplicate, &mut self.streams.duplicate)
        {
            let wait = self.wait(!draw);
            pieces.push(Piece {
                lost: false,
                corrupt: None,
                copy: true,
                wait,
                ..piece
            });
        }
    }

    /// One draw for all segments that enter the delay line in order.
    fn draw(&mut self) -> u64 {
        if self.link.order_free || self.link.delay.is_constant() {
            0
        } else {
            self.streams.delay.bits()
        }
    }

    fn wait(&mut self, draw: u64) -> Wait {
        if self.link.order_free {
            Wait::Free(self.delay.next(&self.link.delay, &mut self.streams.delay))
        } else {
            Wait::InOrder(draw)
        }
    }
}

fn is_plain(link: &LinkSettings) -> bool {
    let never = link.duplicate.is_never() && link.corrupt.is_never() && link.reorder.is_never();
    never && link.loss == LossModel::None && (!link.order_free || link.delay.is_constant())
}

fn append(piece: Piece, pieces: &mut Vec<Piece>) {
    match pieces.last_mut() {
        Some(run) if piece.extends(run) => run.count += 1,
        _ => pieces.push(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    fn always() -> Chance {
        Chance {
            probability: 1.0,
            correlation: 0.0,
        }
    }

    fn pieces(link: LinkSettings, segments: u32) -> Vec<Piece> {
        let mut pieces = Vec::new();
        Fates::new(2, &Rc::new(link), 1).decide(segments, &mut pieces);
        pieces
    }

    #[test]
    fn an_untouched_packet_stays_whole() {
        let link = LinkSettings {
            loss: LossModel::Bernoulli(Chance {
                probability: 1e-12,
                correlation: 0.0,
            }),
            ..LinkSettings::pass()
        };
        let pieces = pieces(link, 45);
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].first, pieces[0].count), (0, 45));
    }

    #[test]
    fn a_lost_segment_does_not_take_its_copy_along() {
        let link = LinkSettings {
            loss: LossModel::Bernoulli(always()),
            duplicate: always(),
            ..LinkSettings::pass()
        };
        let pieces = pieces(link, 3);
        let fates: Vec<_> = pieces.iter().map(|p| (p.first, p.lost, p.copy)).collect();
        let expected: Vec<_> = (0..3)
            .flat_map(|i| [(i, true, false), (i, false, true)])
            .collect();
        assert_eq!(fates, expected);
    }

    #[test]
    fn lost_runs_stay_together_and_corrupted_segments_stand_alone() {
        let loss = LinkSettings {
            loss: LossModel::Bernoulli(always()),
            ..LinkSettings::pass()
        };
        assert_eq!(pieces(loss, 45).len(), 1);
        let corrupt = LinkSettings {
            corrupt: always(),
            ..LinkSettings::pass()
        };
        assert_eq!(pieces(corrupt, 45).len(), 45);
    }

    #[test]
    fn one_decision_does_not_disturb_another() {
        let half = Chance {
            probability: 0.5,
            correlation: 0.0,
        };
        let lossy = LinkSettings {
            loss: LossModel::Bernoulli(half),
            ..LinkSettings::pass()
        };
        let both = LinkSettings {
            corrupt: half,
            duplicate: half,
            ..lossy.clone()
        };
        let lost = |link| -> Vec<bool> {
            let runs = pieces(link, 200).into_iter().filter(|piece| !piece.copy);
            runs.flat_map(|run| vec![run.lost; run.count as usize])
                .collect()
        };
        assert_eq!(lost(lossy), lost(both));
    }

    #[test]
    fn directions_draw_differently() {
        let half = Chance {
            probability: 0.5,
            correlation: 0.0,
        };
        let egress = LinkSettings {
            loss: LossModel::Bernoulli(half),
            ..LinkSettings::pass()
        };
        let ingress = LinkSettings {
            direction: 1,
            ..egress.clone()
        };
        assert_ne!(pieces(egress, 200), pieces(ingress, 200));
    }

    #[test]
    fn decisions_are_independent_of_each_other() {
        let half = Chance {
            probability: 0.5,
            correlation: 0.0,
        };
        let loss = LossModel::Bernoulli(half);
        let link = LinkSettings {
            loss,
            reorder: half,
            duplicate: half,
            ..LinkSettings::pass()
        };
        let mut fates = Fates::new(2, &Rc::new(link), 1);
        let mut seen = [0; 8];
        for _ in 0..8000 {
            let mut pieces = Vec::new();
            fates.decide(1, &mut pieces);
            let [lost, past] = [pieces[0].lost, pieces[0].wait == Wait::Past];
            let copied = pieces.len() == 2;
            seen[[lost, past, copied]
                .iter()
                .fold(0, |index, bit| index * 2 + usize::from(*bit))] += 1;
        }
        // 1000 expected of each, standard deviation 30.
        assert!(
            seen.iter().all(|count| (900..1100).contains(count)),
            "{seen:?}"
        );
    }
}
