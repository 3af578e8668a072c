//! Scenarios out of the files of htsim, a packet-level simulator that much published work uses: its
//! connection matrices (`.cm`) and its fat-tree topologies (`.topo`).

mod matrix;
mod tree;

use std::fmt::Write;

pub use self::matrix::{Connection, Matrix};
pub use self::tree::{Tier, Tree};
use crate::scenario::Scenario;

/// A scenario, as text, that runs a matrix over a topology. What is not given is filled in: one
/// switch for a missing topology, a permutation for a missing matrix.
pub fn scenario_of(
    name: &str,
    matrix: Option<&Matrix>,
    tree: Option<&Tree>,
) -> Result<String, String> {
    let hosts = match (matrix, tree) {
        (Some(matrix), Some(tree)) if matrix.nodes > tree.nodes => {
            return Err(format!(
                "the matrix has {} nodes, the topology {}",
                matrix.nodes, tree.nodes
            ));
        }
        (_, Some(tree)) => tree.nodes,
        (Some(matrix), None) => matrix.nodes,
        (None, None) => return Err("there is neither a matrix nor a topology".into()),
    };
    let mut text = format!("name = {name:?}\nend = \"1s\"\n\n");
    text += &tree.map_or_else(|| star(hosts), Tree::to_toml)?;
    text += "\n[workload]\n";
    match matrix {
        Some(matrix) => text += &matrix.to_toml()?,
        None => text += "kind = \"permutation\"\nsize = \"2MB\"\n",
    }
    let _ = writeln!(text);
    // What cannot run is refused here, where its origin is known.
    Scenario::parse(&text, name).map_err(|error| format!("does not make a scenario: {error}"))?;
    Ok(text)
}

fn star(hosts: u32) -> Result<String, String> {
    Ok(format!(
        "[topology]\nkind = \"star\"\nhosts = {hosts}\n\n[links]\nrate = \"100Gbps\"\n\
         latency = \"1us\"\nqueue = \"178450B\"\necn_min = \"37350B\"\necn_max = \"145250B\"\n\
         trimming = true\n"
    ))
}
