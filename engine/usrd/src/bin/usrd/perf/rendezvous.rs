//! How the two ends find each other where an address is more than IP and port: the server hands its
//! address to whoever connects to it over TCP, as one line of text.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use usrd::Address;

use crate::failure::Failure;

/// Hands `address` out at `at`, until the process ends.
pub(crate) fn serve(at: SocketAddr, address: &Address) -> Result<SocketAddr, Failure> {
    let cannot = |error| Failure::Usage(format!("cannot listen at {at}: {error}"));
    let listener = TcpListener::bind(at).map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    let line = format!("{address}\n");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // A client that has gone again will ask again.
            let _ = stream.write_all(line.as_bytes());
        }
    });
    Ok(bound)
}

/// Asks the server at `at` for its address; it may take a moment to be there.
pub(crate) fn ask(at: SocketAddr) -> Result<Address, Failure> {
    let began = Instant::now();
    loop {
        match ask_once(at) {
            Ok(address) => return Ok(address),
            Err(error) if began.elapsed() >= PATIENCE => {
                return Err(Failure::Run(format!("no address from {at}: {error}")));
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn ask_once(at: SocketAddr) -> std::io::Result<Address> {
    let stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    match line.trim_end() {
        "" => Err(std::io::ErrorKind::UnexpectedEof.into()),
        address => Ok(address.into()),
    }
}

/// For a server that is being started at the same time.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_handed_to_everybody_who_asks() {
        let address = Address::new("verbs:0123");
        let at = serve("127.0.0.1:0".parse().unwrap(), &address).unwrap();
        assert_eq!([ask(at).unwrap(), ask(at).unwrap()], [address.clone(), address]);
    }
}
