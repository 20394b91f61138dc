//! The mirror of the shared memory agrees with what a C compiler makes of it.

use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use netpersona_engine::layout::*;

/// Every field whose C and Rust offsets are compared, and the structs' sizes.
macro_rules! mirrored {
    ($($c:literal => $rust:ident { $($field:ident),* })*) => {{
        let mut rows = Vec::new();
        $(
            rows.push((format!("sizeof(struct {})", $c), size_of::<$rust>()));
            $(rows.push((
                format!("offsetof(struct {}, {})", $c, stringify!($field)),
                offset_of!($rust, $field),
            ));)*
        )*
        rows
    }};
}

fn rows() -> Vec<(String, usize)> {
    mirrored! {
        "np_lease" => Lease { expires_ns, fallback }
        "np_binding" => Binding {
            active, ifindex, facing, lease, life, lives, released_ns, reserved
        }
        "np_lane" => LaneShared { sent, settled, quiet_ns }
        "np_engine_state" => EngineState { heartbeat_ns, tap_ifindex }
        "np_rule" => Rule {
            protocol, direction, action, queue, family, source_prefix, destination_prefix, port_low,
            port_high, source_port_low, source_port_high, source_be, destination_be
        }
        "np_policy" => Policy {
            flags, default_action, mtu, skb_priority, dscp, queue_count, rule_count,
            profile_count, queue_priority, rules
        }
        "np_loss" => Loss { model, p }
        "np_chance" => Chance { probability, correlation }
        "np_delay_point" => DelayPoint { p, x }
        "np_delay" => Delay {
            constant_ns, base_ns, span_ns, coherence_ns, correlation, points, table
        }
        "np_link" => Link {
            flags, default_queue_length, rate_bps, burst_bytes, delay_limit, duplicate, corrupt,
            reorder, loss, delay
        }
        "np_queue" => Queue { length, priority }
        "np_conditions" => Conditions { seed, in_flight, mtu, queue, link }
        "np_detour" => DetourHeader {
            arrived_ns, zero, ethertype_be, attachment, generation, slot, direction, flags, queue, priority,
            vlan_tci, sequence
        }
        "np_tally" => Tally { packets, bytes }
        "np_counters" => Counters {
            passed, dropped_rule, dropped_default, dropped_profile, dropped_fragment,
            dropped_engine, too_big, detoured, bypassed, malformed, flows_created, flows_closed,
            flows_refused, expired, generation, generation_packets
        }
        "np_lane_stats" => LaneStats {
            received, emitted, lost, duplicated, corrupted, reordered, dropped_queue, dropped_line,
            dropped_ring, dropped_emit, flushed, fragmented, answered, held, seed, generation
        }
        "np_engine_stats" => EngineStats {
            started_ns, wakeups, reads, writes, dropped_memory, unknown_frames, held_bytes,
            held_bytes_limit, lateness
        }
        "np_probe_event" => ProbeEvent {
            captured_ns, attachment, direction, length, generation, verdict, zero, head
        }
        "np_attachment" => Attachment { attachment, facing, life }
    }
}

fn constants() -> Vec<(&'static str, u64)> {
    vec![
        ("NP_LAYOUT_VERSION", LAYOUT_VERSION.into()),
        ("NP_MAX_ATTACHMENTS", MAX_ATTACHMENTS as u64),
        ("NP_MAX_SLOTS", MAX_SLOTS as u64),
        ("NP_MAX_FLOWS", MAX_FLOWS as u64),
        ("NP_MAX_FRAGMENTS", MAX_FRAGMENTS as u64),
        ("NP_LANE_QUIET_NS", LANE_QUIET_NS),
        ("NP_REUSE_NS", REUSE_NS),
        ("NP_HEARTBEAT_NS", HEARTBEAT_NS),
        ("NP_HEARTBEAT_DEAD_NS", HEARTBEAT_DEAD_NS),
        ("NP_QUEUE_DEFAULT", QUEUE_DEFAULT.into()),
        ("NP_LOSS_GILBERT_ELLIOTT", LOSS_GILBERT_ELLIOTT.into()),
        ("NP_LOSS_FOUR_STATE", LOSS_FOUR_STATE.into()),
        ("NP_LINK_ORDER_FREE", LINK_ORDER_FREE.into()),
        ("NP_LINK_ACTIVE", LINK_ACTIVE.into()),
        ("NP_IN_FLIGHT_DRAIN", IN_FLIGHT_DRAIN.into()),
        ("NP_IN_FLIGHT_FLUSH", IN_FLIGHT_FLUSH.into()),
        ("NP_ETHERTYPE_DETOUR", ETHERTYPE_DETOUR.into()),
        ("NP_ETHERTYPE_PROBE", ETHERTYPE_PROBE.into()),
        ("NP_DETOUR_TOO_BIG", DETOUR_TOO_BIG.into()),
        ("NP_DETOUR_VLAN", DETOUR_VLAN.into()),
        ("NP_DETOUR_VLAN_AD", DETOUR_VLAN_AD.into()),
        ("NP_DETOUR_PASS", DETOUR_PASS.into()),
        ("NP_DETOUR_PROBE", DETOUR_PROBE.into()),
        ("NP_TAG_PROBE", TAG_PROBE.into()),
        ("NP_MARK_RETURNED", MARK_RETURNED.into()),
        ("NP_MARK_PROBE", MARK_PROBE.into()),
    ]
}

/// The compiler itself checks the assertions, so that nothing has to be run.
#[test]
fn the_mirror_agrees_with_the_header() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf/layout.h");
    let mut source = format!("#include <stddef.h>\n#include \"{}\"\n", header.display());
    let numbers = constants()
        .into_iter()
        .map(|(name, value)| (name.to_string(), value));
    let places = rows()
        .into_iter()
        .map(|(place, value)| (place, value as u64));
    for (expression, value) in places.chain(numbers) {
        source += &format!("_Static_assert({expression} == {value}, \"Rust has {value}\");\n");
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = directory.join("layout_mirror.c");
    std::fs::write(&file, source).unwrap();
    let output = Command::new("clang")
        .arg("-fsyntax-only")
        .arg(&file)
        .output();
    let output = output.expect("clang, which also builds the kernel programs, can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
