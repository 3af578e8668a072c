//! Routing: from every switch all shortest ways to every host, and the choice between them.
//!
//! Hosts of one switch share their ways, so the table has an entry per (switch, switch with hosts)
//! and stays small. Equal sets of links are kept once.

use std::collections::{HashMap, VecDeque};

use super::{LinkId, Node, PlannedLink, ShapeError, SwitchId};

/// The tables of all switches.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Per host, the leaf's number; hosts without a switch have none.
    leaf_of: Vec<u32>,
    /// Per leaf number, its switch.
    leaves: Vec<SwitchId>,
    /// The first link to a host is this; host h's is `down + h`.
    down: LinkId,
    /// Per switch and leaf, the group of links that lead there.
    table: Vec<u32>,
    /// Per group, its links' place in `members`.
    groups: Vec<(u32, u32)>,
    members: Vec<LinkId>,
}

impl Routes {
    pub(super) fn new(
        hosts: u32,
        switches: u32,
        links: &[PlannedLink],
    ) -> Result<Self, ShapeError> {
        let mut routes = Self { down: hosts, ..Self::default() };
        let mut numbers = HashMap::new();
        for link in &links[..hosts as usize] {
            let number = match link.to {
                Node::Host(_) => NO_LEAF,
                Node::Switch(switch) => *numbers.entry(switch).or_insert_with(|| {
                    routes.leaves.push(switch);
                    routes.leaves.len() as u32 - 1
                }),
            };
            routes.leaf_of.push(number);
        }
        routes.fill(switches, links)?;
        Ok(routes)
    }

    /// The link that a packet for host `to` takes from a switch; `hash` chooses between equals.
    #[inline]
    pub fn next(&self, switch: SwitchId, to: u32, hash: u32) -> LinkId {
        let leaf = self.leaf_of[to as usize];
        if self.leaves[leaf as usize] == switch {
            return self.down + to;
        }
        let group = self.table[switch as usize * self.leaves.len() + leaf as usize];
        let (start, len) = self.groups[group as usize];
        let chosen = (u64::from(hash) * u64::from(len)) >> 32;
        self.members[start as usize + chosen as usize]
    }

    /// All links that lead from a switch towards host `to`.
    pub fn choices(&self, switch: SwitchId, to: u32) -> &[LinkId] {
        let leaf = self.leaf_of[to as usize] as usize;
        let (start, len) =
            self.groups[self.table[switch as usize * self.leaves.len() + leaf] as usize];
        &self.members[start as usize..(start + len) as usize]
    }

    /// From every leaf outwards: what leads to a switch that is one step nearer, leads there.
    fn fill(&mut self, switches: u32, links: &[PlannedLink]) -> Result<(), ShapeError> {
        let between = Between::new(switches, links);
        let count = self.leaves.len();
        self.table = vec![0; switches as usize * count];
        let mut known: HashMap<Vec<LinkId>, u32> = HashMap::new();
        for (number, leaf) in self.leaves.clone().into_iter().enumerate() {
            let steps = between.steps_to(leaf);
            for switch in 0..switches {
                let own = steps[switch as usize];
                let nearer = |&&(_, to): &&(LinkId, SwitchId)| {
                    own != u32::MAX && steps[to as usize].saturating_add(1) == own
                };
                let group: Vec<LinkId> =
                    between.out(switch).iter().filter(nearer).map(|&(link, _)| link).collect();
                if group.is_empty() && switch != leaf && self.leaves.contains(&switch) {
                    return Err(ShapeError::Split);
                }
                self.table[switch as usize * count + number] =
                    *known.entry(group).or_insert_with_key(|group| {
                        self.groups.push((self.members.len() as u32, group.len() as u32));
                        self.members.extend(group);
                        self.groups.len() as u32 - 1
                    });
            }
        }
        Ok(())
    }
}

/// The links between switches, by where they begin.
struct Between {
    out: Vec<Vec<(LinkId, SwitchId)>>,
    into: Vec<Vec<SwitchId>>,
}

impl Between {
    fn new(switches: u32, links: &[PlannedLink]) -> Self {
        let empty = || vec![Vec::new(); switches as usize];
        let mut between = Self { out: vec![Vec::new(); switches as usize], into: empty() };
        for (id, link) in (0..).zip(links) {
            if let (Node::Switch(from), Node::Switch(to)) = (link.from, link.to) {
                between.out[from as usize].push((id, to));
                between.into[to as usize].push(from);
            }
        }
        between
    }

    fn out(&self, switch: SwitchId) -> &[(LinkId, SwitchId)] {
        &self.out[switch as usize]
    }

    /// How many links each switch is away; `u32::MAX` if there is no way.
    fn steps_to(&self, target: SwitchId) -> Vec<u32> {
        let mut steps = vec![u32::MAX; self.out.len()];
        let mut open = VecDeque::from([target]);
        steps[target as usize] = 0;
        while let Some(at) = open.pop_front() {
            for &from in &self.into[at as usize] {
                if steps[from as usize] == u32::MAX {
                    steps[from as usize] = steps[at as usize] + 1;
                    open.push_back(from);
                }
            }
        }
        steps
    }
}

/// Spreads 64 bits over 32, each of which depends on all of them: what ECMP does with a header.
#[inline]
pub fn mix(bits: u64) -> u32 {
    let product = u128::from(bits ^ SALT) * u128::from(FACTOR);
    let folded = product as u64 ^ (product >> 64) as u64;
    (folded.wrapping_mul(FACTOR) >> 32) as u32
}

/// Of a host whose cable leads to another host.
const NO_LEAF: u32 = u32::MAX;
/// Odd, with no pattern: digits of the golden ratio and of pi.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const SALT: u64 = 0x243f_6a88_85a3_08d3;
