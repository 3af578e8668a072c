//! Liveness: every message is sent and received before the end, and none is given up.

use std::fmt::Display;

use crate::traffic::{MessageId, Traffic};

/// Judges a completed send: nothing but a crash can kill a peer, so no other has to fail.
pub(super) fn check_send(
    message: MessageId,
    result: Result<(), impl Display>,
) -> Result<(), String> {
    result.map_err(|failure| format!("message {message}: {failure}"))
}

/// Judges the end of a run.
pub(super) fn check(traffic: &Traffic) -> Result<(), String> {
    if traffic.is_done() {
        return Ok(());
    }
    let open = traffic.flows().iter().filter(|flow| !flow.is_done());
    let count = open.clone().count();
    let examples: Vec<_> = open
        .take(EXAMPLES)
        .map(|flow| {
            let spec = &flow.spec;
            format!(
                "{} -> {}: of {} messages {} sent, {} received",
                spec.src, spec.dst, spec.messages, flow.completed, flow.received
            )
        })
        .collect();
    Err(format!("{count} flows are not done; {}", examples.join("; ")))
}

const EXAMPLES: usize = 4;
