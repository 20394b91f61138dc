//! Names of network interfaces.
#![allow(unsafe_code)] // if_indextoname(3), which std does not have

use std::ffi::CStr;

/// The name of an interface in the namespace of the calling thread; `None` if there is none.
#[must_use]
pub fn name(ifindex: u32) -> Option<String> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: room for any name, with its NUL.
    let found = unsafe { libc::if_indextoname(ifindex, name.as_mut_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: `found` is `name`, which the call has ended with a NUL.
    let name = unsafe { CStr::from_ptr(found) };
    Some(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_a_name_and_no_number_has_two() {
        assert_eq!(name(1).as_deref(), Some("lo")); // the first of every namespace
        assert_eq!(name(0), None);
        assert_eq!(name(u32::MAX), None);
    }
}
