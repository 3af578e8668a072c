//! Two engines in one process, one message.

use std::time::Duration;
use usrd::{BytesMut, Completion, Engine};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Engine::builder().udp("127.0.0.1:0").spawn()?;
    let client = Engine::builder().udp("127.0.0.1:0").spawn()?;

    server.recv(BytesMut::zeroed(64), 1)?;
    let peer = client.connect(server.local_address())?;
    client.send(peer, "hello", 2)?;

    let patience = Duration::from_secs(5);
    let arrived = server.wait_one(patience).and_then(Completion::into_recv);
    let arrived = arrived.ok_or("nothing came")?;
    let sent = client.wait_one(patience).and_then(Completion::into_send);
    sent.ok_or("not acknowledged")?.result?;
    println!("from {}: {:?}", arrived.result?.peer, std::str::from_utf8(arrived.message())?);

    client.shutdown(patience)?;
    Ok(())
}
