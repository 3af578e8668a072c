//! Moves a key-value cache between two engines, as from a prefill to a decode instance: thousands of
//! blocks that lie in another order on either side, with one operation and one completion.
//!
//! ```text
//!   prefill                                   decode
//!   fills its blocks, registers them
//!     | ---- "here is my cache": 24 bytes ----> |
//!     | <=========== READ of all blocks ======= |   pulls them into its own order
//!     | <----------- notification ------------- |   "the cache is yours again"
//!     | ============ WRITE of all blocks =====> |   or: pushes them, and notifies
//! ```

use std::time::{Duration, Instant};

use usrd::{Access, Block, BytesMut, Completion, Engine, Region, RemoteRegion, TransferOptions};

const BLOCKS: u64 = 4096;
const BLOCK_BYTES: u64 = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let prefill = Engine::builder().udp("127.0.0.1:0").spawn()?;
    let decode = Engine::builder().udp("127.0.0.1:0").spawn()?;

    // Prefill computes its cache, and tells decode where it is.
    let mut cache = BytesMut::zeroed((BLOCKS * BLOCK_BYTES) as usize);
    for (number, block) in (0..BLOCKS).zip(cache.chunks_exact_mut(BLOCK_BYTES as usize)) {
        block.fill(tag(number));
    }
    let source = prefill.register(cache, Access::READ)?;
    let to_decode = prefill.connect(decode.local_address())?;
    decode.recv(BytesMut::zeroed(RemoteRegion::BYTES), 0)?;
    prefill.send(to_decode, source.remote().to_bytes().to_vec(), 0)?;
    next(&prefill)?.into_send().ok_or("not a send")?.result?;

    // Decode pulls every block to where it has room for it, and says when it is done.
    let hello = next(&decode)?.into_recv().ok_or("not a message")?;
    let to_prefill = hello.result?.peer;
    let remote = RemoteRegion::from_bytes(hello.message())?;
    let room = BytesMut::zeroed((BLOCKS * BLOCK_BYTES) as usize);
    let target = decode.register(room, Access::WRITE)?;
    let pull =
        (0..BLOCKS).map(|n| Block::new(place(target, n), remote.at(n * BLOCK_BYTES), BLOCK_BYTES));
    let pull: Vec<Block> = pull.collect();
    let began = Instant::now();
    decode.read_v(to_prefill, pull, TransferOptions::new(1).notify("fetched: request 12"))?;
    let submitted = began.elapsed();
    next(&decode)?.into_transfer().ok_or("not a transfer")?.result?;
    report("READ", began.elapsed(), submitted);
    let told = next(&prefill)?.into_notification().ok_or("not a notification")?;
    assert_eq!(told.note, "fetched: request 12");
    check(&decode, target, 0)?;

    // The other way round: prefill has new contents, and pushes them.
    for number in 0..BLOCKS {
        let fresh = vec![tag(number + 1); BLOCK_BYTES as usize];
        prefill.copy_into(source, number * BLOCK_BYTES, fresh)?;
    }
    let push = (0..BLOCKS).map(|n| {
        let there = target.remote().at(place(target, n).offset());
        Block::new(source.at(n * BLOCK_BYTES), there, BLOCK_BYTES)
    });
    let push: Vec<Block> = push.collect();
    let began = Instant::now();
    prefill.write_v(to_decode, push, TransferOptions::new(2).notify("placed: request 13"))?;
    let submitted = began.elapsed();
    let told = next(&decode)?.into_notification().ok_or("not a notification")?;
    report("WRITE", began.elapsed(), submitted);
    assert_eq!(told.note, "placed: request 13");
    assert_eq!(told.bytes, BLOCKS * BLOCK_BYTES);
    next(&prefill)?.into_transfer().ok_or("not a transfer")?.result?;
    check(&decode, target, 1)?;

    // Memory comes back when nothing can touch it any more.
    prefill.deregister(source, 3)?;
    let returned = next(&prefill)?.into_deregistered().ok_or("not a deregistration")?;
    let cache = returned.result?.ok_or("the engine had owned it")?;
    println!("prefill has its {} bytes back", cache.len());
    Ok(())
}

/// Where decode keeps a block: anywhere but in order.
fn place(region: Region, number: u64) -> usrd::RegionAddress {
    region.at(number * 2731 % BLOCKS * BLOCK_BYTES)
}

fn tag(number: u64) -> u8 {
    (number * 37 + number / 256) as u8
}

fn check(engine: &Engine, region: Region, newer: u64) -> Result<(), Failure> {
    for number in 0..BLOCKS {
        let offset = place(region, number).offset();
        let block = engine.copy_from(region, offset, BLOCK_BYTES as usize)?;
        assert!(block.iter().all(|&byte| byte == tag(number + newer)), "block {number} differs");
    }
    Ok(())
}

fn next(engine: &Engine) -> Result<Completion, Failure> {
    engine.wait_one(PATIENCE).ok_or_else(|| "nothing came".into())
}

fn report(what: &str, took: Duration, submitted: Duration) {
    let bits = (BLOCKS * BLOCK_BYTES * 8) as f64;
    println!(
        "{what}: {BLOCKS} blocks of {BLOCK_BYTES} bytes in {took:.2?}, {:.1} Gb/s; submitted in \
         {submitted:.2?}",
        bits / took.as_secs_f64() / 1e9
    );
}
