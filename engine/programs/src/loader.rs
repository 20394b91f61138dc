//! Loads the kernel programs and pins them and their maps, or adopts what is pinned already.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use libbpf_rs::{MapCore, MapHandle, MapInfo, ObjectBuilder, OpenMapMut, PrintLevel};
use netpersona_layout::pins::{named, Holds, Pins, MAPS};
use netpersona_layout::shm::Shared;
use netpersona_layout::Build;

use crate::object;

#[derive(Debug)]
pub enum LoadError {
    /// Pins that another version made, and this one cannot share memory with.
    Incompatible { pin: PathBuf, reason: String },
    /// The kernel did not take something. `log` is what libbpf and the verifier said.
    Kernel {
        what: String,
        source: libbpf_rs::Error,
        log: String,
    },
    /// A pin could not be mapped.
    Memory { pin: PathBuf, source: io::Error },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incompatible { pin, reason } => write!(
                f,
                "{} was made by another version ({reason}); run `netpersona down`, then `netpersona up`",
                pin.display()
            ),
            Self::Kernel { what, source, log } => {
                write!(f, "{what}: {source} (needs root and Linux 5.17)")?;
                if log.is_empty() { Ok(()) } else { write!(f, "\n{log}") }
            }
            Self::Memory { pin, source } => write!(f, "cannot map {}: {source}", pin.display()),
        }
    }
}

impl std::error::Error for LoadError {}

/// Make sure that maps and programs of this build are pinned under `root`, a bpffs.
///
/// Maps that are pinned there are adopted with all they hold; those that only count start anew where
/// their layout has changed. Programs are replaced if they are not those of this build; links and
/// filters keep running the old ones, on the old counters, until they are attached again.
///
/// # Errors
/// [`LoadError::Incompatible`] if pins have another layout, [`LoadError::Kernel`] if the kernel
/// refuses.
pub fn load(root: &Path) -> Result<Pins, LoadError> {
    let pins = Pins::new(root);
    for pin in outdated(&pins)? {
        fs::remove_file(&pin).map_err(|source| LoadError::Memory { pin, source })?;
    }
    if all_pinned(&pins) && open_build(&pins)?.read(0).programs == object::hash() {
        return Ok(pins);
    }
    LOG.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clear();
    let previous = libbpf_rs::set_print(Some((PrintLevel::Warn, keep_log)));
    let loaded = load_object(&pins);
    libbpf_rs::set_print(previous);
    loaded?;
    note_build(&pins)?;
    Ok(pins)
}

/// Whether [`load`] would go on with what is pinned under `root`. Changes nothing.
///
/// # Errors
/// [`LoadError::Incompatible`] if pins have another layout.
pub fn check(root: &Path) -> Result<(), LoadError> {
    if root.exists() {
        outdated(&Pins::new(root))?;
    }
    Ok(())
}

/// What libbpf said during the last load; its callback takes no context.
static LOG: Mutex<String> = Mutex::new(String::new());
const LOG_BYTES: usize = 4096;

fn keep_log(_level: PrintLevel, message: String) {
    let mut log = LOG
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // The end of a verifier log is where the reason is.
    let tail = message
        .char_indices()
        .rev()
        .nth(LOG_BYTES)
        .map_or(0, |(at, _)| at);
    log.push_str(&message[tail..]);
}

fn kernel(what: impl Into<String>) -> impl FnOnce(libbpf_rs::Error) -> LoadError {
    let what = what.into();
    move |source| {
        let log = LOG
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .trim()
            .to_owned();
        LoadError::Kernel { what, source, log }
    }
}

fn load_object(pins: &Pins) -> Result<(), LoadError> {
    let mut builder = ObjectBuilder::default();
    let mut open = builder
        .open_memory(object::OBJECT)
        .map_err(kernel("cannot read the programs"))?;
    for mut map in open.maps_mut() {
        adopt(pins, &mut map)?;
    }
    let mut object = open
        .load()
        .map_err(kernel("the kernel does not take the programs"))?;
    for mut map in object.maps_mut() {
        let path = pins.map(&map.name().to_string_lossy());
        if !path.exists() {
            map.pin(&path)
                .map_err(kernel(format!("cannot pin {}", path.display())))?;
        }
    }
    for mut program in object.progs_mut() {
        let path = pins.program(&program.name().to_string_lossy());
        let _ = std::fs::remove_file(&path); // of another build, or not there
        program
            .pin(&path)
            .map_err(kernel(format!("cannot pin {}", path.display())))?;
    }
    Ok(())
}

fn adopt(pins: &Pins, map: &mut OpenMapMut<'_>) -> Result<(), LoadError> {
    let path = pins.map(&map.name().to_string_lossy());
    if !path.exists() {
        return Ok(());
    }
    let unreadable = || kernel(format!("cannot read {}", path.display()));
    let pinned = MapHandle::from_pinned_path(&path).map_err(unreadable())?;
    let info = MapInfo::new(pinned.as_fd()).map_err(unreadable())?.info;
    let (have, want) = (
        (info.type_, info.key_size, info.value_size, info.max_entries),
        (
            map.map_type() as u32,
            map.key_size(),
            map.value_size(),
            map.max_entries(),
        ),
    );
    if have != want {
        let reason = format!("type, key, value and entries are {have:?}, not {want:?}");
        return Err(LoadError::Incompatible { pin: path, reason });
    }
    map.reuse_pinned_map(&path).map_err(unreadable())
}

/// The pins of counts in another layout than this build's.
fn outdated(pins: &Pins) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |source| LoadError::Memory {
        pin: pins.root().to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(pins.root()).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Some((map, version)) = entry.file_name().to_str().and_then(named) else {
            continue;
        };
        let (_, known, holds) = MAPS.iter().find(|of| of.0 == map).expect("named by it");
        if version == *known {
            continue;
        }
        let pin = entry.path();
        if *holds == Holds::State {
            let reason = format!("its layout has version {version}, not {known}");
            return Err(LoadError::Incompatible { pin, reason });
        }
        found.push(pin);
    }
    Ok(found)
}

fn all_pinned(pins: &Pins) -> bool {
    let maps = MAPS.iter().map(|map| pins.map(map.0));
    let programs = object::PROGRAMS.iter().map(|name| pins.program(name));
    maps.chain(programs).all(|pin| pin.exists())
}

fn open_build(pins: &Pins) -> Result<Shared<Build>, LoadError> {
    let pin = pins.map("build");
    Shared::open(&pin, 1).map_err(|source| LoadError::Memory { pin, source })
}

fn note_build(pins: &Pins) -> Result<(), LoadError> {
    let build = Build {
        programs: object::hash(),
    };
    open_build(pins)?.write(0, &build);
    Ok(())
}
