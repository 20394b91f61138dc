//! Frames as the TAP gives them, sliced and written back.

use super::testing::*;
use super::*;
use netpersona_wire::gso::testing::{checksums_hold, recipes, segmented, Recipe};
use proptest::prelude::*;

const ARP: [u8; 42] = {
    let mut frame = [0x11; 42];
    (frame[12], frame[13]) = (0x08, 0x06);
    frame
};

fn recipe() -> Recipe {
    Recipe {
        v6: false,
        udp: false,
        extended: false,
        tagged: false,
        checksum: true,
        flags: 0x99, // CWR, ACK, PSH, FIN
        ecn: true,
        sequence: u32::MAX - 100,
        id: u16::MAX,
        mss: 1000,
        payload: vec![7; 2500],
    }
}

#[test]
fn a_plain_frame_goes_back_behind_one_tag() {
    let mut header = detour(0x123, 1);
    header.priority = 5;
    let out = written(&read(&from_tap(plain_vnet(), &header, &ARP)));
    assert_eq!(out[..VNET_HEADER], [0; VNET_HEADER]);
    let frame = &out[VNET_HEADER..];
    assert_eq!(frame[..12], ARP[..12]);
    assert_eq!(frame[12..16], [0x81, 0x00, 0b1011_0001, 0x23]);
    assert_eq!(frame[16..], ARP[12..]);
}

#[test]
fn the_workloads_own_tag_follows_ours() {
    let mut header = detour(1, 0);
    (header.flags, header.vlan_tci) = (DETOUR_VLAN | DETOUR_VLAN_AD, 0x2064);
    let frame = read(&from_tap(plain_vnet(), &header, &ARP));
    assert_eq!(
        written(&frame)[VNET_HEADER + 16..][..4],
        [0x88, 0xa8, 0x20, 0x64]
    );
    assert_eq!(frame.wire_bytes(0, 1), ARP.len() as u64 + 4);
}

#[test]
fn a_probe_says_so_on_its_way_back_as_do_its_slices_and_counts_as_no_packet() {
    let mut header = detour(0x7ff, 0);
    header.flags = DETOUR_PROBE;
    let frame = read(&from_tap(plain_vnet(), &header, &ARP));
    let information = |frame: &Frame| written(frame)[VNET_HEADER + 14..][..2].to_vec();
    assert_eq!(information(&frame), [0x0f, 0xff]);
    let mut corrupted = frame.slice(0, 1);
    corrupted.corrupt(7);
    assert_eq!(information(&corrupted), [0x0f, 0xff]);
    let packet = read(&from_tap(plain_vnet(), &detour(0x7ff, 0), &ARP));
    assert_eq!((frame.counted(), packet.counted()), (0, 1));
}

#[test]
fn what_is_no_detour_frame_is_malformed() {
    let good = from_tap(plain_vnet(), &detour(1, 0), &ARP);
    assert!(parse(&good).is_ok());
    let mut other_ethertype = good.clone();
    other_ethertype[VNET_HEADER + 12] = 8;
    let no_such_attachment = from_tap(plain_vnet(), &detour(4000, 0), &ARP);
    let no_such_direction = from_tap(plain_vnet(), &detour(1, 2), &ARP);
    let too_short = &good[..VNET_HEADER + DETOUR + 13];
    for bytes in [
        &other_ethertype[..],
        &no_such_attachment,
        &no_such_direction,
        too_short,
        &[],
    ] {
        assert_eq!(parse(bytes).err(), Some(Malformed));
    }
}

#[test]
fn a_checksum_outside_of_the_frame_is_malformed() {
    for (start, offset) in [
        (0, 16),
        (DETOUR as u16 + 13, 2),
        (DETOUR as u16 + 40, 1),
        (u16::MAX, u16::MAX),
    ] {
        let vnet = VnetHeader {
            checksum: Some(PartialChecksum { start, offset }),
            ..plain_vnet()
        };
        assert_eq!(
            parse(&from_tap(vnet, &detour(1, 0), &ARP)).err(),
            Some(Malformed),
            "{start} {offset}"
        );
    }
}

#[test]
fn a_header_length_is_never_beyond_the_frame() {
    for given in [0u16, 5, 33, 60, u16::MAX] {
        let vnet = VnetHeader {
            header_length: given,
            ..plain_vnet()
        };
        let out = written(&read(&from_tap(vnet, &detour(1, 0), &ARP)));
        let length = usize::from(u16::from_ne_bytes([out[2], out[3]]));
        assert!(length <= out.len() - VNET_HEADER, "{given} gave {length}");
    }
}

#[test]
fn a_superpacket_of_a_kind_we_cannot_slice_stays_whole() {
    let (bytes, start) = recipe().frame();
    let checksum = PartialChecksum {
        start: (start + DETOUR) as u16,
        offset: 16,
    };
    let vnet = VnetHeader {
        checksum: Some(checksum),
        gso: GsoType::Other(3),
        gso_size: 1000,
        ..plain_vnet()
    };
    let frame = read(&from_tap(vnet, &detour(1, 0), &bytes));
    assert_eq!(frame.segments(), 1);
    assert_eq!(written(&frame)[1], 3);
}

#[test]
fn cwr_is_on_the_first_segment_and_fin_on_the_last() {
    let whole = read(&superpacket(&recipe(), &detour(1, 0)));
    let flags: Vec<u8> = (0..3)
        .map(|i| written(&whole.slice(i, 1))[VNET_HEADER + 18 + 20 + 13])
        .collect();
    assert_eq!(flags, [0x90, 0x10, 0x19]);
}

#[test]
fn noise_is_seen_by_the_receiver() {
    for random in [0, 8 * 25, 8 * 900 + 3, u64::MAX] {
        let mut segment = read(&superpacket(&recipe(), &detour(1, 0))).slice(1, 1);
        let before = segmented(&written(&segment)).remove(0);
        segment.corrupt(random);
        let out = written(&segment);
        assert_eq!(
            out[..VNET_HEADER],
            [0; VNET_HEADER],
            "nothing left to complete"
        );
        let after = &out[VNET_HEADER..];
        let flipped: u32 = before
            .iter()
            .zip(after)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert_eq!((flipped, after.len()), (1, before.len()));
        assert_eq!(before[..18], after[..18]);
    }
}

#[test]
fn a_packet_is_settled_when_its_last_part_goes() {
    let counter = Rc::new(std::cell::Cell::new(0));
    let bytes = superpacket(&recipe(), &detour(1, 0));
    let (header, shape) = parse(&bytes).expect("well formed");
    let mut buffer = Pool::default().take(bytes.len());
    buffer.copy_from_slice(&bytes);
    buffer.count_on_drop(Rc::clone(&counter));
    let whole = Frame::new(buffer, &header, shape);
    let mut noisy = whole.slice(0, 1);
    noisy.corrupt(1);
    drop(whole);
    assert_eq!(counter.get(), 0);
    drop(noisy);
    assert_eq!(counter.get(), 1);
}

/// Cuts `count` segments into runs at the bits set in `cuts`.
fn runs(count: u32, cuts: u64) -> Vec<(u32, u32)> {
    let mut starts: Vec<u32> = (0..count)
        .filter(|i| *i == 0 || cuts >> (i % 64) & 1 == 1)
        .collect();
    starts.push(count);
    starts
        .windows(2)
        .map(|pair| (pair[0], pair[1] - pair[0]))
        .collect()
}

proptest! {
    #[test]
    fn slicing_then_segmenting_is_segmenting(recipe in recipes(), cuts: u64, cuts_again: u64) {
        let whole = read(&superpacket(&recipe, &detour(9, 1)));
        let expected = segmented(&written(&whole));
        prop_assert_eq!(expected.len() as u32, whole.segments());
        let mut sliced = Vec::new();
        for (first, count) in runs(whole.segments(), cuts) {
            let run = whole.slice(first, count);
            for (first, count) in runs(run.segments(), cuts_again) {
                sliced.extend(segmented(&written(&run.slice(first, count))));
            }
        }
        prop_assert_eq!(&sliced, &expected);
        for frame in &sliced {
            prop_assert!(checksums_hold(frame));
        }
    }

    #[test]
    fn wire_bytes_are_those_of_the_segments(recipe in recipes(), first in 0u32..8, count in 1u32..8) {
        let whole = read(&superpacket(&recipe, &detour(9, 1)));
        let first = first.min(whole.segments() - 1);
        let count = count.min(whole.segments() - first);
        let frames = segmented(&written(&whole));
        let bytes: usize = frames[first as usize..][..count as usize].iter().map(|f| f.len() - TAG).sum();
        prop_assert_eq!(whole.wire_bytes(first, count), bytes as u64);
        prop_assert_eq!(whole.slice(first, count).wire_bytes(0, count), bytes as u64);
    }

    #[test]
    fn a_segment_taken_out_is_what_goes_over_the_wire(recipe in recipes()) {
        let whole = read(&superpacket(&recipe, &detour(9, 1)));
        for (i, expected) in segmented(&written(&whole)).iter().enumerate() {
            let out = whole.slice(i as u32, 1).to_ethernet();
            prop_assert_eq!(&out[..12], &expected[..12]);
            prop_assert_eq!(&out[12..], &expected[16..]);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), gso in 0u8..8) {
        if bytes.len() > VNET_HEADER + 16 {
            bytes[1] = gso;
            bytes[VNET_HEADER + 12..VNET_HEADER + 14].copy_from_slice(&[0x88, 0xb5]);
        }
        exercise(&bytes);
    }

    #[test]
    fn no_broken_superpacket_makes_it_panic(
        recipe in recipes(), at: prop::sample::Index, value: u8, keep: prop::sample::Index,
    ) {
        let mut bytes = superpacket(&recipe, &detour(9, 1));
        let at = at.index(bytes.len().min(200));
        bytes[at] = value;
        bytes.truncate(keep.index(bytes.len()) + 1);
        exercise(&bytes);
    }
}

fn exercise(bytes: &[u8]) {
    let Ok((header, shape)) = parse(bytes) else {
        return;
    };
    let mut buffer = Pool::default().take(bytes.len());
    buffer.copy_from_slice(bytes);
    let frame = Frame::new(buffer, &header, shape);
    let mut last = frame.slice(frame.segments() - 1, 1);
    written(&frame);
    written(&last);
    frame.wire_bytes(0, frame.segments());
    last.corrupt(77);
}
