//! What nodes and links are called: `host3`, `leaf0`, `spine7`, `switch0`; `leaf0>spine7` for one
//! direction of a cable, `leaf0-spine7` for both, `spine7` for all links from and to it. Where there
//! are several cables between two nodes the name means all of them; `leaf0>spine7#1` the second.

use super::{LinkId, Network, Node};

/// A name that means nothing in this network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" {problem}")]
pub struct LinkNameError {
    name: String,
    problem: String,
}

impl Network {
    /// What a node is called.
    pub fn node_name(&self, node: Node) -> String {
        match node {
            Node::Host(host) => format!("host{host}"),
            Node::Switch(switch) => {
                let (layer, number) = self.switches[switch as usize];
                format!("{layer}{number}")
            }
        }
    }

    /// What a link is called.
    pub fn link_name(&self, link: LinkId) -> String {
        let planned = &self.links[link as usize];
        let same = |other: &LinkId| {
            let other = &self.links[*other as usize];
            (other.from, other.to) == (planned.from, planned.to)
        };
        let before = (0..link).filter(same).count();
        let name = format!("{}>{}", self.node_name(planned.from), self.node_name(planned.to));
        if before == 0 { name } else { format!("{name}#{before}") }
    }

    /// The node of a name.
    pub fn node_named(&self, name: &str) -> Result<Node, LinkNameError> {
        let digits = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
        let (layer, number) = name.split_at(digits);
        let number: Option<u32> = number.parse().ok();
        let switch = |number| self.switches.iter().position(|&it| it == (layer, number));
        match (layer, number) {
            ("host", Some(host)) if host < self.hosts => Some(Node::Host(host)),
            (_, Some(number)) => switch(number).map(|at| Node::Switch(at as u32)),
            _ => None,
        }
        .ok_or_else(|| {
            let mut layers: Vec<_> = self.switches.iter().map(|&(layer, _)| layer).collect();
            layers.dedup();
            let layers = layers.join(", ");
            problem(name, format!("is no node of this network (host, {layers} and a number)"))
        })
    }

    /// The links of a name.
    pub fn links_named(&self, name: &str) -> Result<Vec<LinkId>, LinkNameError> {
        let (ends, nth) = match name.split_once('#') {
            Some((ends, nth)) => (ends, Some(nth)),
            None => (name, None),
        };
        let found = if let Some((from, to)) = ends.split_once('>') {
            let ends = (self.node_named(from)?, self.node_named(to)?);
            self.select(|from, to| (from, to) == ends)
        } else if let Some((a, b)) = ends.split_once('-') {
            let (a, b) = (self.node_named(a)?, self.node_named(b)?);
            self.select(|from, to| (from, to) == (a, b) || (from, to) == (b, a))
        } else {
            let node = self.node_named(ends)?;
            self.select(|from, to| from == node || to == node)
        };
        let found = match nth {
            None => found,
            Some(nth) => {
                let nth: Option<usize> = nth.parse().ok();
                nth.and_then(|nth| found.get(nth).copied()).into_iter().collect()
            }
        };
        match found.is_empty() {
            true => Err(problem(name, "connects nothing in this network".into())),
            false => Ok(found),
        }
    }

    fn select(&self, wanted: impl Fn(Node, Node) -> bool) -> Vec<LinkId> {
        let matches = |link: &LinkId| {
            let planned = &self.links[*link as usize];
            wanted(planned.from, planned.to)
        };
        (0..self.links.len() as LinkId).filter(matches).collect()
    }
}

fn problem(name: &str, problem: String) -> LinkNameError {
    LinkNameError { name: name.to_owned(), problem }
}
