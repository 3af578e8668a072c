//! `merge`: the shards of a sweep become one.

use std::process::ExitCode;

use usrd_sim::sweep::{Results, merge};

use super::args::MergeArgs;
use super::failure::Failure;
use super::sweep::finish;

pub(crate) fn run(args: &MergeArgs) -> Result<ExitCode, Failure> {
    let load = |path: &std::path::PathBuf| Results::load(path);
    let parts = args.parts.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let whole = merge(&parts).map_err(|error| error.to_string())?;
    finish(&whole, args.out.as_deref())
}
