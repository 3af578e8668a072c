//! Puts the parts of a sweep together again.

use super::Results;

/// Why parts do not make a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Nothing was given.
    #[error("there is nothing to merge")]
    Nothing,
    /// Parts of different sweeps.
    #[error("part {0} is not of the same sweep as part 0: its {1} differs")]
    Foreign(usize, &'static str),
    /// A run is there twice.
    #[error("run {0} is there more than once")]
    Twice(u32),
    /// Runs are missing.
    #[error("{count} of {all} runs are missing, the first is {first}: shard {}/{shards}", first % shards)]
    Missing {
        /// How many.
        count: u32,
        /// Of how many.
        all: u32,
        /// The first of them.
        first: u32,
        /// The number of shards of the parts.
        shards: u32,
    },
}

/// The whole that these are the parts of: the same, byte by byte, as if it had been run at once.
pub fn merge(parts: &[Results]) -> Result<Results, MergeError> {
    let first = parts.first().ok_or(MergeError::Nothing)?;
    let mut header = first.header.clone();
    for (number, part) in parts.iter().enumerate() {
        let other = &part.header;
        let same = [
            ("scenario", header.scenario == other.scenario),
            ("grid", header.grid == other.grid),
            ("random ranges", header.random == other.random),
            ("number of draws", header.draws == other.draws),
            ("number of seeds", header.seeds == other.seeds),
            ("root seed", header.root_seed == other.root_seed),
        ];
        if let Some((what, _)) = same.iter().find(|(_, same)| !same) {
            return Err(MergeError::Foreign(number, what));
        }
    }
    let mut records: Vec<_> = parts.iter().flat_map(|part| part.records.clone()).collect();
    records.sort_by_key(|record| record.run);
    if let Some(pair) = records.windows(2).find(|pair| pair[0].run == pair[1].run) {
        return Err(MergeError::Twice(pair[0].run));
    }
    let count = header.runs - records.len() as u32;
    if count > 0 {
        let missing = (0..).zip(&records).find(|(run, record)| record.run != *run);
        let first = missing.map_or(records.len() as u32, |(run, _)| run);
        let shards = header.shard.1.max(1);
        return Err(MergeError::Missing { count, all: header.runs, first, shards });
    }
    header.shard = (0, 1);
    Ok(Results { header, records })
}
