//! How a message is to be sent.

use usrd_proto::{CompletionLevel, Service};

/// How a message is to be sent: by default as SRD, complete once acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// Handed back in the completion.
    pub context: u64,
    /// How to carry it.
    pub service: Service,
    /// When it is complete.
    pub level: CompletionLevel,
}

impl SendOptions {
    /// The defaults, under a name of the caller's choosing.
    pub const fn new(context: u64) -> Self {
        Self { context, service: Service::Srd, level: CompletionLevel::Acknowledged }
    }

    /// Carries the message this way.
    #[must_use]
    pub const fn service(mut self, service: Service) -> Self {
        self.service = service;
        self
    }

    /// Completes only when the peer reports the message placed and visible.
    #[must_use]
    pub const fn delivered(mut self) -> Self {
        self.level = CompletionLevel::Delivered;
        self
    }
}

impl From<u64> for SendOptions {
    fn from(context: u64) -> Self {
        Self::new(context)
    }
}
