//! Any bytes from the TAP: parsed, sliced, corrupted, fragmented, answered and written back.
//!
//! `cargo +nightly fuzz run frame` in engine/.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netpersona_port::buffer::Pool;
use netpersona_wire::fragment::fit;
use netpersona_engine::frame::{parse, Frame, Head};
use netpersona_wire::icmp::too_big;
use netpersona_emulate::packet::Packet;

fuzz_target!(|bytes: &[u8]| {
    // The largest packet that a TAP gives; a longer one is never read.
    if bytes.len() > 64 << 10 {
        return;
    }
    let Ok((detour, shape)) = parse(bytes) else { return };
    let mut buffer = Pool::default().take(bytes.len());
    buffer.copy_from_slice(bytes);
    let frame = Frame::new(buffer, &detour, shape);
    let segments = frame.segments();
    let mut last = frame.slice(segments - 1, 1);
    let mut head = Head::default();
    let whole: usize = frame.emit(&mut head).iter().map(|part| part.len()).sum();
    let end: usize = last.emit(&mut head).iter().map(|part| part.len()).sum();
    assert!(end <= whole);
    assert!(frame.wire_bytes(0, segments) >= last.wire_bytes(0, 1));
    let ethernet = last.to_ethernet();
    let _ = fit(&ethernet, usize::from(detour.vlan_tci));
    let _ = too_big(&ethernet, u32::from(detour.vlan_tci));
    last.corrupt(u64::from(detour.sequence));
    last.emit(&mut head);
});
