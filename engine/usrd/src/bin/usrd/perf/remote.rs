//! The two ends in two processes.

use std::sync::atomic::AtomicBool;

use serde::Serialize;
use usrd::Address;

use super::client::Client;
use super::control::{Outcome, Trial};
use super::measure::{self, Clients};
use super::rendezvous;
use super::server::{Notice, Server};
use super::setup::{Setup, local_address_to, parse_address};
use crate::args::{DeviceArg, PerfArgs};
use crate::failure::Failure;
use crate::units::show_size;

/// Is the server.
pub(crate) fn serve(args: &PerfArgs, listen: &str) -> Result<(), Failure> {
    let mut setup = Setup::new(args, 0);
    setup.pcap = args.pcap.as_deref();
    let bind = parse_address(listen)?;
    let session = setup.session(bind)?;
    let mut address = session.end.engine().local_address();
    if args.device != DeviceArg::Udp {
        address = rendezvous::serve(bind, &address)?.into();
    }
    if args.json {
        println!("{}", serde_json::json!({ "listening": address.as_str() }));
    } else {
        println!("listening on {address}");
    }
    let never = AtomicBool::new(false);
    let json = args.json;
    Server::new(session, args.once, &never).run(|notice| tell(&notice, json))
}

/// Is the client.
pub(crate) fn measure(args: &PerfArgs, server: &str) -> Result<(), Failure> {
    let server = parse_address(server)?;
    let bind = (local_address_to(server)?, 0).into();
    let address = match args.device {
        DeviceArg::Udp => Address::from(server),
        DeviceArg::Verbs(_) => rendezvous::ask(server)?,
    };
    let client = |number, black_holes, pcap| {
        let mut setup = Setup::new(args, number);
        setup.black_holes = black_holes;
        setup.pcap = pcap;
        Client::new(setup.session(bind)?, address.clone())
    };
    let main = client(1, true, args.pcap.as_deref())?;
    let compare = !args.faults.blackhole.is_empty();
    let reference = compare.then(|| client(2, false, None)).transpose()?;
    measure::run(args, format!("to {server}"), Clients { main, reference })
}

/// One measurement, as a server tells it.
#[derive(Serialize)]
struct Served<'a> {
    client: &'a str,
    trial: &'a Trial,
    outcome: &'a Outcome,
}

fn tell(notice: &Notice<'_>, json: bool) {
    match notice {
        Notice::Done(client, trial, outcome) if json => {
            let served = Served { client, trial, outcome };
            // Fails for maps with keys that are not text only; there are none.
            println!("{}", serde_json::to_string(&served).expect("a result has a JSON form"));
        }
        Notice::Done(client, trial, outcome) => {
            let tally = &outcome.tally;
            let verdict = match &tally.first_wrong {
                Some(what) => format!("{} WRONG, first: {what}", tally.wrong),
                None => "verified".to_owned(),
            };
            println!(
                "{client}: {}, {} messages of {}: {verdict}",
                trial.name(),
                tally.messages,
                show_size(trial.size)
            );
        }
        Notice::Lost(client, failure) => eprintln!("lost the client at {client}: {failure}"),
    }
}
