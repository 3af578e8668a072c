//! `usrd info`: devices, what each can do, and why one is unavailable.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use usrd::Capabilities;
use usrd::device::loopback::{Fabric, LoopbackConfig};
use usrd::device::udp::UdpDevice;

use crate::args::InfoArgs;
use crate::failure::Failure;

/// Everything there is to show; the JSON format.
#[derive(Debug, Serialize)]
struct Info {
    version: u32,
    usrd: &'static str,
    devices: Vec<DeviceInfo>,
}

/// One device.
#[derive(Debug, Serialize)]
struct DeviceInfo {
    name: String,
    what: &'static str,
    available: bool,
    /// Why not, if not.
    reason: Option<String>,
    capabilities: Option<CapabilitiesInfo>,
    /// What is known of an RDMA port beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    verbs: Option<VerbsInfo>,
}

/// An RDMA port.
#[derive(Debug, Serialize)]
struct VerbsInfo {
    active: bool,
    link: &'static str,
    gid: Option<String>,
    gid_index: Option<u8>,
    dmabuf: bool,
    peer_memory: Option<&'static str>,
}

/// What a device can do, as measured where possible.
#[derive(Debug, Serialize)]
struct CapabilitiesInfo {
    max_datagram_bytes: usize,
    paths: u16,
    ecn: bool,
    transmit_offload_segments: Option<usize>,
    transmit_offload_bytes: Option<usize>,
    bundles: bool,
    receive_offload: bool,
    receive_capacity_bytes: usize,
    link_bps: Option<u64>,
    software_link: Option<bool>,
}

/// Runs the command.
pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let info = Info { version: 1, usrd: env!("CARGO_PKG_VERSION"), devices: devices() };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&info).map_err(Failure::run)?);
    } else {
        print(&info);
    }
    Ok(())
}

fn devices() -> Vec<DeviceInfo> {
    let probe = |address: IpAddr| UdpDevice::probe(address).map_err(|error| error.to_string());
    let mut devices = vec![
        device(
            "udp v4",
            "UDP sockets, IPv4; probed at 127.0.0.1",
            probe(Ipv4Addr::LOCALHOST.into()),
        ),
        device("udp v6", "UDP sockets, IPv6; probed at ::1", probe(Ipv6Addr::LOCALHOST.into())),
        device("loopback", "within one process, for tests and embedding", loopback()),
    ];
    devices.extend(verbs());
    devices.push(device("cuda", "GPU memory", Err("not part of this version".to_owned())));
    devices
}

#[cfg(feature = "verbs")]
fn verbs() -> Vec<DeviceInfo> {
    let ports = match usrd::device::verbs::ports() {
        Ok(ports) if ports.is_empty() => Err("there is no RDMA device".to_owned()),
        ports => ports.map_err(|error| error.to_string()),
    };
    match ports {
        Ok(ports) => ports.iter().map(port).collect(),
        Err(reason) => vec![device("verbs", VERBS, Err(reason))],
    }
}

#[cfg(feature = "verbs")]
fn port(port: &usrd::device::verbs::PortInfo) -> DeviceInfo {
    let probed = port.probe().map_err(|error| error.to_string());
    let verbs = VerbsInfo {
        active: port.is_active,
        link: if port.is_ethernet { "Ethernet" } else { "InfiniBand" },
        gid: port.gid.map(|entry| entry.gid.to_string()),
        gid_index: port.gid.map(|entry| entry.index),
        dmabuf: port.dmabuf,
        peer_memory: port.peer_memory,
    };
    DeviceInfo { verbs: Some(verbs), ..device(&format!("verbs:{}", port.rail), VERBS, probed) }
}

#[cfg(not(feature = "verbs"))]
fn verbs() -> Vec<DeviceInfo> {
    let reason = "this usrd was built without: cargo build --features verbs";
    vec![device("verbs", VERBS, Err(reason.to_owned()))]
}

fn loopback() -> Result<Capabilities, String> {
    use usrd::Device;
    let device =
        Fabric::new().device(LoopbackConfig::default()).map_err(|error| error.to_string())?;
    Ok(device.capabilities().clone())
}

fn device(name: &str, what: &'static str, probed: Result<Capabilities, String>) -> DeviceInfo {
    let available = probed.is_ok();
    let (capabilities, reason) = match probed {
        Ok(capabilities) => (Some(CapabilitiesInfo::new(&capabilities)), None),
        Err(reason) => (None, Some(reason)),
    };
    DeviceInfo { name: name.to_owned(), what, available, reason, capabilities, verbs: None }
}

impl CapabilitiesInfo {
    fn new(capabilities: &Capabilities) -> Self {
        let offload = capabilities.transmit_offload;
        Self {
            max_datagram_bytes: capabilities.max_datagram_bytes,
            paths: capabilities.paths,
            ecn: capabilities.ecn,
            transmit_offload_segments: offload.map(|offload| offload.max_segments),
            transmit_offload_bytes: offload.map(|offload| offload.max_bytes),
            bundles: capabilities.bundles,
            receive_offload: capabilities.receive_offload,
            receive_capacity_bytes: capabilities.receive_capacity_bytes,
            link_bps: capabilities.link.map(|link| link.bps),
            software_link: capabilities.link.map(|link| link.is_software),
        }
    }
}

fn print(info: &Info) {
    println!("usrd {}", info.usrd);
    for device in &info.devices {
        println!("\n{:<10}{}", device.name, device.what);
        if let Some(verbs) = &device.verbs {
            print_verbs(verbs);
        }
        match (&device.capabilities, &device.reason) {
            (Some(capabilities), _) => print_capabilities(capabilities),
            (None, reason) => {
                println!("  unavailable: {}", reason.as_deref().unwrap_or("unknown"));
            }
        }
    }
}

fn print_capabilities(capabilities: &CapabilitiesInfo) {
    show("largest datagram", format!("{} B", capabilities.max_datagram_bytes));
    show("paths by default", capabilities.paths.to_string());
    show("ECN", yes_no(capabilities.ecn));
    let segmentation =
        capabilities.transmit_offload_segments.zip(capabilities.transmit_offload_bytes);
    show(
        "segmentation on transmit",
        segmentation.map_or_else(
            || "no".to_owned(),
            |(segments, bytes)| format!("up to {segments} datagrams, {bytes} B in a train"),
        ),
    );
    show("small datagrams share one", yes_no(capabilities.bundles));
    show("coalescing on receive", yes_no(capabilities.receive_offload));
    show("receive buffer", format!("{} B", capabilities.receive_capacity_bytes));
    if let (Some(bps), Some(software)) = (capabilities.link_bps, capabilities.software_link) {
        let made_up = if software { ", as its software says" } else { "" };
        show("link", format!("{} Gb/s{made_up}", bps / 1_000_000_000));
    }
}

fn print_verbs(port: &VerbsInfo) {
    show("port", format!("{}, {}", if port.active { "up" } else { "down" }, port.link));
    let gid = port.gid.as_ref().zip(port.gid_index);
    show("GID", gid.map_or_else(|| "none".into(), |(gid, index)| format!("{gid}, index {index}")));
    show("GPU memory by dmabuf", yes_no(port.dmabuf));
    show("GPU memory by address", port.peer_memory.unwrap_or("no").to_owned());
}

fn show(name: &str, value: String) {
    println!("  {name:<26}{value}");
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

const VERBS: &str = "unreliable-datagram queue pairs of an RDMA NIC";
