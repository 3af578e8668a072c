//! What SRD is compared with: RC and TCP, as state machines without input, output or clock, driven
//! by the host through the same [`Transport`](crate::host::Transport) as the core.
//!
//! All of them are connections along one path that deliver messages in order. They differ in how
//! they find out what was lost, and in what they do about congestion:
//!
//! | | lost is | sent again is | congestion |
//! |---|---|---|---|
//! | `rc` | what a NAK names: the receiver takes nothing out of order | it, and all behind it | DCQCN: a rate |
//! | `rc-sr` | what a later packet overtook | it alone | DCQCN |
//! | `tcp` | what three later packets overtook | it alone | CUBIC: a window |
//!
//! ```text
//!            Outgoing: messages -> numbered packets          Incoming: packets -> messages
//!  Sender    GoBackN | Selective: which packet next     -->  in order, or around gaps (Ranges)
//!            Dcqcn | Cubic: when                        <--  ACK, NAK, SACK; CNP
//! ```
//! A message starts a new packet, as in RC: TCP here is one that does not join small messages, and
//! that was connected before. Packets have the size of the core's, header included.

mod cubic;
mod dcqcn;
mod endpoint;
mod go_back_n;
mod incoming;
mod outgoing;
mod packet;
mod ranges;
mod rtt;
mod selective;
mod sender;

use serde::{Deserialize, Serialize};

pub use self::endpoint::Baseline;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// RDMA's reliable connection: go-back-N, DCQCN.
    Rc,
    /// The same with selective repeat.
    RcSr,
    /// TCP: SACK, CUBIC.
    Tcp,
}

/// What all of a run's endpoints are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which transport.
    pub kind: Kind,
    /// Largest payload of a packet, in bytes.
    pub mtu_bytes: u64,
    /// Connections choose one of so many paths.
    pub paths: u16,
    /// The rate of a host's link, in bits per second: where DCQCN starts.
    pub link_bps: u64,
    /// Least retransmission timeout; RC's only one, in nanoseconds.
    pub min_rto_ns: u64,
    /// TCP's first window, in packets.
    pub initial_window: u32,
}
