//! What a capturing device writes, and that trouble with writing leaves traffic alone.

use std::io::{self, Write};

use usrd_device::loopback::{Fabric, LoopbackConfig, LoopbackDevice};
use usrd_device::pcap::{PcapConfig, PcapDevice};
use usrd_device::{Device, Outgoing};

/// Accepts so many bytes, and then no more.
#[derive(Debug)]
struct SmallDisk(usize);

impl Write for SmallDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn devices() -> (LoopbackDevice, LoopbackDevice) {
    let fabric = Fabric::new();
    let device = || fabric.device(LoopbackConfig::default()).unwrap();
    (device(), device())
}

/// Sends a datagram from `a` to `b`, and returns what arrived.
fn exchange(a: &mut dyn Device, b: &mut dyn Device, payload: &[u8]) -> Vec<u8> {
    let route = a.resolve(&b.local_address()).unwrap();
    let outgoing =
        Outgoing { route, path: 0, ecn_capable: true, header: b"header", payload, memory: None };
    assert_eq!(a.transmit(&[outgoing]).unwrap(), 1);
    let mut arrivals = Vec::new();
    assert_eq!(b.poll(&mut arrivals).unwrap(), 1);
    let bytes = b.bytes(&arrivals[0]).to_vec();
    b.release(&arrivals);
    bytes
}

/// The packets of a capture: direction, and captured bytes.
fn packets(capture: &[u8]) -> Vec<(u32, &[u8])> {
    let word = |at: usize| u32::from_ne_bytes(capture[at..at + 4].try_into().unwrap());
    let mut packets = Vec::new();
    let mut at = 0;
    while at < capture.len() {
        let len = word(at + 4) as usize;
        if word(at) == 6 {
            let captured = word(at + 20) as usize;
            let data = at + 28;
            // Behind the padded data: the code and length of the flags, then the flags.
            let flags = word(data + captured.next_multiple_of(4) + 4);
            packets.push((flags, &capture[data..data + captured]));
        }
        at += len;
    }
    assert_eq!(at, capture.len());
    packets
}

#[test]
fn both_directions_are_captured() {
    let (a, mut b) = devices();
    let mut a = PcapDevice::new(a, Vec::new(), &PcapConfig::default()).unwrap();
    exchange(&mut a, &mut b, b"out");
    exchange(&mut b, &mut a, b"inbound");
    let (_, capture) = a.close();
    let capture = capture.unwrap();
    let packets = packets(&capture);
    let (a, b) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    for ((direction, packet), (expected, from, to, bytes)) in
        packets.iter().zip([(2, a, b, &b"headerout"[..]), (1, b, a, b"headerinbound")])
    {
        assert_eq!(*direction, expected);
        assert_eq!((packet[0], &packet[12..16], &packet[16..20]), (0x45, &from[..], &to[..]));
        assert_eq!(&packet[28..], bytes);
    }
    assert_eq!(packets.len(), 2);
}

#[test]
fn long_packets_are_cut() {
    let (a, mut b) = devices();
    let config = PcapConfig { snap_bytes: 28 + 7 };
    let mut a = PcapDevice::new(a, Vec::new(), &config).unwrap();
    assert_eq!(exchange(&mut a, &mut b, b"payload"), b"headerpayload");
    let capture = a.close().1.unwrap();
    assert_eq!(packets(&capture)[0].1[28..], *b"headerp");
}

#[test]
fn a_full_disk_ends_the_capture_and_not_the_traffic() {
    let (a, mut b) = devices();
    let mut a = PcapDevice::new(a, SmallDisk(300), &PcapConfig::default()).unwrap();
    for n in 0..10 {
        assert_eq!(exchange(&mut a, &mut b, &[n]), [&b"header"[..], &[n]].concat());
        assert_eq!(exchange(&mut b, &mut a, &[n]), [&b"header"[..], &[n]].concat());
    }
    let error = a.close().1.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_capture_that_cannot_start_says_so() {
    let (a, _) = devices();
    let error = PcapDevice::new(a, SmallDisk(10), &PcapConfig::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
