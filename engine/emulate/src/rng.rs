//! Seeded random numbers whose values never change between versions.

use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// One decision's own generator, so that e.g. adding loss to a persona leaves
/// its jitter as it was.
#[derive(Debug, Clone)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// Streams of one seed and different `id`s are independent.
    pub fn new(seed: u64, id: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(mix(seed, id)))
    }

    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in the open interval (0, 1).
    pub fn uniform(&mut self) -> f64 {
        unit(self.bits())
    }
}

/// Maps 64 random bits to the open interval (0, 1).
pub fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// Element `index` of the SplitMix64 sequence that starts at `seed`.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
pub fn mix(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_stable() {
        // Reference output of SplitMix64 for seed 1234567.
        assert_eq!(mix(1_234_567, 0), 6_457_827_717_110_365_317);
        assert_eq!(mix(1_234_567, 1), 3_203_168_211_198_807_973);
        let mut stream = Stream::new(1, 0);
        let drawn = [stream.bits(), stream.bits()];
        assert_eq!(
            drawn,
            [8_089_978_747_140_965_633, 5_687_923_198_772_495_674]
        );
    }

    #[test]
    fn unit_stays_inside_the_open_interval() {
        assert!(unit(0) > 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(Stream::new(7, 0).bits(), Stream::new(7, 1).bits());
    }
}
