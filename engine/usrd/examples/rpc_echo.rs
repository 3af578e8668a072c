//! Remote procedure calls with tags: requests go to whoever serves, answers to whoever asked.
//!
//! ```text
//!   client                                       server
//!   posts a receive for answer 7
//!     | ---- tag CALL, immediate 7, arguments ----> |   any worker's receive for CALL
//!     | <---------- tag ANSWER | 7 ---------------- |   straight into the caller's buffer
//! ```
//! Answers come back in any order: each finds its call by its tag. Arguments and answers can have any
//! length; long ones never wait in memory of the engine's.

use std::time::{Duration, Instant};

use usrd::{BytesMut, Completion, Engine, Peer, RecvOptions, SendOptions};

/// Tags: what a message is, and for answers which call it answers.
const CALL: u64 = 1 << 56;
const ANSWER: u64 = 2 << 56;

const CALLS: u64 = 2_000;
/// Calls under way at a time.
const AHEAD: u64 = 32;
const LONGEST: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let client = Engine::builder().udp("127.0.0.1:0").spawn()?;
    let server = Engine::builder().udp("127.0.0.1:0").spawn()?;
    let to_server = client.connect(server.local_address())?;
    let served = std::thread::spawn(move || serve(&server, CALLS));
    let began = Instant::now();
    let bytes = call_all(&client, to_server)?;
    let took = began.elapsed();
    served.join().map_err(|_| "the server panicked")??;
    println!("{CALLS} calls, {bytes} bytes each way, in {took:.2?}");
    Ok(())
}

/// Echoes so many calls.
fn serve(engine: &Engine, calls: u64) -> Result<(), Failure> {
    for worker in 0..AHEAD {
        engine.recv(BytesMut::zeroed(LONGEST), RecvOptions::new(worker).tag(CALL))?;
    }
    let (mut called, mut answered) = (0, 0);
    while answered < calls {
        match next(engine)? {
            Completion::Recv(call) => {
                let from = call.result?;
                let id = from.immediate.ok_or("a call without a number")?;
                let answer = BytesMut::from(call.message()).freeze();
                engine.send(from.peer, answer, SendOptions::new(id).tag(ANSWER | id))?;
                called += 1;
                // The buffer is free again: it takes the next call.
                if called + AHEAD <= calls {
                    engine.recv(call.buffer, RecvOptions::new(call.context).tag(CALL))?;
                }
            }
            Completion::Send(answer) => {
                answer.result?;
                answered += 1;
            }
            other => return Err(format!("nobody asked for {other:?}").into()),
        }
    }
    Ok(())
}

/// Calls again and again, [`AHEAD`] calls at a time, and checks each answer. Returns how many bytes
/// went there, and came back.
fn call_all(engine: &Engine, server: Peer) -> Result<u64, Failure> {
    let (mut called, mut returned, mut bytes) = (0, 0, 0);
    while returned < CALLS {
        while called < CALLS && called - returned < AHEAD {
            call(engine, server, called)?;
            called += 1;
        }
        match next(engine)? {
            Completion::Recv(answer) => {
                answer.result?;
                assert_eq!(answer.message(), arguments(answer.context), "call {}", answer.context);
                bytes += answer.message().len() as u64;
                returned += 1;
            }
            Completion::Send(call) => call.result?,
            other => return Err(format!("nobody asked for {other:?}").into()),
        }
    }
    Ok(bytes)
}

fn call(engine: &Engine, server: Peer, id: u64) -> Result<(), Failure> {
    let arguments = arguments(id);
    // First where the answer goes, then the question.
    engine.recv(BytesMut::zeroed(arguments.len()), RecvOptions::new(id).tag(ANSWER | id))?;
    engine.send(server, arguments, SendOptions::new(id).tag(CALL).immediate(id))?;
    Ok(())
}

/// Short ones, and now and then a long one.
fn arguments(id: u64) -> Vec<u8> {
    let len = if id.is_multiple_of(50) { LONGEST } else { 64 + id as usize % 900 };
    (0..len).map(|at| (at as u64 * 7 + id) as u8).collect()
}

fn next(engine: &Engine) -> Result<Completion, Failure> {
    engine.wait_one(PATIENCE).ok_or_else(|| "nothing came".into())
}
