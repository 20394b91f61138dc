//! Histograms of microseconds, as `NP_TIME_BUCKETS` of `bpf/layout.h` lays them out.

use crate::TIME_BUCKETS;

/// The bucket that counts `us`.
#[must_use]
pub fn bucket(us: u64) -> usize {
    let us = us.min((1 << 26) - 1);
    let e = (us | 31).ilog2() - 4; // 0 below 32
    e as usize * 16 + (us >> e) as usize
}

/// The least that a bucket counts, and the least that it does not count any more.
///
/// # Panics
/// If there is no such bucket.
#[must_use]
pub fn bounds(bucket: usize) -> (u64, u64) {
    assert!(bucket < TIME_BUCKETS, "bucket {bucket} of {TIME_BUCKETS}");
    let (e, place) = match bucket {
        0..32 => (0, bucket),
        _ => (bucket / 16 - 1, 16 + bucket % 16),
    };
    ((place as u64) << e, (place as u64 + 1) << e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        let mut end = 0;
        for i in 0..TIME_BUCKETS {
            let (low, high) = bounds(i);
            assert_eq!(low, end);
            assert_eq!((bucket(low), bucket(high - 1)), (i, i));
            end = high;
        }
        assert_eq!(end, 1 << 26);
    }

    #[test]
    fn no_bucket_is_wider_than_a_sixteenth_of_what_it_counts() {
        for (low, high) in (32..TIME_BUCKETS).map(bounds) {
            assert!((high - low) * 16 <= low, "{low} to {high}");
        }
    }

    #[test]
    fn the_last_bucket_takes_the_rest() {
        assert_eq!(bucket(u64::MAX), TIME_BUCKETS - 1);
    }
}
