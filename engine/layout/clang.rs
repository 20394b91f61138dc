//! What clang is told at build time, by bindgen here and by the build of `netpersona-programs`.

use std::env;
use std::path::Path;

/// What cargo tells a build script in the environment.
pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// Debian keeps `asm/types.h`, which `linux/types.h` includes, per architecture.
pub fn machine_headers() -> Vec<String> {
    let directory = format!(
        "/usr/include/{}-linux-gnu",
        variable("CARGO_CFG_TARGET_ARCH")
    );
    if Path::new(&directory).is_dir() {
        vec!["-I".into(), directory]
    } else {
        Vec::new()
    }
}
