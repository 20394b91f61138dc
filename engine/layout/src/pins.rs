//! What is pinned where, on a bpffs of our own.

use std::path::{Path, PathBuf};

use crate as layout;

/// Whether a map may start anew when its layout changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// What is enforced: only a build that knows its layout may go on with it.
    State,
    /// What was counted or is found again: another layout means another beginning.
    Counts,
}

/// Every map of the kernel programs, with the version of its layout in this build.
pub const MAPS: [(&str, u32, Holds); 21] = [
    ("bindings", layout::BINDINGS_VERSION, Holds::State),
    ("lanes", layout::LANES_VERSION, Holds::State),
    ("engine_state", layout::ENGINE_STATE_VERSION, Holds::State),
    ("policies", layout::POLICIES_VERSION, Holds::State),
    ("conditions", layout::CONDITIONS_VERSION, Holds::State),
    ("attachments", layout::ATTACHMENTS_VERSION, Holds::State),
    ("flows", layout::FLOWS_VERSION, Holds::State),
    ("fragments", layout::FRAGMENTS_VERSION, Holds::State),
    ("build", layout::BUILD_VERSION, Holds::State),
    ("counters", layout::COUNTERS_VERSION, Holds::Counts),
    ("lane_stats", layout::LANE_STATS_VERSION, Holds::Counts),
    ("engine_stats", layout::ENGINE_STATS_VERSION, Holds::Counts),
    ("probes", layout::PROBES_VERSION, Holds::Counts),
    ("tcp_counts", layout::TCP_COUNTS_VERSION, Holds::Counts),
    ("round_trips", layout::ROUND_TRIPS_VERSION, Holds::Counts),
    ("lane_delays", layout::LANE_DELAYS_VERSION, Holds::Counts),
    ("hints", layout::HINTS_VERSION, Holds::Counts),
    ("ticks", layout::TICKS_VERSION, Holds::Counts),
    ("recent_flows", layout::RECENT_FLOWS_VERSION, Holds::Counts),
    ("tracking", layout::TRACKING_VERSION, Holds::Counts),
    (
        "sampled_flows",
        layout::SAMPLED_FLOWS_VERSION,
        Holds::Counts,
    ),
];

#[derive(Debug, Clone)]
pub struct Pins(PathBuf);

impl Pins {
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Of a map, in the layout of this build; an agent and an engine that differ in it do not meet.
    ///
    /// # Panics
    /// If no map of [`MAPS`] has the name.
    #[must_use]
    pub fn map(&self, name: &str) -> PathBuf {
        let (_, version, _) = MAPS.iter().find(|map| map.0 == name).expect("one of MAPS");
        self.0.join(format!("{name}_v{version}"))
    }

    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join(format!("prog_{name}"))
    }

    #[must_use]
    pub fn link(&self, name: &str) -> PathBuf {
        self.0.join(format!("link_{name}"))
    }
}

/// The map that a pin's file name means, and the version of its layout there: 0 from before versions.
#[must_use]
pub fn named(file: &str) -> Option<(&'static str, u32)> {
    MAPS.iter().find_map(|&(map, _, _)| {
        let rest = file.strip_prefix(map)?;
        if rest.is_empty() {
            return Some((map, 0));
        }
        Some((map, rest.strip_prefix("_v")?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_names_its_map_and_version() {
        let pins = Pins::new(Path::new("/pins"));
        for (name, version, _) in MAPS {
            let pin = pins.map(name);
            let file = pin.file_name().and_then(|file| file.to_str());
            assert_eq!(named(file.expect("a name")), Some((name, version)));
        }
        assert_eq!(named("lanes"), Some(("lanes", 0)));
        assert_eq!(named("lane_stats_v12"), Some(("lane_stats", 12)));
        assert_eq!(named("lanes_v"), None);
        assert_eq!(named("prog_np_egress"), None);
    }
}
