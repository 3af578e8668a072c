//! Random traffic.

use std::fmt::Write;

use usrd_proto::MAX_NOTE_BYTES;

use super::dice::Dice;
use super::operation::Operation;

/// Traffic of a kind that the transport can carry.
pub(super) fn workload(text: &mut String, dice: &mut Dice, transport: &str, hosts: u64, mtu: u64) {
    let ud = transport == "ud";
    let outstanding = dice.between(1, 32);
    let _ = writeln!(text, "\n[workload]\noutstanding = {outstanding}");
    // UD knows of no delivery.
    let delivered = dice.maybe() && !ud;
    if delivered {
        *text += "completion = \"delivered\"\n";
    }
    if dice.maybe() {
        let _ = writeln!(text, "posted_receives = {}", dice.between(1, 64));
    }
    if dice.seldom() {
        let _ = writeln!(text, "cancel = {}", dice.share(0.9));
    }
    if dice.seldom() {
        let _ = writeln!(text, "many = {}", dice.between(1, 9));
    }
    if dice.seldom() {
        let _ = writeln!(text, "note = \"{}B\"", dice.between(0, MAX_NOTE_BYTES));
    }
    let messages = dice.between(1, 40);
    let size = if ud { dice.between(1, mtu) } else { dice.size(mtu) };
    // What UD may lose, nothing can wait for.
    let kind = if ud { dice.between(0, 3) } else { dice.between(0, 10) };
    let operation = match kind {
        // These say flow by flow.
        9 | 10 => None,
        _ if ud || dice.maybe() => None,
        4..=6 => Some(Operation::draw(dice, true)),
        7 => Some(Operation { name: dice.pick(&["write", "read"]), ..Operation::SEND }),
        8 => Some(Operation { name: dice.pick(&["write", "read"]), ..Operation::draw(dice, true) }),
        _ => Some(Operation::draw(dice, false)),
    };
    let size = operation.as_ref().map_or(size, |operation| operation.size(size));
    match &operation {
        // Vectors and immediates are its own.
        Some(operation) if kind == 7 => {
            let _ = writeln!(text, "operation = \"{}\"", operation.name);
        }
        Some(operation) => *text += &operation.keys("\n"),
        None => {}
    }
    let _ = match kind {
        0 => writeln!(text, "kind = \"permutation\"\nmessages = {messages}\nsize = \"{size}B\""),
        1 => writeln!(
            text,
            "kind = \"incast\"\nsenders = {}\nmessages = {messages}\nsize = \"{size}B\"",
            hosts - 1
        ),
        2 => writeln!(
            text,
            "kind = \"all-to-all\"\nmessages = {}\nsize = \"{size}B\"",
            messages.min(8)
        ),
        3 => writeln!(
            text,
            "kind = \"bisection\"\nranks = {}\nmessages = {messages}\nsize = \"{size}B\"",
            dice.between(1, 3)
        ),
        4 => writeln!(text, "kind = \"ring-all-reduce\"\nsize = \"{}B\"", size * hosts),
        5 => writeln!(text, "kind = \"tree-all-reduce\"\nmessages = 4\nsize = \"{}B\"", size * 4),
        6 => writeln!(
            text,
            "kind = \"rpc\"\nservers = 1\nrequests = {messages}\nconcurrency = 3\nsize = \"64B\"\n\
             response = \"{size}B\"\nthink = \"1us\""
        ),
        7 => writeln!(
            text,
            "kind = \"kv-transfer\"\nrequests = 4\nblocks = [10, 100]\nblock_size = [\"64B\", \"16KiB\"]"
        ),
        8 => {
            let sizes = dice.pick(&["web-search", "data-mining"]);
            writeln!(
                text,
                "kind = \"poisson\"\nsizes = \"{sizes}\"\nlargest = \"{}B\"\nload = 0.{}\nflows = {}",
                100 * mtu,
                dice.between(1, 9),
                dice.between(1, 60)
            )
        }
        9 => writeln!(text, "kind = \"trace\"\ncsv = \"\"\"\n{}\"\"\"", traced(dice, hosts, mtu)),
        _ => writeln!(text, "kind = \"pairs\"\npairs = [{}]", listed(dice, hosts, mtu, delivered)),
    };
}

/// Flows of every service between the same hosts, which is where orders and windows meet.
fn listed(dice: &mut Dice, hosts: u64, mtu: u64, delivered: bool) -> String {
    let flow = |dice: &mut Dice| {
        let src = dice.between(0, hosts - 1);
        let dst = (src + dice.between(1, hosts - 1)) % hosts;
        let services: &[_] = if delivered { &["srd", "rd"] } else { &["srd", "rd", "ud"] };
        let service = dice.pick(services);
        let size = if service == "ud" { dice.between(1, mtu) } else { dice.size(mtu) };
        let operation = match service {
            "ud" => Operation::SEND,
            _ => Operation::draw(dice, false),
        };
        let (keys, size) = (operation.keys(", "), operation.size(size));
        format!(
            "\n  {{ src = {src}, dst = {dst}, {keys}messages = {}, size = \"{size}B\", \
             service = \"{service}\", start = \"{}ns\" }},",
            dice.between(1, 30),
            dice.between(0, 100_000)
        )
    };
    let count = dice.between(1, 8);
    (0..count).map(|_| flow(dice)).collect()
}

/// A trace whose flows wait for each other now and then.
fn traced(dice: &mut Dice, hosts: u64, mtu: u64) -> String {
    let header = "start,src,dst,size,messages,service,after,job,operation,vector,immediate\n";
    let (mut text, mut from) = (header.to_owned(), dice.between(0, hosts - 1));
    for row in 0..dice.between(1, 12) {
        let to = (from + dice.between(1, hosts - 1)) % hosts;
        let after = if row > 0 && dice.maybe() { (row - 1).to_string() } else { String::new() };
        let operation = match dice.between(0, 7) {
            0..=3 => Operation::SEND,
            4 => Operation::NOTIFY,
            _ => Operation::draw(dice, true),
        };
        let (drawn, Operation { name, vector, immediate }) = (dice.size(mtu), &operation);
        let _ = writeln!(
            text,
            "{}ns,{from},{to},{}B,{},{},{after},{},{name},{vector},{immediate}",
            dice.between(0, 50_000),
            operation.size(drawn),
            dice.between(1, 8),
            dice.pick(&["srd", "rd"]),
            row / 4
        );
        // The next one starts where this one ends, so that its sender knows of it.
        from = to;
    }
    text
}
