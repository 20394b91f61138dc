//! Models of which segments a link loses.

use crate::chance::{Chance, ChanceChain};
use crate::rng::Stream;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LossModel {
    None,
    /// Each segment with one probability, lag-1 correlated.
    Bernoulli(Chance),
    GilbertElliott(GilbertElliott),
    FourState(FourState),
}

/// Two states, good and bad, each with its own probability of loss.
/// Sources: Gilbert, BSTJ 39, 1960; Elliott, BSTJ 42, 1963.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GilbertElliott {
    /// P(good → bad)
    pub p: f64,
    /// P(bad → good)
    pub r: f64,
    pub loss_good: f64,
    pub loss_bad: f64,
}

impl GilbertElliott {
    fn stationary_bad(&self) -> f64 {
        if self.p == 0.0 {
            0.0
        } else {
            self.p / (self.p + self.r)
        }
    }
}

/// State 1 delivers inside a gap, 2 delivers inside a burst, 3 loses inside a
/// burst, 4 loses alone inside a gap (and always returns to 1). A segment is
/// lost when the state entered on its arrival is 3 or 4.
/// Source: Salsano, Ludovici, Ordine, Giannuzzi, "Definition of a general and
/// intuitive loss model for packet networks and its implementation in the Netem
/// module in the Linux kernel", 2012.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FourState {
    pub p13: f64,
    pub p31: f64,
    pub p32: f64,
    pub p23: f64,
    pub p14: f64,
}

impl FourState {
    /// Weights of the states 1 to 4; all zero when there is no unique answer.
    fn stationary_weights(&self) -> [f64; 4] {
        [
            self.p31 * self.p23,
            self.p13 * self.p32,
            self.p13 * self.p23,
            self.p14 * self.p31 * self.p23,
        ]
    }

    fn step(&self, state: u8, u: f64) -> u8 {
        let choose = |a: f64, to_a: u8, b: f64, to_b: u8| match u {
            u if u < a => to_a,
            u if u < a + b => to_b,
            _ => state,
        };
        match state {
            1 => choose(self.p13, 3, self.p14, 4),
            2 => choose(self.p23, 3, 0.0, 3),
            3 => choose(self.p31, 1, self.p32, 2),
            _ => 1,
        }
    }
}

/// State of a loss model, started from its stationary distribution.
#[derive(Debug, Clone)]
pub enum LossState {
    Bernoulli(ChanceChain),
    GilbertElliott { bad: bool },
    FourState { state: u8 },
}

impl LossState {
    pub fn new(model: &LossModel, stream: &mut Stream) -> Self {
        match model {
            LossModel::None | LossModel::Bernoulli(_) => Self::Bernoulli(ChanceChain::default()),
            LossModel::GilbertElliott(ge) => Self::GilbertElliott {
                bad: stream.uniform() < ge.stationary_bad(),
            },
            LossModel::FourState(chain) => Self::FourState {
                state: pick(chain.stationary_weights(), stream.uniform()),
            },
        }
    }

    /// Whether the next segment is lost. `model` must be the one given to `new`.
    pub fn next(&mut self, model: &LossModel, stream: &mut Stream) -> bool {
        match (self, model) {
            (Self::Bernoulli(chain), LossModel::Bernoulli(chance)) => chain.next(chance, stream),
            (Self::GilbertElliott { bad }, LossModel::GilbertElliott(ge)) => {
                let (loss, change) = if *bad {
                    (ge.loss_bad, ge.r)
                } else {
                    (ge.loss_good, ge.p)
                };
                let lost = stream.uniform() < loss;
                *bad ^= stream.uniform() < change;
                lost
            }
            (Self::FourState { state }, LossModel::FourState(chain)) => {
                *state = chain.step(*state, stream.uniform());
                *state >= 3
            }
            _ => false,
        }
    }
}

/// The state (from 1) chosen by `u` in (0, 1) among weights; 1 when all are zero.
fn pick(weights: [f64; 4], u: f64) -> u8 {
    let mut rest = u * weights.iter().sum::<f64>();
    for (state, weight) in (1u8..).zip(weights) {
        if rest < weight {
            return state;
        }
        rest -= weight;
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stationary_weights_are_a_fixed_point() {
        let chain = FourState {
            p13: 0.02,
            p31: 0.3,
            p32: 0.4,
            p23: 0.6,
            p14: 0.01,
        };
        let [w1, w2, w3, w4] = chain.stationary_weights();
        let balance1 = w1 * (1.0 - chain.p13 - chain.p14) + w3 * chain.p31 + w4;
        let balance3 = w1 * chain.p13 + w2 * chain.p23 + w3 * (1.0 - chain.p31 - chain.p32);
        assert!((balance1 - w1).abs() < 1e-12);
        assert!((balance3 - w3).abs() < 1e-12);
    }

    #[test]
    fn isolated_losses_are_isolated() {
        let model = LossModel::FourState(FourState {
            p13: 0.0,
            p31: 1.0,
            p32: 0.0,
            p23: 1.0,
            p14: 0.5,
        });
        let mut stream = Stream::new(3, 0);
        let mut state = LossState::new(&model, &mut stream);
        let losses: Vec<bool> = (0..1000).map(|_| state.next(&model, &mut stream)).collect();
        assert!(losses.iter().any(|lost| *lost));
        assert!(!losses.windows(2).any(|pair| pair[0] && pair[1]));
    }

    #[test]
    fn gilbert_elliott_that_never_leaves_its_state() {
        let ge = GilbertElliott {
            p: 0.0,
            r: 0.0,
            loss_good: 0.0,
            loss_bad: 1.0,
        };
        let model = LossModel::GilbertElliott(ge);
        let mut stream = Stream::new(3, 0);
        let mut state = LossState::new(&model, &mut stream);
        assert!(!(0..1000).any(|_| state.next(&model, &mut stream)));
    }

    #[test]
    fn weights_pick_their_state() {
        assert_eq!(pick([0.0, 1.0, 0.0, 0.0], 0.5), 2);
        assert_eq!(pick([1.0, 0.0, 0.0, 1.0], 0.75), 4);
        assert_eq!(pick([0.0; 4], 0.5), 1);
    }
}
