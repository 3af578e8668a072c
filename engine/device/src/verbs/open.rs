//! A device is opened.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::address::CONTROLLED;
use super::config::{RailConfig, VerbsConfig};
use super::health::interests;
use super::incoming::POLL_BATCH;
use super::ports::{LocalPort, Ports};
use super::rail::Rail;
use super::registry::Registry;
use super::routes::Routes;
use super::sys::{self, AddressHandle, Context, Domain, Port};
use super::{EndpointAddress, VerbsDevice};
use crate::bundle::Planner;
use crate::{Capabilities, DeviceError, DeviceKind, DeviceStats, Link, Waker};

impl VerbsDevice {
    /// Opens the ports and makes the queue pairs.
    pub fn open(config: &VerbsConfig) -> Result<Self, DeviceError> {
        config.validate()?;
        let qkey = random_qkey();
        let ports = config.rails.iter().map(open_port).collect::<Result<Vec<_>, _>>()?;
        // What all rails carry.
        let datagram_bytes = ports.iter().map(|(_, port)| port.mtu_bytes).min().unwrap_or(0);
        let rails = (config.rails.iter().zip(ports))
            .map(|(rail, port)| Rail::open(config, rail, port, qkey, datagram_bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let domains: Vec<_> = rails.iter().map(|rail| rail.domain.clone()).collect();
        let waker = Waker::new()?;
        let ports = ways(config, &rails, domains.clone(), qkey, waker.clone())?;
        let queue_pairs = rails.iter().map(|rail| rail.senders.len()).collect();
        let mut device = Self {
            routes: Routes::new(queue_pairs, config.paths, ports),
            registry: Registry::new(domains, config.register_bytes),
            capabilities: capabilities(config, &rails, datagram_bytes),
            address: EndpointAddress {
                qkey,
                bundles: config.bundles,
                rails: rails.iter().map(Rail::address).collect(),
            },
            bundles: config.bundles,
            planner: Planner::new(datagram_bytes),
            stats: DeviceStats::default(),
            qkey,
            strangers: Vec::new(),
            pieces: Vec::new(),
            ready: Vec::new(),
            received: Vec::with_capacity(POLL_BATCH),
            full: None,
            polls: 0,
            left: Vec::new(),
            interests: interests(&rails, &waker),
            waker,
            rails,
        };
        device.capabilities.ecn = device.shows_marks();
        Ok(device)
    }
}

/// Remote ports, the ways to which are address handles.
fn ways(
    config: &VerbsConfig,
    rails: &[Rail],
    domains: Vec<Arc<Domain>>,
    salt: u32,
    waker: Waker,
) -> Result<Ports<AddressHandle>, DeviceError> {
    let local = |rail: &Rail| LocalPort { port: rail.port.number, gid_index: rail.gid.index };
    let local = rails.iter().map(local).collect();
    let make = move |rail: usize, way: &sys::Way| AddressHandle::new(&domains[rail], way);
    Ports::new(local, config.dscp << 2, salt, make, waker)
}

fn open_port(rail: &RailConfig) -> Result<(Arc<Context>, Port), DeviceError> {
    let context = Arc::new(Context::open(&rail.device)?);
    let port = context.port(rail.port)?;
    Ok((context, port))
}

fn capabilities(config: &VerbsConfig, rails: &[Rail], datagram_bytes: usize) -> Capabilities {
    Capabilities {
        kind: DeviceKind::Verbs,
        max_datagram_bytes: datagram_bytes,
        paths: config.paths,
        ecn: false,
        transmit_offload: None,
        bundles: config.bundles,
        receive_offload: false,
        receive_capacity_bytes: rails.iter().map(|rail| rail.incoming.slots()).sum::<usize>()
            * datagram_bytes,
        locator: 0,
        link: Some(Link {
            bps: rails.iter().map(|rail| rail.port.link_bps).sum(),
            is_software: rails.iter().any(|rail| rail.context.is_software()),
        }),
    }
}

/// Of the operating system's randomness, by way of the one that hash maps are seeded with.
fn random_qkey() -> u32 {
    let random = RandomState::new().hash_one(std::process::id()) as u32;
    (random & !CONTROLLED).max(1)
}
