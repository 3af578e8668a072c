//! What RDMA ports there are, and what each can do.

use std::path::Path;
use std::sync::Arc;

use super::config::VerbsConfig;
use super::gid::{self, GidEntry};
use super::sys::{Context, Domain, device_names};
use super::{RailConfig, VerbsDevice};
use crate::{Capabilities, DeviceError};

/// A port.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// How to name it: `DEVICE:PORT`.
    pub rail: RailConfig,
    /// Whether it is up.
    pub is_active: bool,
    /// Whether it is of an Ethernet NIC (RoCE), and not of an InfiniBand one.
    pub is_ethernet: bool,
    /// The GID that is used unless told otherwise.
    pub gid: Option<GidEntry>,
    /// Whether dmabufs can be registered, and with them GPU memory.
    pub dmabuf: bool,
    /// The kernel module by which GPU memory can be registered by its address, if one is loaded.
    pub peer_memory: Option<&'static str>,
}

impl PortInfo {
    /// What a device at this port can do: opens one.
    pub fn probe(&self) -> Result<Capabilities, DeviceError> {
        let device = VerbsDevice::open(&VerbsConfig::new(vec![self.rail.clone()]))?;
        Ok(device.capabilities.clone())
    }
}

/// Every port of every device; an error says what RDMA lacks here.
pub fn ports() -> Result<Vec<PortInfo>, DeviceError> {
    let mut ports = Vec::new();
    for name in device_names()? {
        ports.extend(ports_of(&name)?);
    }
    Ok(ports)
}

fn ports_of(name: &str) -> Result<Vec<PortInfo>, DeviceError> {
    let context = Arc::new(Context::open(name)?);
    let dmabuf = Domain::new(context.clone())?.registers_dmabuf();
    let port_info = |number| {
        let port = context.port(number).ok()?;
        Some(PortInfo {
            rail: RailConfig { device: name.to_owned(), port: number, gid_index: None },
            is_active: port.active,
            is_ethernet: port.ethernet,
            gid: gid::choose(&context.gids(&port)),
            dmabuf,
            peer_memory: peer_memory(),
        })
    };
    Ok((1..=u8::MAX).map_while(port_info).collect())
}

fn peer_memory() -> Option<&'static str> {
    let is_loaded = |module: &&str| Path::new("/sys/module").join(module).exists();
    ["nvidia_peermem", "efa_nv_peermem", "nv_peer_mem"].into_iter().find(is_loaded)
}
