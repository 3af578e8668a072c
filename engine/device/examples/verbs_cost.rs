//! What a verbs device costs the processor for each packet: something to run under callgrind, in the
//! lab (`engine/device/lab/cost`). Sends batches from one device to another at the same port.
//!
//! `verbs_cost DEVICE PAYLOAD_BYTES PACKETS (in-place | copied)`

use std::error::Error;

use bytes::Bytes;
use usrd_device::verbs::{VerbsConfig, VerbsDevice};
use usrd_device::{Device, Memory, Outgoing};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, payload_bytes, packets, how] = arguments.as_slice() else {
        return Err("usage: verbs_cost DEVICE PAYLOAD_BYTES PACKETS (in-place | copied)".into());
    };
    let config: VerbsConfig = device.parse()?;
    let mut a: Box<dyn Device> = Box::new(VerbsDevice::open(&config)?);
    let mut b: Box<dyn Device> = Box::new(VerbsDevice::open(&config)?);
    let route = a.resolve(&b.local_address())?;
    let memory = Bytes::from(vec![7; payload_bytes.parse()?]);
    a.pin(&memory)?;
    let in_place = how == "in-place";
    let (mut path, mut received, mut sent) = (0_u8, 0, 0);
    let packets: usize = packets.parse()?;
    let mut arrivals = Vec::new();
    while received < packets {
        let batch: Vec<_> = (0..BATCH)
            .map(|_| {
                path = path.wrapping_add(1) % 128;
                let memory = &memory;
                Outgoing {
                    route,
                    path,
                    ecn_capable: true,
                    header: &[1; 64],
                    payload: memory,
                    memory: in_place.then_some(Memory::Shared(memory)),
                }
            })
            .collect();
        if sent - received < BATCH {
            sent += a.transmit(&batch)?;
        }
        a.poll(&mut Vec::new())?;
        received += b.poll(&mut arrivals)?;
        b.release(&arrivals);
        arrivals.clear();
    }
    println!("{received} packets");
    Ok(())
}

/// As the engine's driver hands them over when it is busy.
const BATCH: usize = 64;
