//! Settings of one interface, in the network namespace of the thread that asks.

use std::{fs, io, path::Path};

/// Whether packets that come in by the interface may go on to others: as it was before.
pub fn forward(interface: &str, on: Switch) -> io::Result<Switch> {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/forwarding");
    let before = read(&path)?;
    if before != on {
        fs::write(&path, on.text())?;
    }
    Ok(before)
}

/// Whether all interfaces forward, by somebody else's wish.
pub fn all_forward() -> bool {
    read("/proc/sys/net/ipv4/conf/all/forwarding").is_ok_and(|switch| switch == Switch::On)
}

/// No IPv6 on interfaces that are made from now on, where the kernel has any.
pub fn no_version_6(interface: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
    if Path::new(&path).exists() { fs::write(path, "1") } else { Ok(()) }
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    On,
    Off,
}

impl Switch {
    fn text(self) -> &'static str {
        if self == Self::On { "1" } else { "0" }
    }
}

fn read(path: &str) -> io::Result<Switch> {
    Ok(if fs::read_to_string(path)?.trim() == "0" { Switch::Off } else { Switch::On })
}
