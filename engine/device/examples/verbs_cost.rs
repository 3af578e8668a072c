//! What a verbs device costs the processor for each packet: something to run under callgrind, in the
//! lab (`engine/device/lab/cost`). Sends batches from one device to another at the same port.
//!
//! `verbs_cost DEVICE PAYLOAD_BYTES PACKETS (in-place | copied)`
//!
//! What is to be measured has functions of its own, as callgrind can be told to count only there: along
//! paths that are known already, [`transmit`] and [`poll`].

use std::error::Error;

use bytes::Bytes;
use usrd_device::verbs::{VerbsConfig, VerbsDevice};
use usrd_device::{Arrival, Device, DeviceError, Memory, Outgoing};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, payload_bytes, packets, how] = arguments.as_slice() else {
        return Err("usage: verbs_cost DEVICE PAYLOAD_BYTES PACKETS (in-place | copied)".into());
    };
    let config: VerbsConfig = device.parse()?;
    let mut a = VerbsDevice::open(&config)?;
    let mut b = VerbsDevice::open(&config)?;
    let route = a.resolve(&b.local_address())?;
    let memory = Bytes::from(vec![7; payload_bytes.parse()?]);
    a.pin(&memory)?;
    let datagram = |path: usize| Outgoing {
        route,
        path: path as u8,
        ecn_capable: true,
        header: &[1; 64],
        payload: &memory,
        memory: (how == "in-place").then_some(Memory::Shared(&memory)),
    };
    let paths = usize::from(config.paths);

    // Every path once, so that its address handle is there.
    let (mut received, mut arrivals, mut vain) = (0, Vec::new(), 0);
    a.transmit(&(0..paths).map(datagram).collect::<Vec<_>>())?;
    while received < paths {
        a.poll(&mut Vec::new())?;
        let count = b.poll(&mut arrivals)?;
        vain += usize::from(count == 0);
        b.release(&arrivals);
        arrivals.clear();
        received += count;
    }
    println!("until {paths} paths were known, {vain} polls found nothing");

    let packets: usize = packets.parse()?;
    let (mut received, mut sent, mut found, mut vain) = (0, 0, 0, 0);
    while received < packets {
        if sent - received < BATCH {
            let batch: Vec<_> = (sent..sent + BATCH).map(|n| datagram(n % paths)).collect();
            sent += transmit(&mut a, &batch)?;
        }
        poll(&mut a, &mut arrivals)?;
        let count = poll(&mut b, &mut arrivals)?;
        b.release(&arrivals);
        arrivals.clear();
        received += count;
        found += usize::from(count > 0);
        vain += usize::from(count == 0);
    }
    println!("{received} packets; {found} polls of the receiver found some, {vain} none");
    Ok(())
}

#[inline(never)]
fn transmit(device: &mut VerbsDevice, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
    device.transmit(batch)
}

#[inline(never)]
fn poll(device: &mut VerbsDevice, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
    device.poll(arrivals)
}

/// As the engine's driver hands them over when it is busy.
const BATCH: usize = 64;
