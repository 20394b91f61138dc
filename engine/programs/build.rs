//! Compiles `bpf/policy.bpf.c` with clang; `src/object.rs` embeds the result.

use std::env;
use std::path::PathBuf;
use std::process::Command;

#[path = "../layout/clang.rs"]
mod clang;

use clang::{machine_headers, variable};

const SOURCE: &str = "../../bpf/policy.bpf.c";

fn main() {
    println!("cargo:rerun-if-changed=../layout/clang.rs");
    println!("cargo:rerun-if-changed=../../bpf");
    println!("cargo:rerun-if-env-changed=CLANG");
    let output = PathBuf::from(variable("OUT_DIR")).join("policy.bpf.o");
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".into());
    let mut command = Command::new(&clang);
    command
        .args(["-g", "-O2", "-Wall", "-Wextra", "-Werror", "-target", "bpf"])
        .arg("-mcpu=v3") // atomics that answer the old value: Linux 5.12
        .arg("-I")
        .arg(variable("DEP_BPF_INCLUDE")) // bpf_helpers.h of the libbpf that libbpf-sys brings
        .args(machine_headers())
        .args(["-c", SOURCE, "-o"])
        .arg(&output);
    let status = command.status().unwrap_or_else(|error| {
        panic!(
            "cannot run {clang}: {error}. Install it (Debian: apt-get install clang) or set CLANG"
        )
    });
    assert!(
        status.success(),
        "{clang} did not compile {SOURCE}: see above. If a header under linux/ or asm/ is missing, \
         install linux-libc-dev"
    );
}
