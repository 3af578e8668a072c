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
    name: &'static str,
    what: &'static str,
    available: bool,
    /// Why not, if not.
    reason: Option<String>,
    capabilities: Option<CapabilitiesInfo>,
}

/// What a device can do, as measured where possible.
#[derive(Debug, Serialize)]
struct CapabilitiesInfo {
    max_datagram_bytes: usize,
    paths: u16,
    ecn: bool,
    transmit_offload_segments: Option<usize>,
    transmit_offload_bytes: Option<usize>,
    receive_offload: bool,
    receive_capacity_bytes: usize,
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
    vec![
        device(
            "udp v4",
            "UDP sockets, IPv4; probed at 127.0.0.1",
            probe(Ipv4Addr::LOCALHOST.into()),
        ),
        device("udp v6", "UDP sockets, IPv6; probed at ::1", probe(Ipv6Addr::LOCALHOST.into())),
        device("loopback", "within one process, for tests and embedding", loopback()),
        device(
            "verbs",
            "unreliable-datagram queue pairs of an RDMA NIC",
            Err("not part of this version".to_owned()),
        ),
        device("cuda", "GPU memory", Err("not part of this version".to_owned())),
    ]
}

fn loopback() -> Result<Capabilities, String> {
    use usrd::Device;
    let device =
        Fabric::new().device(LoopbackConfig::default()).map_err(|error| error.to_string())?;
    Ok(device.capabilities().clone())
}

fn device(
    name: &'static str,
    what: &'static str,
    probed: Result<Capabilities, String>,
) -> DeviceInfo {
    let available = probed.is_ok();
    let (capabilities, reason) = match probed {
        Ok(capabilities) => (Some(CapabilitiesInfo::new(&capabilities)), None),
        Err(reason) => (None, Some(reason)),
    };
    DeviceInfo { name, what, available, reason, capabilities }
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
            receive_offload: capabilities.receive_offload,
            receive_capacity_bytes: capabilities.receive_capacity_bytes,
        }
    }
}

fn print(info: &Info) {
    println!("usrd {}", info.usrd);
    for device in &info.devices {
        println!("\n{:<10}{}", device.name, device.what);
        match (&device.capabilities, &device.reason) {
            (Some(capabilities), _) => print_capabilities(capabilities),
            (None, reason) => {
                println!("  unavailable: {}", reason.as_deref().unwrap_or("unknown"));
            }
        }
    }
}

fn print_capabilities(capabilities: &CapabilitiesInfo) {
    let show = |name: &str, value: String| println!("  {name:<26}{value}");
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
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
    show("coalescing on receive", yes_no(capabilities.receive_offload));
    show("receive buffer", format!("{} B", capabilities.receive_capacity_bytes));
}
