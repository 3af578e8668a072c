//! What follows from a device: the configuration that works where the user says nothing.

use std::time::Duration;

use usrd_device::{Capabilities, DeviceKind};
use usrd_proto::Config;
use usrd_proto::cc::Algorithm;
use usrd_proto::wire::DATA_HEADER_BYTES;

/// The configuration for a device with these capabilities.
pub(crate) fn config_for(device: &Capabilities) -> Config {
    let mut config = Config::default();
    fit_packets(&mut config, device);
    config.paths = device.paths;
    config.locator = device.locator;
    config.recv_window_bytes = device.receive_capacity_bytes as u64;
    config.cc.algorithm = if device.ecn { Algorithm::Nscc } else { Algorithm::Swift };
    match device.kind {
        // Both are scheduled by an operating system, not clocked by a NIC.
        DeviceKind::Udp | DeviceKind::Loopback => allow_for_scheduling(&mut config),
        DeviceKind::Verbs => fit_nic(&mut config, device),
    }
    config
}

/// The largest payload that the device carries beside a header.
pub(crate) fn max_payload_bytes(device: &Capabilities) -> usize {
    device.max_datagram_bytes.saturating_sub(DATA_HEADER_BYTES)
}

fn fit_packets(config: &mut Config, device: &Capabilities) {
    let payload_bytes = max_payload_bytes(device).min(usize::from(u16::MAX));
    config.mtu_bytes = payload_bytes as u16;
    config.open_mtu_bytes = config.open_mtu_bytes.min(config.mtu_bytes);
    config.cc.mtu_bytes = u32::from(config.mtu_bytes);
    if let Some(offload) = device.transmit_offload {
        let datagram_bytes = payload_bytes + DATA_HEADER_BYTES;
        let packets = offload.max_segments.min(offload.max_bytes / datagram_bytes);
        config.train_packets = packets.clamp(1, usize::from(u16::MAX)) as u16;
    }
    // A turn shorter than a train would cut every train.
    let train_bytes = u32::from(config.train_packets) * u32::from(config.mtu_bytes);
    config.quantum_bytes = config.quantum_bytes.max(train_bytes);
}

/// The core's own timers suit a NIC on a quiet fabric. A thread that shares its processor is away
/// for milliseconds at times, and that is no loss.
fn allow_for_scheduling(config: &mut Config) {
    config.loss.initial_rtt = INITIAL_RTT;
    config.loss.min_probe = MIN_PROBE;
    config.loss.min_rto = MIN_RTO;
    config.cc.link_bps = LINK_BPS;
    config.cc.base_rtt = BASE_RTT;
    config.pacing_gain_percent = NO_PACING;
    config.ack.every_packets = ACK_PACKETS;
    config.ack.every_bytes = ACK_BYTES;
    config.ack.max_delay = ACK_DELAY;
    config.ack.message_end_delay = MESSAGE_END_DELAY;
}

/// A NIC's receive buffers are counted, and each holds one datagram however short.
fn fit_nic(config: &mut Config, device: &Capabilities) {
    let slots = device.receive_capacity_bytes / device.max_datagram_bytes;
    let packets = (slots / 2).clamp(64, usize::from(config.recv_window_packets)) as u16;
    config.recv_window_packets = 1 << packets.ilog2();
    if device.bundles {
        config.train_packets = BUNDLE_TRAIN;
    }
    match device.link {
        Some(link) if !link.is_software => config.cc.link_bps = link.bps,
        // What it says of its rate is made up.
        _ => {
            allow_for_scheduling(config);
            config.train_packets *= SOFTWARE_TRAINS;
            config.recv_window_bytes /= 2;
        }
    }
}

/// An exchange with a peer that has yet to wake up, with room to spare.
const INITIAL_RTT: Duration = Duration::from_millis(1);
/// Half a scheduler tick at 250 Hz: a thread that is merely preempted is back by then.
const MIN_PROBE: Duration = Duration::from_millis(2);
/// Several ticks, and several probes, before a whole peer is taken for silent.
const MIN_RTO: Duration = Duration::from_millis(10);
/// What one core moves through UDP sockets with offload, as measured between two processes.
const LINK_BPS: u64 = 25_000_000_000;
/// System calls, copies and a wake-up on both sides, on a host that does other things as well. The
/// window that follows, 1.9 MB at the most, keeps the receiver busy while the sender is away.
const BASE_RTT: Duration = Duration::from_micros(400);
/// The pacer lets packets go one by one, and a train that is cut costs a system call for each piece:
/// batches of 5 packets instead of 44, and a third more CPU per byte, measured over loopback.
const NO_PACING: u32 = 0;
/// Packets in a row on one path, so that small ones meet: messages that are small themselves, and the
/// ends of others. Of six, those of messages just above the MTU leave as four. Three times the longest
/// packets are sprayed nearly as evenly as single ones.
const BUNDLE_TRAIN: u16 = 6;
/// Where every batch costs a system call for each queue pair, and there are no switches to spread over:
/// a tenth less of the processors' time than with six, for messages of 4096 bytes between lab hosts.
const SOFTWARE_TRAINS: u16 = 2;
/// About one offloaded train: an ACK is a system call on both sides.
const ACK_PACKETS: u32 = 16;
/// The same in bytes.
const ACK_BYTES: u32 = 64 << 10;
/// Small beside the base RTT, and long enough for the arrivals of one turn to share an ACK.
const ACK_DELAY: Duration = Duration::from_micros(50);
/// A few exchanges of small messages between two polling hosts: answers leave before the ACK of what
/// they answer, and the ACK, a system call on both sides, covers several messages.
const MESSAGE_END_DELAY: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use super::*;
    use usrd_device::Offload;

    fn capabilities() -> Capabilities {
        Capabilities {
            kind: DeviceKind::Udp,
            max_datagram_bytes: 8972,
            paths: 16,
            ecn: true,
            transmit_offload: Some(Offload { max_segments: 64, max_bytes: 65_000 }),
            bundles: false,
            receive_offload: true,
            receive_capacity_bytes: 4 << 20,
            locator: 4791,
            link: None,
        }
    }

    #[test]
    fn a_train_fits_the_offload_and_a_turn() {
        let config = config_for(&capabilities());
        assert_eq!((config.mtu_bytes, config.train_packets), (8908, 7));
        assert!(config.quantum_bytes >= 7 * 8908);
        config.validate().unwrap();
    }

    #[test]
    fn bundles_overtake_less_than_what_looks_like_a_loss() {
        let verbs = Capabilities {
            kind: DeviceKind::Verbs,
            transmit_offload: None,
            bundles: true,
            link: Some(usrd_device::Link { bps: 400_000_000_000, is_software: false }),
            ..capabilities()
        };
        let config = config_for(&verbs);
        assert_eq!(config.train_packets, 6);
        assert!(usrd_device::bundle::OVERTAKING_DISTANCE <= config.loss.gap_packets as usize);
        assert_eq!(config_for(&Capabilities { bundles: false, ..verbs }).train_packets, 1);
    }

    #[test]
    fn without_marks_delay_decides() {
        let config = config_for(&Capabilities { ecn: false, ..capabilities() });
        assert_eq!(config.cc.algorithm, Algorithm::Swift);
        let small = config_for(&Capabilities { max_datagram_bytes: 576, ..capabilities() });
        assert_eq!((small.mtu_bytes, small.open_mtu_bytes), (512, 512));
    }
}
