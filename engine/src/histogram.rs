//! How late packets left, in buckets of powers of two.

use netpersona_layout::LATENESS_BUCKETS;

/// Bucket `i` counts lateness below 2^i ns and not below 2^(i-1); bucket 0
/// counts what was not late, the last one everything longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; LATENESS_BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [0; LATENESS_BUCKETS],
        }
    }
}

impl Histogram {
    pub fn record(&mut self, lateness_ns: u64) {
        let bits = (u64::BITS - lateness_ns.leading_zeros()) as usize;
        self.buckets[bits.min(LATENESS_BUCKETS - 1)] += 1;
    }

    pub fn buckets(&self) -> &[u64; LATENESS_BUCKETS] {
        &self.buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket_of(lateness_ns: u64) -> usize {
        let mut histogram = Histogram::default();
        histogram.record(lateness_ns);
        histogram
            .buckets()
            .iter()
            .position(|count| *count == 1)
            .unwrap()
    }

    #[test]
    fn bounds_are_powers_of_two() {
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(1), 1);
        assert_eq!(bucket_of(1023), 10);
        assert_eq!(bucket_of(1024), 11);
    }

    #[test]
    fn the_last_bucket_takes_the_rest() {
        assert_eq!(bucket_of(u64::MAX), LATENESS_BUCKETS - 1);
    }
}
