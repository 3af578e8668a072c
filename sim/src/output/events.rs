//! `events.jsonl`: every event as a line of JSON, with names and fields in the manner of qlog:
//! `{"time": microseconds, "name": "transport:packet_sent", "data": {...}}`. The first line says
//! what the file is. Made for `grep` and `jq` rather than for small size.

use std::io::Write;

use serde_json::{Value, json};
use usrd_proto::wire::{Data, DataFlags, Packet as WirePacket};

use super::sink::Sink;
use crate::digest::Kind;
use crate::fabric::Packet;
use crate::observe::{Recorder, View};
use crate::time::Time;
use crate::traffic::MessageId;

/// Writes events as they happen.
#[derive(Debug)]
pub struct EventLog<W> {
    out: Sink<W>,
    /// Names of the links, once they are known: links are told by number as they happen.
    scenario: String,
    begun: bool,
}

impl<W: Write> EventLog<W> {
    /// A log of the run of a scenario.
    pub fn new(out: Sink<W>, scenario: &str) -> Self {
        Self { out, scenario: scenario.to_owned(), begun: false }
    }

    fn line(&mut self, now: Time, name: &str, data: &Value) {
        if !self.begun {
            self.begun = true;
            let trace = json!({ "vantage_point": { "type": "network" }, "time_unit": "us" });
            let header = json!({
                "qlog_format": "NDJSON", "qlog_version": "0.4", "title": self.scenario,
                "trace": trace,
            });
            self.out.write(format!("{header}\n").as_bytes());
        }
        let time = now.as_ps() as f64 / 1e6;
        let event = json!({ "time": time, "name": name, "data": data });
        self.out.write(format!("{event}\n").as_bytes());
    }
}

impl<W: Write> Recorder for EventLog<W> {
    fn packet(&mut self, now: Time, kind: Kind, place: u32, packet: &Packet) {
        let (name, at) = match kind {
            Kind::Transmit => ("transport:packet_sent", "host"),
            Kind::Arrival => ("transport:packet_received", "host"),
            Kind::TailDrop => ("network:packet_dropped_full_queue", "link"),
            Kind::Loss => ("network:packet_lost", "link"),
            Kind::Down => ("network:packet_dropped_link_down", "link"),
            Kind::Corrupt => ("network:packet_corrupted", "link"),
            Kind::Mark => ("network:packet_marked", "link"),
            Kind::Trim => ("network:packet_trimmed", "link"),
            Kind::Copy => ("network:packet_copied", "link"),
            Kind::Sent | Kind::Received | Kind::Submitted | Kind::Fault => return,
        };
        let mut data = describe(packet);
        data[at] = place.into();
        self.line(now, name, &data);
    }

    fn message(&mut self, now: Time, kind: Kind, host: u32, message: MessageId) {
        let name = match kind {
            Kind::Submitted => "application:message_submitted",
            Kind::Sent => "application:message_sent",
            _ => "application:message_received",
        };
        self.line(now, name, &json!({ "host": host, "message": message }));
    }

    fn fault(&mut self, now: Time, step: u32) {
        self.line(now, "network:fault", &json!({ "step": step }));
    }

    fn finish(&mut self, now: Time, view: &dyn View) {
        let network = view.fabric().network();
        let names = (0..network.links().len() as u32).map(|link| network.link_name(link));
        let names: Vec<String> = names.collect();
        self.line(now, "network:links", &json!({ "names": names }));
        self.out.finish();
    }
}

/// What a packet is, as far as its header says so.
fn describe(packet: &Packet) -> Value {
    let mut data = json!({
        "from": packet.source(), "to": packet.destination, "path": packet.path,
        "length": packet.len,
    });
    for (flag, set) in [("ce", packet.ce), ("trimmed", packet.trimmed)] {
        if set {
            data[flag] = true.into();
        }
    }
    let (packet_type, fields) = match WirePacket::decode(packet.head(), packet.len as usize) {
        Ok(WirePacket::Data(header)) => ("data", data_fields(&header)),
        Ok(WirePacket::Ack(ack)) => {
            ("ack", vec![("cumulative", u64::from(ack.cumulative)), ("credit", ack.credit.into())])
        }
        Ok(WirePacket::Nack(_)) => ("nack", vec![]),
        Ok(WirePacket::Open(_)) => ("open", vec![]),
        Ok(WirePacket::Reset(_)) => ("reset", vec![]),
        Ok(WirePacket::Probe(_)) => ("probe", vec![]),
        Ok(WirePacket::Close(_)) => ("close", vec![]),
        Ok(WirePacket::Part(_)) => ("part", vec![]),
        _ => ("other", vec![]),
    };
    data["packet_type"] = packet_type.into();
    for (name, value) in fields {
        data[name] = value.into();
    }
    data
}

fn data_fields(header: &Data) -> Vec<(&'static str, u64)> {
    let mut fields = vec![
        ("psn", u64::from(header.psn)),
        ("path_seq", header.transmission.seq.into()),
        ("offset", header.offset),
    ];
    if header.flags.has(DataFlags::RETRANSMISSION) {
        fields.push(("retransmission", 1));
    }
    fields
}
