//! Hosts that do wrong by the memory of others.

use usrd_proto::{BounceId, Event, Note};
use usrd_sim::check::Checker;
use usrd_sim::units::{Bytes, Probability};
use usrd_sim::{Report, Scenario, Status};

use super::host::Defect;
use super::{is_caught, run_in};

/// Does wrong by what comes with an immediate.
pub(crate) fn spoil_note(defect: Defect, event: &mut Event) {
    if let Event::Notified { note: Some(Note { bounce, len }), .. } = event {
        match defect {
            Defect::CutsNotes => *len -= 1,
            Defect::GivesAnotherNote => *bounce = BounceId(bounce.0.saturating_sub(1)),
            _ => {}
        }
    }
}

/// Flows to host 1, of which some packets come twice, and late.
fn run(flow: &str, more: &str, defect: Defect) -> Report {
    run_in(&scenario(flow, more), defect)
}

fn scenario(flow: &str, more: &str) -> Scenario {
    let text = format!(
        r#"
        name = "broken"
        end = "1s"
        topology = {{ kind = "star", hosts = 2 }}
        links = {{ rate = "100Gbps", latency = "1us", queue = "1MiB" }}
        host = {{ placement_delay = "3us" }}
        [faults]
        duplication = 0.1
        reorder = 0.2
        reorder_delay = "40us"
        {more}
        [workload]
        kind = "pairs"
        outstanding = 4
        pairs = [{{ src = 0, dst = 1, {flow} }}]
        "#
    );
    Scenario::parse(&text, "broken").unwrap()
}

const WRITES: &str = "operation = \"write\", messages = 200, size = \"20kB\", immediate = true";
const ADDS: &str = "operation = \"fadd\", messages = 400, size = \"8B\"";
const READS: &str = "operation = \"read\", messages = 50, size = \"20kB\", vector = 9";
const TAGS: &str = "operation = \"tagged\", messages = 100, size = \"2kB\", immediate = true";
const REVOKES: &str =
    "event = [{ at = \"40us\", until = \"90us\", kind = \"region-revoke\", target = \"host1\" }]";

#[track_caller]
fn assert_caught(flow: &str, more: &str, defect: Defect, by: Checker) {
    let report = run(flow, more, defect);
    assert!(is_caught(&report, by), "{defect:?} was not caught by {by}:\n{report}");
}

#[test]
fn without_a_defect_nothing_is_found() {
    for flow in [WRITES, ADDS, READS, TAGS] {
        for more in ["", REVOKES] {
            let report = run(flow, more, Defect::None);
            assert_eq!(report.status, Status::Ok, "{report}");
            let failed = report.flows[0].failed;
            assert_eq!(failed > 0, !more.is_empty() && flow != TAGS, "{report}");
        }
    }
}

#[test]
fn late_copies_that_overwrite_newer_data_are_caught() {
    assert_caught(WRITES, "", Defect::WritesAgain, Checker::Overwrite);
}

#[test]
fn memory_that_is_written_after_it_was_taken_back_is_caught() {
    assert_caught(WRITES, REVOKES, Defect::WritesRegardless, Checker::Revocation);
}

#[test]
fn an_immediate_before_its_data_is_caught() {
    assert_caught(WRITES, "", Defect::TellsEarly, Checker::Immediate);
}

#[test]
fn an_immediate_that_comes_twice_is_caught() {
    assert_caught(WRITES, "", Defect::TellsTwice, Checker::Immediate);
}

#[test]
fn notes_that_are_cut_or_of_others_are_caught() {
    let notifications = "operation = \"notify\", messages = 200, size = \"8B\"";
    for flow in [WRITES, notifications] {
        let run = |defect| {
            let mut scenario = scenario(flow, "");
            scenario.workload.note = Some(Bytes(4_096));
            run_in(&scenario, defect)
        };
        let report = run(Defect::None);
        assert_eq!(report.status, Status::Ok, "{report}");
        for defect in [Defect::CutsNotes, Defect::GivesAnotherNote] {
            let report = run(defect);
            assert!(is_caught(&report, Checker::Immediate), "{defect:?}: {report}");
        }
    }
}

#[test]
fn atomics_that_are_performed_again_are_caught() {
    assert_caught(ADDS, "", Defect::PerformsAgain, Checker::Atomics);
}

#[test]
fn atomics_that_say_what_they_did_not_find_are_caught() {
    assert_caught(ADDS, "", Defect::FindsOtherwise, Checker::Atomics);
}

/// The receives of the first flow take one message each; those of the second any of it.
#[test]
fn tagged_messages_out_of_order_are_caught() {
    let two = format!("{TAGS} }}, {{ src = 0, dst = 1, {TAGS}");
    assert_eq!(run(&two, "", Defect::None).status, Status::Ok);
    assert_caught(&two, "", Defect::SwapsTags, Checker::Matching);
}

#[test]
fn another_immediate_than_was_sent_is_caught() {
    assert_caught(TAGS, "", Defect::TellsAnotherImmediate, Checker::Matching);
}

#[test]
fn false_words_about_what_was_taken_back_are_caught() {
    let sends = "messages = 200, size = \"20kB\"";
    let tags = format!("operation = \"tagged\", {sends}");
    for flow in [WRITES, READS, &tags, sends] {
        let run = |defect| {
            let mut scenario = scenario(flow, "");
            scenario.workload.cancel = Probability::new(0.5);
            run_in(&scenario, defect)
        };
        let report = run(Defect::None);
        assert_eq!(report.status, Status::Ok, "{report}");
        assert!(report.flows[0].failed > 10, "{report}");
        let report = run(Defect::DeniesSending);
        assert!(is_caught(&report, Checker::Outcome), "{flow}: {report}");
    }
}

#[test]
fn memory_that_never_comes_back_is_caught() {
    assert_caught(READS, "", Defect::LeaksRegions, Checker::Leftovers);
    assert_caught(WRITES, REVOKES, Defect::LeaksRegions, Checker::Revocation);
}
