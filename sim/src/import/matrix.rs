//! Connection matrices:
//!
//! ```text
//! Nodes 16
//! Connections 2
//! 0->5 id 1 start 0 size 2000000 send_done_trigger 1
//! 5->3 id 2 trigger 1 size 1000
//! trigger id 1 oneshot
//! ```
//! Starts are in picoseconds, sizes in bytes. A connection that a trigger starts becomes a flow that
//! waits for all flows which fire the trigger.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A connection matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// How many hosts there are.
    pub nodes: u32,
    /// The connections, in the order of the file.
    pub connections: Vec<Connection>,
}

/// One connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// Who sends.
    pub src: u32,
    /// To whom.
    pub dst: u32,
    /// When it starts, in picoseconds.
    pub start_ps: u64,
    /// How much, in bytes.
    pub size: u64,
    /// The trigger that starts it.
    pub trigger: Option<u32>,
    /// The trigger that it fires when it is sent.
    pub send_done: Option<u32>,
    /// The trigger that it fires when it is received.
    pub recv_done: Option<u32>,
}

type LineError = (usize, String);

impl Matrix {
    /// Reads a file; an error comes with its line.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        let mut matrix = Self::default();
        let mut announced = None;
        for (line, text) in (1..).zip(text.lines()) {
            let words: Vec<&str> = text.split_whitespace().collect();
            let at = |message: String| (line, message);
            match &words[..] {
                [] => {}
                [comment, ..] if comment.starts_with('#') => {}
                ["Nodes", count] => matrix.nodes = number("Nodes", count).map_err(at)?,
                ["Connections", count] => {
                    announced = Some(number::<usize>("Connections", count).map_err(at)?);
                }
                ["Triggers", _] => {}
                ["Failures", "0"] => {}
                ["Failures" | "failure", ..] => {
                    return Err(at("failures have no counterpart: use [[faults.event]]".into()));
                }
                ["trigger", words @ ..] => check_trigger(words).map_err(at)?,
                [ends, words @ ..] if ends.contains("->") => {
                    let connection = connection(ends, words).map_err(at)?;
                    let highest = connection.src.max(connection.dst);
                    if highest >= matrix.nodes {
                        let nodes = matrix.nodes;
                        return Err(at(format!("node {highest}: there are only {nodes}")));
                    }
                    matrix.connections.push(connection);
                }
                [word, ..] => return Err(at(format!("\"{word}\" is not known"))),
            }
        }
        let count = matrix.connections.len();
        match announced {
            Some(announced) if announced != count => {
                let last = text.lines().count().max(1);
                Err((last, format!("{announced} connections are announced, {count} are there")))
            }
            _ => Ok(matrix),
        }
    }

    /// The flows, for `[workload]`. A flow can only wait for earlier ones, so those that fire come
    /// first.
    pub fn to_toml(&self) -> Result<String, String> {
        let order = self.order()?;
        let mut places = BTreeMap::new();
        let mut text = "kind = \"pairs\"\npairs = [\n".to_owned();
        for (place, &number) in order.iter().enumerate() {
            places.insert(number, place);
            let Connection { src, dst, start_ps, size, .. } = self.connections[number];
            let _ = write!(text, "  {{ src = {src}, dst = {dst}, size = \"{size}B\"");
            if start_ps > 0 {
                let _ = write!(text, ", start = \"{start_ps}ps\"");
            }
            let after: Vec<String> =
                self.causes(number).iter().map(|cause| places[cause].to_string()).collect();
            if !after.is_empty() {
                let _ = write!(text, ", after = [{}]", after.join(", "));
            }
            text += " },\n";
        }
        Ok(text + "]\n")
    }

    /// The connections that fire the trigger of this one.
    fn causes(&self, number: usize) -> Vec<usize> {
        let Some(trigger) = self.connections[number].trigger else { return Vec::new() };
        let fires = |connection: &Connection| {
            connection.send_done == Some(trigger) || connection.recv_done == Some(trigger)
        };
        let all = self.connections.iter().enumerate();
        all.filter(|(_, connection)| fires(connection)).map(|(number, _)| number).collect()
    }

    /// All connections, each behind its causes.
    fn order(&self) -> Result<Vec<usize>, String> {
        let mut order = Vec::new();
        let mut placed = vec![false; self.connections.len()];
        while order.len() < placed.len() {
            let before = order.len();
            for number in 0..placed.len() {
                if !placed[number] && self.causes(number).iter().all(|&cause| placed[cause]) {
                    placed[number] = true;
                    order.push(number);
                }
            }
            if order.len() == before {
                return Err("some connections wait for each other in a circle".into());
            }
        }
        Ok(order)
    }
}

fn connection(ends: &str, words: &[&str]) -> Result<Connection, String> {
    let (src, dst) = ends.split_once("->").ok_or_else(|| format!("\"{ends}\" is not A->B"))?;
    let mut connection = Connection {
        src: number("source", src)?,
        dst: number("destination", dst)?,
        ..Connection::default()
    };
    let mut begins = false;
    let mut words = words.iter();
    while let Some(&key) = words.next() {
        let value = words.next().ok_or_else(|| format!("\"{key}\" has no value"))?;
        match key {
            "start" => {
                connection.start_ps = number::<f64>(key, value)?.max(0.0) as u64;
                begins = true;
            }
            "size" => connection.size = number(key, value)?,
            "trigger" => {
                connection.trigger = Some(number(key, value)?);
                begins = true;
            }
            "send_done_trigger" => connection.send_done = Some(number(key, value)?),
            "recv_done_trigger" => connection.recv_done = Some(number(key, value)?),
            // Names and priorities change nothing here.
            "id" | "prio" => {}
            _ => return Err(format!("\"{key}\" is not known")),
        }
    }
    match (begins, connection.size) {
        (false, _) => Err("has neither start nor trigger".into()),
        (_, 0) => Err("has no size".into()),
        _ => Ok(connection),
    }
}

/// All flows that fire it have to be done: that is a barrier, and the others if one flow fires.
fn check_trigger(words: &[&str]) -> Result<(), String> {
    match words {
        ["id", _, "oneshot" | "multishot"] => Ok(()),
        ["id", _, "barrier", "count", _] | ["id", _, "count", _, "barrier"] => Ok(()),
        _ => Err(format!("trigger \"{}\" is not known", words.join(" "))),
    }
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{what}: \"{text}\" is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_become_flows_that_wait() {
        let text = "Nodes 4\nConnections 3\n2->1 id 3 trigger 7 size 10\n\
                    0->2 id 1 start 5000 size 100 recv_done_trigger 7\n\
                    1->2 id 2 start 0 size 200 send_done_trigger 7\ntrigger id 7 barrier count 2\n";
        let matrix = Matrix::parse(text).unwrap();
        let toml: toml::Table = matrix.to_toml().unwrap().parse().unwrap();
        let pairs = toml["pairs"].as_array().unwrap();
        assert_eq!(pairs[0]["start"].as_str(), Some("5000ps"));
        assert_eq!(pairs[2]["src"].as_integer(), Some(2));
        let after: Vec<_> =
            pairs[2]["after"].as_array().unwrap().iter().map(toml::Value::as_integer).collect();
        assert_eq!(after, [Some(0), Some(1)]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let bad = [
            ("Nodes 2\n0->5 start 0 size 1", 2, "node 5"),
            ("Nodes 2\nConnections 2\n0->1 start 0 size 1", 3, "2 connections are announced"),
            ("Nodes 2\n0->1 size 1", 2, "neither start"),
            ("Nodes 2\n0->1 start 0", 2, "no size"),
            ("Nodes 2\n0->1 start 0 size x", 2, "size: \"x\""),
            ("Nodes 2\n0->1 start 0 size 1 weight 2", 2, "\"weight\""),
            ("Nodes 2\nFailures 1", 2, "faults.event"),
            ("Knots 2", 1, "\"Knots\""),
        ];
        for (text, line, reason) in bad {
            let (at, message) = Matrix::parse(text).unwrap_err();
            assert_eq!(at, line, "{text}");
            assert!(message.contains(reason), "{text}: {message}");
        }
        let circle = "Nodes 2\n0->1 trigger 1 size 1 send_done_trigger 2\n\
                      1->0 trigger 2 size 1 send_done_trigger 1";
        assert!(Matrix::parse(circle).unwrap().to_toml().unwrap_err().contains("circle"));
    }
}
