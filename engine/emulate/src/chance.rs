//! An event of a given probability that may come in clusters.

use crate::rng::Stream;

/// Probability and lag-1 correlation, both in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chance {
    pub probability: f64,
    pub correlation: f64,
}

impl Chance {
    pub const NEVER: Self = Self {
        probability: 0.0,
        correlation: 0.0,
    };

    pub fn is_never(&self) -> bool {
        self.probability == 0.0
    }

    /// P(event | `previous`) of the two-state chain whose stationary
    /// probability and lag-1 correlation are exactly the ones asked for.
    fn given(&self, previous: bool) -> f64 {
        let Self {
            probability: p,
            correlation: rho,
        } = *self;
        if previous {
            p + rho * (1.0 - p)
        } else {
            p * (1.0 - rho)
        }
    }
}

/// The chain's state. The first draw comes from the stationary distribution.
#[derive(Debug, Clone, Default)]
pub struct ChanceChain {
    previous: Option<bool>,
}

impl ChanceChain {
    /// Draws the next event; takes no random number when it can never happen.
    pub fn next(&mut self, chance: &Chance, stream: &mut Stream) -> bool {
        if chance.is_never() {
            return false;
        }
        let probability = match self.previous {
            Some(previous) => chance.given(previous),
            None => chance.probability,
        };
        let event = stream.uniform() < probability;
        self.previous = Some(event);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_and_always() {
        let mut stream = Stream::new(1, 1);
        let always = Chance {
            probability: 1.0,
            correlation: 0.3,
        };
        let mut chain = ChanceChain::default();
        assert!((0..1000).all(|_| chain.next(&always, &mut stream)));
        let mut chain = ChanceChain::default();
        assert!(!(0..1000).any(|_| chain.next(&Chance::NEVER, &mut stream)));
    }

    #[test]
    fn full_correlation_repeats_the_first_draw() {
        let chance = Chance {
            probability: 0.5,
            correlation: 1.0,
        };
        for seed in 0..20 {
            let mut stream = Stream::new(seed, 1);
            let mut chain = ChanceChain::default();
            let first = chain.next(&chance, &mut stream);
            assert!((0..100).all(|_| chain.next(&chance, &mut stream) == first));
        }
    }

    #[test]
    fn chain_is_stationary_at_the_probability() {
        let Chance { probability: p, .. } = CHANCE;
        let next = p * CHANCE.given(true) + (1.0 - p) * CHANCE.given(false);
        assert!((next - p).abs() < 1e-15);
        // Lag-1 correlation of a two-state chain: P(1|1) - P(1|0).
        assert!((CHANCE.given(true) - CHANCE.given(false) - CHANCE.correlation).abs() < 1e-15);
    }

    const CHANCE: Chance = Chance {
        probability: 0.03,
        correlation: 0.25,
    };
}
