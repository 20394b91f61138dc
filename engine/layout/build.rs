//! Makes Rust of `bpf/layout.h`, the one source of what is shared: `np_lane_stats` becomes `LaneStats`,
//! `NP_MAX_SLOTS` becomes `MAX_SLOTS`.

use std::path::PathBuf;

use bindgen::callbacks::{
    DeriveInfo, DeriveTrait, ImplementsTrait, IntKind, ItemInfo, ItemKind, ParseCallbacks,
};

mod clang;

use clang::{machine_headers, variable};

const HEADER: &str = "../../bpf/layout.h";

fn main() {
    println!("cargo:rerun-if-changed=clang.rs");
    println!("cargo:rerun-if-changed={HEADER}");
    let output = PathBuf::from(variable("OUT_DIR")).join("layout.rs");
    bindgen::Builder::default()
        .header(HEADER)
        .clang_args(machine_headers())
        .clang_arg("-fparse-all-comments")
        .allowlist_item("(np|NP)_.*")
        .blocklist_type("__u(8|16|32|64)")
        .raw_line("use core::primitive::{u16 as __u16, u32 as __u32, u64 as __u64, u8 as __u8};")
        .raw_line("use bytemuck::{Pod, Zeroable};")
        .derive_partialeq(true)
        .disable_header_comment()
        .parse_callbacks(Box::new(Names))
        .generate()
        .unwrap_or_else(|error| panic!("cannot read {HEADER}: {error}"))
        .write_to_file(&output)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", output.display()));
}

/// How the names of the header are written in Rust, and what their types are there.
#[derive(Debug)]
struct Names;

impl ParseCallbacks for Names {
    fn item_name(&self, item: ItemInfo<'_>) -> Option<String> {
        match item.kind {
            ItemKind::Type => item.name.strip_prefix("np_").map(type_name),
            ItemKind::Var => item.name.strip_prefix("NP_").map(str::to_owned),
            _ => None,
        }
    }

    /// Lengths and indices are `usize`, what is stored in a field is as wide as the field.
    fn int_macro(&self, name: &str, _value: i64) -> Option<IntKind> {
        let name = name.strip_prefix("NP_")?;
        Some(match name {
            "EGRESS" | "INGRESS" | "LEASES" | "DELAY_POINTS" | "LATENESS_BUCKETS"
            | "PROBE_HEAD" | "TIME_BUCKETS" => USIZE,
            "FORWARD" | "DROP" | "QUEUE_DEFAULT" | "NO_DSCP" => IntKind::U8,
            "TAG_PROBE" => IntKind::U16,
            _ if name.starts_with("MAX_") => USIZE,
            _ if name.ends_with("_NS") => IntKind::U64,
            _ if name.starts_with("MATCH_") || name.starts_with("DETOUR_") => IntKind::U8,
            _ if name.starts_with("ETHERTYPE_") => IntKind::U16,
            _ => IntKind::U32,
        })
    }

    /// The integers of linux/types.h are Rust's own.
    fn blocklisted_type_implements_trait(
        &self,
        _: &str,
        _: DeriveTrait,
    ) -> Option<ImplementsTrait> {
        Some(ImplementsTrait::Yes)
    }

    /// Plain old data: any bytes are a value. What has padding does not compile.
    fn add_derives(&self, info: &DeriveInfo<'_>) -> Vec<String> {
        let counted = matches!(info.name, "np_lane_stats" | "LaneStats");
        let more: &[&str] = if counted {
            &["Pod", "Zeroable", "Default", "Eq"]
        } else {
            &["Pod", "Zeroable"]
        };
        more.iter().map(|&name| name.to_owned()).collect()
    }
}

const USIZE: IntKind = IntKind::Custom {
    name: "usize",
    is_signed: false,
};

/// The engine has a lane of its own, and a detour is a way before it is a header.
fn type_name(name: &str) -> String {
    match name {
        "lane" => "LaneShared".into(),
        "detour" => "DetourHeader".into(),
        _ => camel_case(name),
    }
}

fn camel_case(name: &str) -> String {
    name.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}
