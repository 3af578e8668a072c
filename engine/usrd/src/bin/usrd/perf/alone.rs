//! Both ends in this process: over UDP sockets on the loopback interface, or through an RDMA NIC.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use usrd::Address;

use super::client::Client;
use super::measure::{self, Clients};
use super::server::Server;
use super::setup::Setup;
use crate::args::{DeviceArg, PerfArgs};
use crate::failure::Failure;

/// Measures, with a second, healthy pair of ends to compare with if paths are black holes.
pub(crate) fn run(args: &PerfArgs) -> Result<(), Failure> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // However this ends: the scope waits for the servers.
        let stop_at_last = StopOnDrop(&stop);
        let start = |number: u64, black_holes| -> Result<_, Failure> {
            let mut setup = Setup::new(args, 2 * number);
            setup.black_holes = black_holes;
            let session = setup.session(LOCAL)?;
            let address: Address = session.end.engine().local_address();
            let server = Server::new(session, true, &stop);
            let thread = scope.spawn(move || server.run(|_| {}));
            setup.number += 1;
            setup.pcap = (number == 0).then_some(args.pcap.as_deref()).flatten();
            let client = Client::new(setup.session(LOCAL)?, address)?;
            Ok((client, thread))
        };
        let (main, main_thread) = start(0, true)?;
        let (reference, reference_thread) = if args.faults.blackhole.is_empty() {
            (None, None)
        } else {
            let (client, thread) = start(1, false)?;
            (Some(client), Some(thread))
        };
        let over = match &args.device {
            DeviceArg::Udp => "the loopback interface",
            DeviceArg::Verbs(rails) => rails,
        };
        let what = format!("both ends in this process, over {over}");
        let result = measure::run(args, what, Clients { main, reference });
        drop(stop_at_last);
        for thread in [Some(main_thread), reference_thread].into_iter().flatten() {
            let served = thread.join().map_err(|_| Failure::Run("the server panicked".into()))?;
            // What went wrong at the client comes first: it is the cause.
            if result.is_ok() {
                served?;
            }
        }
        result
    })
}

/// Tells servers to end when it goes out of scope, be it by a panic.
#[derive(Debug)]
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Any port of the loopback interface.
pub(crate) const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
