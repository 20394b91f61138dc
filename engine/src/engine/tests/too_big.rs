//! Packets larger than the MTU of their persona.

use super::*;

#[test]
fn a_packet_too_big_goes_on_in_fragments() {
    let mut bench = Bench::new();
    bench.send(NARROW, DETOUR_TOO_BIG, |header| {
        from_tap(plain_vnet(), header, &datagram(1400, false))
    });
    bench.turn_at(START);
    let lengths: Vec<usize> = bench
        .turn_at(START + MS)
        .iter()
        .map(|f| f.len() - VNET_HEADER - 18)
        .collect();
    assert_eq!(lengths, [596, 596, 276]);
    assert_eq!((bench.settled(), bench.stats(START).fragmented), (1, 1));
}

#[test]
fn a_packet_too_big_that_must_not_be_cut_is_answered() {
    let mut bench = Bench::new();
    bench.send(NARROW, DETOUR_TOO_BIG, |header| {
        from_tap(plain_vnet(), header, &datagram(1400, true))
    });
    let written = bench.turn_at(START);
    assert_eq!(written.len(), 1);
    let frame = &written[0][VNET_HEADER..];
    assert_eq!(frame[14] & 0x10, 0x10, "the other direction");
    assert_eq!(frame[18 + 20..][..2], [3, 4]);
    assert_eq!((bench.settled(), bench.stats(START).answered), (1, 1));
}

#[test]
fn a_superpacket_too_big_is_answered_once_and_its_short_end_goes_on() {
    let mut bench = Bench::new();
    let recipe = recipe(3100);
    bench.send(NARROW, DETOUR_TOO_BIG, |header| {
        superpacket(&recipe, header)
    });
    let mut written = bench.turn_at(START);
    written.extend(bench.turn_at(START + MS));
    assert_eq!(written.len(), 2);
    let end = segmented(&written[1]).remove(0);
    assert_eq!(end.len(), 18 + 28 + 100);
    assert!(checksums_hold(&end));
}
