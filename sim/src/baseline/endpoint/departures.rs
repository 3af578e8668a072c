//! What goes out: reports first, then data of whichever connection is next.

use std::cmp::Reverse;

use usrd_proto::{HeaderBuffer, PathId, PeerId, Transmit};

use super::Baseline;
use crate::baseline::Kind;
use crate::baseline::packet::{Data, HEADER_BYTES, Packet};
use crate::baseline::sender::Next;

impl Baseline {
    /// Something to report goes before data.
    pub(super) fn transmit_report(&mut self, header: &mut HeaderBuffer) -> Option<Transmit> {
        let own = self.host;
        while let Some(&index) = self.talking.front() {
            let receiver = self.receiver(index)?;
            let (report, path) = (receiver.report(own), receiver.path);
            if !receiver.has_report() {
                receiver.talking = false;
                self.talking.pop_front();
            }
            if let Some(packet) = report {
                self.stats.acks_sent += u64::from(matches!(packet, Packet::Ack(_)));
                return Some(self.transmit(index, path, &packet, header));
            }
        }
        None
    }

    pub(super) fn transmit_data(
        &mut self,
        now_ns: u64,
        header: &mut HeaderBuffer,
    ) -> Option<Transmit> {
        while let Some(index) = self.ready.pop_front() {
            let sender = self.sender(index)?;
            match sender.poll(now_ns) {
                Next::Packet { psn, again, piece } => {
                    let path = sender.path;
                    self.ready.push_back(index);
                    self.arm(index);
                    let data = Data {
                        source: self.host,
                        connection: index,
                        message: piece.message,
                        psn,
                        sent_at_ns: now_ns,
                        offset: piece.offset,
                        total_len: piece.total_len,
                        again,
                    };
                    self.stats.data_packets_sent += 1;
                    self.stats.payload_bytes_sent += piece.payload.len;
                    self.stats.retransmissions += u64::from(again);
                    let transmit = self.transmit(index, path, &Packet::Data(data), header);
                    let ecn_capable = self.settings.kind != Kind::Tcp;
                    return Some(Transmit {
                        payload: Some(piece.payload),
                        ecn_capable,
                        ..transmit
                    });
                }
                Next::At(at_ns) => {
                    sender.ready = false;
                    if !std::mem::replace(&mut sender.paced, true) {
                        self.paced.push(Reverse((at_ns, index)));
                    }
                }
                Next::Idle => sender.ready = false,
            }
        }
        None
    }

    fn transmit(
        &self,
        index: u32,
        path: u8,
        packet: &Packet,
        header: &mut HeaderBuffer,
    ) -> Transmit {
        packet.encode(header);
        Transmit {
            peer: PeerId(index),
            path: PathId(path),
            header_len: HEADER_BYTES,
            payload: None,
            ecn_capable: false,
        }
    }
}
