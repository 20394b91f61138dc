//! What orders the kernel programs' loads, in the instructions that are shipped.

use libbpf_rs::libbpf_sys::bpf_insn;
use libbpf_rs::ObjectBuilder;
use netpersona_layout::LaneShared;
use netpersona_programs::object;
use std::mem::offset_of;

const LOAD_DOUBLE: u8 = 0x79; // BPF_LDX | BPF_MEM | BPF_DW
const ATOMIC_DOUBLE: u8 = 0xdb; // BPF_STX | BPF_ATOMIC | BPF_DW
const EXCHANGE: i32 = 0xe1; // BPF_XCHG
/// Instructions between the two loads at most, as clang puts them.
const NEAR: usize = 16;

fn loads(instruction: &bpf_insn, offset: usize) -> bool {
    instruction.code == LOAD_DOUBLE && instruction.off as usize == offset
}

/// For each load of `settled`, whether the load of `quiet_ns` that follows comes behind an exchange.
fn ordered(instructions: &[bpf_insn]) -> Vec<bool> {
    let settled = |at: &usize| loads(&instructions[*at], offset_of!(LaneShared, settled));
    let quiet = |i: &bpf_insn| loads(i, offset_of!(LaneShared, quiet_ns));
    let exchange = |i: &bpf_insn| i.code == ATOMIC_DOUBLE && i.imm == EXCHANGE;
    (0..instructions.len())
        .filter(settled)
        .filter_map(|at| {
            let behind = &instructions[at..instructions.len().min(at + NEAR)];
            let time = behind.iter().position(quiet)?;
            Some(behind[..time].iter().any(exchange))
        })
        .collect()
}

/// On arm64 the time could else be read before the count that it belongs to.
#[test]
fn when_a_lane_was_settled_is_read_after_what_is_settled() {
    let mut builder = ObjectBuilder::default();
    let object = builder.open_memory(object::OBJECT).expect("an object");
    for name in ["np_egress", "np_ingress"] {
        let program = object.progs().find(|program| program.name() == name);
        let found = ordered(program.expect("a program").insns());
        assert!(!found.is_empty(), "{name} asks whether its lane is busy");
        assert!(found.iter().all(|&ordered| ordered), "{name}: {found:?}");
    }
}
