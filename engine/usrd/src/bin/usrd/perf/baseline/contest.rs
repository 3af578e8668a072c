//! usrd's own part: a client and a server as `usrd perf` has them, on two pinned threads.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use usrd::Address;
use usrd::proto::wire::DATA_HEADER_BYTES;

use super::{Flow, MESSAGE_BYTES, PING_BYTES, pair};
use crate::args::PerfArgs;
use crate::failure::Failure;
use crate::perf::alone::{LOCAL, StopOnDrop};
use crate::perf::client::{Client, Extent};
use crate::perf::control::{Kind, Level, Trial, VERSION};
use crate::perf::measure::default_in_flight;
use crate::perf::server::Server;
use crate::perf::setup::Setup;

/// Makes ends.
#[derive(Debug)]
pub(super) struct Contest<'a> {
    args: &'a PerfArgs,
    datagram_bytes: usize,
}

impl<'a> Contest<'a> {
    pub(super) fn new(args: &'a PerfArgs) -> Result<Self, Failure> {
        let end = Setup::new(args, 0).end(LOCAL)?;
        let mtu_bytes = usize::from(end.engine().info().config.mtu_bytes);
        Ok(Self { args, datagram_bytes: mtu_bytes + DATA_HEADER_BYTES })
    }

    /// What usrd fills its datagrams up to.
    pub(super) const fn datagram_bytes(&self) -> usize {
        self.datagram_bytes
    }

    /// Reliable messages of 1 MiB, several under way, into posted buffers.
    pub(super) fn bulk(&self, duration: Duration) -> Result<Flow, Failure> {
        let trial = self.trial(Kind::Bulk, MESSAGE_BYTES);
        let bulk = self.with_client(false, move |client| {
            let bulk = client.bulk(&trial, Extent::For(duration), |_| {})?;
            verified(&bulk.tally.first_wrong)?;
            Ok(bulk)
        })?;
        Ok(Flow::new(bulk.tally.bytes, bulk.elapsed, bulk.cpu_ns))
    }

    /// The median round trip of 8 bytes, both ends polling.
    pub(super) fn ping_pong(&self, duration: Duration) -> Result<u64, Failure> {
        let trial = self.trial(Kind::PingPong, PING_BYTES);
        self.with_client(true, move |client| {
            let result = client.ping_pong(&trial, Extent::For(duration), |_| {})?;
            verified(&result.tally.first_wrong)?;
            Ok(result.times_ns.value_at_quantile(0.5))
        })
    }

    fn with_client<T: Send>(
        &self,
        busy_poll: bool,
        measure: impl FnOnce(&mut Client) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let stop = AtomicBool::new(false);
        let mut setup = Setup::new(self.args, 0);
        setup.busy_poll = busy_poll;
        let server_session = setup.session(LOCAL)?;
        let address: Address = server_session.end.engine().local_address();
        let client_session = setup.session(LOCAL)?;
        let client = || {
            let _stop_at_last = StopOnDrop(&stop);
            let mut client = Client::new(client_session, address)?;
            let result = measure(&mut client);
            let closed = client.close();
            let result = result?;
            closed.map(|()| result)
        };
        let server = || Server::new(server_session, true, &stop).run(|_| {});
        let (result, ()) = pair::run(client, server)?;
        Ok(result)
    }

    fn trial(&self, kind: Kind, size: usize) -> Trial {
        Trial {
            version: VERSION,
            kind,
            size,
            service: Level::Srd,
            in_flight: default_in_flight(size),
            verify_every: VERIFY_EVERY,
            key: self.args.seed,
        }
    }
}

fn verified(first_wrong: &Option<String>) -> Result<(), Failure> {
    match first_wrong {
        None => Ok(()),
        Some(what) => Err(Failure::Contents(what.clone())),
    }
}

/// The raw contenders do not look at what arrives. Number and length of every message are checked
/// here all the same, and the contents of a few.
pub(super) const VERIFY_EVERY: u32 = 64;
