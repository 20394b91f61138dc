//! The memory shared by kernel programs, engine and agent.
//!
//! A mirror of `bpf/layout.h`, which is the source of truth and says what
//! every field means. All types are plain old data: any bytes are a value, and
//! there is no padding, so shared memory can be viewed as them.

use bytemuck::{Pod, Zeroable};

pub const LAYOUT_VERSION: u32 = 2;

pub const MAX_ATTACHMENTS: usize = 2048;
pub const MAX_SLOTS: usize = 2048;
pub const MAX_RULES: usize = 128;
pub const MAX_PROFILE_RULES: usize = 32;
pub const MAX_QUEUES: usize = 16;
pub const MAX_FLOWS: usize = 131_072;
pub const MAX_FRAGMENTS: usize = 16_384;
pub const LEASES: usize = 4;
pub const DELAY_POINTS: usize = 256;

pub const EGRESS: usize = 0;
pub const INGRESS: usize = 1;

// ---- bindings --------------------------------------------------------------

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Lease {
    pub expires_ns: u64,
    pub fallback: u64,
}

pub const FACING_WORKLOAD: u32 = 0;
pub const FACING_NETWORK: u32 = 1;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Binding {
    pub active: u64,
    pub ifindex: u32,
    pub facing: u32,
    pub lease: [Lease; LEASES],
    pub life: u64,
    pub lives: u64,
    pub released_ns: u64,
    pub reserved: [u64; 3],
}

pub const REUSE_NS: u64 = 1_000_000_000;

// ---- lanes -----------------------------------------------------------------

pub const LANE_QUIET_NS: u64 = 200_000;

/// `np_lane`: the lane as kernel programs and engine share it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct LaneShared {
    pub sent: u64,
    pub reserved_kernel: [u64; 7],
    pub settled: u64,
    pub quiet_ns: u64,
    pub reserved_engine: [u64; 6],
}

// ---- engine state ----------------------------------------------------------

pub const HEARTBEAT_NS: u64 = 20_000_000;
pub const HEARTBEAT_DEAD_NS: u64 = 150_000_000;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct EngineState {
    pub heartbeat_ns: u64,
    pub tap_ifindex: u32,
    pub reserved: u32,
    pub pad: [u64; 6],
}

// ---- policy half of a slot -------------------------------------------------

pub const MATCH_EGRESS: u8 = 1;
pub const MATCH_INGRESS: u8 = 2;
pub const FORWARD: u8 = 0;
pub const DROP: u8 = 1;
pub const QUEUE_DEFAULT: u8 = 255;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Rule {
    pub protocol: u8,
    pub direction: u8,
    pub action: u8,
    pub queue: u8,
    pub family: u8,
    pub source_prefix: u8,
    pub destination_prefix: u8,
    pub reserved: u8,
    pub port_low: u16,
    pub port_high: u16,
    pub source_port_low: u16,
    pub source_port_high: u16,
    pub source_be: [u32; 4],
    pub destination_be: [u32; 4],
}

pub const POLICY_CONDITIONS_EGRESS: u32 = 1;
pub const POLICY_CONDITIONS_INGRESS: u32 = 2;
pub const POLICY_FAIL_CLOSED: u32 = 4;
pub const POLICY_KEEP_FLOWS: u32 = 8;
pub const POLICY_PROFILE: u32 = 16;
pub const POLICY_TRACK: u32 = 32;
pub const NO_DSCP: u8 = 255;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Policy {
    pub flags: u32,
    pub default_action: u32,
    pub mtu: u32,
    pub skb_priority: u32,
    pub dscp: u8,
    pub queue_count: u8,
    pub reserved: u16,
    pub rule_count: u32,
    pub profile_count: u32,
    pub reserved2: u32,
    pub queue_priority: [u8; MAX_QUEUES],
    pub rules: [Rule; MAX_RULES + MAX_PROFILE_RULES],
}

// ---- conditions half of a slot ---------------------------------------------

pub const LOSS_NONE: u32 = 0;
pub const LOSS_BERNOULLI: u32 = 1;
pub const LOSS_GILBERT_ELLIOTT: u32 = 2;
pub const LOSS_FOUR_STATE: u32 = 3;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Loss {
    pub model: u32,
    pub reserved: u32,
    pub p: [f64; 6],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Chance {
    pub probability: f64,
    pub correlation: f64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct DelayPoint {
    pub p: u32,
    pub x: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Delay {
    pub constant_ns: u64,
    pub base_ns: u64,
    pub span_ns: u64,
    pub coherence_ns: u64,
    pub correlation: f64,
    pub points: u32,
    pub reserved: u32,
    pub table: [DelayPoint; DELAY_POINTS],
}

pub const LINK_ORDER_FREE: u32 = 1;
pub const LINK_ACTIVE: u32 = 2;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Link {
    pub flags: u32,
    pub default_queue_length: u32,
    pub rate_bps: u64,
    pub burst_bytes: u64,
    pub delay_limit: u64,
    pub duplicate: Chance,
    pub corrupt: Chance,
    pub reorder: Chance,
    pub loss: Loss,
    pub delay: Delay,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Queue {
    pub length: u32,
    pub priority: u8,
    pub reserved: [u8; 3],
}

pub const IN_FLIGHT_KEEP: u32 = 0;
pub const IN_FLIGHT_DRAIN: u32 = 1;
pub const IN_FLIGHT_FLUSH: u32 = 2;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Conditions {
    pub seed: u64,
    pub in_flight: u32,
    pub mtu: u32,
    pub queue: [Queue; MAX_QUEUES],
    pub link: [Link; 2],
}

// ---- the detour ------------------------------------------------------------

pub const ETHERTYPE_DETOUR: u16 = 0x88B5;
pub const ETHERTYPE_PROBE: u16 = 0x88B6;
pub const DETOUR_TOO_BIG: u8 = 1;
pub const DETOUR_VLAN: u8 = 2;
pub const DETOUR_VLAN_AD: u8 = 4;
pub const DETOUR_PASS: u8 = 8;
pub const DETOUR_PROBE: u8 = 16;
pub const TAG_PROBE: u16 = 0x0800;

/// `np_detour`: in front of a frame that kernel programs give to the engine.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct DetourHeader {
    pub arrived_ns: u64,
    pub zero: u32,
    pub ethertype_be: u16,
    pub attachment: u16,
    pub generation: u32,
    pub slot: u16,
    pub direction: u8,
    pub flags: u8,
    pub queue: u8,
    pub priority: u8,
    pub vlan_tci: u16,
    pub sequence: u32,
}

pub const MARK_RETURNED: u32 = 0x4e50_0001;
pub const MARK_PROBE: u32 = 0x4e50_0002;

// ---- counters of the kernel programs ---------------------------------------

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Tally {
    pub packets: u64,
    pub bytes: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Counters {
    pub passed: Tally,
    pub dropped_rule: Tally,
    pub dropped_default: Tally,
    pub dropped_profile: Tally,
    pub dropped_fragment: Tally,
    pub dropped_engine: Tally,
    pub too_big: Tally,
    pub detoured: Tally,
    pub bypassed: Tally,
    pub malformed: Tally,
    pub flows_created: u64,
    pub flows_closed: u64,
    pub flows_refused: u64,
    pub expired: u64,
    pub generation: u64,
    pub generation_packets: u64,
}

// ---- statistics of the engine ----------------------------------------------

#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct LaneStats {
    pub received: u64,
    pub emitted: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub corrupted: u64,
    pub reordered: u64,
    pub dropped_queue: u64,
    pub dropped_line: u64,
    pub dropped_ring: u64,
    pub dropped_emit: u64,
    pub flushed: u64,
    pub fragmented: u64,
    pub answered: u64,
    pub held: u64,
    pub seed: u64,
    pub generation: u64,
}

pub const LATENESS_BUCKETS: usize = 40;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct EngineStats {
    pub started_ns: u64,
    pub wakeups: u64,
    pub reads: u64,
    pub writes: u64,
    pub dropped_memory: u64,
    pub unknown_frames: u64,
    pub held_bytes: u64,
    pub held_bytes_limit: u64,
    pub lateness: [u64; LATENESS_BUCKETS],
}

// ---- probes and attachments ------------------------------------------------

pub const PROBE_HEAD: usize = 128;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct ProbeEvent {
    pub captured_ns: u64,
    pub attachment: u32,
    pub direction: u32,
    pub length: u32,
    pub generation: u32,
    pub verdict: u32,
    pub zero: u32,
    pub head: [u8; PROBE_HEAD],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Attachment {
    pub attachment: u32,
    pub facing: u32,
    pub life: u32,
    pub reserved: u32,
}

const _: () = {
    assert!(size_of::<Lease>() == 16);
    assert!(size_of::<Binding>() == 128);
    assert!(size_of::<LaneShared>() == 128);
    assert!(size_of::<EngineState>() == 64);
    assert!(size_of::<Rule>() == 48);
    assert!(size_of::<Policy>() == 7728);
    assert!(size_of::<Loss>() == 56);
    assert!(size_of::<Chance>() == 16);
    assert!(size_of::<DelayPoint>() == 8);
    assert!(size_of::<Delay>() == 2096);
    assert!(size_of::<Link>() == 2232);
    assert!(size_of::<Queue>() == 8);
    assert!(size_of::<Conditions>() == 4608);
    assert!(size_of::<DetourHeader>() == 32);
    assert!(size_of::<Tally>() == 16);
    assert!(size_of::<Counters>() == 208);
    assert!(size_of::<LaneStats>() == 128);
    assert!(size_of::<EngineStats>() == 384);
    assert!(size_of::<ProbeEvent>() == 160);
    assert!(size_of::<Attachment>() == 16);
};
