//! How long flows would take in a network of their own.

use usrd_proto::wire::DATA_HEADER_BYTES;

use crate::scenario::Scenario;
use crate::time::Time;
use crate::workload::{FlowSpec, Plan};

/// What the messages of a flow take on the wire, headers included.
pub fn wire_bytes(scenario: &Scenario, spec: &FlowSpec) -> u64 {
    let per_packet = DATA_HEADER_BYTES as u64 + scenario.links.overhead.0;
    let payload = spec.payload_bytes();
    let packets = payload.div_ceil(scenario.core.mtu.0).max(1);
    u64::from(spec.messages) * (payload + packets * per_packet)
}

/// How long a flow takes, alone in the network, until its receiver has everything. Of what is read,
/// that is who reads.
pub fn ideal_receiver_fct(scenario: &Scenario, spec: &FlowSpec) -> Time {
    if spec.pulls() {
        return ideal_sender_fct(scenario, spec);
    }
    ideal_delivery(scenario, spec)
}

fn ideal_delivery(scenario: &Scenario, spec: &FlowSpec) -> Time {
    let total = wire_bytes(scenario, spec);
    let last_packet = total.min(scenario.packet_bytes());
    let network = scenario.network();
    let (src, dst) = (spec.payload_from(), spec.payload_to());
    // All of it crosses the slowest link; the last packet has crossed the others besides.
    network.bottleneck(src, dst).time_for(total - last_packet)
        + network.one_way(src, dst, last_packet)
        + scenario.path_delay(0)
}

/// The same until the sender knows.
pub fn ideal_sender_fct(scenario: &Scenario, spec: &FlowSpec) -> Time {
    let (src, dst) = (spec.payload_from(), spec.payload_to());
    let forth = scenario.network().one_way(src, dst, scenario.packet_bytes());
    // Of what is read the request comes first, and not the answer last.
    let back = scenario.least_rtt(src, dst) - forth - scenario.path_delay(0);
    ideal_delivery(scenario, spec) + back
}

/// The least time in which the network can carry all flows: its busiest host link never idles, and
/// no chain of flows that wait for each other is faster than its links are one by one.
pub fn ideal_span(scenario: &Scenario, plan: &Plan) -> Time {
    let network = scenario.network();
    let mut busy = vec![(0u64, Time::NEVER); 2 * network.hosts() as usize];
    let sender_fct = |spec: &FlowSpec| ideal_sender_fct(scenario, spec);
    let starts = plan.earliest_starts(sender_fct, |spec| ideal_receiver_fct(scenario, spec));
    let mut longest = Time::ZERO;
    for (spec, &start) in plan.flows.iter().zip(&starts) {
        let bytes = wire_bytes(scenario, spec);
        let trip = scenario.least_rtt(spec.src, spec.dst);
        for link in [spec.payload_from(), network.hosts() + spec.payload_to()] {
            let (sum, least) = busy[link as usize];
            busy[link as usize] = (sum + bytes, least.min(start + trip));
        }
        longest = longest.max(start + sender_fct(spec));
    }
    // Of the last packet the trip counts the first link's time already.
    let packet = scenario.packet_bytes();
    let span = |(link, &(bytes, trip)): (usize, &(u64, Time))| {
        let link = network.links().get(link).or_else(|| network.links().first());
        let rate = link.map_or(scenario.links.rate, |link| link.rate);
        trip + rate.time_for(bytes.saturating_sub(packet))
    };
    let used = busy.iter().enumerate().filter(|(_, (bytes, _))| *bytes > 0);
    used.map(span).fold(longest, Time::max)
}
