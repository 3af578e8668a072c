//! Hosts that do wrong by the buffers which messages share.

use usrd_proto::wire::Packet;
use usrd_proto::{BounceCopy, Destination, Event, Inbound, MULTI_RECV_ALIGN_BYTES, Placement};
use usrd_sim::check::Checker;
use usrd_sim::{Report, Scenario, Status};

use super::host::Defect;
use super::{is_caught, run_in};

const KINDS: [&str; 2] = ["send", "tagged"];

/// Says something else of where a message lies in its buffer, or of why that is free.
pub(crate) fn spoil_event(defect: Defect, event: &mut Event) {
    match (defect, event) {
        (
            Defect::PlacesOverOthers | Defect::TellsAnotherPlace,
            Event::RecvCompleted { offset, .. } | Event::TaggedCompleted { offset, .. },
        ) if *offset > 0 => *offset -= MULTI_RECV_ALIGN_BYTES,
        (Defect::EndsAsTakenBack, Event::MultiRecvOver { cancelled, .. }) => *cancelled = true,
        _ => {}
    }
}

/// Places payload of a message that is not the first in its buffer too early.
pub(crate) fn spoil_placement(defect: Defect, inbound: &Inbound<'_>, placement: &mut Placement) {
    let Ok(Packet::Data(data)) = Packet::decode(inbound.head, inbound.len) else { return };
    let is_posted = matches!(placement.destination, Destination::Posted(_));
    if defect == Defect::PlacesOverOthers && is_posted && placement.offset > data.offset {
        placement.offset -= MULTI_RECV_ALIGN_BYTES;
    }
}

/// The same of one that came before its receive.
pub(crate) fn spoil_copy(defect: Defect, copy: &mut BounceCopy) {
    if defect == Defect::PlacesOverOthers && copy.offset > 0 {
        copy.offset -= MULTI_RECV_ALIGN_BYTES;
    }
}

fn run(operation: &str, defect: Defect) -> Report {
    let text = format!(
        r#"
        name = "broken"
        end = "1s"
        topology = {{ kind = "star", hosts = 3 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "1MiB" }}
        host = {{ placement_delay = "3us" }}
        [workload]
        kind = "pairs"
        many = 4
        pairs = [
          {{ src = 0, dst = 2, messages = 100, size = "20kB", operation = "{operation}" }},
          {{ src = 0, dst = 2, messages = 100, size = "20kB", operation = "{operation}" }},
          {{ src = 1, dst = 2, messages = 100, size = "2kB", operation = "{operation}" }},
        ]
        "#
    );
    run_in(&Scenario::parse(&text, "broken").unwrap(), defect)
}

#[track_caller]
fn assert_caught(defect: Defect, what: &str) {
    for operation in KINDS {
        let report = run(operation, defect);
        assert!(is_caught(&report, Checker::SharedBuffers), "{operation}: {report}");
        let mut details = report.violations.iter().map(|it| &it.detail);
        assert!(details.any(|detail| detail.contains(what)), "{operation}: {report}");
    }
}

#[test]
fn without_a_defect_nothing_is_found() {
    for operation in KINDS {
        let report = run(operation, Defect::None);
        assert_eq!(report.status, Status::Ok, "{report}");
    }
}

#[test]
fn messages_that_lie_over_each_other_are_caught() {
    assert_caught(Defect::PlacesOverOthers, "where there is");
}

#[test]
fn a_message_that_lies_elsewhere_than_is_said_is_caught() {
    assert_caught(Defect::TellsAnotherPlace, "is not there");
}

#[test]
fn a_buffer_that_ends_twice_is_caught() {
    assert_caught(Defect::EndsTwice, "was not open");
}

#[test]
fn a_buffer_that_ends_before_its_last_message_is_caught() {
    assert_caught(Defect::EndsEarly, "is over before");
}

#[test]
fn a_buffer_that_ends_for_another_reason_is_caught() {
    assert_caught(Defect::EndsAsTakenBack, "it was taken back: false");
}
