//! The Internet checksum (RFC 1071), and what is done to one when a length changes (RFC 1624).

/// Ones' complement sum of 16-bit words, not folded. An odd last byte counts as
/// the high half of a word.
pub fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(2);
    let whole: u64 = words
        .by_ref()
        .map(|w| u64::from(u16::from_be_bytes([w[0], w[1]])))
        .sum();
    whole
        + words
            .remainder()
            .first()
            .map_or(0, |&last| u64::from(last) << 8)
}

/// Adds the carries back in until 16 bits are left.
pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The checksum of `bytes`, whose checksum field must be zero.
pub fn checksum(bytes: &[u8]) -> u16 {
    !fold(sum(bytes))
}

/// Sum over the pseudo-header of RFC 8200 section 8.1.
pub fn pseudo_header_v6(addresses: &[u8], length: u32, protocol: u8) -> u64 {
    sum(addresses) + u64::from(length >> 16) + u64::from(length & 0xffff) + u64::from(protocol)
}

/// Replaces `old` by `new` in a partial (not complemented) sum.
pub fn replace(partial: u16, old: u32, new: u32) -> u16 {
    let halves = |value: u32| u64::from(value >> 16) + u64::from(value & 0xffff);
    let removed = u64::from(!fold(halves(old)));
    fold(u64::from(partial) + removed + halves(new))
}

/// Completes a partial checksum in place; the field at `start + offset` holds the
/// pseudo-header sum. A zero result is written as its other spelling, as UDP needs
/// (RFC 768) and all else allows. Does nothing when the field is outside of `frame`.
pub fn complete(frame: &mut [u8], start: usize, offset: usize) {
    let field = start + offset;
    if field + 2 > frame.len() {
        return;
    }
    let result = match checksum(&frame[start..]) {
        0 => 0xffff,
        other => other,
    };
    frame[field..field + 2].copy_from_slice(&result.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071_comes_out() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes)), 0xddf2);
    }

    #[test]
    fn an_odd_byte_is_the_high_half() {
        assert_eq!(sum(&[0x12, 0x34, 0x56]), 0x1234 + 0x5600);
    }

    #[test]
    fn a_field_outside_is_left_alone() {
        let mut frame = [1, 2, 3];
        complete(&mut frame, 2, 0);
        assert_eq!(frame, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn completed_bytes_and_pseudo_header_sum_to_all_ones(
            mut bytes in prop::collection::vec(any::<u8>(), 8..200),
        ) {
            let pseudo = sum(&bytes[6..8]);
            complete(&mut bytes, 2, 4);
            prop_assert_eq!(fold(pseudo + sum(&bytes[2..])), 0xffff);
        }

        #[test]
        fn replacing_a_length_equals_summing_anew(rest in 1u16.., old: u16, new: u16) {
            let partial = fold(u64::from(rest) + u64::from(old));
            let anew = fold(u64::from(rest) + u64::from(new));
            prop_assert_eq!(replace(partial, old.into(), new.into()), anew);
        }
    }
}
